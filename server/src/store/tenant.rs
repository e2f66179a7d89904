//! One account's rows in one transaction.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Transaction};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};

use super::StoreError;
use crate::domain::ids::AccountId;

/// Proof that the database named this account as the one to work for: the answer to a membership, a token or an
/// integration that was looked up. It can't be made from an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tenant {
    account_id: AccountId,
}

impl Tenant {
    /// Only an answer of the database becomes a tenant.
    pub(super) fn from_answer(account_id: AccountId) -> Self {
        Self { account_id }
    }

    /// The account's id, to log or to compare; not a key to anything.
    pub fn account_id(&self) -> AccountId {
        self.account_id
    }
}

/// A transaction in which row-level security shows and takes this tenant's rows alone.
///
/// The functions of a table family are in the file of that family. Entities work on it too: it is a SeaORM connection.
/// Dropped without [`commit`](Self::commit), it rolls back.
pub struct TenantDb {
    tenant: Tenant,
    transaction: Mutex<Transaction<'static, Postgres>>,
}

impl TenantDb {
    pub(super) fn new(tenant: Tenant, transaction: Transaction<'static, Postgres>) -> Self {
        Self {
            tenant,
            transaction: Mutex::new(transaction),
        }
    }

    /// Whose rows these are.
    pub fn tenant(&self) -> Tenant {
        self.tenant
    }

    /// Whose rows these are.
    pub fn account_id(&self) -> AccountId {
        self.tenant.account_id
    }

    /// Makes everything written here durable.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.into_inner().commit().await?)
    }

    /// The connection, for the statements in this folder.
    pub(super) async fn connection(&self) -> MappedMutexGuard<'_, PgConnection> {
        MutexGuard::map(self.transaction.lock().await, |transaction| &mut **transaction)
    }
}

/// Lets SeaORM's entities run inside the tenant's transaction.
#[async_trait::async_trait]
impl ConnectionTrait for TenantDb {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let done = query(&statement).execute(&mut *self.connection().await).await;
        done.map(ExecResult::from).map_err(exec_error)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut *self.connection().await)
            .await;
        done.map(ExecResult::from).map_err(exec_error)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let row = query(&statement).fetch_optional(&mut *self.connection().await).await;
        row.map(|row| row.map(QueryResult::from)).map_err(query_error)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let rows = query(&statement).fetch_all(&mut *self.connection().await).await;
        rows.map(|rows| rows.into_iter().map(QueryResult::from).collect())
            .map_err(query_error)
    }
}

fn query(statement: &Statement) -> sqlx::query::Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or(sea_orm::Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}
