//! A customer whom a store asked to forget: enough to know the id when it comes again, too little to read it.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};
use crate::sealed::SecretHash;

/// A row of `shopify_redactions`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shopify_redactions")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Part of the key: the store's link.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// Part of the key: SHA-256 over the link's id and the customer's.
    #[sea_orm(primary_key, auto_increment = false)]
    pub customer_hash: SecretHash,
    /// When.
    pub redacted_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
