//! A PostgreSQL of our own: the database of the demo and of the tests.
//!
//! [`Cluster::start`] takes a folder and gives back a running server; there is no service to install, no port to choose
//! and no password to set. It tells its story in this order:
//!
//! 1. [`home`]: whose folder is it, and can that account reach it? PostgreSQL refuses to run as root, so root hands the
//!    cluster to `postgres` or `nobody`, and moves it out of a folder which that account may not enter.
//! 2. A lock on the folder. Two programs never manage one cluster: the second is told who has it.
//! 3. [`programs`]: which `initdb` and `postgres`? The ones that fit a cluster which exists, else the newest.
//! 4. What the last run left behind is cleared: a postmaster that outlived its program, a stale pid file, a half-made
//!    cluster.
//! 5. `initdb`, if this folder has no cluster yet: into another name first, then renamed, so that a cluster is whole or
//!    absent.
//! 6. [`postmaster`]: started under a small supervisor that ends it when this program ends, however it ends.
//!
//! # Who may connect
//! Nobody over the network: `listen_addresses` is empty. The only door is a unix socket in a folder with mode 0700 that
//! belongs to the server's own account. Whoever can open that socket owns the data files too, so a password would guard
//! nothing, and every local connection is trusted (`trust`). The roles are as real as in production: a connection as
//! `api` is bound by row-level security like any other.
//!
//! # What it refuses to do
//! It reads no environment variable, it downloads nothing, and it never kills a postmaster with `kill -9`: one that does
//! not stop is named in an error.

mod error;
mod home;
mod postmaster;
mod programs;

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

pub use error::EmbeddedError;
use home::Home;
use postmaster::Postmaster;
use programs::Programs;

/// The cluster's superuser: it owns every database and runs the migrations.
pub const OWNER: &str = "owner";

/// The port is part of the socket's file name only: nothing listens on it.
const SOCKET_PORT: u16 = 5432;

/// Where a cluster lives and what may be saved on it.
pub struct ClusterOptions {
    /// The cluster's folder, made if absent. Everything in it belongs to the cluster.
    pub data_dir: PathBuf,
    /// PostgreSQL's program folder, when somebody named one: then no other is looked at.
    pub bin_dir: Option<PathBuf>,
    /// Program folders to look at beside the usual places.
    pub more_bin_dirs: Vec<PathBuf>,
    /// Whether committed data survives a crash. Without, everything is several times faster, a killed server may lose its
    /// last half second, and a power cut the whole cluster: right for tests.
    pub durable: bool,
    /// Whether the folder is removed when the cluster stops, also when the program was killed.
    pub ephemeral: bool,
    /// Called before each step that takes time, for a person who waits.
    pub on_step: Option<OnStep>,
}

/// Tells a person about a step that begins.
pub type OnStep = Box<dyn Fn(&Step) + Send + Sync>;

impl ClusterOptions {
    /// A durable cluster in `data_dir`, with whatever PostgreSQL the machine has.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            bin_dir: None,
            more_bin_dirs: Vec::new(),
            durable: true,
            ephemeral: false,
            on_step: None,
        }
    }

    fn report(&self, step: &Step) {
        tracing::debug!(%step, "database cluster");
        if let Some(on_step) = &self.on_step {
            on_step(step);
        }
    }
}

/// A step of [`Cluster::start`] that takes time or needs to be known; `Display` is a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// Root's choice of account cannot enter the folder that was asked for.
    Moved {
        /// The account that runs the server.
        account: String,
        /// The folder that was asked for.
        from: PathBuf,
        /// The folder that is used.
        to: PathBuf,
    },
    /// A postmaster of an earlier run is still there.
    StoppingLeftover {
        /// Its process id.
        pid: i32,
    },
    /// `initdb` runs: about a second, some more on a slow disk.
    Creating {
        /// The major version of the new cluster.
        major: u32,
    },
    /// The server starts, and recovers first if it was not stopped properly.
    Starting,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved { account, from, to } => write!(
                f,
                "PostgreSQL does not run as root, and {account} may not enter {}: the database is kept in {}",
                from.display(),
                to.display()
            ),
            Self::StoppingLeftover { pid } => {
                write!(f, "stopping the database server of an earlier run (process {pid})…")
            }
            Self::Creating { major } => write!(f, "creating the database cluster (PostgreSQL {major})…"),
            Self::Starting => write!(f, "starting the database server…"),
        }
    }
}

