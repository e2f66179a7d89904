//! `sync_runs` as a queue: enqueue, renew, fence, finish. Claiming and reaping cross accounts: see `system.rs`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::{ClaimedRun, StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, RunId, RunStatus, RunTrigger};

/// How many failures a run remembers.
const HISTORY: i32 = 20;

/// A run to be put into the queue.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// For which link.
    pub integration_id: IntegrationId,
    /// Which job.
    pub job_type: &'static str,
    /// What for.
    pub trigger: RunTrigger,
}

/// The run that stands in the queue now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnqueuedRun {
    /// The run.
    pub id: RunId,
    /// Whether it was there before.
    pub existed: bool,
}

/// How far a run has come; shown while it runs and afterwards.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Pages written.
    #[serde(default)]
    pub pages: u64,
    /// Records written.
    #[serde(default)]
    pub records: u64,
    /// Records that could not be read and were kept aside.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unreadable: u64,
    /// A sentence about where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl TenantDb {
    /// Queues a run, or finds the one that already waits or runs for the same link and job. Runs that are queued
    /// together are due in that sequence.
    pub async fn enqueue_run(&self, run: &NewRun) -> Result<EnqueuedRun, StoreError> {
        let mut connection = self.connection().await;
        // Between the insert that finds a run and the select that looks for it, that run may finish: then insert again.
        for _ in 0..8 {
            let inserted: Option<RunId> = sqlx::query_scalar(
                "insert into sync_runs (account_id, integration_id, job_type, trigger, status, scheduled_at)
                 values ($1, $2, $3, $4, 'queued', clock_timestamp())
                 on conflict (integration_id, job_type) where status in ('queued', 'running') do nothing
                 returning id",
            )
            .bind(self.account_id())
            .bind(run.integration_id)
            .bind(run.job_type)
            .bind(run.trigger)
            .fetch_optional(&mut *connection)
            .await?;
            if let Some(id) = inserted {
                return Ok(EnqueuedRun { id, existed: false });
            }
            let standing: Option<RunId> = sqlx::query_scalar(
                "select id from sync_runs
                  where account_id = $1 and integration_id = $2 and job_type = $3 and status in ('queued', 'running')",
            )
            .bind(self.account_id())
            .bind(run.integration_id)
            .bind(run.job_type)
            .fetch_optional(&mut *connection)
            .await?;
            if let Some(id) = standing {
                return Ok(EnqueuedRun { id, existed: true });
            }
        }
        Err(StoreError::Broken(format!(
            "a {} run is neither there nor can it be added",
            run.job_type
        )))
    }

    /// Extends the lease of a run in progress. [`StoreError::LeaseLost`] when it is not this worker's any more.
    pub async fn renew_lease(&self, run: &ClaimedRun, lease: Duration) -> Result<(), StoreError> {
        self.touch_run(
            sqlx::query(
                "update sync_runs set lease_expires_at = clock_timestamp() + make_interval(secs => $4)
                  where account_id = $1 and id = $2 and run_token = $3 and status = 'running'
                    and cancel_requested_at is null",
            )
            .bind(self.account_id())
            .bind(run.id)
            .bind(run.run_token)
            .bind(lease.as_secs_f64()),
        )
        .await
    }

    /// The fence: locks the run for the rest of this transaction and notes its progress, if it is still this worker's
    /// and nobody has asked to cancel it. Whatever a job writes stands in one transaction with this.
    ///
    /// A run that got `further` than any attempt before has its attempts given back: a limit on attempts is there for
    /// work that fails at the same place again and again, not for a long one that is interrupted often.
    pub async fn fence_run(&self, run: &ClaimedRun, progress: &Progress, further: bool) -> Result<(), StoreError> {
        self.touch_run(
            sqlx::query(
                "update sync_runs set progress = $4, attempt = case when $5 then 1 else attempt end
                  where account_id = $1 and id = $2 and run_token = $3 and status = 'running'
                    and cancel_requested_at is null",
            )
            .bind(self.account_id())
            .bind(run.id)
            .bind(run.run_token)
            .bind(Json(progress))
            .bind(further),
        )
        .await
    }

    /// Notes the range that a run covers, as decided when it started.
    pub async fn set_run_window(
        &self,
        run: &ClaimedRun,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.touch_run(
            sqlx::query(
                "update sync_runs set window_from = $4, window_to = $5
                  where account_id = $1 and id = $2 and run_token = $3 and status = 'running'",
            )
            .bind(self.account_id())
            .bind(run.id)
            .bind(run.run_token)
            .bind(from)
            .bind(to),
        )
        .await
    }

    /// Ends a run: succeeded, failed or cancelled. A note stays visible in its progress.
    pub async fn finish_run(
        &self,
        run: &ClaimedRun,
        status: RunStatus,
        note: Option<&str>,
        failure: Option<(&str, &str)>,
    ) -> Result<(), StoreError> {
        let (code, message) = failure.unzip();
        self.touch_run(
            sqlx::query(
                "update sync_runs
                    set status = $4, finished_at = clock_timestamp(), run_token = null, lease_expires_at = null,
                        error_code = $5, error_message = $6,
                        progress = case when $7::text is null then progress - 'message'
                                        else progress || jsonb_build_object('message', $7::text) end,
                        error_history = case when $6::text is null then error_history
                                             else append_error(error_history, attempt, $5, $6, $8) end
                  where account_id = $1 and id = $2 and run_token = $3 and status = 'running'",
            )
            .bind(self.account_id())
            .bind(run.id)
            .bind(run.run_token)
            .bind(status)
            .bind(code)
            .bind(message)
            .bind(note)
            .bind(HISTORY),
        )
        .await
    }

    /// Puts a run back into the queue after an attempt that did not succeed, or ends it as failed when that was the last
    /// one. Answers which.
    pub async fn retry_run(
        &self,
        run: &ClaimedRun,
        pause: Duration,
        (code, message): (&str, &str),
    ) -> Result<RunStatus, StoreError> {
        let status = sqlx::query_scalar(
            "update sync_runs
                set status = case when attempt < max_attempts then 'queued' else 'failed' end,
                    finished_at = case when attempt < max_attempts then null else clock_timestamp() end,
                    run_token = null, lease_expires_at = null,
                    scheduled_at = clock_timestamp() + make_interval(secs => $4),
                    error_code = $5, error_message = $6,
                    error_history = append_error(error_history, attempt, $5, $6, $7)
              where account_id = $1 and id = $2 and run_token = $3 and status = 'running'
             returning status",
        )
        .bind(self.account_id())
        .bind(run.id)
        .bind(run.run_token)
        .bind(pause.as_secs_f64())
        .bind(code)
        .bind(message)
        .bind(HISTORY)
        .fetch_optional(&mut *self.connection().await)
        .await?;
        status.ok_or(StoreError::LeaseLost)
    }

    /// Puts a run back into the queue: it was asked to wait, which costs no attempt.
    pub async fn snooze_run(
        &self,
        run: &ClaimedRun,
        pause: Duration,
        (code, message): (&str, &str),
    ) -> Result<(), StoreError> {
        self.touch_run(
            sqlx::query(
                "update sync_runs
                    set status = 'queued', run_token = null, lease_expires_at = null,
                        scheduled_at = clock_timestamp() + make_interval(secs => $4),
                        attempt = greatest(attempt - 1, 0), snoozes = snoozes + 1,
                        error_code = $5, error_message = $6
                  where account_id = $1 and id = $2 and run_token = $3 and status = 'running'",
            )
            .bind(self.account_id())
            .bind(run.id)
            .bind(run.run_token)
            .bind(pause.as_secs_f64())
            .bind(code)
            .bind(message),
        )
        .await
    }

    /// Puts a run back into the queue at once: its worker is stopping, which costs no attempt.
    pub async fn yield_run(&self, run: &ClaimedRun) -> Result<(), StoreError> {
        self.touch_run(
            sqlx::query(
                "update sync_runs
                    set status = 'queued', run_token = null, lease_expires_at = null,
                        scheduled_at = clock_timestamp(), attempt = greatest(attempt - 1, 0)
                  where account_id = $1 and id = $2 and run_token = $3 and status = 'running'",
            )
            .bind(self.account_id())
            .bind(run.id)
            .bind(run.run_token),
        )
        .await
    }

    /// Ends a run that somebody asked to cancel. [`StoreError::LeaseLost`] when it was lost in another way.
    pub async fn settle_cancellation(&self, run: &ClaimedRun) -> Result<(), StoreError> {
        self.touch_run(
            sqlx::query(
                "update sync_runs
                    set status = 'cancelled', finished_at = clock_timestamp(), run_token = null,
                        lease_expires_at = null
                  where account_id = $1 and id = $2 and run_token = $3 and status = 'running'
                    and cancel_requested_at is not null",
            )
            .bind(self.account_id())
            .bind(run.id)
            .bind(run.run_token),
        )
        .await
    }

    /// Queues the run of a slot of a schedule, once over all workers: the slot is part of what makes a run unique.
    pub async fn enqueue_slot(&self, run: &NewRun, slot: DateTime<Utc>) -> Result<Option<RunId>, StoreError> {
        let id = sqlx::query_scalar(
            "insert into sync_runs (account_id, integration_id, job_type, trigger, status, scheduled_at, slot)
             values ($1, $2, $3, $4, 'queued', now(), $5)
             on conflict do nothing
             returning id",
        )
        .bind(self.account_id())
        .bind(run.integration_id)
        .bind(run.job_type)
        .bind(run.trigger)
        .bind(slot)
        .fetch_optional(&mut *self.connection().await)
        .await?;
        Ok(id)
    }

    async fn touch_run(
        &self,
        statement: sqlx::query::Query<'_, sqlx::Postgres, sqlx::postgres::PgArguments>,
    ) -> Result<(), StoreError> {
        let done = statement.execute(&mut *self.connection().await).await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::LeaseLost)
        }
    }
}
