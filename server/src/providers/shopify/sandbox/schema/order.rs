//! Orders, their line items and how their buyers came.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use chrono::{DateTime as Instant, Utc};
use rust_decimal::Decimal as Number;

use super::super::money::{Amounts, CurrencyCode};
use super::super::order::{self as ledger, CancelReason, LineKind, SaleKind};
use super::super::search::{Content, Kind};
use super::agreement::{SalesAgreement, SalesAgreementConnection};
use super::connection::{Key, Window, connection, paginate};
use super::customer::Customer;
use super::product::{Product, ProductVariant};
use super::refund::{Refund, ShippingLine, ShippingLineConnection};
use super::scalars::{DateTime, MoneyBag, UnsignedInt64, Url};
use super::{Scene, gid};

/// An order, as a reader sees it at the instant of the request.
#[derive(Clone)]
pub(crate) struct Order {
    pub(crate) order: Arc<ledger::Order>,
    pub(crate) scene: Arc<Scene>,
}

connection!(OrderConnection, OrderEdge, Order);
connection!(LineItemConnection, LineItemEdge, LineItem);

/// What orders can be sorted by.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum OrderSortKeys {
    CreatedAt,
    Id,
    OrderNumber,
    ProcessedAt,
    UpdatedAt,
}

impl OrderSortKeys {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CreatedAt => "created_at",
            Self::Id => "id",
            Self::OrderNumber => "order_number",
            Self::ProcessedAt => "processed_at",
            Self::UpdatedAt => "updated_at",
        }
    }

    pub(crate) fn key(self, order: &ledger::Order, now: Instant<Utc>) -> Key {
        let value = match self {
            Self::CreatedAt => order.created_at.timestamp(),
            Self::Id => 0,
            Self::OrderNumber => i64::try_from(order.number).unwrap_or(i64::MAX),
            Self::ProcessedAt => order.processed_at.timestamp(),
            Self::UpdatedAt => order.updated_at(now).timestamp(),
        };
        (value, order.id)
    }
}

/// The filters on orders that the sandbox imitates.
pub(crate) const SEARCH_FIELDS: &[(&str, Kind)] = &[
    ("", Kind::Text),
    ("created_at", Kind::Time),
    ("customer_id", Kind::Number),
    ("discount_code", Kind::Text),
    (
        "financial_status",
        Kind::OneOf(&[
            "authorized",
            "expired",
            "paid",
            "partially_paid",
            "partially_refunded",
            "pending",
            "refunded",
            "voided",
        ]),
    ),
    (
        "fulfillment_status",
        Kind::OneOf(&["fulfilled", "partial", "shipped", "unfulfilled", "unshipped"]),
    ),
    ("id", Kind::Number),
    ("name", Kind::Text),
    ("processed_at", Kind::Time),
    ("sku", Kind::Text),
    ("source_name", Kind::Text),
    ("status", Kind::OneOf(&["open", "closed", "cancelled", "not_closed"])),
    ("test", Kind::Flag),
    ("updated_at", Kind::Time),
];

/// What an order has in a field of [`SEARCH_FIELDS`].
pub(crate) fn content(order: &ledger::Order, now: Instant<Utc>, field: &str) -> Content {
    let word = |word: &str| Content::Words(vec![word.to_owned()]);
    match field {
        "created_at" => Content::Time(order.created_at),
        "processed_at" => Content::Time(order.processed_at),
        "updated_at" => Content::Time(order.updated_at(now)),
        "id" => Content::Number(order.id),
        "customer_id" => Content::Number(order.customer.as_ref().map_or(0, |customer| customer.id)),
        "test" => Content::Flag(order.test),
        "discount_code" => Content::Words(order.discount_codes.clone()),
        "source_name" => word(&order.source_name),
        "sku" => Content::Words(lines(order, now).filter_map(|(_, line)| line.sku.clone()).collect()),
        "status" => {
            let cancelled = order.cancelled(now).is_some();
            let closed = order.closed_at(now).is_some();
            let words = [
                ("open", !cancelled && !closed),
                ("closed", closed),
                ("cancelled", cancelled),
                ("not_closed", !closed),
            ];
            Content::Words(
                words
                    .iter()
                    .filter(|(_, holds)| *holds)
                    .map(|(word, _)| (*word).to_owned())
                    .collect(),
            )
        }
        "financial_status" => word(financial_status(order, now).word()),
        "fulfillment_status" => Content::Words(
            match order.fulfilled(now) {
                Some(true) => ["fulfilled", "shipped"],
                Some(false) => ["partial", "unfulfilled"],
                None => ["unshipped", "unfulfilled"],
            }
            .map(str::to_owned)
            .to_vec(),
        ),
        _ => Content::Words(vec![order.name(), order.number.to_string()]),
    }
}

