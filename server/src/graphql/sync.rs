//! Syncs: how they are going, the runs as a list, and what people may do about them.

use async_graphql::connection::Edge;
use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use serde_json::json;

use super::context::{May, caller, integration, integrations, reading, writing};
use super::error::ApiError;
use super::integration::{Integration, IntegrationStatus, IntegrationType};
use super::node::NodeKey;
use super::page::{self, RunCursor, SyncRunConnection};
use super::scalars::{Date, DateTime};
use crate::access::Action;
use crate::domain::ids::{self, RunId, RunTrigger};
use crate::domain::job;
use crate::queue::{self, NewRun};
use crate::store::{AuditEntry, IntegrationRow, RunFilter, RunKey, RunRow, SyncStatusRow, TenantDb};

/// A job that can be asked for.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "job::SyncJob")]
pub(super) enum SyncJob {
    /// Orders that changed in the last seven days, whatever was read before.
    #[graphql(name = "SHOPIFY_7D_FILL")]
    Shopify7dFill,
    /// Customers that changed since the last time, without anything that names or reaches them.
    #[graphql(name = "SHOPIFY_CUSTOMERS")]
    ShopifyCustomers,
    /// Orders that changed since the last time.
    #[graphql(name = "SHOPIFY_FRESH")]
    ShopifyFresh,
    /// The last seven days held against the store's own count, and put right.
    #[graphql(name = "SHOPIFY_RECONCILE")]
    ShopifyReconcile,
    /// Products that changed since the last time.
    #[graphql(name = "SHOPIFY_PRODUCTS")]
    ShopifyProducts,
    /// Facts and numbers made anew from the stored orders, asking nobody.
    #[graphql(name = "SHOPIFY_REPLAY")]
    ShopifyReplay,
    /// What the store told unasked and what needs no question: deletions, the app's removal, privacy.
    #[graphql(name = "SHOPIFY_WEBHOOKS")]
    ShopifyWebhooks,
    /// Webhooks, scopes and what the store says of itself.
    #[graphql(name = "SHOPIFY_SETUP")]
    ShopifySetup,
}

/// Where a run stands.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ids::RunStatus")]
pub(super) enum SyncRunStatus {
    /// It waits for its time and a worker.
    Queued,
    /// It is being worked on.
    Running,
    /// All done.
    Succeeded,
    /// Given up; `error` says why.
    Failed,
    /// Stopped because somebody asked.
    Cancelled,
}

/// What asked for a run.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "RunTrigger")]
pub(super) enum SyncRunTrigger {
    /// A person or a program.
    Manual,
    /// The schedule.
    Schedule,
    /// A provider that told of a change.
    Webhook,
    /// The connection of the store or ad account.
    Connect,
}

/// A failure of a run.
#[derive(SimpleObject)]
pub(super) struct SyncError {
    /// For programs, such as `PROVIDER_RECONNECT`.
    code: Option<String>,
    /// For people: what happened and what to do.
    message: String,
}

/// How far a run has come.
#[derive(SimpleObject)]
pub(super) struct SyncProgress {
    /// Pages written.
    pages: u64,
    /// Records written.
    records: u64,
    /// Records that could not be read and were kept aside.
    unreadable: u64,
    /// Where it stands, in a sentence.
    message: Option<String>,
}

pub(super) struct SyncRun(pub(super) RunRow);

/// A run of a job: waiting, in progress or over.
#[Object]
impl SyncRun {
    /// Opaque, for `node` and as an argument elsewhere.
    pub(super) async fn id(&self) -> ID {
        NodeKey::SyncRun(self.0.id).encode()
    }

    /// What it syncs.
    async fn integration(&self, context: &Context<'_>) -> Result<Option<Integration>, ApiError> {
        let row = integration(context, self.0.integration_id).await?;
        Ok(row.cloned().map(Integration))
    }

    /// The job's name, such as `shopify_fresh`. There are more than `SyncJob` lists: those that nobody asks for.
    async fn job_type(&self) -> &str {
        &self.0.job_type
    }

    /// Where it stands.
    async fn status(&self) -> SyncRunStatus {
        self.0.status.into()
    }

