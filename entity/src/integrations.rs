//! The link between an account and one store or one ad account. Lost and found again, it is the same row.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, AdAccountId, IntegrationId, ShopId};
use crate::terms::{IntegrationStatus, IntegrationType};

/// A row of `integrations`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "integrations")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IntegrationId,
    /// The tenant.
    pub account_id: AccountId,
    /// Which provider: the column `type`.
    #[sea_orm(column_name = "type")]
    pub integration_type: IntegrationType,
    /// The store; set for Shopify alone.
    pub shop_id: Option<ShopId>,
    /// The ad account; set for Meta alone.
    pub ad_account_id: Option<AdAccountId>,
    /// Whether it is being synced.
    pub status: IntegrationStatus,
    /// Why it is not, in words for the user.
    pub status_reason: Option<String>,
    /// What the provider granted.
    pub scopes: Vec<String>,
    /// When it was last connected.
    pub connected_at: DateTimeUtc,
    /// Until when one process has the right to renew the tokens.
    pub refresh_lease_until: Option<DateTimeUtc>,
    /// The account itself.
    #[sea_orm(belongs_to, from = "account_id", to = "id")]
    pub account: BelongsTo<super::accounts::Entity>,
    /// Its syncs.
    #[sea_orm(has_many)]
    pub runs: HasMany<super::sync_runs::Entity>,
    /// How far it has come.
    #[sea_orm(has_one)]
    pub cursor: HasOne<super::sync_cursors::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
