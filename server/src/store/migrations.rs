//! Bringing the schema up and down as its owner, and telling whether a database is up to date.

use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbErr};

use super::{Database, StoreError};
use crate::config::DatabaseConfig;

/// Key of the lock that keeps two migrating processes apart.
const LOCK: i64 = 6_022_140_760_001;
/// How long a statement waits for a table that others use, before the migration gives up and changes nothing.
const LOCK_TIMEOUT: &str = "10s";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why the schema was not changed.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// No connection.
    #[error("the database in MIGRATION_DATABASE_URL can't be reached: {0}")]
    Unreachable(#[source] DbErr),
    /// The database refused a statement; its migration was rolled back.
    #[error("the database refused: {0}")]
    Refused(#[source] DbErr),
}

/// One migration and whether it has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationState {
    /// Its name.
    pub name: String,
    /// Whether it has run here.
    pub applied: bool,
}

/// Runs every migration that has not run yet; answers their names. Two at once take turns, so the second finds nothing
/// to do.
pub async fn migrate_up(config: &DatabaseConfig) -> Result<Vec<String>, MigrationError> {
    let owner = Owner::connect(config).await?;
    let before = owner.states().await?;
    Migrator::up(&owner.connection, None)
        .await
        .map_err(MigrationError::Refused)?;
    owner.close().await;
    Ok(names(before, false))
}

/// Takes back the last `steps` migrations, or all; answers their names, the last one first.
pub async fn migrate_down(config: &DatabaseConfig, steps: Option<u32>) -> Result<Vec<String>, MigrationError> {
    let owner = Owner::connect(config).await?;
    let mut taken_back = names(owner.states().await?, true);
    Migrator::down(&owner.connection, steps)
        .await
        .map_err(MigrationError::Refused)?;
    owner.close().await;
    taken_back.reverse();
    if let Some(steps) = steps {
        taken_back.truncate(steps as usize);
    }
    Ok(taken_back)
}

/// Every migration, oldest first.
pub async fn migration_states(config: &DatabaseConfig) -> Result<Vec<MigrationState>, MigrationError> {
    let owner = Owner::connect(config).await?;
    let states = owner.states().await?;
    owner.close().await;
    Ok(states)
}

fn names(states: Vec<MigrationState>, applied: bool) -> Vec<String> {
    let chosen = states.into_iter().filter(|state| state.applied == applied);
    chosen.map(|state| state.name).collect()
}

/// The owner's single connection, holding the lock until it is closed.
struct Owner {
    connection: DatabaseConnection,
}

impl Owner {
    async fn connect(config: &DatabaseConfig) -> Result<Self, MigrationError> {
        let mut options = ConnectOptions::new(config.address());
        // One connection: the lock and the settings below belong to it.
        options
            .max_connections(1)
            .connect_timeout(CONNECT_TIMEOUT)
            .sqlx_logging(false);
        let connection = sea_orm::Database::connect(options)
            .await
            .map_err(MigrationError::Unreachable)?;
        for statement in [
            format!("select pg_advisory_lock({LOCK})"),
            format!("set lock_timeout = '{LOCK_TIMEOUT}'"),
        ] {
            connection
                .execute_unprepared(&statement)
                .await
                .map_err(MigrationError::Refused)?;
        }
        Ok(Self { connection })
    }

    async fn states(&self) -> Result<Vec<MigrationState>, MigrationError> {
        let ledger = Migrator::get_applied_migrations_read_only(&self.connection)
            .await
            .map_err(MigrationError::Refused)?;
        let applied: Vec<&str> = ledger.iter().map(|migration| migration.name()).collect();
        Ok(Migrator::migrations()
            .iter()
            .map(|migration| MigrationState {
                name: migration.name().to_owned(),
                applied: applied.contains(&migration.name()),
            })
            .collect())
    }

    /// Ends the session, and with it the lock.
    async fn close(self) {
        if let Err(error) = self.connection.close().await {
            tracing::debug!(%error, "the owner's connection did not close in good order");
        }
    }
}

impl Database {
    /// The migrations that this program knows and the database has not run, oldest first.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let applied = self.applied_migrations().await?;
        Ok(Migrator::migrations()
            .iter()
            .map(|migration| migration.name().to_owned())
            .filter(|name| !applied.contains(name))
            .collect())
    }
}
