//! The queue on `sync_runs`: mechanism only, it does not know what a job does.
//!
//! ```text
//! enqueue ─▶ queued ──claim──▶ running ──▶ succeeded
//!              ▲                 │ ├─────▶ failed      (no attempt left, or asking again can't help)
//!              │                 │ └─────▶ cancelled
//!              └──wait, snooze, retry, lease expired──┘
//! ```
//!
//! Long runs have a lane of their own, so that they never take all places of an account or of a worker.
//!
//! A claimed run is a lease: the worker renews it, and every write carries the run's token, so that a worker that was
//! thought dead can't commit beside its successor. All times are the database's.

mod backoff;
mod worker;

use std::time::Duration;

use crate::store::{ClaimedRun, StoreError, TenantDb};
pub use crate::store::{EnqueuedRun, NewRun};
pub use worker::{Handler, Worker, WorkerOptions};

/// How a run ended, or did not.
#[derive(Debug)]
pub enum Outcome {
    /// All done. The sentence, if any, stays visible on the run.
    Done(Option<String>),
    /// Something it set going is not ready yet. No failure, and costs no attempt. The sentence says how far it is.
    Wait(Duration, String),
    /// Not now; costs no attempt.
    Snooze(Duration, Failure),
    /// Try again, with a growing pause, until no attempt is left.
    Retry(Failure),
    /// Asking again can't help.
    Fail(Failure),
    /// Another worker has the run now, or it was cancelled: nothing more may be written.
    Lost,
    /// The worker is stopping: the run goes back as it is, without having cost an attempt.
    Yielded,
}

/// What went wrong, for the people who look at the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable code, such as `PROVIDER_RECONNECT`.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
}

/// Puts a run into the queue, or answers the one that already waits or runs for the same link and job.
pub async fn enqueue(db: &TenantDb, run: &NewRun) -> Result<EnqueuedRun, StoreError> {
    db.enqueue_run(run).await
}

/// A run in progress, as its job sees it.
pub type Run = ClaimedRun;