/// The lines that are on the order by now, with their places in the ledger.
fn lines(order: &ledger::Order, now: Instant<Utc>) -> impl Iterator<Item = (usize, &ledger::Line)> {
    order
        .lines
        .iter()
        .enumerate()
        .filter(move |(_, line)| line.added_at <= now)
}

/// Whether and how an order has been paid.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum OrderDisplayFinancialStatus {
    Authorized,
    Paid,
    PartiallyPaid,
    PartiallyRefunded,
    Pending,
    Refunded,
    Voided,
}

impl OrderDisplayFinancialStatus {
    fn word(self) -> &'static str {
        match self {
            Self::Authorized => "authorized",
            Self::Paid => "paid",
            Self::PartiallyPaid => "partially_paid",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Pending => "pending",
            Self::Refunded => "refunded",
            Self::Voided => "voided",
        }
    }
}

fn financial_status(order: &ledger::Order, now: Instant<Utc>) -> OrderDisplayFinancialStatus {
    let (received, repaid) = (order.received(now), order.repaid(now));
    if received.is_zero() {
        return match (
            order.cancelled(now).is_some(),
            order.sold(now).total.is_zero(),
            order.authorized,
        ) {
            (true, ..) => OrderDisplayFinancialStatus::Voided,
            (false, true, _) => OrderDisplayFinancialStatus::Paid,
            (false, false, true) => OrderDisplayFinancialStatus::Authorized,
            (false, false, false) => OrderDisplayFinancialStatus::Pending,
        };
    }
    if repaid >= received {
        OrderDisplayFinancialStatus::Refunded
    } else if repaid > Number::ZERO {
        OrderDisplayFinancialStatus::PartiallyRefunded
    } else if order.worth(now).total > received {
        OrderDisplayFinancialStatus::PartiallyPaid
    } else {
        OrderDisplayFinancialStatus::Paid
    }
}

/// How far an order has been sent.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum OrderDisplayFulfillmentStatus {
    Fulfilled,
    PartiallyFulfilled,
    Unfulfilled,
}

/// Why an order was cancelled.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
#[graphql(remote = "CancelReason")]
pub(crate) enum OrderCancelReason {
    Customer,
    Declined,
    Fraud,
    Inventory,
    Other,
    Staff,
}

impl Order {
    fn bag(&self, amount: Number) -> MoneyBag {
        MoneyBag::new(&self.order.terms, amount)
    }

    fn sold(&self, wanted: impl Fn(SaleKind) -> bool) -> Amounts {
        self.order.sum(self.scene.now, |agreement, sale| {
            agreement.reason.is_sale() && wanted(sale.kind)
        })
    }

    fn current(&self, wanted: impl Fn(SaleKind) -> bool) -> Amounts {
        self.order.sum(self.scene.now, |_, sale| wanted(sale.kind))
    }

    /// The amount of a charge that most orders don't have.
    fn rare(&self, kind: SaleKind, amounts: Amounts) -> Option<MoneyBag> {
        self.order
            .sales(self.scene.now)
            .any(|(_, sale)| sale.kind == kind)
            .then(|| self.bag(amounts.total))
    }

    pub(crate) fn line_item(&self, index: usize) -> LineItem {
        LineItem {
            order: self.clone(),
            index,
        }
    }

