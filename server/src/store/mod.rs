//! The only SQL. A table family has one file; nothing above this module knows a table.
//!
//! ```text
//! Database ──read/write──▶ TenantDb   one account's rows, in one transaction   (tenant.rs, then one file per family)
//!          └──system────▶ SystemDb   the few questions that cross accounts    (system.rs)
//! ```
//!
//! A [`Tenant`] is the proof that the database was asked who may see an account: it has no public constructor, only
//! answers of [`SystemDb`] hand one out. Tenant tables have functions only on [`TenantDb`], so a query without an
//! account cannot be written above this module. Row-level security stands behind it.

mod accounts;
mod aggregates;
mod api_tokens;
mod audit;
mod cursors;
mod database;
mod deliveries;
mod facts;
mod integrations;
mod latest_kpis;
mod migrations;
mod orders;
mod product_days;
mod products;
mod reconciliations;
mod records;
mod recut;
mod redactions;
mod runs;
mod subscriptions;
mod sync_status;
mod system;
mod tenant;
mod tombstones;
mod users;

pub use accounts::{AccountRow, NewAccount};
pub use aggregates::{DayRow, DayRows, RefundDating, SourceRow, SourcesRow};
pub use api_tokens::{ListedApiToken, NewApiToken};
pub use audit::AuditEntry;
pub use cursors::OrderCursor;
pub use database::{ConnectError, Database};
pub use deliveries::{DeliveryKey, DeliveryRow, WaitingDelivery};
pub use entity::sealed::{Ciphertext, SecretHash};
pub use facts::{OrderRecord, RejectedRecord};
pub use integrations::{LinkedShop, NewOAuthState, SealedToken, ShopLink};
pub use migrations::{MigrationError, MigrationState, migrate_down, migrate_up, migration_states};
pub use orders::{OrderFilter, OrderKey, OrderPageQuery, OrderRow};
pub use products::{ProductFilter, ProductKey, ProductMeasure, ProductPageQuery, ProductRow};
pub use reconciliations::{HeldOrder, NewReconciliation, ReconciledDays, ReconciliationRow};
pub use records::{RawRecord, RecordCursor};
pub use redactions::HeldOfCustomer;
pub use runs::{EnqueuedRun, NewRun, Progress};
pub use subscriptions::{SubscriptionRow, TopicStanding};
pub use sync_status::{IntegrationRow, RunFilter, RunKey, RunRow, SyncStatusRow};
pub use system::{
    ApiTokenRow, ClaimedRun, IntegrationRef, LoginRow, Member, NamedClaim, OAuthState, ReapedRun, ShopRef, SystemDb,
};
pub use tenant::{Tenant, TenantDb};
pub use users::{NewUser, UserRow};

/// What the database answered instead of rows.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It can't be reached or has no free connection. Trying again later may work.
    #[error("the database can't be reached")]
    Unavailable(#[source] sqlx::Error),
    /// A statement ran longer than it may.
    #[error("the database took too long to answer")]
    Timeout(#[source] sqlx::Error),
    /// The row would contradict one that is there: a unique or foreign key. Holds the constraint's name.
    #[error("the row contradicts another one ({constraint})")]
    Conflict {
        /// The violated constraint.
        constraint: String,
    },
    /// The run's token is no longer the current one: another worker has taken it over, or it was cancelled.
    #[error("the run belongs to another worker now")]
    LeaseLost,
    /// A row that can't be as it is, or a statement that can't be right: a bug or damaged data.
    #[error("the database holds or said something unexpected: {0}")]
    Broken(String),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match &error {
            Error::Io(_) | Error::Tls(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
                Self::Unavailable(error)
            }
            Error::Database(answer) => match answer.code().as_deref() {
                Some("23505" | "23503" | "23P01") => Self::Conflict {
                    constraint: answer.constraint().unwrap_or("unnamed").to_owned(),
                },
                // admin_shutdown, crash_shutdown, cannot_connect_now, too_many_connections
                Some("57P01" | "57P02" | "57P03" | "53300") => Self::Unavailable(error),
                Some("57014") => Self::Timeout(error),
                _ => Self::Broken(error.to_string()),
            },
            _ => Self::Broken(error.to_string()),
        }
    }
}

impl From<sea_orm::DbErr> for StoreError {
    fn from(error: sea_orm::DbErr) -> Self {
        use sea_orm::{DbErr, RuntimeErr};
        match error {
            DbErr::Conn(RuntimeErr::SqlxError(inner))
            | DbErr::Exec(RuntimeErr::SqlxError(inner))
            | DbErr::Query(RuntimeErr::SqlxError(inner)) => match std::sync::Arc::try_unwrap(inner) {
                Ok(inner) => inner.into(),
                Err(shared) => Self::Broken(shared.to_string()),
            },
            other => Self::Broken(other.to_string()),
        }
    }
}