/// A running PostgreSQL server. Dropping it stops the server; so does the end of the program.
#[derive(Debug)]
pub struct Cluster {
    postmaster: Postmaster,
    lock: File,
    dir: PathBuf,
    socket_dir: PathBuf,
}

impl Cluster {
    /// Starts the cluster of `options.data_dir`, after making it if need be.
    ///
    /// Blocks for about half a second, and for some seconds when the cluster is made: async code calls it from
    /// `spawn_blocking`. The result belongs to no runtime.
    ///
    /// # Errors
    /// Each [`EmbeddedError`] says what to do.
    pub fn start(options: &ClusterOptions) -> Result<Self, EmbeddedError> {
        let home = Home::prepare(&options.data_dir, options.ephemeral)?;
        if let Some(to) = home.moved_to() {
            let (account, from) = (home.account().to_string(), options.data_dir.clone());
            options.report(&Step::Moved {
                account,
                from,
                to: to.to_owned(),
            });
        }
        let lock = take_lock(home.dir())?;

        let data = home.dir().join("data");
        let existing = cluster_major(&data)?;
        let programs = Programs::find(options, home.account(), existing)?;
        if let Some(cluster) = existing
            && cluster != programs.major
        {
            return Err(EmbeddedError::OtherVersion {
                dir: home.dir().to_owned(),
                cluster,
                programs: programs.major,
                bin_dir: programs.bin_dir,
            });
        }

        postmaster::stop_leftover(&data, |pid| options.report(&Step::StoppingLeftover { pid }))?;
        if existing.is_none() {
            options.report(&Step::Creating { major: programs.major });
            create(&home, &programs, &data, options.durable)?;
        }
        options.report(&Step::Starting);
        let socket_dir = home.fresh_socket_dir()?;
        let postmaster = Postmaster::start(&home, &programs, &data, &socket_dir, options)?;
        Ok(Self {
            postmaster,
            lock,
            dir: home.dir().to_owned(),
            socket_dir,
        })
    }

    /// Throws the cluster of `options.data_dir` away, with everything in it; the next start makes a new one.
    ///
    /// # Errors
    /// [`EmbeddedError::InUse`] while a program runs it, so that nobody loses a database at work.
    pub fn erase(options: &ClusterOptions) -> Result<(), EmbeddedError> {
        let home = Home::prepare(&options.data_dir, options.ephemeral)?;
        let _lock = take_lock(home.dir())?;
        let data = home.dir().join("data");
        postmaster::stop_leftover(&data, |pid| options.report(&Step::StoppingLeftover { pid }))?;
        remove_unfinished(home.dir());
        remove_dir(&data)
    }

    /// The folder in use: the one that was asked for, unless root had to move it.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The connection string for `role` in `database`.
    ///
    /// The port and the TLS mode are spelled out so that no `PG…` variable of the caller's environment fills them in.
    pub fn url(&self, role: &str, database: &str) -> String {
        let socket_dir = percent_encode(self.socket_dir.as_os_str().as_encoded_bytes());
        let role = percent_encode(role.as_bytes());
        let database = percent_encode(database.as_bytes());
        format!("postgres://{role}@{socket_dir}:{SOCKET_PORT}/{database}?sslmode=disable")
    }

