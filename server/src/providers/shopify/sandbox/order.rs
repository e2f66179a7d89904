//! An order is its ledger. Everything else about it is read off the ledger, so the books always agree.
//!
//! An [`Order`] is a list of dated [`Entry`]s, some of which may lie in the future: the order *as of* an instant is the
//! fold of the entries recorded until then. Seeded stores are written ahead this way, and time plays them; a hand that
//! changes an order first strikes out what had been written for later ([`Order::forget_after`]).
//!
//! Two times are kept apart: `happened_at` is the date in the ledger, `recorded_at` is when the store learnt of it and
//! what `updatedAt` shows. A till that was offline records later than it sold; nothing is recorded before it happened.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::money::{Amounts, Terms};

/// The instant by which everything written has been recorded.
pub(crate) const EVER: DateTime<Utc> = DateTime::<Utc>::MAX_UTC;

/// An order with its whole life, past and planned.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) test: bool,
    pub(crate) processed_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) terms: Terms,
    pub(crate) source_name: String,
    pub(crate) customer: Option<Customer>,
    pub(crate) journey: Option<Journey>,
    pub(crate) shipping: Option<Shipping>,
    pub(crate) discount_codes: Vec<String>,
    /// The payment was promised, not captured: until it is, the order counts as authorised.
    pub(crate) authorized: bool,
    pub(crate) lines: Vec<Line>,
    pub(crate) entries: Vec<Entry>,
    /// Ids given to what belongs to the order.
    issued: u64,
}

/// A buyer with an account. Nothing that names or reaches a person is kept.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub(crate) id: u64,
    pub(crate) since: DateTime<Utc>,
    /// 1 for the first order of this customer.
    pub(crate) order_index: i32,
}

/// How a buyer came to the store.
#[derive(Clone, Debug)]
pub(crate) struct Journey {
    /// When the store has worked it out, which does not count as an update of the order; never, for some.
    pub(crate) ready_at: Option<DateTime<Utc>>,
    pub(crate) first: Visit,
    pub(crate) last: Visit,
}

/// A visit before an order.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) at: DateTime<Utc>,
    pub(crate) source: &'static str,
    pub(crate) referrer: Option<&'static str>,
    /// source, medium, campaign, content, term
    pub(crate) utm: Option<[Option<&'static str>; 5]>,
}

/// The shipping chosen at checkout.
#[derive(Clone, Debug)]
pub(crate) struct Shipping {
    pub(crate) id: u64,
    pub(crate) title: String,
    pub(crate) price: Decimal,
    pub(crate) discount: Decimal,
}

/// A line item, at the listed price.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) id: u64,
    pub(crate) kind: LineKind,
    pub(crate) title: String,
    pub(crate) variant_title: Option<String>,
    pub(crate) vendor: Option<String>,
    pub(crate) sku: Option<String>,
    pub(crate) product: Option<u64>,
    pub(crate) variant: Option<u64>,
    pub(crate) unit_price: Decimal,
    pub(crate) taxed: bool,
    /// When an edit added it; lines of the checkout are there from the start.
    pub(crate) added_at: DateTime<Utc>,
}

/// What a line item stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum LineKind {
    Goods,
    GiftCard,
    Tip,
}

/// Something to be put on an order.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) kind: LineKind,
    pub(crate) title: String,
    pub(crate) variant_title: Option<String>,
    pub(crate) vendor: Option<String>,
    pub(crate) sku: Option<String>,
    pub(crate) product: Option<u64>,
    pub(crate) variant: Option<u64>,
    pub(crate) unit_price: Decimal,
    pub(crate) quantity: i32,
    /// Off the line's listed price, all units together.
    pub(crate) discount: Decimal,
    pub(crate) taxed: bool,
}