    pub(crate) fn chosen_shipping(&self) -> Option<ShippingLine> {
        self.order
            .shipping
            .as_ref()
            .map(|_| ShippingLine { order: self.clone() })
    }
}

fn goods(kind: SaleKind) -> bool {
    matches!(kind, SaleKind::Product | SaleKind::GiftCard)
}

#[Object]
impl Order {
    pub(crate) async fn id(&self) -> ID {
        gid("Order", self.order.id)
    }

    async fn legacy_resource_id(&self) -> UnsignedInt64 {
        UnsignedInt64(self.order.id)
    }

    async fn name(&self) -> String {
        self.order.name()
    }

    async fn number(&self) -> i32 {
        i32::try_from(self.order.number).unwrap_or(i32::MAX)
    }

    async fn created_at(&self) -> DateTime {
        DateTime(self.order.created_at)
    }

    async fn updated_at(&self) -> DateTime {
        DateTime(self.order.updated_at(self.scene.now))
    }

    async fn processed_at(&self) -> DateTime {
        DateTime(self.order.processed_at)
    }

    async fn cancelled_at(&self) -> Option<DateTime> {
        self.order.cancelled(self.scene.now).map(|(at, _)| DateTime(at))
    }

    async fn cancel_reason(&self) -> Option<OrderCancelReason> {
        self.order.cancelled(self.scene.now).map(|(_, reason)| reason.into())
    }

    async fn closed(&self) -> bool {
        self.order.closed_at(self.scene.now).is_some()
    }

    async fn closed_at(&self) -> Option<DateTime> {
        self.order.closed_at(self.scene.now).map(DateTime)
    }

    async fn confirmed(&self) -> bool {
        true
    }

    async fn test(&self) -> bool {
        self.order.test
    }

    async fn edited(&self) -> bool {
        self.order.is_edited(self.scene.now)
    }

    async fn currency_code(&self) -> CurrencyCode {
        self.order.terms.currency
    }

    async fn presentment_currency_code(&self) -> CurrencyCode {
        self.order.terms.presentment
    }

    async fn taxes_included(&self) -> bool {
        self.order.terms.taxes_included
    }

    async fn duties_included(&self) -> bool {
        false
    }

    async fn fully_paid(&self) -> bool {
        self.order.paid(self.scene.now) >= self.order.worth(self.scene.now).total
    }

    async fn unpaid(&self) -> bool {
        self.order.received(self.scene.now).is_zero() && !self.order.sold(self.scene.now).total.is_zero()
    }

    async fn display_financial_status(&self) -> Option<OrderDisplayFinancialStatus> {
        Some(financial_status(&self.order, self.scene.now))
    }

    async fn display_fulfillment_status(&self) -> OrderDisplayFulfillmentStatus {
        match self.order.fulfilled(self.scene.now) {
            Some(true) => OrderDisplayFulfillmentStatus::Fulfilled,
            Some(false) => OrderDisplayFulfillmentStatus::PartiallyFulfilled,
            None => OrderDisplayFulfillmentStatus::Unfulfilled,
        }
    }

    async fn source_name(&self) -> Option<String> {
        Some(self.order.source_name.clone())
    }

    async fn discount_code(&self) -> Option<String> {
        self.order.discount_codes.first().cloned()
    }

    async fn discount_codes(&self) -> Vec<String> {
        self.order.discount_codes.clone()
    }

    async fn tags(&self) -> Vec<String> {
        Vec::new()
    }

    async fn customer(&self) -> Result<Option<Customer>> {
        self.scene.demand("read_customers", "customer")?;
        let id = self.order.customer.as_ref().map(|customer| customer.id);
        let buyer = id.and_then(|id| self.scene.customers().get(&id)).cloned();
        Ok(buyer.map(|buyer| Customer {
            buyer,
            scene: Arc::clone(&self.scene),
        }))
    }