    /// What asked for it.
    async fn trigger(&self) -> SyncRunTrigger {
        self.0.trigger.into()
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// Not to start before.
    async fn scheduled_at(&self) -> DateTime {
        DateTime(self.0.scheduled_at)
    }

    /// When it was started.
    async fn started_at(&self) -> Option<DateTime> {
        self.0.started_at.map(DateTime)
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime> {
        self.0.finished_at.map(DateTime)
    }

    /// How often it was started.
    async fn attempt(&self) -> i32 {
        self.0.attempt
    }

    /// After which attempt it is given up.
    async fn max_attempts(&self) -> i32 {
        self.0.max_attempts
    }

    /// Whether somebody asked it to stop; it does with its next page.
    async fn is_cancel_requested(&self) -> bool {
        self.0.cancel_requested_at.is_some()
    }

    /// First moment of what it covers, once that is decided.
    async fn window_from(&self) -> Option<DateTime> {
        self.0.window_from.map(DateTime)
    }

    /// Last moment of what it covers, once that is decided.
    async fn window_to(&self) -> Option<DateTime> {
        self.0.window_to.map(DateTime)
    }

    /// How far it has come.
    async fn progress(&self) -> SyncProgress {
        let progress = &self.0.progress;
        SyncProgress {
            pages: progress.pages,
            records: progress.records,
            unreadable: progress.unreadable,
            message: progress.message.clone(),
        }
    }

    /// Its last failure, while it has not succeeded since.
    async fn error(&self) -> Option<SyncError> {
        error(&self.0)
    }
}

fn error(run: &RunRow) -> Option<SyncError> {
    run.error_message.clone().map(|message| SyncError {
        code: run.error_code.clone(),
        message,
    })
}

pub(super) struct IntegrationSyncStatus {
    link: IntegrationRow,
    row: SyncStatusRow,
    current_run: Option<RunRow>,
    failed_run: Option<RunRow>,
}

/// How the syncs of a store or ad account are going.
#[Object]
impl IntegrationSyncStatus {
    /// Which one.
    async fn integration(&self) -> Integration {
        Integration(self.link.clone())
    }

    /// What it is.
    async fn r#type(&self) -> IntegrationType {
        self.link.provider.into()
    }

    /// How the link is doing.
    async fn status(&self) -> IntegrationStatus {
        self.link.status.into()
    }

    /// When a run last succeeded.
    async fn last_successful_sync(&self) -> Option<DateTime> {
        self.row.last_succeeded_at.map(DateTime)
    }

    /// When a run was last started.
    async fn last_attempted_sync(&self) -> Option<DateTime> {
        self.row.last_attempted_at.map(DateTime)
    }

    /// Until when everything is known.
    async fn data_fresh_to(&self) -> Option<DateTime> {
        self.row.data_through.map(DateTime)
    }

    /// The first day that is known as a whole, in the days of the store or ad account.
    async fn covered_from(&self) -> Option<Date> {
        self.row.backfilled_from.map(Date)
    }

    /// The newest failure that no later success of the same job has mended.
    async fn last_error(&self) -> Option<SyncError> {
        self.failed_run.as_ref().and_then(error)
    }

    /// When the next run that is queued may start; null where none is.
    async fn next_run_at(&self) -> Option<DateTime> {
        self.row.next_run_at.map(DateTime)
    }

    /// The run in progress.
    async fn current_run(&self) -> Option<SyncRun> {
        self.current_run.clone().map(SyncRun)
    }
}

pub(super) struct SyncRunTotals(RunFilter);

#[Object]
impl SyncRunTotals {
    /// How many runs there are on all pages. Counted only when asked for.
    async fn total_count(&self, context: &Context<'_>) -> Result<i64, ApiError> {
        Ok(reading(context).await?.count_runs(self.0).await?)
    }
}

#[derive(Default)]
pub(super) struct SyncQuery;

#[Object]
impl SyncQuery {
    /// How the syncs of each store and ad account are going, the earliest link first.
    #[graphql(guard = "May(Action::ReadKpis)")]
    async fn sync_status(&self, context: &Context<'_>) -> Result<Vec<IntegrationSyncStatus>, ApiError> {
        let db = reading(context).await?;
        let rows = db.sync_status().await?;
        let run_ids: Vec<RunId> = rows
            .iter()
            .flat_map(|row| [row.current_run_id, row.error_run_id])
            .flatten()
            .collect();
        let runs = match &*run_ids {
            [] => Vec::new(),
            ids => db.find_runs(ids).await?,
        };
        let run = |id: Option<RunId>| runs.iter().find(|run| Some(run.id) == id).cloned();
        let links = integrations(context).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| {
                Some(IntegrationSyncStatus {
                    link: links.iter().find(|link| link.id == row.integration_id)?.clone(),
                    current_run: run(row.current_run_id),
                    failed_run: run(row.error_run_id),
                    row,
                })
            })
            .collect())
    }

    /// Runs, the newest first, page by page.
    #[graphql(guard = "May(Action::ReadKpis)", complexity = "page::cost(first, child_complexity)")]
    async fn sync_runs(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Of one store or ad account; of all without.")] integration_id: Option<ID>,
        #[graphql(desc = "Only those that stand so.")] status: Option<SyncRunStatus>,
        #[graphql(desc = "How many, 1 to 250.", default_with = "Some(page::DEFAULT_FIRST)")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before.")] after: Option<String>,
    ) -> Result<SyncRunConnection, ApiError> {
        let rows = page::rows(first)?;
        let after: Option<RunCursor> = page::after(after)?;
        let integration_id = match integration_id {
            Some(id) => {
                let key = NodeKey::integration(&id);
                let known = integrations(context).await?.iter().find(|link| Some(link.id) == key);
                Some(known.ok_or_else(no_such_integration)?.id)
            }
            None => None,
        };
        let filter = RunFilter {
            integration_id,
            status: status.map(Into::into),
        };
        let db = reading(context).await?;
        // One more than the page has, to know whether another one follows.
        let mut found = db
            .run_page(filter, rows as i64 + 1, after.map(|cursor| cursor.0))
            .await?;
        let has_next = found.len() > rows;
        found.truncate(rows);
        let mut connection =
            SyncRunConnection::with_additional_fields(after.is_some(), has_next, SyncRunTotals(filter));
        connection.edges = found
            .into_iter()
            .map(|row| {
                let cursor = RunCursor(RunKey {
                    created_at: row.created_at,
                    id: row.id,
                });
                Edge::new(cursor, SyncRun(row))
            })
            .collect();
        Ok(connection)
    }
}