/// What a checkout charges beside its items.
#[derive(Clone, Debug, Default)]
pub(crate) struct Charges {
    /// Title, price, discount.
    pub(crate) shipping: Option<(String, Decimal, Decimal)>,
    pub(crate) shipping_taxed: bool,
    /// Off the goods together; each line bears its share.
    pub(crate) order_discount: Decimal,
    pub(crate) duty: Decimal,
    pub(crate) additional_fee: Decimal,
}

/// A change of the order, with the time it was recorded.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) recorded_at: DateTime<Utc>,
    pub(crate) change: Change,
}

/// What can happen to an order.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Agreed(Agreement),
    Paid(Decimal),
    Repaid(Decimal),
    /// Whether everything has been sent.
    Fulfilled(bool),
    Cancelled(CancelReason),
    Closed,
    /// A tag or a note: an update without a sale.
    Touched,
    Deleted,
}

/// Sales agreed upon at one time: one dated page of the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub(crate) id: u64,
    pub(crate) happened_at: DateTime<Utc>,
    pub(crate) reason: Reason,
    pub(crate) sales: Vec<Sale>,
}

/// Why sales were agreed upon.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Reason {
    Order,
    OrderEdit,
    Refund,
    Return,
}

/// One row of the ledger. Reversals are negative throughout.
#[derive(Clone, Debug)]
pub(crate) struct Sale {
    pub(crate) id: u64,
    pub(crate) action: Action,
    pub(crate) kind: SaleKind,
    pub(crate) line: Option<usize>,
    pub(crate) quantity: Option<i32>,
    pub(crate) amounts: Amounts,
}

/// What a sale does to what was sold before.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Action {
    Order,
    Return,
    Update,
    Unknown,
}

/// What a sale is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum SaleKind {
    Product,
    GiftCard,
    Tip,
    Shipping,
    Duty,
    Fee,
    AdditionalFee,
    Adjustment,
    Unknown,
}

/// Why an order was cancelled.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelReason {
    /// The buyer wanted it.
    #[default]
    Customer,
    /// The payment was refused.
    Declined,
    /// The order was a fraud.
    Fraud,
    /// The goods were not there.
    Inventory,
    /// Another reason.
    Other,
    /// Staff made a mistake.
    Staff,
}

/// What goes back to the buyer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reversal {
    /// Index of the line, units.
    pub(crate) lines: Vec<(usize, i32)>,
    pub(crate) shipping: bool,
    /// Duties and fees of the checkout.
    pub(crate) charges: bool,
    /// Kept by the store (positive) or given beyond the goods' value (negative).
    pub(crate) adjustment: Decimal,
    /// A fee of its own for the return.
    pub(crate) fee: Decimal,
    /// Booked as a processed return rather than as a refund.
    pub(crate) as_return: bool,
}

/// What an edit changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edit {
    pub(crate) add: Vec<Item>,
    /// Index of the line, units it shall have.
    pub(crate) quantities: Vec<(usize, i32)>,
    /// Index of the line, further reduction of its listed price.
    pub(crate) discounts: Vec<(usize, Decimal)>,
    /// A sale of a kind that readers do not know yet.
    pub(crate) unknown: Decimal,
}

/// The facts of an order that its checkout settles.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) test: bool,
    pub(crate) processed_at: DateTime<Utc>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) terms: Terms,
    pub(crate) source_name: String,
    pub(crate) customer: Option<Customer>,
    pub(crate) journey: Option<Journey>,
    pub(crate) discount_codes: Vec<String>,
    pub(crate) authorized: bool,
}

