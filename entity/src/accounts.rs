//! The tenant: a business whose numbers are kept together, in one currency and one time zone.

use sea_orm::entity::prelude::*;

use crate::ids::AccountId;

/// A row of `accounts`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AccountId,
    /// What people call it.
    pub name: String,
    /// ISO 4217 code; stores and ad accounts must match it.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// IANA name; the days of blended numbers.
    pub timezone: String,
    /// How many days back Meta still restates, today included.
    pub attribution_window_days: i32,
    /// When it was made.
    pub created_at: DateTimeUtc,
    /// Who signs in to it.
    #[sea_orm(has_many)]
    pub users: HasMany<super::users::Entity>,
    /// What it is linked to.
    #[sea_orm(has_many)]
    pub integrations: HasMany<super::integrations::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
