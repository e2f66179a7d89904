//! How syncing is going: each link's standing, the runs as a list, and what people may do to a run.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{FromRow, Postgres, QueryBuilder};

use super::{Progress, StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, IntegrationStatus, ProviderKind, RunId, RunStatus, RunTrigger};

/// A link and what it links.
#[derive(Debug, Clone, FromRow)]
pub struct IntegrationRow {
    /// The link.
    pub id: IntegrationId,
    /// To whom.
    pub provider: ProviderKind,
    /// How it is doing.
    pub status: IntegrationStatus,
    /// Why, where that is worth a sentence.
    pub status_reason: Option<String>,
    /// The store's or ad account's name.
    pub name: String,
    /// The store's domain, or the ad account's id.
    pub external_id: String,
    /// ISO 4217, the currency of its books.
    pub currency: String,
    /// IANA name, the time zone of its days.
    pub timezone: String,
    /// What was granted.
    pub scopes: Vec<String>,
    /// Since when.
    pub connected_at: DateTime<Utc>,
}

/// How a link's syncs are going.
#[derive(Debug, Clone, FromRow)]
pub struct SyncStatusRow {
    /// The link.
    pub integration_id: IntegrationId,
    /// The first day that is known as a whole.
    pub backfilled_from: Option<NaiveDate>,
    /// Why no earlier days can become known, where that is so.
    pub history_limit: Option<String>,
    /// Until when everything is in the tables.
    pub data_through: Option<DateTime<Utc>>,
    /// When a run last succeeded.
    pub last_succeeded_at: Option<DateTime<Utc>>,
    /// When a run last started.
    pub last_attempted_at: Option<DateTime<Utc>>,
    /// When the next queued run may start.
    pub next_run_at: Option<DateTime<Utc>>,
    /// The run in progress.
    pub current_run_id: Option<RunId>,
    /// The newest failure that no later success of the same job has mended.
    pub error_run_id: Option<RunId>,
}

/// A run of a job.
#[derive(Debug, Clone, FromRow)]
pub struct RunRow {
    /// The run.
    pub id: RunId,
    /// For which link.
    pub integration_id: IntegrationId,
    /// Which job.
    pub job_type: String,
    /// Where it stands.
    pub status: RunStatus,
    /// What asked for it.
    pub trigger: RunTrigger,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Not to start before.
    pub scheduled_at: DateTime<Utc>,
    /// When it was started.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// How often it was started.
    pub attempt: i32,
    /// How often it may be.
    pub max_attempts: i32,
    /// When somebody asked it to stop.
    pub cancel_requested_at: Option<DateTime<Utc>>,
    /// First moment of what it covers.
    pub window_from: Option<DateTime<Utc>>,
    /// Last moment.
    pub window_to: Option<DateTime<Utc>>,
    /// How far it has come.
    #[sqlx(json)]
    pub progress: Progress,
    /// The last failure, for programs.
    pub error_code: Option<String>,
    /// The last failure, for people.
    pub error_message: Option<String>,
}

/// Which runs are meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter {
    /// Of this link alone.
    pub integration_id: Option<IntegrationId>,
    /// In this state alone.
    pub status: Option<RunStatus>,
}

/// Where a page of runs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunKey {
    /// When the run was asked for.
    pub created_at: DateTime<Utc>,
    /// Tells runs of one moment apart.
    pub id: RunId,
}

/// How many of a link's newest runs are looked at for a failure: what lies behind them is history, not a standing.
const FAILURES_AMONG: i32 = 200;

const RUN_COLUMNS: &str = "id, integration_id, job_type, status, trigger, created_at, scheduled_at, started_at,
    finished_at, attempt, max_attempts, cancel_requested_at, window_from, window_to, progress, error_code,
    error_message";

impl TenantDb {
    /// Every link, the earliest first.
    pub async fn integrations(&self) -> Result<Vec<IntegrationRow>, StoreError> {
        Ok(sqlx::query_as(
            "select i.id, i.type as provider, i.status, i.status_reason, coalesce(s.name, m.name) as name,
                    coalesce(s.shop_domain, m.meta_ad_account_id) as external_id,
                    coalesce(s.currency, m.currency)::text as currency,
                    coalesce(s.iana_timezone, m.timezone_name) as timezone, i.scopes, i.connected_at
               from integrations i
               left join shops s on s.account_id = i.account_id and s.id = i.shop_id
               left join ad_accounts m on m.account_id = i.account_id and m.id = i.ad_account_id
              where i.account_id = $1
              order by i.connected_at, i.id",
        )
        .bind(self.account_id())
        .fetch_all(&mut *self.connection().await)
        .await?)
    }