// Writing the ledger.
impl Order {
    /// The order as it leaves the checkout.
    pub(crate) fn place(opening: Opening, items: Vec<Item>, charges: Charges) -> Self {
        let mut order = Self {
            id: opening.id,
            number: opening.number,
            test: opening.test,
            processed_at: opening.processed_at,
            created_at: opening.created_at,
            terms: opening.terms,
            source_name: opening.source_name,
            customer: opening.customer,
            journey: opening.journey,
            shipping: None,
            discount_codes: opening.discount_codes,
            authorized: opening.authorized,
            lines: Vec::new(),
            entries: Vec::new(),
            issued: 0,
        };
        let shares = order.spread(&items, charges.order_discount);
        let mut sales = Vec::new();
        for (item, share) in items.into_iter().zip(shares) {
            sales.push(order.sell(item, share, opening.created_at));
        }
        if let Some((title, price, discount)) = charges.shipping {
            let amounts = order.terms.charge(price, discount, charges.shipping_taxed);
            order.shipping = Some(Shipping {
                id: order.issue(),
                title,
                price,
                discount,
            });
            sales.push(order.sale(Action::Order, SaleKind::Shipping, None, None, amounts));
        }
        for (kind, amount) in [
            (SaleKind::Duty, charges.duty),
            (SaleKind::AdditionalFee, charges.additional_fee),
        ] {
            if !amount.is_zero() {
                let amounts = Amounts::plain(order.terms.currency.round(amount));
                sales.push(order.sale(Action::Order, kind, None, None, amounts));
            }
        }
        order.agree(opening.processed_at, opening.created_at, Reason::Order, sales);
        order
    }

    /// Adds, removes and reprices lines. Refuses a line that is not there and a quantity below nothing.
    pub(crate) fn edit(
        &mut self,
        happened_at: DateTime<Utc>,
        recorded_at: DateTime<Utc>,
        edit: Edit,
    ) -> Result<(), String> {
        let mut sales = Vec::new();
        for item in edit.add {
            sales.push(self.sell(item, Decimal::ZERO, recorded_at));
        }
        for (index, wanted) in edit.quantities {
            let (units, amounts) = self.left_of_line(index)?;
            if wanted < 0 {
                return Err(format!("A line can't have {wanted} units."));
            }
            let change = wanted - units;
            if change == 0 {
                continue;
            }
            if units == 0 {
                return Err(format!("Line {index} has been removed: add it as a new one."));
            }
            let moved = amounts.part(change.abs(), units, self.terms.currency);
            let (action, moved) = match (change > 0, wanted) {
                (true, _) => (Action::Update, moved),
                (false, 0) => (Action::Return, -moved),
                (false, _) => (Action::Update, -moved),
            };
            let kind = self.lines[index].kind.into();
            sales.push(self.sale(action, kind, Some(index), Some(change), moved));
        }
        for (index, reduction) in edit.discounts {
            let (_, amounts) = self.left_of_line(index)?;
            let taxed = self.lines[index].taxed;
            let change = self.terms.markdown(reduction, taxed);
            if reduction <= Decimal::ZERO || amounts.total + change.total < Decimal::ZERO {
                return Err(format!("Line {index} can't be reduced by {reduction}."));
            }
            let kind = self.lines[index].kind.into();
            sales.push(self.sale(Action::Update, kind, Some(index), None, change));
        }
        if !edit.unknown.is_zero() {
            let amounts = Amounts::plain(self.terms.currency.round(edit.unknown));
            sales.push(self.sale(Action::Unknown, SaleKind::Unknown, None, None, amounts));
        }
        if sales.is_empty() {
            return Err("The edit changes nothing.".to_owned());
        }
        self.agree(happened_at, recorded_at, Reason::OrderEdit, sales);
        Ok(())
    }