fn no_such_integration() -> ApiError {
    ApiError::NotFound("there is no such integration; `integrations` lists those there are".to_owned())
}

/// What a user can mend.
#[derive(SimpleObject)]
pub(super) struct UserError {
    /// The input's field, as a path.
    field: Vec<String>,
    /// What is wrong and what to do.
    message: String,
    /// For programs.
    code: UserErrorCode,
}

/// What kind of thing a user can mend.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserErrorCode {
    /// The id names nothing in this account.
    NotFound,
    /// The value can't be used here.
    Invalid,
    /// The store or ad account must be connected again first.
    NotConnected,
    /// The run is over already.
    AlreadyFinished,
    /// The run is not over yet.
    NotFinished,
}

impl UserError {
    fn of(field: &str, code: UserErrorCode, message: impl Into<String>) -> Self {
        Self {
            field: vec!["input".to_owned(), field.to_owned()],
            message: message.into(),
            code,
        }
    }
}

/// What to sync now.
#[derive(InputObject)]
pub(super) struct ManualSyncInput {
    /// The store or ad account.
    integration_id: ID,
    /// Which jobs; the usual ones of its kind without: for a store, the last seven days and what is new.
    jobs: Option<Vec<SyncJob>>,
}

/// What became of the wish to sync.
#[derive(SimpleObject, Default)]
pub(super) struct ManualSyncPayload {
    /// The runs, in the sequence of the jobs: new ones, or those that stood in the queue already.
    runs: Vec<SyncRun>,
    /// What has to be mended first; then nothing was queued.
    user_errors: Vec<UserError>,
}

/// Which run to stop.
#[derive(InputObject)]
pub(super) struct CancelSyncRunInput {
    /// The run.
    run_id: ID,
}

