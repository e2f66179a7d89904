//! A token with which a program calls the API. Only its hash is kept.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, ApiTokenId, UserId};
use crate::sealed::SecretHash;
use crate::terms::Role;

/// A row of `api_tokens`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_tokens")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiTokenId,
    /// The tenant.
    pub account_id: AccountId,
    /// Who made it; it ends with that person.
    pub user_id: Option<UserId>,
    /// What it is for.
    pub name: String,
    /// Its first letters, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the token.
    #[sea_orm(unique)]
    pub token_hash: SecretHash,
    /// What it may do.
    pub role: Role,
    /// Narrower limits; empty means all that the role may.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// When it ends by itself.
    pub expires_at: Option<DateTimeUtc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTimeUtc>,
    /// When it was taken back.
    pub revoked_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
