//! `shopify_webhooks_raw`: deliveries that wait until a job has dealt with them.

use chrono::{DateTime, Utc};

use super::{StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, WebhookStatus};
use crate::domain::webhook::Topic;

impl TenantDb {
    /// Settles what waits of these topics and arrived at `before` or earlier; answers how many.
    pub async fn settle_deliveries(
        &self,
        integration_id: IntegrationId,
        topics: &[Topic],
        before: DateTime<Utc>,
        status: WebhookStatus,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "update shopify_webhooks_raw set status = $5, error = null, processed_at = clock_timestamp()
              where account_id = $1 and integration_id = $2 and topic = any($3) and status = 'received'
                and received_at <= $4",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(Vec::from_iter(topics.iter().map(|topic| topic.as_str())))
        .bind(before)
        .bind(status)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(done.rows_affected())
    }
}
