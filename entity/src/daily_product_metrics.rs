//! A product's day: the sums of its facts.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, ShopifyProductId};

/// A row of `daily_product_metrics`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daily_product_metrics")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// The day in the store's time zone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub date: Date,
    /// The product; 0 for lines that no product stands behind.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shopify_product_id: ShopifyProductId,
    /// What stood on the lines; empty, with product 0, for what belongs to no line.
    #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
    pub title: String,
    /// ISO 4217 code of the amounts.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// Orders placed that day with the product in them.
    pub orders: i64,
    /// Pieces sold when these orders were placed.
    pub units: i64,
    /// Pieces that went back or were taken off an order that day, positive.
    pub units_returned: i64,
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
    /// When its sums last changed.
    pub computed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