    /// How the syncs of every link are going, the earliest link first.
    pub async fn sync_status(&self) -> Result<Vec<SyncStatusRow>, StoreError> {
        Ok(sqlx::query_as(
            "select i.id as integration_id, c.backfilled_from, c.history_limit,
                    case i.type when 'meta'
                         then (c.insights_synced_through + 1)::timestamp at time zone m.timezone_name
                         else c.orders_synced_through end as data_through,
                    (select max(r.finished_at) from sync_runs r
                      where r.account_id = i.account_id and r.integration_id = i.id and r.status = 'succeeded')
                        as last_succeeded_at,
                    newest.last_attempted_at, newest.error_run_id, waiting.next_run_at, waiting.current_run_id
               from integrations i
               left join ad_accounts m on m.account_id = i.account_id and m.id = i.ad_account_id
               left join sync_cursors c on c.account_id = i.account_id and c.integration_id = i.id
               cross join lateral (
                    select min(r.scheduled_at) filter (where r.status = 'queued') as next_run_at,
                           (array_agg(r.id order by r.started_at) filter (where r.status = 'running'))[1]
                               as current_run_id
                      from sync_runs r
                     where r.account_id = i.account_id and r.integration_id = i.id
                       and r.status in ('queued', 'running')
               ) waiting
               cross join lateral (
                    select max(r.started_at) as last_attempted_at,
                           (array_agg(r.id order by r.created_at desc, r.id desc) filter (
                               where r.error_message is not null and r.status <> 'cancelled'
                                 and (r.mended_at is null or r.mended_at < r.created_at)))[1] as error_run_id
                      from (select r.*, max(r.finished_at) filter (where r.status = 'succeeded')
                                            over (partition by r.job_type) as mended_at
                              from (select id, job_type, status, created_at, started_at, finished_at, error_message
                                      from sync_runs
                                     where account_id = i.account_id and integration_id = i.id
                                     order by created_at desc
                                     limit $2) r) r
               ) newest
              where i.account_id = $1
              order by i.connected_at, i.id",
        )
        .bind(self.account_id())
        .bind(FAILURES_AMONG)
        .fetch_all(&mut *self.connection().await)
        .await?)
    }

    /// A page of runs, the newest first: at most `limit`, beyond `after`.
    pub async fn run_page(
        &self,
        filter: RunFilter,
        limit: i64,
        after: Option<RunKey>,
    ) -> Result<Vec<RunRow>, StoreError> {
        let mut query = QueryBuilder::new("select ");
        query.push(RUN_COLUMNS);
        self.push_runs(&mut query, filter);
        if let Some(key) = after {
            query.push(" and (created_at, id) < (").push_bind(key.created_at);
            query.push(", ").push_bind(key.id).push(")");
        }
        query.push(" order by created_at desc, id desc limit ").push_bind(limit);
        Ok(query.build_query_as().fetch_all(&mut *self.connection().await).await?)
    }

    /// How many runs there are.
    pub async fn count_runs(&self, filter: RunFilter) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("select count(*)");
        self.push_runs(&mut query, filter);
        Ok(query
            .build_query_scalar()
            .fetch_one(&mut *self.connection().await)
            .await?)
    }

    /// These runs, as far as there are any, in no order.
    pub async fn find_runs(&self, ids: &[RunId]) -> Result<Vec<RunRow>, StoreError> {
        let mut query = QueryBuilder::new("select ");
        query.push(RUN_COLUMNS);
        self.push_runs(&mut query, RunFilter::default());
        query.push(" and id = any(").push_bind(ids).push(")");
        Ok(query.build_query_as().fetch_all(&mut *self.connection().await).await?)
    }

    /// Stops a run: at once while it waits, and with its next page while it runs. False when there is no such run or
    /// it is over.
    pub async fn cancel_run(&self, id: RunId) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "update sync_runs
                set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                    status = case status when 'queued' then 'cancelled' else status end,
                    finished_at = case status when 'queued' then clock_timestamp() end
              where account_id = $1 and id = $2 and status in ('queued', 'running')",
        )
        .bind(self.account_id())
        .bind(id)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Stops every run of a link but those of the job `but`: at once what waits, and with its next page what runs.
    pub async fn cancel_runs_of(&self, integration_id: IntegrationId, but: &str) -> Result<u64, StoreError> {
        let done = sqlx::query(
            "update sync_runs
                set cancel_requested_at = coalesce(cancel_requested_at, clock_timestamp()),
                    status = case status when 'queued' then 'cancelled' else status end,
                    finished_at = case status when 'queued' then clock_timestamp() end
              where account_id = $1 and integration_id = $2 and job_type <> $3 and status in ('queued', 'running')",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(but)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(done.rows_affected())
    }

    fn push_runs(&self, query: &mut QueryBuilder<Postgres>, filter: RunFilter) {
        query
            .push(" from sync_runs where account_id = ")
            .push_bind(self.account_id());
        if let Some(integration_id) = filter.integration_id {
            query.push(" and integration_id = ").push_bind(integration_id);
        }
        if let Some(status) = filter.status {
            query.push(" and status = ").push_bind(status);
        }
    }
}
