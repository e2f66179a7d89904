//! The queue's promises: one run a link and job, one worker a run, no write by a worker that lost it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use server::domain::ids::{RunId, RunTrigger};
use server::queue::{Failure, Handler, Outcome, Run, Worker, WorkerOptions, enqueue};
use server::store::{NewRun, Progress, StoreError, Tenant};
use tokio_util::sync::CancellationToken;

use crate::support::fixture::Fixture;

async fn queue(fixture: &Fixture, tenant: &Tenant) -> RunId {
    queue_job(fixture, tenant, "shopify_fresh").await
}

async fn queue_job(fixture: &Fixture, tenant: &Tenant, job_type: &'static str) -> RunId {
    let integration_id = fixture.store(tenant).await;
    let db = fixture.web.write(tenant).await.unwrap();
    let run = NewRun {
        integration_id,
        job_type,
        trigger: RunTrigger::Manual,
    };
    let queued = enqueue(&db, &run).await.unwrap();
    db.commit().await.unwrap();
    queued.id
}

async fn status(fixture: &Fixture, run: RunId) -> (String, i32, Option<String>) {
    sqlx::query_as("select status, attempt, error_message from sync_runs where id = $1")
        .bind(run)
        .fetch_one(&fixture.owner)
        .await
        .unwrap()
}

/// Answers with what it was told to, and counts.
struct Scripted<F> {
    script: F,
    handled: Arc<AtomicUsize>,
}

