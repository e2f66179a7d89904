//! A Shopify store.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, ShopId, ShopifyShopId};

/// A row of `shops`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shops")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ShopId,
    /// The tenant.
    pub account_id: AccountId,
    /// `….myshopify.com`, in lower case; a store belongs to one account.
    #[sea_orm(unique)]
    pub shop_domain: String,
    /// Shopify's own id.
    pub shopify_shop_id: ShopifyShopId,
    /// What its owner calls it.
    pub name: String,
    /// ISO 4217 code of its books.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// Whose days its numbers are dated by.
    pub iana_timezone: String,
    /// Whether its prices include tax.
    pub taxes_included: bool,
    /// When the app was installed.
    pub installed_at: DateTimeUtc,
    /// When it was taken out, if it was.
    pub uninstalled_at: Option<DateTimeUtc>,
    /// Since when nothing is left of the store but this row.
    pub redacted_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
