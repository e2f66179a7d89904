//! `shopify_webhooks_raw`: deliveries, from the moment they arrive until a job has dealt with them.
//!
//! ```text
//! accept_deliveries ─▶ received ──job──▶ processed, ignored, failed ──after a while──▶ gone
//! ```

use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::types::PgInterval;
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, QueryBuilder};

use super::{StoreError, SystemDb, TenantDb};
use crate::domain::ids::{IntegrationId, WebhookDeliveryId, WebhookStatus};
use crate::domain::webhook::{Acceptance, Delivery, Topic, WebhookPayload};

/// A delivery that waits for its job.
#[derive(Debug, Clone)]
pub struct WaitingDelivery {
    /// The delivery.
    pub id: WebhookDeliveryId,
    /// What it is about.
    pub topic: Topic,
    /// The part of its body that was kept.
    pub payload: WebhookPayload,
    /// When it happened at the provider, by the provider's clock.
    pub triggered_at: Option<DateTime<Utc>>,
    /// When it arrived, by the database's clock.
    pub received_at: DateTime<Utc>,
}

/// A delivery as people are shown it: without its body.
#[derive(Debug, Clone, FromRow)]
pub struct DeliveryRow {
    /// The delivery.
    pub id: WebhookDeliveryId,
    /// For which link.
    pub integration_id: IntegrationId,
    /// From which store.
    pub shop_domain: String,
    /// What it is about, by its word.
    pub topic: String,
    /// The provider's id of it.
    pub webhook_id: String,
    /// The provider's id of the event.
    pub event_id: Option<String>,
    /// When it happened at the provider.
    pub triggered_at: Option<DateTime<Utc>>,
    /// When it arrived.
    pub received_at: DateTime<Utc>,
    /// What became of it.
    pub status: WebhookStatus,
    /// When it was dealt with.
    pub processed_at: Option<DateTime<Utc>>,
    /// Why it could not be dealt with.
    pub error: Option<String>,
}

/// Where a page of deliveries ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryKey {
    /// When the delivery arrived.
    pub received_at: DateTime<Utc>,
    /// Tells deliveries of one moment apart.
    pub id: WebhookDeliveryId,
}

const DELIVERY_COLUMNS: &str = "id, integration_id, shop_domain, topic, webhook_id, event_id, triggered_at,
    received_at, status, processed_at, error";

impl SystemDb<'_> {
    /// Stores deliveries and wakes the jobs that they concern, all in one statement; answers what became of each, in
    /// their order. A delivery may be here before, or twice among these.
    pub async fn accept_deliveries(&self, deliveries: &[Delivery]) -> Result<Vec<Acceptance>, StoreError> {
        fn column<'a, T>(deliveries: &'a [Delivery], value: impl Fn(&'a Delivery) -> T) -> Vec<T> {
            deliveries.iter().map(value).collect()
        }
        let topics = || deliveries.iter().map(|delivery| delivery.topic);
        // All rows are fetched, to the end of the answer: only then has the database committed.
        let told: Vec<(i64, String)> =
            sqlx::query_as("select place, outcome from system.accept_deliveries($1, $2, $3, $4, $5, $6, $7, $8, $9)")
                .bind(column(deliveries, |delivery| &*delivery.shop_domain))
                .bind(topics().map(Topic::as_str).collect::<Vec<_>>())
                .bind(column(deliveries, |delivery| &*delivery.webhook_id))
                .bind(column(deliveries, |delivery| delivery.event_id.as_deref()))
                .bind(column(deliveries, |delivery| delivery.triggered_at))
                .bind(column(deliveries, |delivery| Json(&delivery.payload)))
                .bind(topics().map(Topic::job).collect::<Vec<_>>())
                .bind(topics().map(Topic::needs_connection).collect::<Vec<_>>())
                .bind(topics().map(Topic::only_hurries).collect::<Vec<_>>())
                .fetch_all(self.pool())
                .await?;
        let mut acceptances = vec![None; deliveries.len()];
        for (place, outcome) in told {
            let acceptance = match &*outcome {
                "accepted" => Acceptance::Accepted,
                "duplicate" => Acceptance::Duplicate,
                "unknown_shop" => Acceptance::UnknownShop,
                other => return Err(StoreError::Broken(format!("a delivery was `{other}`"))),
            };
            let slot = usize::try_from(place - 1).ok().and_then(|at| acceptances.get_mut(at));
            *slot.ok_or_else(|| StoreError::Broken("a delivery was answered that nobody gave".to_owned()))? =
                Some(acceptance);
        }
        let all: Option<Vec<_>> = acceptances.into_iter().collect();
        all.ok_or_else(|| StoreError::Broken("a delivery was not answered".to_owned()))
    }

    /// Queues a run for each link and job that has deliveries waiting and no run; answers how many. For deliveries that
    /// came while the run of their job was running.
    pub async fn wake_for_deliveries(&self) -> Result<i64, StoreError> {
        let waking = || Topic::ALL.into_iter().filter(|topic| !topic.only_hurries());
        Ok(sqlx::query_scalar("select system.wake_for_deliveries($1, $2, $3)")
            .bind(waking().map(Topic::as_str).collect::<Vec<_>>())
            .bind(waking().map(Topic::job).collect::<Vec<_>>())
            .bind(waking().map(Topic::needs_connection).collect::<Vec<_>>())
            .fetch_one(self.pool())
            .await?)
    }

    /// Clears away deliveries that were dealt with and came longer ago than `older_than`, `limit` at most; answers how
    /// many.
    pub async fn delete_old_deliveries(&self, older_than: Duration, limit: i32) -> Result<i64, StoreError> {
        let interval = PgInterval::try_from(older_than)
            .map_err(|_| StoreError::Broken("the age of a delivery has fractions of a microsecond".to_owned()))?;
        Ok(sqlx::query_scalar("select system.delete_old_deliveries($1, $2)")
            .bind(interval)
            .bind(limit)
            .fetch_one(self.pool())
            .await?)
    }
}