/// What became of the wish to stop a run.
#[derive(SimpleObject, Default)]
pub(super) struct CancelSyncRunPayload {
    /// The run as it stands now.
    run: Option<SyncRun>,
    /// Why it was not stopped.
    user_errors: Vec<UserError>,
}

/// Which run to do again.
#[derive(InputObject)]
pub(super) struct RetrySyncRunInput {
    /// A run that failed or was cancelled.
    run_id: ID,
}

/// What became of the wish to do a run again.
#[derive(SimpleObject, Default)]
pub(super) struct RetrySyncRunPayload {
    /// The new run, or the one of the same job that stood in the queue already.
    run: Option<SyncRun>,
    /// Why there is none.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct SyncMutation;

#[Object]
impl SyncMutation {
    /// Syncs a store or ad account now. Needs the role analyst or higher.
    #[graphql(guard = "May(Action::Sync)")]
    async fn manual_sync(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "What to sync.")] input: ManualSyncInput,
    ) -> Result<ManualSyncPayload, ApiError> {
        let db = writing(context).await?;
        let key = NodeKey::integration(&input.integration_id);
        let links = db.integrations().await?;
        let planned = links
            .iter()
            .find(|link| Some(link.id) == key)
            .ok_or_else(|| not_there("integrationId"))
            .and_then(|link| Ok((link, planned_jobs(link, input.jobs)?)));
        let (link, jobs) = match planned {
            Ok(planned) => planned,
            Err(refusal) => {
                return Ok(ManualSyncPayload {
                    user_errors: vec![refusal],
                    ..Default::default()
                });
            }
        };
        let mut run_ids = Vec::with_capacity(jobs.len());
        for job in &jobs {
            run_ids.push(enqueue(&db, link, *job).await?);
        }
        let detail = json!({
            "jobs": jobs.iter().map(|job| job.as_str()).collect::<Vec<_>>(),
            "runs": run_ids,
        });
        audit(
            context,
            &db,
            "sync.manual",
            ("integration", link.id.to_string()),
            detail,
        )
        .await?;
        let rows = db.find_runs(&run_ids).await?;
        db.commit().await?;
        Ok(ManualSyncPayload {
            runs: run_ids
                .iter()
                .filter_map(|id| rows.iter().find(|row| row.id == *id).cloned().map(SyncRun))
                .collect(),
            ..Default::default()
        })
    }

    /// Stops a run: at once while it waits, with its next page while it runs. Needs the role analyst or higher.
    #[graphql(guard = "May(Action::Sync)")]
    async fn cancel_sync_run(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which run.")] input: CancelSyncRunInput,
    ) -> Result<CancelSyncRunPayload, ApiError> {
        let db = writing(context).await?;
        let Some(found) = find_run(&db, &input.run_id).await? else {
            return Ok(CancelSyncRunPayload {
                user_errors: vec![not_there("runId")],
                ..Default::default()
            });
        };
        if !db.cancel_run(found.id).await? {
            return Ok(CancelSyncRunPayload {
                user_errors: vec![UserError::of(
                    "runId",
                    UserErrorCode::AlreadyFinished,
                    "the run is over already",
                )],
                run: Some(SyncRun(found)),
            });
        }
        audit(
            context,
            &db,
            "sync.cancel",
            ("sync_run", found.id.to_string()),
            json!({"job": found.job_type}),
        )
        .await?;
        let run = db.find_runs(&[found.id]).await?.pop();
        db.commit().await?;
        Ok(CancelSyncRunPayload {
            run: run.map(SyncRun),
            ..Default::default()
        })
    }

    /// Does a run again that failed or was cancelled. Needs the role analyst or higher.
    #[graphql(guard = "May(Action::Sync)")]
    async fn retry_sync_run(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which run.")] input: RetrySyncRunInput,
    ) -> Result<RetrySyncRunPayload, ApiError> {
        let db = writing(context).await?;
        let Some(found) = find_run(&db, &input.run_id).await? else {
            return Ok(RetrySyncRunPayload {
                user_errors: vec![not_there("runId")],
                ..Default::default()
            });
        };
        let links = db.integrations().await?;
        let (link, job) = match retryable(&found, &links) {
            Ok(planned) => planned,
            Err(refusal) => {
                return Ok(RetrySyncRunPayload {
                    user_errors: vec![refusal],
                    ..Default::default()
                });
            }
        };
        let id = enqueue(&db, link, job).await?;
        audit(
            context,
            &db,
            "sync.retry",
            ("sync_run", found.id.to_string()),
            json!({"job": found.job_type, "run": id}),
        )
        .await?;
        let run = db.find_runs(&[id]).await?.pop();
        db.commit().await?;
        Ok(RetrySyncRunPayload {
            run: run.map(SyncRun),
            ..Default::default()
        })
    }
}