    /// Takes goods and charges back and repays what was paid for them. Refuses more units than are left.
    pub(crate) fn reverse(
        &mut self,
        happened_at: DateTime<Utc>,
        recorded_at: DateTime<Utc>,
        reversal: Reversal,
    ) -> Result<(), String> {
        let mut sales: Vec<Sale> = Vec::new();
        for (index, units) in reversal.lines {
            // What is left is read off the book, which does not hold the rows of this reversal yet.
            if sales.iter().any(|sale| sale.line == Some(index)) {
                return Err(format!("Line {index} is named twice."));
            }
            let (left, amounts) = self.left_of_line(index)?;
            if units < 1 || units > left {
                return Err(format!("Line {index} has {left} units left, so {units} can't go back."));
            }
            let back = -amounts.part(units, left, self.terms.currency);
            let kind = self.lines[index].kind.into();
            sales.push(self.sale(Action::Return, kind, Some(index), Some(-units), back));
        }
        let mut kinds = Vec::new();
        if reversal.shipping {
            kinds.push(SaleKind::Shipping);
        }
        if reversal.charges {
            kinds.extend([SaleKind::Duty, SaleKind::AdditionalFee]);
        }
        for kind in kinds {
            let left = self.left_of_kind(kind);
            if left != Amounts::default() {
                sales.push(self.sale(Action::Return, kind, None, None, -left));
            }
        }
        for (kind, amount) in [
            (SaleKind::Adjustment, reversal.adjustment),
            (SaleKind::Fee, reversal.fee),
        ] {
            if !amount.is_zero() {
                let amounts = Amounts::plain(self.terms.currency.round(amount));
                sales.push(self.sale(Action::Return, kind, None, None, amounts));
            }
        }
        if sales.is_empty() {
            return Err("Nothing is left to go back.".to_owned());
        }
        let worth: Amounts = sales.iter().map(|sale| sale.amounts).sum();
        let reason = if reversal.as_return {
            Reason::Return
        } else {
            Reason::Refund
        };
        self.agree(happened_at, recorded_at, reason, sales);
        let repaid = (-worth.total).min(self.paid(EVER));
        if repaid > Decimal::ZERO {
            self.record(recorded_at, Change::Repaid(repaid));
        }
        Ok(())
    }

    /// Cancels the order: all that is left goes back, and what was paid is repaid.
    pub(crate) fn cancel(
        &mut self,
        happened_at: DateTime<Utc>,
        recorded_at: DateTime<Utc>,
        reason: CancelReason,
    ) -> Result<(), String> {
        if self.cancelled(EVER).is_some() {
            return Err("The order has been cancelled before.".to_owned());
        }
        let everything = self.everything_left();
        let charges = [SaleKind::Shipping, SaleKind::Duty, SaleKind::AdditionalFee];
        if !everything.lines.is_empty()
            || charges
                .into_iter()
                .any(|kind| self.left_of_kind(kind) != Amounts::default())
        {
            self.reverse(happened_at, recorded_at, everything)?;
        }
        self.record(recorded_at, Change::Cancelled(reason));
        Ok(())
    }

    /// The reversal that leaves nothing.
    pub(crate) fn everything_left(&self) -> Reversal {
        let lines = (0..self.lines.len())
            .filter_map(|index| Some((index, self.left_of_line(index).ok()?.0)))
            .filter(|(_, units)| *units > 0)
            .collect();
        Reversal {
            lines,
            shipping: true,
            charges: true,
            ..Reversal::default()
        }
    }

    /// Adds a change at the end. Times never run backwards.
    pub(crate) fn record(&mut self, recorded_at: DateTime<Utc>, change: Change) {
        let recorded_at = self
            .entries
            .last()
            .map_or(recorded_at, |last| last.recorded_at.max(recorded_at));
        self.entries.push(Entry { recorded_at, change });
    }

    /// Strikes out what had been written for later.
    pub(crate) fn forget_after(&mut self, now: DateTime<Utc>) {
        self.entries.retain(|entry| entry.recorded_at <= now);
    }

    /// Units and amounts that a line still stands for, over everything written.
    pub(crate) fn left_of_line(&self, index: usize) -> Result<(i32, Amounts), String> {
        if index >= self.lines.len() {
            return Err(format!("The order has no line {index}."));
        }
        let rows = || self.all_sales().filter(|(_, sale)| sale.line == Some(index));
        Ok((
            rows().filter_map(|(_, sale)| sale.quantity).sum(),
            rows().map(|(_, sale)| sale.amounts).sum(),
        ))
    }

    /// What a charge without a line still stands for, over everything written.
    fn left_of_kind(&self, kind: SaleKind) -> Amounts {
        self.sum(EVER, |_, sale| sale.kind == kind)
    }

