//! Why a cluster could not be started, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use super::programs::OLDEST_MAJOR;

/// A failure of [`Cluster`](super::Cluster). The message is for the person at the terminal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EmbeddedError {
    /// No PostgreSQL server on this machine.
    #[error(
        "PostgreSQL's programs (initdb, postgres), version {OLDEST_MAJOR} or newer, were not found on this machine. \
         Install them with one of these commands:\n\
         \x20 Debian, Ubuntu   apt-get install postgresql\n\
         \x20 Fedora           dnf install postgresql-server\n\
         \x20 macOS            brew install postgresql@17\n\
         \x20 any, with pip    make tools\n\
         or name their folder in PG_BIN, or a server of your own in DATABASE_URL.{}",
        looked_at(.rejected)
    )]
    ProgramsMissing {
        /// Program folders that were found and why each was passed over.
        rejected: Vec<String>,
    },

    /// The folder that was named has no PostgreSQL, or not one that can be used.
    #[error(
        "{bin_dir} was named as PostgreSQL's program folder, but {why}. Name a folder that holds initdb and postgres, \
         version {OLDEST_MAJOR} or newer, or leave PG_BIN unset to have them looked for"
    )]
    BadBinDir {
        /// The folder.
        bin_dir: PathBuf,
        /// What is wrong with it.
        why: String,
    },

    /// The cluster was made by another major version; PostgreSQL cannot read it.
    #[error(
        "the database in {dir} was made by PostgreSQL {cluster}, and the programs in {bin_dir} are PostgreSQL \
         {programs}. Install PostgreSQL {cluster} beside it, or throw the database away and start anew with --fresh"
    )]
    OtherVersion {
        /// The cluster's folder.
        dir: PathBuf,
        /// The cluster's major version.
        cluster: u32,
        /// The programs' major version.
        programs: u32,
        /// The programs' folder.
        bin_dir: PathBuf,
    },

    /// Another program has this cluster.
    #[error(
        "the database in {dir} is in use by another run of this program (process {holder}). Stop that one first, or \
         choose another port: each port has a database of its own"
    )]
    InUse {
        /// The cluster's folder.
        dir: PathBuf,
        /// The other program's process id.
        holder: String,
    },

    /// Root found no account to run the server as.
    #[error(
        "PostgreSQL does not run as root, and this machine has neither an account `postgres` nor `nobody` to run it \
         as. Make one with: useradd --system postgres"
    )]
    NoAccount,

    /// The folder belongs to somebody else.
    #[error(
        "the database in {dir} belongs to another account (user id {owner}). Run this program as that account or as \
         root, or remove the folder to start anew"
    )]
    Foreign {
        /// The cluster's folder.
        dir: PathBuf,
        /// Its owner's user id.
        owner: u32,
    },

    /// `initdb` failed.
    #[error("{initdb} could not create the database cluster: {said}")]
    Initdb {
        /// The program.
        initdb: PathBuf,
        /// Its own words.
        said: String,
    },

    /// The server ended instead of starting.
    #[error("PostgreSQL did not start. The end of {log}:\n{said}")]
    Start {
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        said: String,
    },

    /// The server did not get ready.
    #[error("PostgreSQL is not ready after {seconds} s. The end of {log}:\n{said}")]
    NotReady {
        /// How long it was waited for.
        seconds: u64,
        /// The server's log.
        log: PathBuf,
        /// Its last lines.
        said: String,
    },

    /// The server ignores the request to stop.
    #[error(
        "the database server in {dir} (process {pid}) does not stop. Look at it with `ps -fp {pid}`, and end it with \
         `kill -QUIT {pid}`"
    )]
    WillNotStop {
        /// The cluster's folder.
        dir: PathBuf,
        /// The postmaster's process id.
        pid: i32,
    },

    /// A file or a program could not be used.
    #[error("could not {action} {path}: {source}")]
    Io {
        /// A verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },

    /// The running server refused a statement.
    #[error("the database server refused: {0}")]
    Sql(#[source] sqlx::Error),
}

impl EmbeddedError {
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

fn looked_at(rejected: &[String]) -> String {
    rejected.iter().map(|why| format!("\nPassed over: {why}.")).collect()
}
