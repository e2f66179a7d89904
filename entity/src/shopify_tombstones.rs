//! A record that its store deleted: versions of it until then are not taken in.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};
use crate::terms::TombstoneKind;

/// A row of `shopify_tombstones`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shopify_tombstones")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Part of the key: the store's link.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// Part of the key: what was deleted.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: TombstoneKind,
    /// Part of the key: which one, as Shopify counts them.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shopify_id: i64,
    /// When it was deleted. A version that is newer lives.
    pub deleted_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