    async fn customer_journey_summary(&self) -> Option<CustomerJourneySummary> {
        let journey = self.order.journey.as_ref()?;
        let ready = journey.ready_at.is_some_and(|at| at <= self.scene.now);
        let visit = |visit: &ledger::Visit, place| {
            ready.then(|| CustomerVisit {
                order: self.clone(),
                visit: visit.clone(),
                place,
            })
        };
        Some(CustomerJourneySummary {
            ready,
            customer_order_index: self.order.customer_order_index(self.scene.now),
            days_to_conversion: ready
                .then(|| i32::try_from((self.order.processed_at - journey.first.at).num_days()).unwrap_or(0)),
            first_visit: visit(&journey.first, 1),
            last_visit: visit(&journey.last, 2),
        })
    }

    async fn total_price_set(&self) -> MoneyBag {
        self.bag(self.order.sold(self.scene.now).total)
    }

    async fn current_total_price_set(&self) -> MoneyBag {
        self.bag(self.order.worth(self.scene.now).total)
    }

    async fn original_total_price_set(&self) -> MoneyBag {
        let original = self
            .order
            .sum(self.scene.now, |agreement, _| agreement.reason == ledger::Reason::Order);
        self.bag(original.total)
    }

    async fn subtotal_price_set(&self) -> Option<MoneyBag> {
        Some(self.bag(self.order.listed(self.sold(goods))))
    }

    async fn current_subtotal_price_set(&self) -> MoneyBag {
        self.bag(self.order.listed(self.current(goods)))
    }

    async fn subtotal_line_items_quantity(&self) -> i32 {
        let sales = self.order.sales(self.scene.now);
        sales
            .filter(|(agreement, sale)| agreement.reason.is_sale() && goods(sale.kind))
            .filter_map(|(_, sale)| sale.quantity)
            .sum()
    }

    async fn current_subtotal_line_items_quantity(&self) -> i32 {
        let sales = self.order.sales(self.scene.now);
        sales
            .filter(|(_, sale)| goods(sale.kind))
            .filter_map(|(_, sale)| sale.quantity)
            .sum()
    }

    async fn total_discounts_set(&self) -> Option<MoneyBag> {
        Some(self.bag(self.order.listed_discount(self.sold(|_| true))))
    }

    async fn current_total_discounts_set(&self) -> MoneyBag {
        self.bag(self.order.listed_discount(self.current(|_| true)))
    }

    async fn total_tax_set(&self) -> Option<MoneyBag> {
        Some(self.bag(self.sold(|_| true).tax))
    }

    async fn current_total_tax_set(&self) -> MoneyBag {
        self.bag(self.current(|_| true).tax)
    }

    async fn total_shipping_price_set(&self) -> MoneyBag {
        let shipping = self.sold(|kind| kind == SaleKind::Shipping);
        self.bag(self.order.listed(shipping) + self.order.listed_discount(shipping))
    }

    async fn current_shipping_price_set(&self) -> MoneyBag {
        self.bag(self.order.listed(self.current(|kind| kind == SaleKind::Shipping)))
    }

    async fn original_total_duties_set(&self) -> Option<MoneyBag> {
        self.rare(SaleKind::Duty, self.sold(|kind| kind == SaleKind::Duty))
    }

    async fn current_total_duties_set(&self) -> Option<MoneyBag> {
        self.rare(SaleKind::Duty, self.current(|kind| kind == SaleKind::Duty))
    }

    async fn original_total_additional_fees_set(&self) -> Option<MoneyBag> {
        self.rare(
            SaleKind::AdditionalFee,
            self.sold(|kind| kind == SaleKind::AdditionalFee),
        )
    }

    async fn current_total_additional_fees_set(&self) -> Option<MoneyBag> {
        self.rare(
            SaleKind::AdditionalFee,
            self.current(|kind| kind == SaleKind::AdditionalFee),
        )
    }

    async fn total_tip_received_set(&self) -> MoneyBag {
        self.bag(self.sold(|kind| kind == SaleKind::Tip).total)
    }

    async fn total_received_set(&self) -> MoneyBag {
        self.bag(self.order.received(self.scene.now))
    }

