//! Refunds as objects of their own: another view of the ledger's reversals.

use std::sync::Arc;

use async_graphql::{Enum, ID, Object, Result, SimpleObject};

use super::super::order::{self as ledger, SaleKind};
use super::connection::{Window, connection, paginate};
use super::order::{LineItem, Order};
use super::scalars::{DateTime, MoneyBag, UnsignedInt64};
use super::{Scene, gid};

connection!(RefundLineItemConnection, RefundLineItemEdge, RefundLineItem);
connection!(RefundShippingLineConnection, RefundShippingLineEdge, RefundShippingLine);
connection!(OrderAdjustmentConnection, OrderAdjustmentEdge, OrderAdjustment);
connection!(ShippingLineConnection, ShippingLineEdge, ShippingLine);

/// A refund.
#[derive(Clone)]
pub(crate) struct Refund {
    pub(crate) order: Order,
    pub(crate) agreement: ledger::Agreement,
}

impl Refund {
    /// Every refund of an order, the oldest first.
    pub(crate) fn of(order: &Order) -> Vec<Self> {
        order
            .order
            .agreements(order.scene.now)
            .filter(|agreement| !agreement.reason.is_sale())
            .map(|agreement| Self {
                order: order.clone(),
                agreement: agreement.clone(),
            })
            .collect()
    }

    /// The refund with this id.
    pub(crate) fn find(scene: &Arc<Scene>, id: u64) -> Option<Self> {
        // The ids of what belongs to an order begin with the order's.
        let order = Order {
            order: scene.order(id / 1_000)?,
            scene: Arc::clone(scene),
        };
        Self::of(&order).into_iter().find(|refund| refund.agreement.id == id)
    }

    fn sales(&self, kind: impl Fn(SaleKind) -> bool) -> Vec<ledger::Sale> {
        self.agreement
            .sales
            .iter()
            .filter(|sale| kind(sale.kind))
            .cloned()
            .collect()
    }

    fn bag(&self, amount: rust_decimal::Decimal) -> MoneyBag {
        MoneyBag::new(&self.order.order.terms, amount)
    }
}

#[Object]
impl Refund {
    pub(crate) async fn id(&self) -> ID {
        gid("Refund", self.agreement.id)
    }

    async fn legacy_resource_id(&self) -> UnsignedInt64 {
        UnsignedInt64(self.agreement.id)
    }

    async fn created_at(&self) -> Option<DateTime> {
        Some(DateTime(self.agreement.happened_at))
    }

    async fn processed_at(&self) -> DateTime {
        DateTime(self.agreement.happened_at)
    }

    async fn updated_at(&self) -> DateTime {
        DateTime(self.agreement.happened_at)
    }

    async fn note(&self) -> Option<String> {
        None
    }

    async fn order(&self) -> Order {
        self.order.clone()
    }

    async fn total_refunded_set(&self) -> MoneyBag {
        let worth: rust_decimal::Decimal = self.agreement.sales.iter().map(|sale| -sale.amounts.total).sum();
        let held = self.order.order.received(self.order.scene.now);
        self.bag(worth.min(held))
    }

    async fn refund_line_items(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
    ) -> Result<RefundLineItemConnection> {
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let rows = self
            .sales(|kind| matches!(kind, SaleKind::Product | SaleKind::GiftCard | SaleKind::Tip))
            .into_iter()
            .filter_map(|sale| Some((sale.line?, sale)))
            .collect();
        let page = paginate(rows, "id", |(_, sale): &(usize, ledger::Sale)| (0, sale.id), window)?;
        let row = |(line, sale): (usize, ledger::Sale)| {
            let subtotal = -self.order.order.listed(sale.amounts);
            let quantity = -sale.quantity.unwrap_or(0);
            RefundLineItem {
                id: Some(gid("RefundLineItem", sale.id)),
                line_item: self.order.line_item(line),
                price_set: self.bag(
                    self.order
                        .order
                        .terms
                        .currency
                        .round(subtotal / rust_decimal::Decimal::from(quantity.max(1))),
                ),
                quantity,
                restock_type: RefundLineItemRestockType::Return,
                restocked: true,
                subtotal_set: self.bag(subtotal),
                total_tax_set: self.bag(-sale.amounts.tax),
            }
        };
        Ok(page.map(row).into())
    }

