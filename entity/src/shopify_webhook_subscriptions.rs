//! Whether a store tells of a topic, as it stood when somebody last looked.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};
use crate::terms::SubscriptionStatus;

/// A row of `shopify_webhook_subscriptions`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "shopify_webhook_subscriptions")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// At which store.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// `orders/create`, …
    #[sea_orm(primary_key, auto_increment = false)]
    pub topic: String,
    /// Shopify's id of the subscription, where there is one.
    pub subscription_id: Option<String>,
    /// Whether it is as it should be.
    pub status: SubscriptionStatus,
    /// Why not, in the store's words.
    pub error: Option<String>,
    /// When somebody last looked.
    pub checked_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