#[async_trait]
impl<F: Fn(&Run, usize) -> Outcome + Send + Sync + 'static> Handler for Scripted<F> {
    async fn handle(&self, run: &Run, _: &CancellationToken) -> Outcome {
        (self.script)(run, self.handled.fetch_add(1, Ordering::SeqCst))
    }

    async fn schedule(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn brisk() -> WorkerOptions {
    WorkerOptions {
        poll: Duration::from_millis(20),
        housekeeping: Duration::from_millis(50),
        ..WorkerOptions::default()
    }
}

/// Works with `script` until `done` says so.
async fn work(
    fixture: &Fixture,
    script: impl Fn(&Run, usize) -> Outcome + Send + Sync + 'static,
    done: impl AsyncFn() -> bool,
) -> usize {
    let handled = Arc::new(AtomicUsize::new(0));
    let stop = CancellationToken::new();
    let handler = Scripted {
        script,
        handled: handled.clone(),
    };
    let worker = tokio::spawn(Worker::new(fixture.worker.clone(), handler, brisk()).run(stop.clone()));
    for _ in 0..500 {
        if done().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    worker.await.unwrap();
    handled.load(Ordering::SeqCst)
}

#[tokio::test]
async fn asking_five_hundred_times_at_once_makes_one_run() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let integration_id = fixture.store(&tenant).await;
    let asked = futures::future::join_all((0..500).map(|_| async {
        let run = NewRun {
            integration_id,
            job_type: "shopify_fresh",
            trigger: RunTrigger::Manual,
        };
        loop {
            match fixture.web.write(&tenant).await {
                Ok(db) => {
                    let queued = enqueue(&db, &run).await.unwrap();
                    db.commit().await.unwrap();
                    break queued;
                }
                // Five hundred share ten connections: some wait too long for one.
                Err(StoreError::Unavailable(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }))
    .await;
    assert_eq!(asked.iter().map(|queued| queued.id).collect::<BTreeSet<_>>().len(), 1);
    assert_eq!(asked.iter().filter(|queued| !queued.existed).count(), 1);
}

#[tokio::test]
async fn every_run_is_claimed_once_however_many_workers_ask() {
    let fixture = Fixture::new().await;
    let mut queued = BTreeSet::new();
    for number in 0..20 {
        let tenant = fixture.account(&format!("Account {number}"), "UTC").await;
        for _ in 0..10 {
            queued.insert(queue(&fixture, &tenant).await);
        }
    }
    let claimed = futures::future::join_all((0..8).map(|_| async {
        let mut mine = Vec::new();
        while let Some(run) = fixture
            .worker
            .system()
            .claim_run(Duration::from_secs(60), 1_000, true)
            .await
            .unwrap()
        {
            mine.push(run.id);
        }
        mine
    }))
    .await
    .concat();
    assert_eq!(claimed.len(), queued.len());
    assert_eq!(BTreeSet::from_iter(claimed), queued);
}

#[tokio::test]
async fn an_account_with_many_runs_does_not_keep_others_waiting() {
    let fixture = Fixture::new().await;
    let greedy = fixture.account("Greedy", "UTC").await;
    for _ in 0..40 {
        queue(&fixture, &greedy).await;
    }
    let mut modest = Vec::new();
    for number in 0..3 {
        let tenant = fixture.account(&format!("Modest {number}"), "UTC").await;
        queue(&fixture, &tenant).await;
        modest.push(tenant);
    }
    let mut running: BTreeMap<String, usize> = BTreeMap::new();
    while let Some(run) = fixture
        .worker
        .system()
        .claim_run(Duration::from_secs(60), 2, true)
        .await
        .unwrap()
    {
        *running.entry(run.tenant.account_id().to_string()).or_default() += 1;
    }
    assert_eq!(running[&greedy.account_id().to_string()], 2);
    for tenant in modest {
        assert_eq!(running[&tenant.account_id().to_string()], 1);
    }
}

/// Claims what there is, and says of each run whether it was a long one.
async fn claim_all(fixture: &Fixture, takes_long: bool) -> Vec<bool> {
    let mut claimed = Vec::new();
    let lease = Duration::from_secs(60);
    while let Some(run) = fixture.worker.system().claim_run(lease, 2, takes_long).await.unwrap() {
        assert_eq!(run.is_long, run.job_type != "shopify_fresh");
        claimed.push(run.is_long);
    }
    claimed
}

#[tokio::test]
async fn long_runs_leave_a_place_to_short_ones_and_come_after_them() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    for job in ["shopify_backfill", "shopify_replay", "shopify_backfill"] {
        queue_job(&fixture, &tenant, job).await;
    }
    // One of an account's two places; and none where the worker has no room for long ones.
    assert!(claim_all(&fixture, false).await.is_empty());
    assert_eq!(claim_all(&fixture, true).await, [true]);
    for _ in 0..2 {
        queue(&fixture, &tenant).await;
    }
    assert_eq!(claim_all(&fixture, true).await, [false]);

    let other = fixture.account("Other", "UTC").await;
    queue_job(&fixture, &other, "shopify_backfill").await;
    queue(&fixture, &other).await;
    // The short one first, although the long one was there before.
    assert_eq!(claim_all(&fixture, true).await, [false, true]);
}

#[tokio::test]
async fn a_long_run_that_has_waited_for_ten_minutes_takes_its_turn() {
    let fixture = Fixture::new().await;
    for name in ["One", "Two"] {
        let tenant = fixture.account(name, "UTC").await;
        queue_job(&fixture, &tenant, "shopify_backfill").await;
        queue(&fixture, &tenant).await;
    }
    sqlx::query(
        "update sync_runs set scheduled_at = now() - interval '11 minutes' where job_type = 'shopify_backfill'",
    )
    .execute(&fixture.owner)
    .await
    .unwrap();
    assert_eq!(claim_all(&fixture, true).await, [true, true, false, false]);
}

#[tokio::test]
async fn a_worker_keeps_half_of_its_slots_for_short_runs() {
    let fixture = Fixture::new().await;
    let mut long = Vec::new();
    for number in 0..6 {
        let tenant = fixture.account(&format!("Account {number}"), "UTC").await;
        long.push(queue_job(&fixture, &tenant, "shopify_backfill").await);
    }
    let started = Arc::new(AtomicBool::new(false));
    let stop = CancellationToken::new();
    let handler = Endless {
        yields: true,
        started: started.clone(),
    };
    let worker = tokio::spawn(Worker::new(fixture.worker.clone(), handler, brisk()).run(stop.clone()));
    let running = async || -> i64 {
        sqlx::query_scalar("select count(*) from sync_runs where status = 'running'")
            .fetch_one(&fixture.owner)
            .await
            .unwrap()
    };
    while running().await < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let tenant = fixture.account("Modest", "UTC").await;
    let short = queue(&fixture, &tenant).await;
    while status(&fixture, short).await.0 != "running" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // Of four slots two are for long runs, however many wait.
    assert_eq!(running().await, 3);
    stop.cancel();
    worker.await.unwrap();
}

#[tokio::test]
async fn a_run_that_waits_for_something_has_not_failed() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let id = queue(&fixture, &tenant).await;
    work(
        &fixture,
        |_, _| Outcome::Wait(Duration::from_secs(3600), "Half of it is ready.".to_owned()),
        async || status(&fixture, id).await.0 == "queued" && message(&fixture, id).await.is_some(),
    )
    .await;
    assert_eq!(status(&fixture, id).await, ("queued".to_owned(), 0, None));
    assert_eq!(message(&fixture, id).await.as_deref(), Some("Half of it is ready."));
}

async fn message(fixture: &Fixture, run: RunId) -> Option<String> {
    sqlx::query_scalar("select progress ->> 'message' from sync_runs where id = $1")
        .bind(run)
        .fetch_one(&fixture.owner)
        .await
        .unwrap()
}

#[tokio::test]
async fn a_worker_that_lost_its_run_can_write_nothing_more() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let id = queue(&fixture, &tenant).await;
    let first = fixture
        .worker
        .system()
        .claim_run(Duration::from_secs(60), 2, true)
        .await
        .unwrap()
        .unwrap();
    sqlx::query("update sync_runs set lease_expires_at = now() - interval '1 second'")
        .execute(&fixture.owner)
        .await
        .unwrap();
    let reaped = fixture.worker.system().reap_runs(10).await.unwrap();
    assert_eq!(reaped.len(), 1);
    let second = fixture
        .worker
        .system()
        .claim_run(Duration::from_secs(60), 2, true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!((first.id, second.id), (id, id));

    let db = fixture.worker.write(&tenant).await.unwrap();
    let refused = db.fence_run(&first, &Progress::default(), false).await;
    assert!(matches!(refused, Err(StoreError::LeaseLost)), "{refused:?}");
    drop(db);
    let db = fixture.worker.write(&tenant).await.unwrap();
    db.fence_run(
        &second,
        &Progress {
            pages: 1,
            ..Progress::default()
        },
        true,
    )
    .await
    .unwrap();
    db.commit().await.unwrap();
    let pages: i64 = sqlx::query_scalar("select (progress->>'pages')::bigint from sync_runs where id = $1")
        .bind(id)
        .fetch_one(&fixture.owner)
        .await
        .unwrap();
    assert_eq!(pages, 1);
}

#[tokio::test]
async fn a_failing_run_is_tried_again_and_given_up_after_its_last_attempt() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let id = queue(&fixture, &tenant).await;
    sqlx::query("update sync_runs set max_attempts = 3")
        .execute(&fixture.owner)
        .await
        .unwrap();
    let handled = work(
        &fixture,
        |_, _| {
            Outcome::Retry(Failure {
                code: "PROVIDER_RETRY",
                message: "The store did not answer.".to_owned(),
            })
        },
        async || {
            // Patience is not what is tested here.
            sqlx::query("update sync_runs set scheduled_at = now() where status = 'queued'")
                .execute(&fixture.owner)
                .await
                .unwrap();
            status(&fixture, id).await.0 == "failed"
        },
    )
    .await;
    assert_eq!(handled, 3);
    assert_eq!(
        status(&fixture, id).await,
        ("failed".to_owned(), 3, Some("The store did not answer.".to_owned()))
    );
    let history: i32 = sqlx::query_scalar("select jsonb_array_length(error_history) from sync_runs where id = $1")
        .bind(id)
        .fetch_one(&fixture.owner)
        .await
        .unwrap();
    assert_eq!(history, 3);
}

#[tokio::test]
async fn a_throttled_run_waits_without_spending_an_attempt() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let id = queue(&fixture, &tenant).await;
    work(
        &fixture,
        |_, _| {
            let why = Failure {
                code: "PROVIDER_LATER",
                message: "The store asks us to slow down.".to_owned(),
            };
            Outcome::Snooze(Duration::from_secs(3600), why)
        },
        async || status(&fixture, id).await.0 == "queued" && status(&fixture, id).await.2.is_some(),
    )
    .await;
    let (status, attempt, message) = status(&fixture, id).await;
    assert_eq!((status.as_str(), attempt), ("queued", 0));
    assert_eq!(message.as_deref(), Some("The store asks us to slow down."));
    let (waits, snoozes): (bool, i32) =
        sqlx::query_as("select scheduled_at > now() + interval '59 minutes', snoozes from sync_runs where id = $1")
            .bind(id)
            .fetch_one(&fixture.owner)
            .await
            .unwrap();
    assert!(waits);
    assert_eq!(snoozes, 1);
}

#[tokio::test]
async fn a_panic_is_an_attempt_that_failed_and_hurts_no_neighbour() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let poisoned = queue(&fixture, &tenant).await;
    let healthy = queue(&fixture, &tenant).await;
    work(
        &fixture,
        move |run, _| {
            if run.id == poisoned {
                panic!("poison")
            } else {
                Outcome::Done(None)
            }
        },
        async || status(&fixture, healthy).await.0 == "succeeded" && status(&fixture, poisoned).await.2.is_some(),
    )
    .await;
    assert_eq!(status(&fixture, healthy).await.0, "succeeded");
    assert_eq!(status(&fixture, poisoned).await.0, "queued");
}