    /// Makes a database, a copy of `template` if one is named; says `false` when it exists already.
    ///
    /// Nobody may be connected to the template meanwhile, or PostgreSQL refuses.
    ///
    /// # Errors
    /// [`EmbeddedError::Sql`] with PostgreSQL's own words.
    pub async fn create_database(&self, name: &str, template: Option<&str>) -> Result<bool, EmbeddedError> {
        // Copying files beats logging every page when nothing is synced, and costs a checkpoint otherwise: a new,
        // small database is made once there.
        let template = quote(template.unwrap_or("template1"));
        let name = quote(name);
        match self
            .execute(format!("create database {name} template {template} strategy file_copy"))
            .await
        {
            Ok(()) => Ok(true),
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DUPLICATE_DATABASE) => Ok(false),
            Err(error) => Err(EmbeddedError::Sql(error)),
        }
    }

    /// Drops a database if it exists, and ends the connections to it.
    ///
    /// # Errors
    /// [`EmbeddedError::Sql`] with PostgreSQL's own words.
    pub async fn drop_database(&self, name: &str) -> Result<(), EmbeddedError> {
        let name = quote(name);
        self.execute(format!("drop database if exists {name} with (force)"))
            .await
            .map_err(EmbeddedError::Sql)
    }

    /// Stops the server: connections are ended, what was committed is on disk.
    ///
    /// Blocks for about a tenth of a second.
    ///
    /// # Errors
    /// [`EmbeddedError::WillNotStop`] when it is still there after half a minute.
    pub fn stop(mut self) -> Result<(), EmbeddedError> {
        self.postmaster.stop()
    }

    /// One statement on a connection of its own: the cluster belongs to no runtime, a pool would.
    async fn execute(&self, statement: String) -> Result<(), sqlx::Error> {
        let options: sqlx::postgres::PgConnectOptions = self.url(OWNER, "postgres").parse()?;
        let mut connection = options.disable_statement_logging().connect().await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        PgConnection::close(connection).await
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.postmaster.stop() {
            tracing::warn!(%error, "the database server was left running");
        }
        // Closing would do, but a process that this program is just starting may hold a copy of the lock's handle for
        // a moment: without this, the next start in the same folder could be refused.
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the lock of the database folder was not released");
        }
    }
}

/// SQLSTATE of `create database` for a name that is taken.
const DUPLICATE_DATABASE: &str = "42P04";

/// Locks the folder for this program, or says which one has it. The lock ends with the program, however it ends.
fn take_lock(dir: &Path) -> Result<File, EmbeddedError> {
    let path = dir.join("lock");
    let failed = |source| EmbeddedError::io("lock", &path, source);
    let mut lock = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            lock.read_to_string(&mut holder).map_err(failed)?;
            return Err(EmbeddedError::InUse {
                dir: dir.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    lock.set_len(0).map_err(failed)?;
    lock.rewind().map_err(failed)?;
    writeln!(lock, "{}", std::process::id()).map_err(failed)?;
    Ok(lock)
}

/// The major version of the cluster in `data`; `None` if there is no whole one.
fn cluster_major(data: &Path) -> Result<Option<u32>, EmbeddedError> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(EmbeddedError::io("read", &path, source)),
    }
}

/// Makes a cluster beside its place and renames it into place, so that a crash in between leaves nothing that looks
/// like a cluster. What an earlier crash left is thrown away.
fn create(home: &Home, programs: &Programs, data: &Path, durable: bool) -> Result<(), EmbeddedError> {
    remove_unfinished(home.dir());
    remove_dir(data)?;
    // The name is this program's own: an `initdb` whose program was killed may still be writing under another.
    let unfinished = home.dir().join(format!("{UNFINISHED}{}", std::process::id()));

    let initdb = programs.bin_dir.join("initdb");
    let mut command = home.account().command(&initdb);
    command
        .arg("-D")
        .arg(&unfinished)
        .args(["-U", OWNER, "-A", "trust", "-E", "UTF8", "--locale=C"]);
    command.arg("--no-instructions");
    if !durable {
        command.arg("--no-sync");
    }
    let output = command
        .output()
        .map_err(|source| EmbeddedError::io("run", &initdb, source))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(EmbeddedError::Initdb { initdb, said });
    }
    fs::rename(&unfinished, data).map_err(|source| EmbeddedError::io("rename", &unfinished, source))
}

/// How the name of a cluster begins that `initdb` has not finished.
const UNFINISHED: &str = "unfinished-";

/// One that cannot be removed, since its `initdb` is just being ended, is removed by the next start.
fn remove_unfinished(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Removes a folder that need not exist.
fn remove_dir(dir: &Path) -> Result<(), EmbeddedError> {
    match fs::remove_dir_all(dir) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(EmbeddedError::io("remove", dir, source)),
        _ => Ok(()),
    }
}

/// An SQL identifier.
fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What stands for itself anywhere in a URL; a folder in the place of a host has no other spelling.
fn percent_encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut encoded, &byte| {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_becomes_the_host_of_a_url() {
        assert_eq!(percent_encode("/tmp/a b_c-1.ü".as_bytes()), "%2Ftmp%2Fa%20b_c-1.%C3%BC");
    }

    #[test]
    fn a_quote_in_a_name_stays_in_the_name() {
        assert_eq!(quote("a\"; drop"), "\"a\"\"; drop\"");
    }
}