/// The same answer for an id of another account, of another kind, and of nothing at all.
fn not_there(field: &str) -> UserError {
    UserError::of(field, UserErrorCode::NotFound, "the id names nothing in this account")
}

/// The jobs that were asked for, each once, or the usual ones.
fn planned_jobs(link: &IntegrationRow, asked: Option<Vec<SyncJob>>) -> Result<Vec<job::SyncJob>, UserError> {
    must_be_linked(link, "integrationId")?;
    let mut jobs: Vec<job::SyncJob> = Vec::new();
    match asked {
        None => jobs.extend(job::SyncJob::of_manual_sync(link.provider)),
        Some(asked) => {
            for job in asked.into_iter().map(job::SyncJob::from) {
                if job.provider() != link.provider {
                    let message = format!("{job} is not a job for {}", link.name);
                    return Err(UserError::of("jobs", UserErrorCode::Invalid, message));
                }
                if !jobs.contains(&job) {
                    jobs.push(job);
                }
            }
        }
    }
    if jobs.is_empty() {
        let message = "name at least one job, or leave `jobs` out for the usual ones";
        return Err(UserError::of("jobs", UserErrorCode::Invalid, message));
    }
    Ok(jobs)
}

fn retryable<'a>(run: &RunRow, links: &'a [IntegrationRow]) -> Result<(&'a IntegrationRow, job::SyncJob), UserError> {
    match run.status {
        ids::RunStatus::Failed | ids::RunStatus::Cancelled => {}
        ids::RunStatus::Queued | ids::RunStatus::Running => {
            return Err(UserError::of(
                "runId",
                UserErrorCode::NotFinished,
                "the run is not over yet; cancel it first, or wait",
            ));
        }
        ids::RunStatus::Succeeded => {
            return Err(UserError::of(
                "runId",
                UserErrorCode::Invalid,
                "the run succeeded; `manualSync` starts another one",
            ));
        }
    }
    let job = run.job_type.parse().map_err(|_| {
        let message = format!("{} runs by itself and can't be asked for", run.job_type);
        UserError::of("runId", UserErrorCode::Invalid, message)
    })?;
    let link = links
        .iter()
        .find(|link| link.id == run.integration_id)
        .ok_or_else(|| not_there("runId"))?;
    must_be_linked(link, "runId")?;
    Ok((link, job))
}

fn must_be_linked(link: &IntegrationRow, field: &str) -> Result<(), UserError> {
    let message = match link.status {
        ids::IntegrationStatus::Connected | ids::IntegrationStatus::Paused => return Ok(()),
        ids::IntegrationStatus::NeedsReauth => format!("{} no longer lets us in; connect it again", link.name),
        ids::IntegrationStatus::Disconnected => format!("{} is disconnected; connect it again", link.name),
    };
    Err(UserError::of(field, UserErrorCode::NotConnected, message))
}

async fn find_run(db: &TenantDb, id: &str) -> Result<Option<RunRow>, ApiError> {
    match NodeKey::sync_run(id) {
        Some(id) => Ok(db.find_runs(&[id]).await?.pop()),
        None => Ok(None),
    }
}

async fn enqueue(db: &TenantDb, link: &IntegrationRow, job: job::SyncJob) -> Result<RunId, ApiError> {
    let run = NewRun {
        integration_id: link.id,
        job_type: job.as_str(),
        trigger: RunTrigger::Manual,
    };
    Ok(queue::enqueue(db, &run).await?.id)
}

