//! What one order moved of one product on one local day. Every number of a product is a plain sum over these.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, ShopId, ShopifyOrderId, ShopifyProductId};

/// A row of `fact_product_days`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "fact_product_days")]
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
    /// The product; 0 for a line that no product stands behind.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shopify_product_id: ShopifyProductId,
    /// What stands on the line; empty, with product 0, for what belongs to no line.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub title: String,
    /// ISO 4217 code of the amounts.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// Pieces sold when the order was placed, on its own day.
    pub units: i32,
    /// Pieces that went back or were taken off the order, positive.
    pub units_returned: i32,
    /// Before discounts, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub gross_sales: Decimal,
    /// Discounts, positive, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub discounts: Decimal,
    /// Reversed, positive, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub refunds: Decimal,
    /// `gross_sales` less `discounts` less `refunds`.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub revenue_net: Decimal,
    /// The order itself.
    #[sea_orm(
        belongs_to,
        from = "(account_id, integration_id, shopify_order_id)",
        to = "(account_id, integration_id, shopify_order_id)"
    )]
    pub order: BelongsTo<super::fact_orders::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
