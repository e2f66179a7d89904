//! One PostgreSQL for a run of the tests, one database for each test.
//!
//! The first test that asks starts a cluster, which all share and which no test's runtime owns. Its template is migrated
//! once; a test's database is a copy of it, so that a test may write, drop and lock what it likes while others run.
//! The cluster ends with the process, and its folder is removed.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use migration::{Migrator, MigratorTrait};
use sea_orm::Database;
use server::embedded::{Cluster, ClusterOptions, OWNER};
use tokio::runtime;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The migrated database that the others are copies of.
const TEMPLATE: &str = "app_template";

/// Where `make` puts PostgreSQL's programs on a machine that has none.
const FROM_MAKE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../.data/postgresql/bin");

/// The folders of all clusters.
const CLUSTERS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/clusters");

/// A database with the whole schema and no rows, gone when this is dropped.
pub(crate) struct TestDatabase {
    name: String,
    shared: &'static Shared,
}

impl TestDatabase {
    /// A copy of the template: some hundredths of a second, the first one a few seconds.
    pub(crate) async fn new() -> Self {
        static SHARED: OnceCell<Shared> = OnceCell::const_new();
        let shared = SHARED.get_or_init(Shared::start).await;
        let name = format!("t_{}", Uuid::new_v4().simple());
        shared
            .cluster
            .create_database(&name, Some(TEMPLATE))
            .await
            .expect("the template can be copied");
        Self { name, shared }
    }

    /// A database without anything in it.
    pub(crate) async fn empty() -> Self {
        let migrated = Self::new().await;
        let name = format!("e_{}", Uuid::new_v4().simple());
        let made = migrated.shared.cluster.create_database(&name, None).await;
        made.expect("an empty database can be made");
        Self {
            name,
            shared: migrated.shared,
        }
    }

    /// The connection string for a role: `owner` (a superuser, bound by no policy), `api` or `worker`.
    pub(crate) fn url(&self, role: &str) -> String {
        self.shared.cluster.url(role, &self.name)
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // A run with hundreds of tests would fill the disk; no test waits for it.
        let _ = self.shared.finished.send(std::mem::take(&mut self.name));
    }
}

struct Shared {
    cluster: Arc<Cluster>,
    finished: Sender<String>,
}

impl Shared {
    async fn start() -> Self {
        sweep();
        let cluster = tokio::task::spawn_blocking(|| Cluster::start(&options("shared")));
        let cluster = Arc::new(
            cluster
                .await
                .expect("starting does not panic")
                .unwrap_or_else(|error| panic!("{error}")),
        );
        cluster
            .create_database(TEMPLATE, None)
            .await
            .expect("a fresh cluster takes a database");
        let template = Database::connect(cluster.url(OWNER, TEMPLATE))
            .await
            .expect("the template can be reached");
        Migrator::up(&template, None)
            .await
            .expect("the migrations run on an empty database");
        template
            .close()
            .await
            .expect("the connection can be closed, else nobody could copy the template");
        Self {
            finished: drop_databases(Arc::clone(&cluster)),
            cluster,
        }
    }
}

/// Drops databases one after the other on a thread of its own.
fn drop_databases(cluster: Arc<Cluster>) -> Sender<String> {
    let (finished, names) = channel::<String>();
    thread::spawn(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime can be made");
        for name in names {
            if let Err(error) = runtime.block_on(cluster.drop_database(&name)) {
                eprintln!("the database {name} was left: {error}");
            }
        }
    });
    finished
}

/// How every cluster of the tests is run: fast, and gone afterwards.
pub(crate) fn options(name: &str) -> ClusterOptions {
    ClusterOptions {
        bin_dir: env::var_os("PG_BIN").map(PathBuf::from),
        more_bin_dirs: vec![PathBuf::from(FROM_MAKE)],
        durable: false,
        ephemeral: true,
        ..ClusterOptions::new(fresh_dir(name))
    }
}

/// A folder that no other cluster uses.
fn fresh_dir(name: &str) -> PathBuf {
    Path::new(CLUSTERS).join(format!("{name}-{}", Uuid::new_v4().simple()))
}

/// Removes what earlier runs had to leave: as root, a cluster that removes itself may not remove its own empty folder.
/// A young one may belong to a run that is just starting.
fn sweep() {
    for entry in fs::read_dir(CLUSTERS).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        let age = modified
            .ok()
            .and_then(|modified| modified.elapsed().ok())
            .unwrap_or_default();
        if age > Duration::from_secs(3600) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}