    async fn net_payment_set(&self) -> MoneyBag {
        self.bag(self.order.paid(self.scene.now))
    }

    async fn total_refunded_set(&self) -> MoneyBag {
        self.bag(self.order.repaid(self.scene.now))
    }

    async fn total_refunded_shipping_set(&self) -> MoneyBag {
        let refunded = self.order.sum(self.scene.now, |agreement, sale| {
            !agreement.reason.is_sale() && sale.kind == SaleKind::Shipping
        });
        self.bag(-refunded.total)
    }

    async fn total_outstanding_set(&self) -> MoneyBag {
        self.bag(self.order.worth(self.scene.now).total - self.order.paid(self.scene.now))
    }

    async fn refund_discrepancy_set(&self) -> MoneyBag {
        self.bag(self.current(|kind| kind == SaleKind::Adjustment).total)
    }

    async fn line_items(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
    ) -> Result<LineItemConnection> {
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let lines: Vec<_> = lines(&self.order, self.scene.now).map(|(index, _)| index).collect();
        let page = paginate(lines, "id", |index| (0, self.order.lines[*index].id), window)?;
        Ok(page.map(|index| self.line_item(index)).into())
    }

    async fn shipping_line(&self) -> Option<ShippingLine> {
        self.chosen_shipping()
    }

    #[expect(clippy::too_many_arguments, reason = "the field has so many")]
    async fn shipping_lines(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        #[graphql(default_with = "Some(false)")] include_removals: Option<bool>,
        last: Option<i32>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
    ) -> Result<ShippingLineConnection> {
        // Shipping is never removed here, only refunded, so the removals that could be included are none.
        let _none_removed = include_removals;
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let lines = self.chosen_shipping().into_iter().collect();
        Ok(paginate(lines, "id", |_| (0, 0), window)?.into())
    }

    async fn refunds(&self, first: Option<i32>) -> Vec<Refund> {
        let most = first
            .and_then(|first| usize::try_from(first).ok())
            .unwrap_or(usize::MAX);
        Refund::of(self).into_iter().take(most).collect()
    }

    #[expect(clippy::too_many_arguments, reason = "the field has so many")]
    async fn agreements(
        &self,
        ctx: &Context<'_>,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        query: Option<String>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
    ) -> Result<SalesAgreementConnection> {
        let fields = &[("id", Kind::Number), ("happened_at", Kind::Time)];
        let search = self.scene.search(ctx, query.as_deref(), fields);
        let found: Vec<_> = self
            .order
            .agreements(self.scene.now)
            .filter(|agreement| {
                search.filter.admits(self.scene.shop, &|field| match field {
                    "happened_at" => Content::Time(agreement.happened_at),
                    _ => Content::Number(agreement.id),
                })
            })
            .cloned()
            .collect();
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let page = paginate(found, "id", |agreement| (0, agreement.id), window)?;
        Ok(page
            .map(|agreement| SalesAgreement::new(self.clone(), agreement))
            .into())
    }
}

/// A line of an order.
#[derive(Clone)]
pub(crate) struct LineItem {
    order: Order,
    index: usize,
}

impl LineItem {
    fn line(&self) -> &ledger::Line {
        &self.order.order.lines[self.index]
    }

    fn units(&self, wanted: impl Fn(&ledger::Agreement) -> bool) -> i32 {
        self.order
            .order
            .sales(self.order.scene.now)
            .filter(|(agreement, sale)| sale.line == Some(self.index) && wanted(agreement))
            .filter_map(|(_, sale)| sale.quantity)
            .sum()
    }

    /// Units ever put on the line, also those taken off later.
    fn ordered(&self) -> i32 {
        self.order
            .order
            .sales(self.order.scene.now)
            .filter(|(_, sale)| sale.line == Some(self.index))
            .filter_map(|(_, sale)| sale.quantity)
            .filter(|quantity| *quantity > 0)
            .sum()
    }

