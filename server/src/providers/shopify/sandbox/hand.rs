//! Changes by hand: what a merchant, or a test, does to a store.
//!
//! A change is recorded now, so that `updatedAt` shows it, and may be dated back with `at`. What had been written for
//! the order's future is struck out first: from then on its life is the hand's.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::money::Terms;
use super::order::{
    CancelReason, Change, Charges, Customer, Edit, Item, Journey, LineKind, Opening, Order, Reversal, Sale, Visit,
};
use super::seed::handmade_order_id;
use super::shops::Profile;
use super::state::{ProductChange, Store, Unlisted};
use super::{Inner, Sandbox};

/// Why the sandbox does not do what it is asked.
#[derive(Debug, Error)]
pub enum SandboxError {
    /// The stores are built in.
    #[error("The sandbox has no store {0}: GET /_sandbox/shops lists those it has.")]
    UnknownShop(String),
    /// Neither visible nor deleted.
    #[error("The store has no order {0}.")]
    UnknownOrder(u64),
    /// The store does not have it, or does not have it any more.
    #[error("The store has no product {0}.")]
    UnknownProduct(u64),
    /// The order can't bear it.
    #[error("{0}")]
    Refused(String),
}

/// An order to be placed. Everything has a default: an empty one buys one unit of a product at 10.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewOrder {
    /// What is bought.
    pub lines: Vec<NewLine>,
    /// Off the goods together, in the way that the shop lists prices.
    pub order_discount: Decimal,
    /// The listed price of shipping; none for an order that is not shipped.
    pub shipping: Option<Decimal>,
    /// A tip.
    pub tip: Decimal,
    /// A duty.
    pub duty: Decimal,
    /// As a fraction; the first of the shop's usual rates if not given.
    pub tax_rate: Option<Decimal>,
    /// The customer's number; a guest's order if not given.
    pub customer_id: Option<u64>,
    /// A trial of the checkout, not a sale.
    pub test: bool,
    /// Whether no money has come in yet.
    pub unpaid: bool,
    /// When the sale happened, not later than now; now if not given.
    pub at: Option<DateTime<Utc>>,
    /// The channel; `web` if not given.
    pub source_name: Option<String>,
}

/// A line to be bought.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewLine {
    /// What stands on the line.
    pub title: String,
    /// The listed price of a unit.
    pub price: Decimal,
    /// Units.
    pub quantity: i32,
    /// Off the listed price of all units together.
    pub discount: Decimal,
    /// A gift card instead of goods.
    pub gift_card: bool,
}

impl Default for NewLine {
    fn default() -> Self {
        Self {
            title: "Handmade item".to_owned(),
            price: Decimal::TEN,
            quantity: 1,
            discount: Decimal::ZERO,
            gift_card: false,
        }
    }
}

/// Units of a line, named by its place on the order from 0.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineQuantity {
    /// The line's place.
    pub line: usize,
    /// Units.
    pub quantity: i32,
}

/// A reduction of a line, named by its place on the order from 0.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineDiscount {
    /// The line's place.
    pub line: usize,
    /// Off the listed price.
    pub amount: Decimal,
}

/// What goes back. An empty request takes everything back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RefundRequest {
    /// Units by line.
    pub lines: Vec<LineQuantity>,
    /// Whether the shipping goes back.
    pub shipping: bool,
    /// Kept by the store (positive), or given beyond the goods' value (negative).
    pub adjustment: Decimal,
    /// A fee for the return.
    pub fee: Decimal,
    /// Books a processed return rather than a refund.
    pub as_return: bool,
    /// When it happened, not later than now; now if not given.
    pub at: Option<DateTime<Utc>>,
}

/// What an edit changes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EditRequest {
    /// Lines to add.
    pub add: Vec<NewLine>,
    /// Units that lines shall have; 0 removes the line.
    pub quantities: Vec<LineQuantity>,
    /// Further reductions of lines.
    pub discounts: Vec<LineDiscount>,
    /// The amount of a sale of a kind that readers do not know yet.
    pub unknown: Decimal,
    /// When it happened, not later than now; now if not given.
    pub at: Option<DateTime<Utc>>,
}

