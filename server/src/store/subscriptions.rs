//! `shopify_webhook_subscriptions`: the topics that stores tell of, and those that they would not.

use chrono::{DateTime, Utc};
use sqlx::FromRow;

use super::{StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, SubscriptionStatus};
use crate::domain::webhook::Topic;

/// Whether a store tells of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStanding {
    /// The topic.
    pub topic: Topic,
    /// The store's id of the subscription, where there is one.
    pub subscription_id: Option<String>,
    /// Why it does not, in the store's words; none where it does.
    pub refusal: Option<String>,
}

/// A subscription as people are shown it.
#[derive(Debug, Clone, FromRow)]
pub struct SubscriptionRow {
    /// At which store.
    pub integration_id: IntegrationId,
    /// What it is about, by its word.
    pub topic: String,
    /// Whether the store tells of it.
    pub status: SubscriptionStatus,
    /// Why it does not.
    pub error: Option<String>,
    /// When somebody last looked.
    pub checked_at: DateTime<Utc>,
}

impl TenantDb {
    /// Puts what was found at a store in the place of all that was known before.
    pub async fn replace_subscriptions(
        &self,
        integration_id: IntegrationId,
        topics: &[TopicStanding],
        checked_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut connection = self.connection().await;
        sqlx::query("delete from shopify_webhook_subscriptions where account_id = $1 and integration_id = $2")
            .bind(self.account_id())
            .bind(integration_id)
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "insert into shopify_webhook_subscriptions
                    (account_id, integration_id, topic, subscription_id, status, error, checked_at)
             select $1, $2, topic, subscription_id, case when error is null then 'active' else 'refused' end, error, $6
               from unnest($3::text[], $4::text[], $5::text[]) as found (topic, subscription_id, error)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(Vec::from_iter(topics.iter().map(|it| it.topic.as_str())))
        .bind(Vec::from_iter(topics.iter().map(|it| it.subscription_id.as_deref())))
        .bind(Vec::from_iter(topics.iter().map(|it| it.refusal.as_deref())))
        .bind(checked_at)
        .execute(&mut *connection)
        .await?;
        Ok(())
    }

    /// The subscriptions at every store of the account, by topic.
    pub async fn subscriptions(&self) -> Result<Vec<SubscriptionRow>, StoreError> {
        Ok(sqlx::query_as(
            "select integration_id, topic, status, error, checked_at from shopify_webhook_subscriptions
              where account_id = $1 order by integration_id, topic",
        )
        .bind(self.account_id())
        .fetch_all(&mut *self.connection().await)
        .await?)
    }
}
