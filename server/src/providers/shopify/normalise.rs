//! From Shopify's dated ledger of an order to what the order contributes to which day. Pure: the same payload always
//! gives the same fact.
//!
//! A row of the ledger counts on the day it happened, in the store's time zone, whatever day the order is from:
//!
//! | row | counts as |
//! |---|---|
//! | gift card, tip | nothing: a liability, and money that passes through |
//! | product, ordered or added | `gross_sales` (before discounts) and `discounts` |
//! | product, returned or taken away | `refunds` |
//! | adjustment | `refunds`, by its sign |
//! | shipping | `shipping` |
//! | duty, fee, additional fee | `duties_and_fees` |
//! | tax of each row above that counts | `taxes` |
//!
//! All amounts but `taxes` are without tax. The rows of products and adjustments count once more, by the same rules and
//! on the same days, for the product that stands on the line; adjustments for none. A row that fits none of these lines makes the order unreadable: a number
//! that is missing can be seen and explained, a wrong one can't.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::quoted;
use super::wire::{Agreement, OrderActionType, OrderNode, Sale, SaleActionType, SaleDetails, SaleLineType};
use crate::domain::clock::local_date;
use crate::domain::fact::{OrderDay, OrderFact, OrderProductDay, ProductSums, SalesSums, Utm};
use crate::domain::ids::{ShopifyCustomerId, ShopifyOrderId, ShopifyProductId};
use crate::domain::money::CurrencyCode;

/// Amounts are stored with this many decimals; a currency has three at most.
const DECIMALS: u32 = 4;
/// No sale is as large as this; sums of smaller ones stay far from what a decimal can hold.
const LARGEST_AMOUNT: Decimal = Decimal::from_parts(0xA4C6_8000, 0x0003_8D7E, 0, false, 0);
/// Stands in a stored payload for a customer who was forgotten. The order still counts as a customer's.
const FORGOTTEN: ShopifyCustomerId = ShopifyCustomerId(0);
/// As much of a product's title as is kept, in characters: all that Shopify lets one have.
const TITLE: usize = 255;
/// The years that a record may be from.
pub(super) const YEARS: RangeInclusive<i32> = 1900..=2200;

/// The fact that a stored payload of an order stands for, or a sentence that says why it stands for none.
pub(super) fn replay(payload: &RawValue, timezone: Tz, currency: CurrencyCode) -> Result<OrderFact, String> {
    let order: OrderNode = serde_json::from_str(payload.get()).map_err(|error| unreadable(&error))?;
    order_fact(&order, timezone, currency)
}

/// The fact that an order stands for, or a sentence that says why it stands for none.
pub(super) fn order_fact(order: &OrderNode, timezone: Tz, currency: CurrencyCode) -> Result<OrderFact, String> {
    if order.currency_code != currency {
        return Err(format!(
            "the order is in {}, but the store's numbers are in {currency}",
            order.currency_code
        ));
    }
    if order.agreements.page_info.has_next_page {
        return Err("the order has more agreements than the payload holds".to_owned());
    }
    let placed_at = order
        .agreements
        .nodes
        .iter()
        .filter(|agreement| is_placement(agreement));
    let placed_at = placed_at.map(|agreement| agreement.happened_at).min();
    let order_date = day_of(placed_at.unwrap_or(order.processed_at), timezone)?;

    let customer_id: Option<ShopifyCustomerId> = match &order.customer {
        Some(customer) => Some(ShopifyCustomerId(number_in(&customer.id)?)),
        None => None,
    };
    let journey = order.customer_journey_summary.as_ref();
    let customer_order_index: Option<i32> = match journey.and_then(|journey| journey.customer_order_index) {
        Some(index) => Some(i32::try_from(index).map_err(|_| format!("{index} can't be an order's number"))?),
        None => None,
    };

    let mut days: BTreeMap<NaiveDate, SalesSums> = BTreeMap::new();
    let placement = days.entry(order_date).or_default();
    placement.orders = 1;
    match (customer_id, customer_order_index) {
        (None, _) => placement.guest_orders = 1,
        (Some(_), Some(1)) => placement.new_customer_orders = 1,
        (Some(_), Some(2..)) => placement.returning_customer_orders = 1,
        (Some(_), _) => {}
    }
    let mut product_days: BTreeMap<(NaiveDate, Line), ProductSums> = BTreeMap::new();
    for agreement in &order.agreements.nodes {
        if agreement.sales.page_info.has_next_page {
            return Err("an agreement of the order has more sales than the payload holds".to_owned());
        }
        let date = day_of(agreement.happened_at, timezone)?;
        for sale in &agreement.sales.nodes {
            let row = LedgerRow::read(sale, currency)?;
            row.add_to(days.entry(date).or_default());
            if is_placement(agreement) {
                row.add_placement_to(days.entry(order_date).or_default());
            }
            if row.kind.is_merchandise() {
                let line = Line::of(sale)?;
                if is_placement(agreement) {
                    row.add_placement_to_product(product_days.entry((order_date, line.clone())).or_default());
                }
                row.add_to_product(product_days.entry((date, line)).or_default());
            }
        }
    }

    let mut totals = SalesSums::default();
    for sums in days.values() {
        totals += *sums;
    }
    let visit = journey.and_then(|journey| journey.last_visit.as_ref());
    let utm = visit.and_then(|visit| visit.utm_parameters.as_ref());
    Ok(OrderFact {
        id: ShopifyOrderId(number_in(&order.legacy_resource_id)?),
        name: order.name.clone(),
        created_at: order.created_at,
        updated_at: order.updated_at,
        processed_at: order.processed_at,
        cancelled_at: order.cancelled_at,
        order_date,
        currency,
        is_test: order.test,
        financial_status: order.display_financial_status.clone(),
        fulfillment_status: Some(order.display_fulfillment_status.clone()),
        customer_id: customer_id.filter(|id| *id != FORGOTTEN),
        customer_order_index,
        source_name: order.source_name.clone(),
        utm: utm.map_or_else(Utm::default, |utm| Utm {
            source: utm.source.clone(),
            medium: utm.medium.clone(),
            campaign: utm.campaign.clone(),
            content: utm.content.clone(),
            term: utm.term.clone(),
        }),
        days: if order.test {
            Vec::new()
        } else {
            days.into_iter().map(|(date, sums)| OrderDay { date, sums }).collect()
        },
        product_days: if order.test {
            Vec::new()
        } else {
            let moved = product_days.into_iter();
            moved
                .filter(|(_, sums)| *sums != ProductSums::default())
                .map(|((date, line), sums)| OrderProductDay {
                    date,
                    product_id: line.product_id,
                    title: line.title,
                    sums,
                })
                .collect()
        },
        totals,
    })
}