/// A cancellation: everything left goes back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CancelRequest {
    /// `CUSTOMER`, `DECLINED`, `FRAUD`, `INVENTORY`, `OTHER` or `STAFF`; `CUSTOMER` if not given.
    pub reason: CancelReason,
    /// When it happened, not later than now; now if not given.
    pub at: Option<DateTime<Utc>>,
}

/// What changes of a store's settings; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopChange {
    /// The name that people read.
    pub name: Option<String>,
    /// IANA time zone of its days.
    pub timezone: Option<String>,
    /// Currency code of its books: one that the sandbox sells in.
    pub currency: Option<String>,
    /// Whether listed prices hold the tax.
    pub taxes_included: Option<bool>,
    /// Scopes that tokens lack from now on, whatever was granted.
    pub withheld_scopes: Option<Vec<String>>,
}

/// An order in a few words.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OrderSummary {
    /// The order's number in URLs and ids.
    pub id: u64,
    /// The name that people see.
    pub name: String,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was sold.
    pub processed_at: DateTime<Utc>,
    /// Lines, also those removed.
    pub lines: usize,
    /// Worth after edits, refunds and returns, with tax.
    pub current_total: Decimal,
    /// Currency code.
    pub currency: String,
}

/// A row of a store's ledger, with what is needed to judge it. In JSON its fields have the names of the Admin API.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LedgerRow {
    /// The order's number.
    pub order_id: u64,
    /// The order's name.
    pub order_name: String,
    /// Whether the order is a trial.
    pub test: bool,
    /// Whether the order has been deleted since.
    pub deleted: bool,
    /// When the order was sold.
    pub processed_at: DateTime<Utc>,
    /// The date in the ledger.
    pub happened_at: DateTime<Utc>,
    /// `ORDER`, `ORDER_EDIT`, `REFUND` or `RETURN`.
    pub reason: String,
    /// `ORDER`, `RETURN`, `UPDATE` or `UNKNOWN`.
    pub action_type: String,
    /// `PRODUCT`, `SHIPPING`, `GIFT_CARD`, …
    pub line_type: String,
    /// The product behind the line, as long as there is one.
    pub product_id: Option<u64>,
    /// What stands on the line; none for a sale of another kind.
    pub line_title: Option<String>,
    /// Units, where the kind has any.
    pub quantity: Option<i32>,
    /// After discounts, with tax.
    pub total_amount: Decimal,
    /// The tax in it.
    pub total_tax_amount: Decimal,
    /// The discount, without its share of tax.
    pub total_discount_amount_before_taxes: Decimal,
    /// Currency code.
    pub currency: String,
    /// The first, second, … order of its customer, as far as `customerJourneySummary` shows it by now.
    pub customer_order_index: Option<i32>,
}

