//! A store's day: the sums of its facts.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};

/// A row of `daily_shopify_metrics`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daily_shopify_metrics")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// The day in the store's time zone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub date: Date,
    /// ISO 4217 code of the amounts.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// Orders placed that day.
    pub orders: i64,
    /// Pieces sold less pieces returned.
    pub units: i64,
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
    /// Orders that were their customer's first.
    pub new_customer_orders: i64,
    /// Orders of customers who had ordered before.
    pub returning_customer_orders: i64,
    /// Orders without a customer.
    pub guest_orders: i64,
    /// When the cell was computed from its facts.
    pub computed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