    fn all_sales(&self) -> impl Iterator<Item = (&Agreement, &Sale)> {
        self.sales(EVER)
    }

    fn agree(&mut self, happened_at: DateTime<Utc>, recorded_at: DateTime<Utc>, reason: Reason, sales: Vec<Sale>) {
        let id = self.issue();
        let recorded_at = recorded_at.max(happened_at);
        self.record(
            recorded_at,
            Change::Agreed(Agreement {
                id,
                happened_at,
                reason,
                sales,
            }),
        );
    }

    fn sell(&mut self, item: Item, share: Decimal, added_at: DateTime<Utc>) -> Sale {
        let listed = item.unit_price * Decimal::from(item.quantity);
        let amounts = self.terms.charge(listed, item.discount + share, item.taxed);
        let id = self.issue();
        self.lines.push(Line {
            id,
            kind: item.kind,
            title: item.title,
            variant_title: item.variant_title,
            vendor: item.vendor,
            sku: item.sku,
            product: item.product,
            variant: item.variant,
            unit_price: item.unit_price,
            taxed: item.taxed,
            added_at,
        });
        let line = self.lines.len() - 1;
        self.sale(
            Action::Order,
            item.kind.into(),
            Some(line),
            Some(item.quantity),
            amounts,
        )
    }

    fn sale(
        &mut self,
        action: Action,
        kind: SaleKind,
        line: Option<usize>,
        quantity: Option<i32>,
        amounts: Amounts,
    ) -> Sale {
        Sale {
            id: self.issue(),
            action,
            kind,
            line,
            quantity,
            amounts,
        }
    }

    /// Each item's share of a discount on the whole order, to the smallest unit; only goods bear it.
    fn spread(&self, items: &[Item], discount: Decimal) -> Vec<Decimal> {
        let worth = |item: &Item| match item.kind {
            LineKind::Goods => item.unit_price * Decimal::from(item.quantity) - item.discount,
            LineKind::GiftCard | LineKind::Tip => Decimal::ZERO,
        };
        let mut unborne: Decimal = items.iter().map(worth).sum();
        let mut discount = self.terms.currency.round(discount).min(unborne);
        items
            .iter()
            .map(|item| {
                if unborne.is_zero() {
                    return Decimal::ZERO;
                }
                let share = self.terms.currency.round(discount * worth(item) / unborne);
                unborne -= worth(item);
                discount -= share;
                share
            })
            .collect()
    }

    fn issue(&mut self) -> u64 {
        self.issued += 1;
        self.id * 1_000 + self.issued
    }
}

// Reading the ledger, as of an instant.
impl Order {
    /// The name that people see.
    pub(crate) fn name(&self) -> String {
        format!("#{}", self.number)
    }

    /// Whether the store knows of the order, and has not deleted it.
    pub(crate) fn is_there(&self, now: DateTime<Utc>) -> bool {
        self.created_at <= now && !self.is_deleted(now)
    }

    /// Whether it has been deleted.
    pub(crate) fn is_deleted(&self, now: DateTime<Utc>) -> bool {
        self.until(now).any(|entry| matches!(entry.change, Change::Deleted))
    }