impl Sandbox {
    /// Places an order.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`]; [`SandboxError::Refused`] for a date in the future.
    pub fn create_order(&self, shop: &str, request: NewOrder) -> Result<OrderSummary, SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        let at = dated(request.at, now)?;
        self.inner.with_store(shop, now, |store| {
            let order = handmade(shop, store, request, at, now);
            Ok(self.keep(store, order, now))
        })
    }

    /// Changes the settings of a store.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`]; [`SandboxError::Refused`] for a time zone or currency that there is not.
    pub fn change_shop(&self, shop: &str, change: ShopChange) -> Result<(), SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        let refused = |what: &str| SandboxError::Refused(format!("The sandbox knows no {what}."));
        let is_visible = change.name.is_some()
            || change.timezone.is_some()
            || change.currency.is_some()
            || change.taxes_included.is_some();
        let timezone = change.timezone.map(|name| name.parse().map_err(|_| refused(&name)));
        let currency = change
            .currency
            .map(|code| serde_json::from_value(code.as_str().into()).map_err(|_| refused(&code)));
        let (timezone, currency) = (timezone.transpose()?, currency.transpose()?);
        self.inner.with_store(shop, now, |store| {
            let settings = &mut store.settings;
            settings.name = change.name.unwrap_or_else(|| settings.name.clone());
            settings.timezone = timezone.unwrap_or(settings.timezone);
            settings.currency = currency.unwrap_or(settings.currency);
            settings.taxes_included = change.taxes_included.unwrap_or(settings.taxes_included);
            if let Some(withheld) = change.withheld_scopes {
                settings.withheld_scopes = withheld;
            }
            if is_visible {
                settings.updated_at = now;
                store.announce_settings(now);
            }
        });
        self.inner.news.notify_one();
        Ok(())
    }

    /// Takes goods back and repays them.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`], [`SandboxError::UnknownOrder`]; [`SandboxError::Refused`] where no so many units
    /// are left.
    pub fn refund_order(&self, shop: &str, order: u64, request: RefundRequest) -> Result<OrderSummary, SandboxError> {
        let everything =
            request.lines.is_empty() && !request.shipping && request.adjustment.is_zero() && request.fee.is_zero();
        self.change(shop, order, request.at, |order, at, now| {
            let reversal = if everything {
                Reversal {
                    as_return: request.as_return,
                    ..order.everything_left()
                }
            } else {
                Reversal {
                    lines: request.lines.iter().map(|it| (it.line, it.quantity)).collect(),
                    shipping: request.shipping,
                    charges: false,
                    adjustment: request.adjustment,
                    fee: request.fee,
                    as_return: request.as_return,
                }
            };
            order.reverse(at, now, reversal)
        })
    }

    /// Adds, removes and reprices lines.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`], [`SandboxError::UnknownOrder`]; [`SandboxError::Refused`] for an edit that changes
    /// nothing or that a line can't bear.
    pub fn edit_order(&self, shop: &str, order: u64, request: EditRequest) -> Result<OrderSummary, SandboxError> {
        self.change(shop, order, request.at, |order, at, now| {
            let edit = Edit {
                add: request.add.into_iter().map(item).collect(),
                quantities: request.quantities.iter().map(|it| (it.line, it.quantity)).collect(),
                discounts: request.discounts.iter().map(|it| (it.line, it.amount)).collect(),
                unknown: request.unknown,
            };
            order.edit(at, now, edit)
        })
    }

    /// Cancels an order: everything left goes back.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`], [`SandboxError::UnknownOrder`]; [`SandboxError::Refused`] for the second time.
    pub fn cancel_order(&self, shop: &str, order: u64, request: CancelRequest) -> Result<OrderSummary, SandboxError> {
        self.change(shop, order, request.at, |order, at, now| {
            order.cancel(at, now, request.reason)
        })
    }

    /// Changes nothing but `updatedAt`, as a tag or a note does.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`], [`SandboxError::UnknownOrder`].
    pub fn touch_order(&self, shop: &str, order: u64) -> Result<OrderSummary, SandboxError> {
        self.change(shop, order, None, |order, _, now| {
            order.record(now, Change::Touched);
            Ok(())
        })
    }

    /// Deletes an order. The ledger keeps its rows, marked.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`], [`SandboxError::UnknownOrder`].
    pub fn delete_order(&self, shop: &str, order: u64) -> Result<OrderSummary, SandboxError> {
        self.change(shop, order, None, |order, _, now| {
            order.record(now, Change::Deleted);
            Ok(())
        })
    }

    /// Keeps an order out of lists, or with none lets them have it again.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`], [`SandboxError::UnknownOrder`].
    pub fn unlist_order(&self, shop: &str, order: u64, from: Option<Unlisted>) -> Result<(), SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        self.inner.with_store(shop, now, |store| {
            if store.shelf(now).order(order).is_none() {
                return Err(SandboxError::UnknownOrder(order));
            }
            match from {
                Some(from) => store.unlisted.insert(order, from),
                None => store.unlisted.remove(&order),
            };
            Ok(())
        })
    }

    /// Gives a product another name. Lines of orders keep the name that they were sold under.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`], [`SandboxError::UnknownProduct`].
    pub fn rename_product(&self, shop: &str, product: u64, title: &str) -> Result<(), SandboxError> {
        let title = title.to_owned();
        self.change_product(shop, product, |at| ProductChange::Renamed { title, at })
    }

    /// Deletes a product. Lines of orders keep its name, and nothing stands behind it any more.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`], [`SandboxError::UnknownProduct`].
    pub fn delete_product(&self, shop: &str, product: u64) -> Result<(), SandboxError> {
        self.change_product(shop, product, |_| ProductChange::Deleted)
    }

    fn change_product(
        &self,
        shop: &str,
        id: u64,
        change: impl FnOnce(DateTime<Utc>) -> ProductChange,
    ) -> Result<(), SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        self.inner.with_store(shop, now, |store| {
            let there = store.shelf(now).products(shop, now);
            if !there.iter().any(|product| product.id == id) {
                return Err(SandboxError::UnknownProduct(id));
            }
            store.change_product(id, change(now));
            Ok(())
        })
    }

    /// The ledger of a store up to now: what every number about it can be checked against.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`].
    pub fn ledger(&self, shop: &str) -> Result<Vec<LedgerRow>, SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        let shelf = self.inner.with_store(shop, now, |store| store.shelf(now));
        let products: HashSet<u64> = shelf.products(shop, now).iter().map(|product| product.id).collect();
        Ok(shelf
            .orders
            .iter()
            .flat_map(|order| rows(order, &products, now))
            .collect())
    }

    fn change(
        &self,
        shop: &str,
        id: u64,
        at: Option<DateTime<Utc>>,
        change: impl FnOnce(&mut Order, DateTime<Utc>, DateTime<Utc>) -> Result<(), String>,
    ) -> Result<OrderSummary, SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        let at = dated(at, now)?;
        self.inner.with_store(shop, now, |store| {
            let order = store.shelf(now).order(id).filter(|order| order.is_there(now)).cloned();
            let mut order = Order::clone(&*order.ok_or(SandboxError::UnknownOrder(id))?);
            order.forget_after(now);
            change(&mut order, at, now).map_err(SandboxError::Refused)?;
            Ok(self.keep(store, order, now))
        })
    }

    fn keep(&self, store: &mut Store, order: Order, now: DateTime<Utc>) -> OrderSummary {
        let summary = OrderSummary {
            id: order.id,
            name: order.name(),
            updated_at: order.updated_at(now),
            processed_at: order.processed_at,
            lines: order.lines.len(),
            current_total: order.worth(now).total,
            currency: word(&order.terms.currency),
        };
        // The shelf must hold the days before, or a day's writing would come after the hand's.
        store.shelf(now);
        store.put(order);
        self.inner.news.notify_one();
        summary
    }
}

