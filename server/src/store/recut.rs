//! What a store's new time zone takes: no run may go on with the old one, and days that are no longer whole lose their
//! numbers. The days themselves are cut anew by a replay.

use chrono::NaiveDate;

use super::{ClaimedRun, StoreError, TenantDb};
use crate::domain::ids::IntegrationId;

impl TenantDb {
    /// Takes the link's other runs away from their workers, so that nothing they have in hand is written any more, and
    /// puts them back into the queue; they begin again with what the link is now. Costs them no attempt.
    ///
    /// To be called before [`serialise_account`](Self::serialise_account): a page of such a run holds its run first.
    pub async fn send_back_other_runs(&self, run: &ClaimedRun) -> Result<(), StoreError> {
        sqlx::query(
            "update sync_runs
                set status = case when cancel_requested_at is null then 'queued' else 'cancelled' end,
                    finished_at = case when cancel_requested_at is null then null else clock_timestamp() end,
                    run_token = null, lease_expires_at = null, scheduled_at = clock_timestamp(),
                    attempt = greatest(attempt - 1, 0)
              where account_id = $1 and integration_id = $2 and id <> $3 and status = 'running'",
        )
        .bind(self.account_id())
        .bind(run.integration_id)
        .bind(run.id)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// The first covered day of a store; none before its first fill.
    pub async fn covered_from(&self, integration_id: IntegrationId) -> Result<Option<NaiveDate>, StoreError> {
        let covered: Option<Option<NaiveDate>> = sqlx::query_scalar(
            "select backfilled_from from sync_cursors where account_id = $1 and integration_id = $2",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .fetch_optional(&mut *self.connection().await)
        .await?;
        Ok(covered.flatten())
    }

    /// Makes `day` the first covered day of a store, wherever it was. Cells before it go; answers their days. A day of
    /// which no cell is left, of any store or ad account, has no summary either; and what days as they were cut before
    /// had in common with the store's own says nothing of these.
    pub async fn cover_only_from(
        &self,
        integration_id: IntegrationId,
        day: NaiveDate,
    ) -> Result<Vec<NaiveDate>, StoreError> {
        let mut connection = self.connection().await;
        sqlx::query(
            "update sync_cursors set backfilled_from = $3, updated_at = clock_timestamp()
              where account_id = $1 and integration_id = $2",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(day)
        .execute(&mut *connection)
        .await?;
        sqlx::query("delete from daily_reconciliations where account_id = $1 and integration_id = $2")
            .bind(self.account_id())
            .bind(integration_id)
            .execute(&mut *connection)
            .await?;
        let gone: Vec<NaiveDate> = sqlx::query_scalar(
            "delete from daily_shopify_metrics where account_id = $1 and integration_id = $2 and date < $3
             returning date",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(day)
        .fetch_all(&mut *connection)
        .await?;
        sqlx::query(
            "delete from daily_summary summary
              where account_id = $1 and date = any($2)
                and not exists (select from daily_shopify_metrics cell
                                 where cell.account_id = $1 and cell.date = summary.date)
                and not exists (select from daily_meta_metrics cell
                                 where cell.account_id = $1 and cell.date = summary.date)",
        )
        .bind(self.account_id())
        .bind(&gone)
        .execute(&mut *connection)
        .await?;
        Ok(gone)
    }
}
