//! A token of an integration, sealed. The plain text is never in the database.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, SecretId};
use crate::sealed::Ciphertext;

/// A row of `integration_secrets`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "integration_secrets")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SecretId,
    /// The tenant.
    pub account_id: AccountId,
    /// Whose token.
    pub integration_id: IntegrationId,
    /// `access_token`, `refresh_token`, …: one of a kind for each integration.
    pub kind: String,
    /// The sealed token.
    pub ciphertext: Ciphertext,
    /// Which encryption key sealed it.
    pub key_id: String,
    /// When the provider stops taking it.
    pub expires_at: Option<DateTimeUtc>,
    /// When it was sealed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