    async fn refund_shipping_lines(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
    ) -> Result<RefundShippingLineConnection> {
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let rows = self.sales(|kind| kind == SaleKind::Shipping);
        let page = paginate(rows, "id", |sale| (0, sale.id), window)?;
        let row = |sale: ledger::Sale| RefundShippingLine {
            id: gid("RefundShippingLine", sale.id),
            shipping_line: ShippingLine {
                order: self.order.clone(),
            },
            subtotal_amount_set: self.bag(-self.order.order.listed(sale.amounts)),
            tax_amount_set: self.bag(-sale.amounts.tax),
        };
        Ok(page.map(row).into())
    }

    async fn order_adjustments(
        &self,
        after: Option<String>,
        before: Option<String>,
        first: Option<i32>,
        last: Option<i32>,
        #[graphql(default_with = "Some(false)")] reverse: Option<bool>,
    ) -> Result<OrderAdjustmentConnection> {
        let window = Window {
            after,
            before,
            first,
            last,
            reverse: reverse.unwrap_or_default(),
        };
        let rows = self.sales(|kind| kind == SaleKind::Adjustment);
        let page = paginate(rows, "id", |sale| (0, sale.id), window)?;
        let row = |sale: ledger::Sale| OrderAdjustment {
            amount_set: self.bag(sale.amounts.total - sale.amounts.tax),
            id: gid("OrderAdjustment", sale.id),
            reason: Some(OrderAdjustmentDiscrepancyReason::RefundDiscrepancy),
            tax_amount_set: self.bag(sale.amounts.tax),
        };
        Ok(page.map(row).into())
    }
}

/// Goods of a refund.
#[derive(Clone, SimpleObject)]
pub(crate) struct RefundLineItem {
    id: Option<ID>,
    line_item: LineItem,
    price_set: MoneyBag,
    quantity: i32,
    restock_type: RefundLineItemRestockType,
    restocked: bool,
    subtotal_set: MoneyBag,
    total_tax_set: MoneyBag,
}

/// Where refunded goods go.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum RefundLineItemRestockType {
    Return,
}

/// Shipping of a refund.
#[derive(Clone, SimpleObject)]
pub(crate) struct RefundShippingLine {
    #[graphql(owned)]
    pub(crate) id: ID,
    shipping_line: ShippingLine,
    subtotal_amount_set: MoneyBag,
    tax_amount_set: MoneyBag,
}

/// The difference between a refund and the value of its goods.
#[derive(Clone, SimpleObject)]
pub(crate) struct OrderAdjustment {
    amount_set: MoneyBag,
    #[graphql(owned)]
    pub(crate) id: ID,
    reason: Option<OrderAdjustmentDiscrepancyReason>,
    tax_amount_set: MoneyBag,
}

/// Why a refund differs from its goods.
#[derive(Clone, Copy, Debug, Enum, Eq, PartialEq)]
pub(crate) enum OrderAdjustmentDiscrepancyReason {
    RefundDiscrepancy,
}

/// The shipping of an order.
#[derive(Clone)]
pub(crate) struct ShippingLine {
    pub(crate) order: Order,
}

#[Object]
impl ShippingLine {
    async fn id(&self) -> Option<ID> {
        self.order
            .order
            .shipping
            .as_ref()
            .map(|shipping| gid("ShippingLine", shipping.id))
    }

    async fn title(&self) -> String {
        self.order
            .order
            .shipping
            .as_ref()
            .map(|shipping| shipping.title.clone())
            .unwrap_or_default()
    }

    async fn code(&self) -> Option<String> {
        self.order
            .order
            .shipping
            .as_ref()
            .map(|shipping| shipping.title.clone())
    }

    async fn custom(&self) -> bool {
        false
    }

    async fn is_removed(&self) -> bool {
        false
    }

    async fn original_price_set(&self) -> MoneyBag {
        let price = self.order.order.shipping.as_ref().map(|shipping| shipping.price);
        MoneyBag::new(&self.order.order.terms, price.unwrap_or_default())
    }

    async fn discounted_price_set(&self) -> MoneyBag {
        let price = self
            .order
            .order
            .shipping
            .as_ref()
            .map(|shipping| shipping.price - shipping.discount);
        MoneyBag::new(&self.order.order.terms, price.unwrap_or_default())
    }

    async fn current_discounted_price_set(&self) -> MoneyBag {
        let order = &self.order.order;
        let left = order.sum(self.order.scene.now, |_, sale| sale.kind == SaleKind::Shipping);
        MoneyBag::new(&order.terms, order.listed(left))
    }
}
