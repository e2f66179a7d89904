//! Products and customers as they came, and how far a store's have been read. One statement for each kind: the tables
//! are alike but for their names.

use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{StoreError, TenantDb};
use crate::domain::ids::IntegrationId;
use crate::domain::record::RecordKind;

/// A product or customer to be kept.
#[derive(Debug, Clone, Copy)]
pub struct RawRecord<'a> {
    /// The provider's numeric id.
    pub id: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Its version.
    pub updated_at: DateTime<Utc>,
    /// The provider's JSON.
    pub payload: &'a RawValue,
}

/// How far a store's records of a kind have been read.
#[derive(Debug, Clone, Copy, sqlx::FromRow)]
pub struct RecordCursor {
    /// Every record that changed before this moment is known; none before the first run.
    pub watermark: Option<DateTime<Utc>>,
    /// The database's time when this was read: what was told before, is in what is asked for from now on.
    pub read_at: DateTime<Utc>,
}

/// Keeps records of a kind, the newest version of each; one that is gone for good belongs into the `where` of the page.
macro_rules! keep {
    ($kind:literal) => {
        concat!(
            "insert into shopify_",
            $kind,
            "s_raw as kept
                    (account_id, integration_id, shopify_",
            $kind,
            "_id, ",
            $kind,
            "_created_at, ",
            $kind,
            "_updated_at,
                     payload, fetched_at)
             select $1, $2, page.id, page.created_at, page.updated_at, page.payload::jsonb, $7
               from unnest($3::bigint[], $4::timestamptz[], $5::timestamptz[], $6::text[])
                    as page (id, created_at, updated_at, payload)
              order by page.id
             on conflict (integration_id, shopify_",
            $kind,
            "_id) do update
                set ",
            $kind,
            "_created_at = excluded.",
            $kind,
            "_created_at,
                    ",
            $kind,
            "_updated_at = excluded.",
            $kind,
            "_updated_at,
                    payload = excluded.payload, fetched_at = excluded.fetched_at
              where excluded.",
            $kind,
            "_updated_at >= kept.",
            $kind,
            "_updated_at"
        )
    };
}

/// Reads the watermark of a kind.
macro_rules! watermark {
    ($kind:literal) => {
        concat!(
            "select max(last_synced_",
            $kind,
            "_updated_at) as watermark, clock_timestamp() as read_at
               from sync_cursors where account_id = $1 and integration_id = $2"
        )
    };
}

/// Moves the watermark of a kind forward, never back.
macro_rules! advance {
    ($kind:literal) => {
        concat!(
            "insert into sync_cursors as known (account_id, integration_id, last_synced_",
            $kind,
            "_updated_at)
             values ($1, $2, $3)
             on conflict (integration_id) do update
                set last_synced_",
            $kind,
            "_updated_at = greatest(known.last_synced_",
            $kind,
            "_updated_at, $3),
                    updated_at = clock_timestamp()"
        )
    };
}

impl TenantDb {
    /// Keeps records as they came, the newest version of each. An id may stand in `records` once.
    pub async fn keep_raw_records(
        &self,
        integration_id: IntegrationId,
        kind: RecordKind,
        records: &[RawRecord<'_>],
        fetched_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let statement = match kind {
            RecordKind::Product => keep!("product"),
            RecordKind::Customer => keep!("customer"),
        };
        sqlx::query(statement)
            .bind(self.account_id())
            .bind(integration_id)
            .bind(Vec::from_iter(records.iter().map(|record| record.id)))
            .bind(Vec::from_iter(records.iter().map(|record| record.created_at)))
            .bind(Vec::from_iter(records.iter().map(|record| record.updated_at)))
            .bind(Vec::from_iter(records.iter().map(|record| record.payload.get())))
            .bind(fetched_at)
            .execute(&mut *self.connection().await)
            .await?;
        Ok(())
    }

    /// How far the store's records of a kind have been read.
    pub async fn record_cursor(
        &self,
        integration_id: IntegrationId,
        kind: RecordKind,
    ) -> Result<RecordCursor, StoreError> {
        let statement = match kind {
            RecordKind::Product => watermark!("product"),
            RecordKind::Customer => watermark!("customer"),
        };
        let cursor = sqlx::query_as(statement)
            .bind(self.account_id())
            .bind(integration_id)
            .fetch_one(&mut *self.connection().await)
            .await?;
        Ok(cursor)
    }

    /// Moves the watermark of a store's records of a kind forward, never back.
    pub async fn advance_record_cursor(
        &self,
        integration_id: IntegrationId,
        kind: RecordKind,
        to: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let statement = match kind {
            RecordKind::Product => advance!("product"),
            RecordKind::Customer => advance!("customer"),
        };
        self.upsert_cursor(statement, integration_id, to).await
    }
}