impl TenantDb {
    /// The database's clock, which times of receipt are of.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        Ok(sqlx::query_scalar("select clock_timestamp()")
            .fetch_one(&mut *self.connection().await)
            .await?)
    }

    /// Deliveries of a link that wait for a job, of these topics, the earliest first.
    pub async fn waiting_deliveries(
        &self,
        integration_id: IntegrationId,
        topics: &[Topic],
        limit: i64,
    ) -> Result<Vec<WaitingDelivery>, StoreError> {
        type Row = (
            WebhookDeliveryId,
            String,
            Json<WebhookPayload>,
            Option<DateTime<Utc>>,
            DateTime<Utc>,
        );
        let rows: Vec<Row> = sqlx::query_as(
            "select id, topic, payload, triggered_at, received_at from shopify_webhooks_raw
              where account_id = $1 and integration_id = $2 and topic = any($3) and status = 'received'
              order by received_at, id limit $4",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(words(topics))
        .bind(limit)
        .fetch_all(&mut *self.connection().await)
        .await?;
        rows.into_iter()
            .map(|(id, topic, payload, triggered_at, received_at)| {
                Ok(WaitingDelivery {
                    id,
                    topic: topic.parse().map_err(|error| StoreError::Broken(format!("{error}")))?,
                    payload: payload.0,
                    triggered_at,
                    received_at,
                })
            })
            .collect()
    }

    /// Settles what waits of these topics and arrived at `before` or earlier; answers how many. Right where a job has
    /// asked for everything there is since [`now`](Self::now) said `before`.
    ///
    /// A delivery that was on its way into the database at that moment is settled too: what it tells of happened before
    /// it was sent. A job that reads each delivery settles just those it has read, by
    /// [`settle_read_deliveries`](Self::settle_read_deliveries) or [`settle_delivery`](Self::settle_delivery).
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
        .bind(words(topics))
        .bind(before)
        .bind(status)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(done.rows_affected())
    }

    /// Settles deliveries that were read and dealt with together.
    pub async fn settle_read_deliveries(
        &self,
        ids: &[WebhookDeliveryId],
        status: WebhookStatus,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "update shopify_webhooks_raw set status = $3, error = null, processed_at = clock_timestamp()
              where account_id = $1 and id = any($2) and status = 'received'",
        )
        .bind(self.account_id())
        .bind(ids)
        .bind(status)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(done.rows_affected())
    }

    /// Settles one delivery. The error is a sentence; none where it went well.
    pub async fn settle_delivery(
        &self,
        id: WebhookDeliveryId,
        status: WebhookStatus,
        error: Option<&str>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "update shopify_webhooks_raw set status = $3, error = $4, processed_at = clock_timestamp()
              where account_id = $1 and id = $2",
        )
        .bind(self.account_id())
        .bind(id)
        .bind(status)
        .bind(error)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// A page of deliveries, the newest first: at most `limit`, beyond `after`, of one topic or of all.
    pub async fn delivery_page(
        &self,
        topic: Option<Topic>,
        limit: i64,
        after: Option<DeliveryKey>,
    ) -> Result<Vec<DeliveryRow>, StoreError> {
        let mut query = QueryBuilder::new("select ");
        query.push(DELIVERY_COLUMNS);
        self.push_deliveries(&mut query, topic);
        if let Some(key) = after {
            query.push(" and (received_at, id) < (").push_bind(key.received_at);
            query.push(", ").push_bind(key.id).push(")");
        }
        query
            .push(" order by received_at desc, id desc limit ")
            .push_bind(limit);
        Ok(query.build_query_as().fetch_all(&mut *self.connection().await).await?)
    }

    /// How many deliveries there are, of one topic or of all.
    pub async fn count_deliveries(&self, topic: Option<Topic>) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("select count(*)");
        self.push_deliveries(&mut query, topic);
        Ok(query
            .build_query_scalar()
            .fetch_one(&mut *self.connection().await)
            .await?)
    }

    /// These deliveries, as far as there are any, in no order.
    pub async fn find_deliveries(&self, ids: &[WebhookDeliveryId]) -> Result<Vec<DeliveryRow>, StoreError> {
        let mut query = QueryBuilder::new("select ");
        query.push(DELIVERY_COLUMNS);
        self.push_deliveries(&mut query, None);
        query.push(" and id = any(").push_bind(ids).push(")");
        Ok(query.build_query_as().fetch_all(&mut *self.connection().await).await?)
    }

    fn push_deliveries(&self, query: &mut QueryBuilder<Postgres>, topic: Option<Topic>) {
        query
            .push(" from shopify_webhooks_raw where account_id = ")
            .push_bind(self.account_id());
        if let Some(topic) = topic {
            query.push(" and topic = ").push_bind(topic.as_str());
        }
    }
}

fn words(topics: &[Topic]) -> Vec<&'static str> {
    topics.iter().map(|topic| topic.as_str()).collect()
}
