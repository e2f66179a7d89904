//! A person who signs in. One person belongs to one account.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, UserId};
use crate::sealed::PasswordHash;
use crate::terms::Role;

/// A row of `users`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// The tenant.
    pub account_id: AccountId,
    /// The sign-in address, unique without regard to case.
    pub email: String,
    /// What people call them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// Argon2 in PHC form; none where only an outside issuer signs them in.
    pub password_hash: Option<PasswordHash>,
    /// The `sub` of tokens of an outside issuer.
    #[sea_orm(unique)]
    pub auth_subject: Option<String>,
    /// When they were invited.
    pub created_at: DateTimeUtc,
    /// The account itself.
    #[sea_orm(belongs_to, from = "account_id", to = "id")]
    pub account: BelongsTo<super::accounts::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
