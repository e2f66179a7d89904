//! A delivery from Shopify as it came.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, WebhookDeliveryId};
use crate::terms::WebhookStatus;

/// A row of `shopify_webhooks_raw`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shopify_webhooks_raw")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: WebhookDeliveryId,
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    pub integration_id: IntegrationId,
    /// From which store.
    pub shop_domain: String,
    /// `orders/create`, …
    pub topic: String,
    /// `X-Shopify-Webhook-Id`: the same for every repetition.
    pub webhook_id: String,
    /// `X-Shopify-Event-Id`: the same for every topic of one event.
    pub event_id: Option<String>,
    /// When it happened at Shopify.
    pub triggered_at: Option<DateTimeUtc>,
    /// When it arrived.
    pub received_at: DateTimeUtc,
    /// The body, without contact data.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Json,
    /// What became of it.
    pub status: WebhookStatus,
    /// Why it failed.
    pub error: Option<String>,
    /// When it was dealt with.
    pub processed_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