async fn audit(
    context: &Context<'_>,
    db: &TenantDb,
    action: &'static str,
    (target_type, target_id): (&'static str, String),
    detail: serde_json::Value,
) -> Result<(), ApiError> {
    let caller = caller(context)?;
    let (actor_kind, actor_id) = caller.actor();
    let entry = AuditEntry {
        actor_kind,
        actor_id,
        action,
        target_type,
        target_id,
        detail,
        request_id: Some(&caller.trace_id),
    };
    Ok(db.audit(&entry).await?)
}

#[cfg(test)]
mod tests {
    use chrono::DateTime as Moment;
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::{IntegrationId, IntegrationStatus as Status, ProviderKind, RunStatus};

    fn link(provider: ProviderKind, status: Status) -> IntegrationRow {
        IntegrationRow {
            id: IntegrationId(Uuid::from_u128(1)),
            provider,
            status,
            status_reason: None,
            name: "Tea & Sons".to_owned(),
            external_id: "tea.myshopify.com".to_owned(),
            currency: "USD".to_owned(),
            timezone: "UTC".to_owned(),
            scopes: Vec::new(),
            connected_at: Moment::UNIX_EPOCH,
        }
    }

    fn run(job_type: &str, status: RunStatus) -> RunRow {
        RunRow {
            id: RunId(Uuid::from_u128(2)),
            integration_id: IntegrationId(Uuid::from_u128(1)),
            job_type: job_type.to_owned(),
            status,
            trigger: RunTrigger::Schedule,
            created_at: Moment::UNIX_EPOCH,
            scheduled_at: Moment::UNIX_EPOCH,
            started_at: None,
            finished_at: None,
            attempt: 0,
            max_attempts: 12,
            cancel_requested_at: None,
            window_from: None,
            window_to: None,
            progress: Default::default(),
            error_code: None,
            error_message: None,
        }
    }

    #[test]
    fn without_names_the_usual_jobs_are_meant() {
        let store = link(ProviderKind::Shopify, Status::Connected);
        let jobs = planned_jobs(&store, None).ok();
        assert_eq!(
            jobs,
            Some(vec![job::SyncJob::Shopify7dFill, job::SyncJob::ShopifyFresh])
        );
    }

    #[test]
    fn a_job_named_twice_is_queued_once() {
        let store = link(ProviderKind::Shopify, Status::Connected);
        let asked = vec![SyncJob::ShopifyFresh, SyncJob::ShopifyFresh];
        assert_eq!(
            planned_jobs(&store, Some(asked)).ok(),
            Some(vec![job::SyncJob::ShopifyFresh])
        );
    }

    #[test]
    fn what_can_not_be_synced_says_why() {
        let refusal = |link: &IntegrationRow, jobs| planned_jobs(link, jobs).err().map(|error| error.code);
        let store = link(ProviderKind::Shopify, Status::Connected);
        assert!(refusal(&store, Some(Vec::new())) == Some(UserErrorCode::Invalid));
        let ads = link(ProviderKind::Meta, Status::Connected);
        assert!(refusal(&ads, Some(vec![SyncJob::ShopifyFresh])) == Some(UserErrorCode::Invalid));
        for status in [Status::NeedsReauth, Status::Disconnected] {
            let gone = link(ProviderKind::Shopify, status);
            assert!(refusal(&gone, None) == Some(UserErrorCode::NotConnected));
        }
    }

    #[test]
    fn only_a_run_that_ended_without_success_is_done_again() {
        let links = [link(ProviderKind::Shopify, Status::Connected)];
        let refusal = |job, status| retryable(&run(job, status), &links).err().map(|error| error.code);
        assert!(refusal("shopify_fresh", RunStatus::Failed).is_none());
        assert!(refusal("shopify_fresh", RunStatus::Cancelled).is_none());
        assert!(refusal("shopify_fresh", RunStatus::Running) == Some(UserErrorCode::NotFinished));
        assert!(refusal("shopify_fresh", RunStatus::Queued) == Some(UserErrorCode::NotFinished));
        assert!(refusal("shopify_fresh", RunStatus::Succeeded) == Some(UserErrorCode::Invalid));
        assert!(refusal("housekeeping", RunStatus::Failed) == Some(UserErrorCode::Invalid));
        assert!(retryable(&run("shopify_fresh", RunStatus::Failed), &[]).is_err());
    }
}
