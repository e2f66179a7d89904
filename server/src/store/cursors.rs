//! `sync_cursors`: how far each link has been read, which days are known, and where a run in progress would resume.

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::Value;
use sqlx::types::Json;

use super::{StoreError, TenantDb};
use crate::domain::ids::IntegrationId;

/// How far a store has been read.
#[derive(Debug, Clone, Default, sqlx::FromRow)]
pub struct OrderCursor {
    /// Every order that changed before this moment is known. None before the first fill.
    pub last_synced_order_updated_at: Option<DateTime<Utc>>,
    /// The first day of which every ledger row is known.
    pub backfilled_from: Option<NaiveDate>,
    /// The moment through which the store's orders are known.
    pub orders_synced_through: Option<DateTime<Utc>>,
    /// Where an interrupted run of the asked job resumes, in that job's own terms.
    pub resume: Option<Json<Value>>,
}

impl TenantDb {
    /// How far the store has been read, and where `job_type` would resume.
    pub async fn order_cursor(&self, integration_id: IntegrationId, job_type: &str) -> Result<OrderCursor, StoreError> {
        let cursor = sqlx::query_as(
            "select last_synced_order_updated_at, backfilled_from, orders_synced_through,
                    resume -> $3::text as resume
               from sync_cursors where account_id = $1 and integration_id = $2",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(job_type)
        .fetch_optional(&mut *self.connection().await)
        .await?;
        Ok(cursor.unwrap_or_default())
    }

    /// Moves the watermark of a store's orders forward, never back.
    pub async fn advance_order_cursor(
        &self,
        integration_id: IntegrationId,
        to: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.upsert_cursor(
            "insert into sync_cursors as known (account_id, integration_id, last_synced_order_updated_at)
             values ($1, $2, $3)
             on conflict (integration_id) do update
                set last_synced_order_updated_at = greatest(known.last_synced_order_updated_at, $3),
                    updated_at = clock_timestamp()",
            integration_id,
            to,
        )
        .await
    }

    /// Sets the watermark of a store's orders where there is none yet.
    pub async fn start_order_cursor(&self, integration_id: IntegrationId, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.upsert_cursor(
            "insert into sync_cursors as known (account_id, integration_id, last_synced_order_updated_at)
             values ($1, $2, $3)
             on conflict (integration_id) do update
                set last_synced_order_updated_at = coalesce(known.last_synced_order_updated_at, $3),
                    updated_at = clock_timestamp()",
            integration_id,
            at,
        )
        .await
    }

    /// Notes that the store's orders are known through `at`.
    pub async fn note_orders_synced_through(
        &self,
        integration_id: IntegrationId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.upsert_cursor(
            "insert into sync_cursors as known (account_id, integration_id, orders_synced_through)
             values ($1, $2, $3)
             on conflict (integration_id) do update
                set orders_synced_through = greatest(known.orders_synced_through, $3),
                    updated_at = clock_timestamp()",
            integration_id,
            at,
        )
        .await
    }

    /// Notes where an interrupted run of `job_type` resumes; none once it is through.
    pub async fn note_resume(
        &self,
        integration_id: IntegrationId,
        job_type: &str,
        resume: Option<&Value>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into sync_cursors as known (account_id, integration_id, resume)
             values ($1, $2, case when $4::jsonb is null then '{}'::jsonb else jsonb_build_object($3::text, $4) end)
             on conflict (integration_id) do update
                set resume = (coalesce(known.resume, '{}'::jsonb) - $3::text) || excluded.resume,
                    updated_at = clock_timestamp()",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(job_type)
        .bind(resume)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Moves the first covered day back to `day`, and answers the days that have facts from there on: their cells are
    /// to be built.
    pub async fn cover_from(
        &self,
        integration_id: IntegrationId,
        day: NaiveDate,
    ) -> Result<Vec<NaiveDate>, StoreError> {
        let mut connection = self.connection().await;
        sqlx::query(
            "insert into sync_cursors as known (account_id, integration_id, backfilled_from)
             values ($1, $2, $3)
             on conflict (integration_id) do update
                set backfilled_from = least(known.backfilled_from, $3), updated_at = clock_timestamp()",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(day)
        .execute(&mut *connection)
        .await?;
        let days = sqlx::query_scalar(
            "select distinct date from fact_order_days
              where account_id = $1 and integration_id = $2 and date >= $3 order by date",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(day)
        .fetch_all(&mut *connection)
        .await?;
        Ok(days)
    }

    pub(super) async fn upsert_cursor(
        &self,
        statement: &'static str,
        integration_id: IntegrationId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query(statement)
            .bind(self.account_id())
            .bind(integration_id)
            .bind(at)
            .execute(&mut *self.connection().await)
            .await?;
        Ok(())
    }
}