/// What a row of the ledger counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Merchandise sold when the order was placed.
    Sold,
    /// Merchandise added later.
    Added,
    /// Merchandise that went back or was taken off the order.
    Reversed,
    /// The difference between the value of what went back and what was refunded.
    Adjusted,
    Shipping,
    DutyOrFee,
    /// In no number.
    Uncounted,
}

impl Kind {
    /// Whether it is a part of gross sales, discounts or refunds.
    fn is_merchandise(self) -> bool {
        matches!(self, Self::Sold | Self::Added | Self::Reversed | Self::Adjusted)
    }
}

/// What a row of merchandise is about: a product, or only what stands on the line, or nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    product_id: Option<ShopifyProductId>,
    title: Option<String>,
}

impl Line {
    fn of(sale: &Sale) -> Result<Self, String> {
        let SaleDetails::ProductSale(details) = &sale.on else {
            return Ok(Self::default());
        };
        let item = &details.line_item;
        let product_id = match &item.product {
            Some(product) => Some(ShopifyProductId(number_in(&product.id)?)),
            None => None,
        };
        let title: String = item.title.trim().chars().take(TITLE).collect();
        Ok(Self {
            product_id,
            title: Some(title).filter(|title| !title.is_empty()),
        })
    }
}

/// A row of the ledger in decimals of the store's currency.
#[derive(Debug)]
struct LedgerRow {
    kind: Kind,
    quantity: i64,
    /// With tax, after discounts.
    total: Decimal,
    tax: Decimal,
    /// Without tax.
    discount: Decimal,
}

impl LedgerRow {
    fn read(sale: &Sale, currency: CurrencyCode) -> Result<Self, String> {
        let amount = |amount: Decimal, of: CurrencyCode| {
            if of != currency {
                Err(format!("a sale is in {of}, but the store's numbers are in {currency}"))
            } else if amount.abs() >= LARGEST_AMOUNT || amount.normalize().scale() > DECIMALS {
                Err(format!(
                    "the order has a sale of {amount} {currency}, which can't be kept exactly"
                ))
            } else {
                Ok(amount)
            }
        };
        let total = &sale.total_amount.shop_money;
        let tax = &sale.total_tax_amount.shop_money;
        let discount = &sale.total_discount_amount_before_taxes.shop_money;
        let total = amount(total.amount, total.currency_code)?;
        let quantity = sale.quantity.unwrap_or(0);
        if i32::try_from(quantity).is_err() {
            return Err(format!("{quantity} can't be a quantity"));
        }
        Ok(Self {
            kind: Kind::of(sale, total, quantity)?,
            quantity,
            total,
            tax: amount(tax.amount, tax.currency_code)?,
            discount: amount(discount.amount, discount.currency_code)?,
        })
    }

