//! A Meta ad account.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, AdAccountId};

/// A row of `ad_accounts`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ad_accounts")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AdAccountId,
    /// The tenant.
    pub account_id: AccountId,
    /// Meta's own id, `act_…`.
    pub meta_ad_account_id: String,
    /// What its owner calls it.
    pub name: String,
    /// ISO 4217 code of its spend.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// IANA name; whose days its numbers are dated by.
    pub timezone_name: String,
    /// The account status in Meta's words.
    pub status: String,
}

impl ActiveModelBehavior for ActiveModel {}
