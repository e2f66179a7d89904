//! How far an integration has come.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};

/// A row of `sync_cursors`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_cursors")]
pub struct Model {
    /// Whose cursor.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// The tenant.
    pub account_id: AccountId,
    /// `shopify_fresh` reads orders from here.
    pub last_synced_order_updated_at: Option<DateTimeUtc>,
    /// Products are read from here.
    pub last_synced_product_updated_at: Option<DateTimeUtc>,
    /// Customers are read from here.
    pub last_synced_customer_updated_at: Option<DateTimeUtc>,
    /// The moment through which the store's orders are known completely.
    pub orders_synced_through: Option<DateTimeUtc>,
    /// The last day of ad insights that is known.
    pub insights_synced_through: Option<Date>,
    /// The first covered day; earlier ones are not synced, not zero.
    pub backfilled_from: Option<Date>,
    /// Why no earlier days can become known.
    pub history_limit: Option<String>,
    /// Where an unfinished run goes on, by job.
    #[sea_orm(column_type = "JsonBinary")]
    pub resume: Json,
    /// When it last moved.
    pub updated_at: DateTimeUtc,
    /// The integration itself.
    #[sea_orm(belongs_to, from = "(account_id, integration_id)", to = "(account_id, id)")]
    pub integration: BelongsTo<super::integrations::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
