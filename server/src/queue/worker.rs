//! The loop that claims runs, keeps their leases and records their outcome. Any number of workers may run at once, in
//! one process or in many.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span, warn};

use super::{Failure, Outcome, Run, backoff};
use crate::domain::ids::{RunId, RunStatus};
use crate::store::{Database, NamedClaim, StoreError};
use crate::telemetry;

/// Does the work of a run. May be called again for the same run after a crash, and must then end at the same result.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Works until done, or until `stop` asks to yield at the next good moment.
    async fn handle(&self, run: &Run, stop: &CancellationToken) -> Outcome;

    /// Puts runs into the queue whose time has come. Called every few seconds, by every worker.
    async fn schedule(&self) -> Result<(), StoreError>;

    /// Puts runs into the queue that something outside asks for. Called before each look at the queue, by every worker,
    /// so it has to cost nothing where nothing is asked for.
    async fn wake(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How a worker behaves.
#[derive(Debug, Clone, Copy)]
pub struct WorkerOptions {
    /// Runs at once.
    pub slots: usize,
    /// Runs of one account at once, over all workers.
    pub max_per_account: i32,
    /// How long a worker may be silent before its run is given to another.
    pub lease: Duration,
    /// How often a lease is renewed; also the longest time until a cancelled run notices.
    pub heartbeat: Duration,
    /// How often the queue is looked at when nothing is known to be due.
    pub poll: Duration,
    /// How often lost runs are looked for, and schedules.
    pub housekeeping: Duration,
    /// How long a run may take to yield when the worker is asked to stop.
    pub grace: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            slots: 4,
            max_per_account: 2,
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(4),
            poll: Duration::from_secs(1),
            housekeeping: Duration::from_secs(5),
            grace: Duration::from_secs(10),
        }
    }
}

/// One worker: a database to claim from and somebody who knows the jobs.
pub struct Worker<H> {
    database: Database,
    handler: Arc<H>,
    options: WorkerOptions,
    /// Places for long runs: half of the slots, so that short ones always find one.
    long_places: Arc<Semaphore>,
}

impl<H: Handler> Worker<H> {
    /// A worker that has not started yet.
    pub fn new(database: Database, handler: H, options: WorkerOptions) -> Self {
        Self {
            database,
            handler: Arc::new(handler),
            long_places: Arc::new(Semaphore::new((options.slots / 2).max(1))),
            options,
        }
    }

    /// Works until `stop`; then lets runs in progress finish their page and returns.
    pub async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut housekeeping = interval(self.options.housekeeping);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut poll = interval(self.options.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = housekeeping.tick() => self.keep_house().await,
                // A finished run frees a slot, and may have made room for its account.
                Some(_) = running.join_next() => self.fill_slots(&mut running, &stop).await,
                _ = poll.tick() => {
                    self.wake().await;
                    self.fill_slots(&mut running, &stop).await;
                }
            }
        }
        let deadline = Instant::now() + self.options.grace;
        while let Ok(Some(_)) = tokio::time::timeout_at(deadline, running.join_next()).await {}
        // What is left is dropped here; its lease runs out and another worker resumes it.
    }

    /// Works on this one run, also when it has to wait or be tried again, until it is over or `stop`. Where another
    /// worker has it, waits for that one.
    pub async fn run_one(&self, id: RunId, stop: &CancellationToken) -> Result<(), StoreError> {
        let mut poll = interval(self.options.poll);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = poll.tick() => {}
            }
            self.reap().await;
            match self.database.system().claim_named_run(id, self.options.lease).await? {
                NamedClaim::Claimed(run) => self.lease(*run).work(self.handler.clone(), stop.clone()).await,
                NamedClaim::NotNow => {}
                NamedClaim::Over => return Ok(()),
            }
        }
    }

    fn lease(&self, run: Run) -> Lease {
        Lease {
            database: self.database.clone(),
            options: self.options,
            run,
        }
    }

    async fn keep_house(&self) {
        self.reap().await;
        if let Err(error) = self.handler.schedule().await {
            warn!(%error, "schedules could not be looked at");
        }
    }

    async fn wake(&self) {
        if let Err(error) = self.handler.wake().await {
            warn!(%error, "what came in could not be looked at");
        }
    }

    async fn reap(&self) {
        match self.database.system().reap_runs(100).await {
            Ok(reaped) => {
                for run in reaped {
                    warn!(run = %run.id, account = %run.account_id, outcome = run.outcome, "run taken back: its worker fell silent");
                }
            }
            Err(error) => warn!(%error, "lost runs could not be looked for"),
        }
    }

    async fn fill_slots(&self, running: &mut JoinSet<()>, stop: &CancellationToken) {
        while running.len() < self.options.slots {
            let WorkerOptions {
                lease, max_per_account, ..
            } = self.options;
            let place = self.long_places.clone().try_acquire_owned().ok();
            let claimed = self
                .database
                .system()
                .claim_run(lease, max_per_account, place.is_some())
                .await;
            match claimed {
                Ok(Some(run)) => {
                    // A short run leaves the place to others.
                    let place = place.filter(|_| run.is_long);
                    let work = self.lease(run).work(self.handler.clone(), stop.clone());
                    running.spawn(async move {
                        work.await;
                        drop(place);
                    });
                }
                Ok(None) => return,
                Err(error) => {
                    warn!(%error, "no run could be claimed");
                    return;
                }
            }
        }
    }
}

