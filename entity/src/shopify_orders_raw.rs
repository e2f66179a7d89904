//! An order as Shopify last said it.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, ShopifyOrderId};

/// A row of `shopify_orders_raw`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shopify_orders_raw")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// Shopify's own id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shopify_order_id: ShopifyOrderId,
    /// Its `createdAt`.
    pub order_created_at: DateTimeUtc,
    /// Its `updatedAt`: the version.
    pub order_updated_at: DateTimeUtc,
    /// The record.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Json,
    /// When it was fetched.
    pub fetched_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
