//! A store's day held against the store's own count. No number of a dashboard is made of it.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};

/// A row of `daily_reconciliations`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daily_reconciliations")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// The link to the store.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// The local day in the store's time zone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub date: Date,
    /// When it was last held against the store.
    pub reconciled_at: DateTimeUtc,
    /// How many orders the store counts as processed on that day; tests are not among them.
    pub orders_at_shopify: i64,
    /// How many are here, after the repair.
    pub orders_here: i64,
    /// `orders_at_shopify − orders_here`.
    pub drift: i64,
    /// How many orders of that day were added, changed or taken out.
    pub repaired: i64,
    /// Net sales in the store's own report.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub net_sales_at_shopify: Option<Decimal>,
    /// What the report has more than the day's cell.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub net_sales_drift: Option<Decimal>,
    /// Total sales in the store's own report.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub total_sales_at_shopify: Option<Decimal>,
    /// What the report has more than the day's cell.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub total_sales_drift: Option<Decimal>,
}

impl ActiveModelBehavior for ActiveModel {}
