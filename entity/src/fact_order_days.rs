//! What one order moved on one local day. Every daily number is a plain sum over these.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, ShopId, ShopifyOrderId};

/// A row of `fact_order_days`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "fact_order_days")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// The store.
    pub shop_id: ShopId,
    /// The order.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shopify_order_id: ShopifyOrderId,
    /// The day on which it moved, in the store's time zone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub date: Date,
    /// The day on which the order was placed.
    pub order_date: Date,
    /// ISO 4217 code of the amounts.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// 1 on the order's own day, else 0.
    pub orders: i16,
    /// Pieces sold less pieces returned.
    pub units: i32,
    /// Merchandise before discounts, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub gross_sales: Decimal,
    /// Discounts, positive, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub discounts: Decimal,
    /// Merchandise reversed, positive, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub refunds: Decimal,
    /// `gross_sales` less `discounts` less `refunds`.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub revenue_net: Decimal,
    /// Shipping, ex tax, net of what was refunded.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub shipping: Decimal,
    /// Tax of every counted row.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub taxes: Decimal,
    /// Duties and fees, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub duties_and_fees: Decimal,
    /// `revenue_net` plus `taxes`, `duties_and_fees` and `shipping`.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub total_sales: Decimal,
    /// `gross_sales` less `discounts` as first ordered: the numerator of the average order value.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub order_value: Decimal,
    /// 1 on the order's own day when it is its customer's first.
    pub new_customer_orders: i16,
    /// 1 on the order's own day when its customer had ordered before.
    pub returning_customer_orders: i16,
    /// 1 on the order's own day when it has no customer.
    pub guest_orders: i16,
    /// The order itself.
    #[sea_orm(
        belongs_to,
        from = "(account_id, integration_id, shopify_order_id)",
        to = "(account_id, integration_id, shopify_order_id)"
    )]
    pub order: BelongsTo<super::fact_orders::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