/// A date that is not in the future.
fn dated(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<DateTime<Utc>, SandboxError> {
    match at {
        Some(at) if at > now => Err(SandboxError::Refused(format!(
            "{at} is in the future: it is {now} now."
        ))),
        Some(at) => Ok(DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)),
        None => Ok(now),
    }
}

fn handmade(
    shop: &'static Profile,
    store: &mut Store,
    request: NewOrder,
    at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Order {
    let count = store.next_handmade();
    let (rate, _) = shop.tax_rates[0];
    let mut items: Vec<_> = request.lines.into_iter().map(item).collect();
    if items.is_empty() {
        items.push(item(NewLine::default()));
    }
    if !request.tip.is_zero() {
        let tip = NewLine {
            title: "Tip".to_owned(),
            price: request.tip,
            ..NewLine::default()
        };
        items.push(Item {
            kind: LineKind::Tip,
            taxed: false,
            ..item(tip)
        });
    }
    let customer = request.customer_id.map(|id| {
        let shelf = store.shelf(now);
        let earlier = shelf.orders.iter().filter(|order| order.is_there(now));
        let earlier: Vec<_> = earlier
            .filter_map(|order| order.customer.as_ref())
            .filter(|customer| customer.id == id)
            .collect();
        Customer {
            id,
            since: earlier.first().map_or(at, |customer| customer.since),
            order_index: earlier.iter().map(|customer| customer.order_index).max().unwrap_or(0) + 1,
        }
    });
    let direct = Visit {
        at,
        source: "direct",
        referrer: None,
        utm: None,
    };
    let opening = Opening {
        id: handmade_order_id(shop, shop.local_date(now)) + count,
        number: 900_000 + count,
        test: request.test,
        processed_at: at,
        created_at: now,
        terms: Terms {
            currency: shop.currency,
            taxes_included: shop.taxes_included,
            tax_rate: request.tax_rate.unwrap_or(Decimal::new(rate, 4)),
            presentment: shop.currency,
            presentment_rate: Decimal::ONE,
        },
        source_name: request.source_name.unwrap_or_else(|| "web".to_owned()),
        customer,
        journey: Some(Journey {
            ready_at: Some(now),
            first: direct.clone(),
            last: direct,
        }),
        discount_codes: Vec::new(),
        authorized: false,
    };
    let charges = Charges {
        shipping: request
            .shipping
            .map(|price| (shop.shipping_title.to_owned(), price, Decimal::ZERO)),
        shipping_taxed: shop.taxes_shipping,
        order_discount: request.order_discount,
        duty: request.duty,
        additional_fee: Decimal::ZERO,
    };
    let mut order = Order::place(opening, items, charges);
    let due = order.worth(now).total;
    if !request.unpaid && due > Decimal::ZERO {
        order.record(now, Change::Paid(due));
    }
    order
}

fn item(line: NewLine) -> Item {
    Item {
        kind: if line.gift_card {
            LineKind::GiftCard
        } else {
            LineKind::Goods
        },
        title: line.title,
        variant_title: None,
        vendor: None,
        sku: None,
        product: None,
        variant: None,
        unit_price: line.price,
        quantity: line.quantity,
        discount: line.discount,
        taxed: !line.gift_card,
    }
}

fn rows(order: &Order, products: &HashSet<u64>, now: DateTime<Utc>) -> impl Iterator<Item = LedgerRow> {
    let deleted = order.is_deleted(now);
    let line = |sale: &Sale| sale.line.and_then(|index| order.lines.get(index));
    order.sales(now).map(move |(agreement, sale)| LedgerRow {
        order_id: order.id,
        order_name: order.name(),
        test: order.test,
        deleted,
        processed_at: order.processed_at,
        happened_at: agreement.happened_at,
        reason: word(&agreement.reason),
        action_type: word(&sale.action),
        line_type: word(&sale.kind),
        product_id: line(sale)
            .and_then(|line| line.product)
            .filter(|product| products.contains(product)),
        line_title: line(sale).map(|line| line.title.clone()),
        quantity: sale.quantity,
        total_amount: sale.amounts.total,
        total_tax_amount: sale.amounts.tax,
        total_discount_amount_before_taxes: sale.amounts.discount_before_taxes,
        currency: word(&order.terms.currency),
        customer_order_index: order.customer_order_index(now),
    })
}

/// An enum's value as it is written on the wire.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

impl Inner {
    /// The instant before which orders are hidden from a token.
    pub(crate) fn oldest_visible(&self, scopes: &[String], now: DateTime<Utc>) -> DateTime<Utc> {
        if self.config.hide_older_orders && !scopes.iter().any(|scope| scope == "read_all_orders") {
            now - chrono::Duration::days(60)
        } else {
            DateTime::<Utc>::MIN_UTC
        }
    }
}