/// Works until it is told to stop, or for ever.
struct Endless {
    yields: bool,
    started: Arc<AtomicBool>,
}

#[async_trait]
impl Handler for Endless {
    async fn handle(&self, _: &Run, stop: &CancellationToken) -> Outcome {
        self.started.store(true, Ordering::SeqCst);
        if self.yields {
            stop.cancelled().await;
            Outcome::Yielded
        } else {
            std::future::pending().await
        }
    }

    async fn schedule(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_stopping_worker_hands_its_run_back_unspent() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let id = queue(&fixture, &tenant).await;
    let started = Arc::new(AtomicBool::new(false));
    let stop = CancellationToken::new();
    let handler = Endless {
        yields: true,
        started: started.clone(),
    };
    let worker = tokio::spawn(Worker::new(fixture.worker.clone(), handler, brisk()).run(stop.clone()));
    while !started.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    worker.await.unwrap();
    assert_eq!(status(&fixture, id).await, ("queued".to_owned(), 0, None));
}

#[tokio::test]
async fn a_cancelled_run_stops_at_its_next_heartbeat() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let id = queue(&fixture, &tenant).await;
    let started = Arc::new(AtomicBool::new(false));
    let stop = CancellationToken::new();
    let handler = Endless {
        yields: false,
        started: started.clone(),
    };
    let options = WorkerOptions {
        heartbeat: Duration::from_millis(50),
        ..brisk()
    };
    let worker = tokio::spawn(Worker::new(fixture.worker.clone(), handler, options).run(stop.clone()));
    while !started.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    sqlx::query("update sync_runs set cancel_requested_at = now()")
        .execute(&fixture.owner)
        .await
        .unwrap();
    for _ in 0..200 {
        if status(&fixture, id).await.0 == "cancelled" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status(&fixture, id).await.0, "cancelled");
    stop.cancel();
    worker.await.unwrap();
}