    /// Adds what the row contributes to the day on which it happened.
    fn add_to(&self, day: &mut SalesSums) {
        let net = self.total - self.tax;
        match self.kind {
            Kind::Sold | Kind::Added => {
                day.gross_sales += net + self.discount;
                day.discounts += self.discount;
            }
            Kind::Reversed | Kind::Adjusted => day.refunds -= net,
            Kind::Shipping => day.shipping += net,
            Kind::DutyOrFee => day.duties_and_fees += net,
            Kind::Uncounted => return,
        }
        day.taxes += self.tax;
    }

    /// Adds what the row, being one of those with which the order was placed, contributes to the order's own day.
    fn add_placement_to(&self, order_day: &mut SalesSums) {
        if matches!(self.kind, Kind::Sold | Kind::Added) {
            order_day.order_value += self.total - self.tax;
        }
        if self.kind == Kind::Sold {
            order_day.units += self.quantity;
        }
    }

    /// As [`add_to`](Self::add_to), for the product that the row is about.
    fn add_to_product(&self, day: &mut ProductSums) {
        let net = self.total - self.tax;
        match self.kind {
            Kind::Sold | Kind::Added => {
                day.gross_sales += net + self.discount;
                day.discounts += self.discount;
            }
            Kind::Reversed => {
                day.refunds -= net;
                day.units_returned -= self.quantity;
            }
            Kind::Adjusted => day.refunds -= net,
            Kind::Shipping | Kind::DutyOrFee | Kind::Uncounted => {}
        }
    }

    /// As [`add_placement_to`](Self::add_placement_to), for the product that the row is about.
    fn add_placement_to_product(&self, order_day: &mut ProductSums) {
        if self.kind == Kind::Sold {
            order_day.units += self.quantity;
        }
    }
}

impl Kind {
    fn of(sale: &Sale, total: Decimal, quantity: i64) -> Result<Self, String> {
        if matches!(sale.line_type, SaleLineType::GiftCard | SaleLineType::Tip) {
            return Ok(Self::Uncounted);
        }
        let takes_away = total < Decimal::ZERO || (total.is_zero() && quantity < 0);
        let action = match &sale.action_type {
            SaleActionType::Order => Self::Sold,
            SaleActionType::Update if takes_away => Self::Reversed,
            SaleActionType::Update => Self::Added,
            SaleActionType::Return => Self::Reversed,
            SaleActionType::Unknown => return Err("the order has a sale of unknown action".to_owned()),
            SaleActionType::Other(action) => return Err(format!("the order has a sale of unknown action `{action}`")),
        };
        match &sale.line_type {
            SaleLineType::Product => Ok(action),
            SaleLineType::Adjustment => Ok(Self::Adjusted),
            SaleLineType::Shipping => Ok(Self::Shipping),
            SaleLineType::Duty | SaleLineType::Fee | SaleLineType::AdditionalFee => Ok(Self::DutyOrFee),
            SaleLineType::GiftCard | SaleLineType::Tip => Ok(Self::Uncounted),
            SaleLineType::Unknown => Err("the order has a sale of an unknown type".to_owned()),
            SaleLineType::Other(line) => Err(format!("the order has a sale of unknown type `{line}`")),
        }
    }
}

/// The local day of a moment in a year that a store can have orders from.
fn day_of(at: DateTime<Utc>, timezone: Tz) -> Result<NaiveDate, String> {
    if YEARS.contains(&at.year()) {
        Ok(local_date(at, timezone))
    } else {
        Err(format!("the order has a date in the year {}", at.year()))
    }
}

/// Whether the agreement is the order itself, not a later change to it.
fn is_placement(agreement: &Agreement) -> bool {
    agreement.reason == OrderActionType::Order
}

/// The numeric id at the end of `gid://shopify/Order/123` or of `123`.
pub(super) fn number_in(id: &str) -> Result<i64, String> {
    let number = id.rsplit('/').next().unwrap_or(id);
    number
        .parse()
        .map_err(|_| format!("`{}` is not one of Shopify's ids", quoted(id)))
}

/// The numeric id of a record that could not be read as a whole.
pub(super) fn external_id(payload: &RawValue) -> Option<String> {
    let record: Value = serde_json::from_str(payload.get()).ok()?;
    [&record["legacyResourceId"], &record["id"]]
        .into_iter()
        .filter_map(Value::as_str)
        .find_map(|id| number_in(id).ok())
        .map(|id| id.to_string())
}

/// The sentence for an order that does not have the shape that was asked for.
pub(super) fn unreadable(error: &serde_json::Error) -> String {
    format!(
        "the order does not have the shape that was asked for: {}",
        quoted(&error.to_string())
    )
}

#[cfg(test)]
mod tests;