    fn discount(&self) -> Number {
        let order = &self.order.order;
        order.listed_discount(order.sum(self.order.scene.now, |agreement, sale| {
            agreement.reason.is_sale() && sale.line == Some(self.index)
        }))
    }
}

#[Object]
impl LineItem {
    pub(crate) async fn id(&self) -> ID {
        gid("LineItem", self.line().id)
    }

    async fn title(&self) -> String {
        self.line().title.clone()
    }

    async fn name(&self) -> String {
        match &self.line().variant_title {
            Some(variant) => format!("{} - {variant}", self.line().title),
            None => self.line().title.clone(),
        }
    }

    async fn variant_title(&self) -> Option<String> {
        self.line().variant_title.clone()
    }

    async fn vendor(&self) -> Option<String> {
        self.line().vendor.clone()
    }

    async fn sku(&self) -> Option<String> {
        self.line().sku.clone()
    }

    async fn is_gift_card(&self) -> bool {
        self.line().kind == LineKind::GiftCard
    }

    async fn requires_shipping(&self) -> bool {
        self.line().kind == LineKind::Goods
    }

    async fn taxable(&self) -> bool {
        self.line().taxed
    }

    async fn quantity(&self) -> i32 {
        self.ordered()
    }

    async fn current_quantity(&self) -> i32 {
        self.units(|_| true)
    }

    async fn refundable_quantity(&self) -> i32 {
        self.units(|_| true)
    }

    async fn original_unit_price_set(&self) -> MoneyBag {
        self.order.bag(self.line().unit_price)
    }

    async fn original_total_set(&self) -> MoneyBag {
        self.order.bag(self.line().unit_price * Number::from(self.ordered()))
    }

    async fn total_discount_set(&self) -> MoneyBag {
        self.order.bag(self.discount())
    }

    async fn product(&self) -> Option<Product> {
        Product::find(&self.order.scene, self.line().product?)
    }

    async fn variant(&self) -> Option<ProductVariant> {
        ProductVariant::find(&self.order.scene, self.line().variant?)
    }
}

/// How a buyer came, as far as it is known yet.
#[derive(SimpleObject)]
pub(crate) struct CustomerJourneySummary {
    customer_order_index: Option<i32>,
    days_to_conversion: Option<i32>,
    first_visit: Option<CustomerVisit>,
    last_visit: Option<CustomerVisit>,
    ready: bool,
}

/// A visit to the online store.
pub(crate) struct CustomerVisit {
    order: Order,
    visit: ledger::Visit,
    place: u64,
}

/// The tags of a link.
#[derive(SimpleObject)]
#[graphql(name = "UTMParameters")]
pub(crate) struct UtmParameters {
    campaign: Option<String>,
    content: Option<String>,
    medium: Option<String>,
    source: Option<String>,
    term: Option<String>,
}

#[Object]
impl CustomerVisit {
    pub(crate) async fn id(&self) -> ID {
        gid("CustomerVisit", self.order.order.id * 10 + self.place)
    }

    async fn occurred_at(&self) -> DateTime {
        DateTime(self.visit.at)
    }

    async fn source(&self) -> &str {
        self.visit.source
    }

    async fn referrer_url(&self) -> Option<Url> {
        self.visit.referrer.map(|referrer| Url(referrer.to_owned()))
    }

    async fn landing_page(&self) -> Option<Url> {
        let names = ["utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term"];
        let tags: Vec<_> = names
            .iter()
            .zip(self.visit.utm.iter().flatten())
            .filter_map(|(name, value)| Some(format!("{name}={}", (*value)?.replace(' ', "+"))))
            .collect();
        let query = if tags.is_empty() {
            String::new()
        } else {
            format!("?{}", tags.join("&"))
        };
        Some(Url(format!("https://{}/{query}", self.order.scene.shop.domain)))
    }

    async fn utm_parameters(&self) -> Option<UtmParameters> {
        let [source, medium, campaign, content, term] = self.visit.utm?.map(|value| value.map(str::to_owned));
        Some(UtmParameters {
            campaign,
            content,
            medium,
            source,
            term,
        })
    }
}