/// A claimed run and the right to write its outcome.
struct Lease {
    database: Database,
    options: WorkerOptions,
    run: Run,
}

impl Lease {
    async fn work<H: Handler>(self, handler: Arc<H>, stop: CancellationToken) {
        let run = &self.run;
        let span = info_span!("run", id = %run.id, job = run.job_type, account = %run.tenant.account_id());
        self.work_in_span(handler, stop).instrument(span).await;
    }

    async fn work_in_span<H: Handler>(self, handler: Arc<H>, stop: CancellationToken) {
        info!(attempt = self.run.attempt, "run started");
        let began = Instant::now();
        // A run is a task of its own, so that a panic in it is an outcome like any other.
        let mut job = tokio::spawn({
            let run = self.run.clone();
            async move { handler.handle(&run, &stop).await }.in_current_span()
        });
        let outcome = tokio::select! {
            done = &mut job => done.unwrap_or_else(|panic| Outcome::Retry(Failure {
                code: "PANIC",
                message: format!("The job stopped unexpectedly ({}). It will be tried again.", if panic.is_panic() { "panic" } else { "cancelled" }),
            })),
            () = self.until_lost() => {
                job.abort();
                Outcome::Lost
            }
        };
        telemetry::run_worked(&self.run.job_type, outcome.word(), began.elapsed());
        if let Err(error) = self.record(outcome).await {
            // The lease runs out and another worker resumes the run.
            error!(%error, "the run's outcome could not be recorded");
        }
    }

    /// Renews the lease until it is not ours any more.
    async fn until_lost(&self) {
        let mut beat = interval(self.options.heartbeat);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            match self.renew().await {
                Err(StoreError::LeaseLost) => return,
                Err(error) => warn!(%error, "the lease could not be renewed yet"),
                Ok(()) => {}
            }
        }
    }

    async fn renew(&self) -> Result<(), StoreError> {
        let db = self.database.write(&self.run.tenant).await?;
        db.renew_lease(&self.run, self.options.lease).await?;
        db.commit().await
    }

    /// Writes how it went, trying for a while when the database is away: work that is done should not be done again.
    async fn record(&self, outcome: Outcome) -> Result<(), StoreError> {
        let mut patience = 10;
        loop {
            match self.record_once(&outcome).await {
                Err(StoreError::Unavailable(_) | StoreError::Timeout(_)) if patience > 0 => {
                    patience -= 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                Err(StoreError::LeaseLost) => {
                    warn!("lease_lost: the run belongs to another worker or was cancelled");
                    return Ok(());
                }
                answer => return answer,
            }
        }
    }

    async fn record_once(&self, outcome: &Outcome) -> Result<(), StoreError> {
        let run = &self.run;
        let db = self.database.write(&run.tenant).await?;
        match outcome {
            Outcome::Done(note) => {
                db.finish_run(run, RunStatus::Succeeded, note.as_deref(), None).await?;
                info!("run succeeded");
            }
            Outcome::Wait(pause, message) => {
                db.wait_run(run, *pause, message).await?;
                info!(seconds = pause.as_secs(), what = message, "run waits");
            }
            Outcome::Snooze(pause, failure) => {
                db.snooze_run(run, *pause, failure.pair()).await?;
                info!(seconds = pause.as_secs(), why = failure.message, "run snoozed");
            }
            Outcome::Yielded => {
                db.yield_run(run).await?;
                info!("run handed back");
            }
            Outcome::Retry(failure) => {
                let pause = backoff::pause(run.attempt, &mut StdRng::from_os_rng());
                let status = db.retry_run(run, pause, failure.pair()).await?;
                warn!(code = failure.code, why = failure.message, %status, pause = pause.as_secs(), "attempt failed");
            }
            Outcome::Fail(failure) => {
                db.finish_run(run, RunStatus::Failed, None, Some(failure.pair()))
                    .await?;
                error!(code = failure.code, why = failure.message, "run failed");
            }
            Outcome::Lost => {
                db.settle_cancellation(run).await?;
                info!("run cancelled");
            }
        }
        db.commit().await
    }
}

impl Outcome {
    /// For counting.
    fn word(&self) -> &'static str {
        match self {
            Self::Done(_) => "done",
            Self::Wait(..) => "wait",
            Self::Snooze(..) => "snooze",
            Self::Retry(_) => "retry",
            Self::Fail(_) => "fail",
            Self::Lost => "lost",
            Self::Yielded => "yielded",
        }
    }
}

impl Failure {
    fn pair(&self) -> (&str, &str) {
        (self.code, &self.message)
    }
}
