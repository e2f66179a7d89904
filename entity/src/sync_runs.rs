//! A run of a job: waiting, running or done. The queue and the log in one.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, RunId, RunToken};
use crate::terms::{RunStatus, RunTrigger};

/// A row of `sync_runs`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_runs")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RunId,
    /// The tenant.
    pub account_id: AccountId,
    /// What is synced.
    pub integration_id: IntegrationId,
    /// The job's name, such as `shopify_fresh`.
    pub job_type: String,
    /// Where it stands.
    pub status: RunStatus,
    /// What asked for it.
    pub trigger: RunTrigger,
    /// Not to start before.
    pub scheduled_at: DateTimeUtc,
    /// First start.
    pub started_at: Option<DateTimeUtc>,
    /// When it ended; set exactly in a final state.
    pub finished_at: Option<DateTimeUtc>,
    /// How often it was started.
    pub attempt: i32,
    /// How often it may be.
    pub max_attempts: i32,
    /// How often the provider asked it to come later.
    pub snoozes: i32,
    /// Who may write for it: changes with every start.
    pub run_token: Option<RunToken>,
    /// When its worker counts as lost.
    pub lease_expires_at: Option<DateTimeUtc>,
    /// When someone asked it to stop.
    pub cancel_requested_at: Option<DateTimeUtc>,
    /// First moment of the data asked for.
    pub window_from: Option<DateTimeUtc>,
    /// Last moment of the data asked for.
    pub window_to: Option<DateTimeUtc>,
    /// `pages`, `records`, `message`.
    #[sea_orm(column_type = "JsonBinary")]
    pub progress: Json,
    /// The last failure, for programs.
    pub error_code: Option<String>,
    /// The last failure, for people.
    pub error_message: Option<String>,
    /// Every failure: a list of `at`, `attempt`, `code`, `message`.
    #[sea_orm(column_type = "JsonBinary")]
    pub error_history: Json,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
    /// The moment of its schedule that it stands for; none where no schedule asked.
    pub slot: Option<DateTimeUtc>,
    /// `long` or `short`, as the job's name says; computed by the database.
    pub lane: String,
    /// The integration itself.
    #[sea_orm(belongs_to, from = "(account_id, integration_id)", to = "(account_id, id)")]
    pub integration: BelongsTo<super::integrations::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
