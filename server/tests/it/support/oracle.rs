//! A second opinion on a store's numbers, from its flat ledger alone, written without a look at the program's own rules:
//! only the KPI definitions are common to both.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use chrono::NaiveDate;
use chrono_tz::Tz;
use rust_decimal::Decimal;
use server::providers::shopify::sandbox::LedgerRow;

/// A day as the store's own reports would have it.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Day {
    pub(crate) orders: i64,
    pub(crate) gross_sales: Decimal,
    pub(crate) discounts: Decimal,
    pub(crate) refunds: Decimal,
    pub(crate) shipping: Decimal,
    pub(crate) taxes: Decimal,
    pub(crate) duties_and_fees: Decimal,
    pub(crate) order_value: Decimal,
}

impl Day {
    pub(crate) fn revenue_net(&self) -> Decimal {
        self.gross_sales - self.discounts - self.refunds
    }

    pub(crate) fn total_sales(&self) -> Decimal {
        self.revenue_net() + self.taxes + self.shipping + self.duties_and_fees
    }
}

/// Every day on which the ledger says something, in the store's time zone.
pub(crate) fn days(ledger: &[LedgerRow], timezone: Tz) -> BTreeMap<NaiveDate, Day> {
    let counted = || ledger.iter().filter(|row| !row.test && !row.deleted);
    let local = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&timezone).date_naive();

    let placed = placed(ledger, timezone);
    let mut days: BTreeMap<NaiveDate, Day> = BTreeMap::new();
    for day in placed.values() {
        days.entry(*day).or_default().orders += 1;
    }
    for row in counted() {
        if ["GIFT_CARD", "TIP"].contains(&row.line_type.as_str()) {
            continue;
        }
        let before_tax = row.total_amount - row.total_tax_amount;
        let day = days.entry(local(row.happened_at)).or_default();
        day.taxes += row.total_tax_amount;
        match (row.line_type.as_str(), row.action_type.as_str()) {
            ("SHIPPING", _) => day.shipping += before_tax,
            ("DUTY" | "FEE" | "ADDITIONAL_FEE", _) => day.duties_and_fees += before_tax,
            ("ADJUSTMENT", _) | ("PRODUCT", "RETURN") => day.refunds -= before_tax,
            ("PRODUCT", "UPDATE") if row.total_amount < Decimal::ZERO => day.refunds -= before_tax,
            ("PRODUCT", _) => {
                day.discounts += row.total_discount_amount_before_taxes;
                day.gross_sales += before_tax + row.total_discount_amount_before_taxes;
                if row.reason == "ORDER" {
                    days.entry(placed[&row.order_id]).or_default().order_value += before_tax;
                }
            }
            other => panic!("the definitions say nothing about {other:?}"),
        }
    }
    days
}

/// On which day each order counts.
fn placed(ledger: &[LedgerRow], timezone: Tz) -> HashMap<u64, NaiveDate> {
    let local = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&timezone).date_naive();
    let mut placed: HashMap<u64, NaiveDate> = HashMap::new();
    for row in ledger.iter().filter(|row| !row.test && !row.deleted) {
        let day = if row.reason == "ORDER" {
            local(row.happened_at)
        } else {
            local(row.processed_at)
        };
        let has_order = ledger
            .iter()
            .any(|other| other.order_id == row.order_id && other.reason == "ORDER");
        if row.reason == "ORDER" || !has_order {
            placed
                .entry(row.order_id)
                .and_modify(|known| *known = day.min(*known))
                .or_insert(day);
        }
    }
    placed
}

/// A product as the store's books have it over some days: by its id, or where there is none by what stands on the line.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Product {
    pub(crate) orders: i64,
    pub(crate) units: i64,
    pub(crate) units_returned: i64,
    pub(crate) gross_sales: Decimal,
    pub(crate) discounts: Decimal,
    pub(crate) refunds: Decimal,
}

pub(crate) type ProductName = (Option<u64>, Option<String>);

/// Every product that moved on these days of the store's time zone.
pub(crate) fn products(
    ledger: &[LedgerRow],
    timezone: Tz,
    days: RangeInclusive<NaiveDate>,
) -> BTreeMap<ProductName, Product> {
    let placed = placed(ledger, timezone);
    let mut products: BTreeMap<ProductName, Product> = BTreeMap::new();
    let mut ordered: BTreeMap<ProductName, BTreeSet<u64>> = BTreeMap::new();
    for row in ledger.iter().filter(|row| !row.test && !row.deleted) {
        let name = match (row.line_type.as_str(), row.product_id) {
            ("PRODUCT", None) => (None, row.line_title.clone()),
            ("PRODUCT", id) => (id, None),
            ("ADJUSTMENT", _) => (None, None),
            _ => continue,
        };
        let quantity = i64::from(row.quantity.unwrap_or(0));
        if row.reason == "ORDER" && row.action_type == "ORDER" && days.contains(&placed[&row.order_id]) {
            products.entry(name.clone()).or_default().units += quantity;
            ordered.entry(name.clone()).or_default().insert(row.order_id);
        }
        if !days.contains(&row.happened_at.with_timezone(&timezone).date_naive()) {
            continue;
        }
        let before_tax = row.total_amount - row.total_tax_amount;
        let product = products.entry(name).or_default();
        let comes_back = row.action_type == "RETURN"
            || (row.action_type == "UPDATE" && (row.total_amount < Decimal::ZERO || quantity < 0));
        if row.line_type == "ADJUSTMENT" {
            product.refunds -= before_tax;
        } else if comes_back {
            product.refunds -= before_tax;
            product.units_returned -= quantity;
        } else {
            product.gross_sales += before_tax + row.total_discount_amount_before_taxes;
            product.discounts += row.total_discount_amount_before_taxes;
        }
    }
    for (name, orders) in ordered {
        products.entry(name).or_default().orders = orders.len() as i64;
    }
    products
}
