//! The pool, and how a transaction is opened.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use super::{StoreError, SystemDb, Tenant, TenantDb};
use crate::config::DatabaseConfig;

/// How long a caller waits for a free connection before it is told that the database can't be reached.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(2);

/// A pool of connections as the role `api` (the web side) or `worker` (which steps down to `api` inside a tenant's
/// transaction, so that a wrong query of a job can't reach another tenant either).
#[derive(Clone, Debug)]
pub struct Database {
    pool: PgPool,
    steps_down: bool,
}

/// Why a database must not be used as it is.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address makes no sense to the driver.
    #[error("the database address can't be read; expected postgres://user:password@host:5432/database")]
    Address,
    /// No connection, or the first question failed.
    #[error("the database can't be reached: {0}")]
    Unreachable(String),
    /// A role that row-level security does not bind.
    #[error(
        "the role `{role}` {why}, so row-level security would not bind it; connect as `api` (DATABASE_URL) or `worker` \
         (WORKER_DATABASE_URL), which `server migrate up` creates"
    )]
    Unbound {
        /// The role connected as.
        role: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The schema is missing.
    #[error("the database has no schema yet; run `server migrate up`")]
    NotMigrated,
}

impl Database {
    /// Opens the pool as the web side, checking that row-level security binds the role.
    pub async fn connect_web(config: &DatabaseConfig) -> Result<Self, ConnectError> {
        Self::connect(config, false).await
    }

    /// Opens the pool as the worker, checking that row-level security binds the role.
    pub async fn connect_worker(config: &DatabaseConfig) -> Result<Self, ConnectError> {
        Self::connect(config, true).await
    }

    async fn connect(config: &DatabaseConfig, steps_down: bool) -> Result<Self, ConnectError> {
        let options = PgConnectOptions::from_str(config.address())
            .map_err(|_| ConnectError::Address)?
            .application_name("commerce-kpis")
            .statement_cache_capacity(config.statement_cache);
        let pool = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // BEGIN is the liveness test: `begin` tries again on a connection that died in the pool.
            .test_before_acquire(false)
            .connect_with(options)
            .await
            .map_err(|error| ConnectError::Unreachable(error.to_string()))?;
        let database = Self { pool, steps_down };
        database.refuse_unbound_role().await?;
        Ok(database)
    }

    /// `select now()`: whether the database answers.
    pub async fn ping(&self) -> Result<chrono::DateTime<chrono::Utc>, StoreError> {
        let mut last = None;
        for _ in 0..=self.pool.options().get_max_connections() {
            match sqlx::query_scalar("select now()").fetch_one(&self.pool).await {
                Err(error @ sqlx::Error::Io(_)) => last = Some(error),
                answer => return Ok(answer?),
            }
        }
        Err(last.unwrap_or(sqlx::Error::PoolTimedOut).into())
    }

    /// Names of the migrations that this database has run.
    pub(super) async fn applied_migrations(&self) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar("select version from seaql_migrations")
            .fetch_all(&self.pool)
            .await?)
    }

    /// A transaction that may only read the tenant's rows.
    pub async fn read(&self, tenant: &Tenant) -> Result<TenantDb, StoreError> {
        self.begin(tenant, "BEGIN READ ONLY").await
    }

    /// A transaction that may write the tenant's rows. Without [`TenantDb::commit`] nothing of it stays.
    pub async fn write(&self, tenant: &Tenant) -> Result<TenantDb, StoreError> {
        self.begin(tenant, "BEGIN").await
    }

    /// The few questions that cross accounts.
    pub fn system(&self) -> SystemDb<'_> {
        SystemDb::new(&self.pool)
    }

    /// Opens a transaction with the account's context in one round trip.
    ///
    /// A dropped caller (a client that hangs up, a timeout) must not leave a connection of the pool inside an open
    /// transaction or with an account's context: sqlx 0.9's `begin` does when it is dropped half-way. So it runs in a
    /// task of its own, which nobody drops: the finished transaction then finds no taker and rolls back. The leading
    /// ROLLBACK makes the same promise whatever the connection was used for before.
    async fn begin(&self, tenant: &Tenant, begin: &str) -> Result<TenantDb, StoreError> {
        let role = if self.steps_down { "SET LOCAL ROLE api; " } else { "" };
        let account_id = tenant.account_id();
        // Only a uuid's own text goes in: 36 hexadecimal digits and dashes.
        let sql = format!("ROLLBACK; {begin}; {role}SELECT set_config('app.account_id', '{account_id}', true)");
        let pool = self.pool.clone();
        let opened = tokio::spawn(async move {
            let mut stale = 0;
            loop {
                match pool.begin_with(AssertSqlSafe(sql.clone())).await {
                    Err(sqlx::Error::Io(_)) if stale < pool.options().get_max_connections() => stale += 1,
                    answer => return answer,
                }
            }
        });
        let transaction: Transaction<'static, Postgres> = opened
            .await
            .map_err(|_| StoreError::Broken("opening a transaction panicked".to_owned()))??;
        Ok(TenantDb::new(*tenant, transaction))
    }

    async fn refuse_unbound_role(&self) -> Result<(), ConnectError> {
        let (role, is_superuser, bypasses, owns, migrated): (String, bool, bool, bool, bool) = sqlx::query_as(
            "select current_user::text, r.rolsuper, r.rolbypassrls,
                    exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                             where n.nspname = 'public' and c.relkind = 'r'
                               and pg_has_role(current_user, c.relowner, 'usage')),
                    to_regclass('public.accounts') is not null
               from pg_roles r where r.rolname = current_user",
        )
        .fetch_one(&self.pool)
        .await
        .map_err(|error| ConnectError::Unreachable(error.to_string()))?;
        let why = match (is_superuser, bypasses, owns) {
            (true, _, _) => "is a superuser",
            (_, true, _) => "has BYPASSRLS",
            (_, _, true) => "owns the tables",
            _ if !migrated => return Err(ConnectError::NotMigrated),
            _ => return Ok(()),
        };
        Err(ConnectError::Unbound { role, why })
    }
}