    /// When it last changed.
    pub(crate) fn updated_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.until(now)
            .map(|entry| entry.recorded_at)
            .max()
            .unwrap_or(self.created_at)
    }

    /// The agreements so far, oldest record first.
    pub(crate) fn agreements(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Agreement> {
        self.until(now).filter_map(|entry| match &entry.change {
            Change::Agreed(agreement) => Some(agreement),
            _ => None,
        })
    }

    /// The ledger's rows so far.
    pub(crate) fn sales(&self, now: DateTime<Utc>) -> impl Iterator<Item = (&Agreement, &Sale)> {
        self.agreements(now)
            .flat_map(|agreement| agreement.sales.iter().map(move |sale| (agreement, sale)))
    }

    /// The sum of the rows that are asked for.
    pub(crate) fn sum(&self, now: DateTime<Utc>, wanted: impl Fn(&Agreement, &Sale) -> bool) -> Amounts {
        self.sales(now)
            .filter(|(agreement, sale)| wanted(agreement, sale))
            .map(|(_, sale)| sale.amounts)
            .sum()
    }

    /// All that the order is worth after edits, refunds and returns.
    pub(crate) fn worth(&self, now: DateTime<Utc>) -> Amounts {
        self.sum(now, |_, _| true)
    }

    /// All that the order was worth before refunds and returns.
    pub(crate) fn sold(&self, now: DateTime<Utc>) -> Amounts {
        self.sum(now, |agreement, _| agreement.reason.is_sale())
    }

    /// An amount in the way that this store lists prices: with tax where prices hold it.
    pub(crate) fn listed(&self, amounts: Amounts) -> Decimal {
        if self.terms.taxes_included {
            amounts.total
        } else {
            amounts.total - amounts.tax
        }
    }

    /// The reduction in the same way.
    pub(crate) fn listed_discount(&self, amounts: Amounts) -> Decimal {
        if self.terms.taxes_included {
            amounts.discount_after_taxes
        } else {
            amounts.discount_before_taxes
        }
    }

    /// Money that came in.
    pub(crate) fn received(&self, now: DateTime<Utc>) -> Decimal {
        self.until(now)
            .filter_map(|entry| match entry.change {
                Change::Paid(amount) => Some(amount),
                _ => None,
            })
            .sum()
    }

    /// Money that went back.
    pub(crate) fn repaid(&self, now: DateTime<Utc>) -> Decimal {
        self.until(now)
            .filter_map(|entry| match entry.change {
                Change::Repaid(amount) => Some(amount),
                _ => None,
            })
            .sum()
    }

    /// Money that the store holds for the order.
    pub(crate) fn paid(&self, now: DateTime<Utc>) -> Decimal {
        self.received(now) - self.repaid(now)
    }

    /// When and why it was cancelled.
    pub(crate) fn cancelled(&self, now: DateTime<Utc>) -> Option<(DateTime<Utc>, CancelReason)> {
        self.until(now).find_map(|entry| match entry.change {
            Change::Cancelled(reason) => Some((entry.recorded_at, reason)),
            _ => None,
        })
    }

    /// When it was archived.
    pub(crate) fn closed_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.until(now)
            .find_map(|entry| matches!(entry.change, Change::Closed).then_some(entry.recorded_at))
    }

    /// Whether goods were sent: none, some (false) or all (true).
    pub(crate) fn fulfilled(&self, now: DateTime<Utc>) -> Option<bool> {
        self.until(now)
            .filter_map(|entry| match entry.change {
                Change::Fulfilled(whole) => Some(whole),
                _ => None,
            })
            .last()
    }

    /// Which order of its customer it is, as far as the store has worked it out.
    pub(crate) fn customer_order_index(&self, now: DateTime<Utc>) -> Option<i32> {
        let ready = self.journey.as_ref()?.ready_at.is_some_and(|at| at <= now);
        self.customer
            .as_ref()
            .filter(|_| ready)
            .map(|customer| customer.order_index)
    }

    /// Whether an edit has been made.
    pub(crate) fn is_edited(&self, now: DateTime<Utc>) -> bool {
        self.agreements(now)
            .any(|agreement| agreement.reason == Reason::OrderEdit)
    }

    fn until(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.recorded_at <= now)
    }
}

impl Reason {
    /// Whether it belongs to what was sold, rather than to what came back.
    pub(crate) fn is_sale(self) -> bool {
        matches!(self, Self::Order | Self::OrderEdit)
    }
}

impl From<LineKind> for SaleKind {
    fn from(kind: LineKind) -> Self {
        match kind {
            LineKind::Goods => Self::Product,
            LineKind::GiftCard => Self::GiftCard,
            LineKind::Tip => Self::Tip,
        }
    }
}
