//! Real processes, really killed: the program as it is installed, `kill -9` at random moments of a sync, and the same
//! totals as without.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

use crate::support::world::{API_SECRET, AURORA, ENCRYPTION_KEY, World};

/// `server worker` against the world's database and sandbox.
pub(crate) fn start_worker(world: &World) -> Child {
    worker_command(world).spawn().unwrap()
}

pub(crate) fn worker_command(world: &World) -> Command {
    let key = base64::engine::general_purpose::STANDARD.encode(ENCRYPTION_KEY);
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command
        .arg("worker")
        .env_clear()
        .env("WORKER_DATABASE_URL", world.fixture.database.url("worker"))
        .env("PUBLIC_URL", &world.address)
        .env("ENCRYPTION_KEYS", format!("k1:{key}"))
        .env("SHOPIFY_API_KEY", "key")
        .env("SHOPIFY_API_SECRET", API_SECRET)
        .env("SHOPIFY_BASE_URL", format!("{}/{{shop}}", world.shopify))
        .env("SYNC_FRESH_EVERY", "1h")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

async fn totals(world: &World) -> Value {
    sqlx::query_scalar(
        "select jsonb_build_object(
             'orders', (select jsonb_agg(to_jsonb(o) - 'account_id' - 'integration_id' - 'shop_id' order by shopify_order_id) from fact_orders o),
             'days', (select jsonb_agg(to_jsonb(d) - 'account_id' - 'integration_id' - 'shop_id' order by shopify_order_id, date) from fact_order_days d),
             'cells', (select jsonb_agg(to_jsonb(m) - 'account_id' - 'integration_id' - 'computed_at' order by date) from daily_shopify_metrics m),
             'summary', (select jsonb_agg(to_jsonb(s) - 'account_id' - 'computed_at' order by date) from daily_summary s))",
    )
    .fetch_one(&world.fixture.owner)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_killed_at_any_moment_loses_and_doubles_nothing() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the processes have the machine's clock, and so must the world"
    )]
    let now = chrono::Utc::now();
    let clean = World::at(now).await;
    clean.synced("Acme", "USD", "America/New_York", AURORA).await;
    let expected = totals(&clean).await;

    // Slow answers, so that a kill meets a sync in progress.
    let world = World::with(now, |sandbox| {
        let mut sandbox = sandbox;
        sandbox.latency = Duration::from_millis(120);
        sandbox
    })
    .await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    let mut random = StdRng::seed_from_u64(9);
    let mut kills = 0;
    let mut interrupted = 0;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(90);
    while world.is_busy().await {
        assert!(tokio::time::Instant::now() < deadline, "the sync never comes through");
        let mut worker = start_worker(&world);
        let alive = if kills < 8 {
            random.random_range(100..700)
        } else {
            15_000
        };
        let end = tokio::time::Instant::now() + Duration::from_millis(alive);
        while tokio::time::Instant::now() < end && world.is_busy().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        worker.kill().unwrap();
        worker.wait().unwrap();
        kills += 1;
        // Its lease would run out by itself; the test does not wait for that.
        let taken =
            sqlx::query("update sync_runs set lease_expires_at = now() - interval '1 second' where status = 'running'")
                .execute(&world.fixture.owner)
                .await
                .unwrap();
        interrupted += taken.rows_affected();
    }
    assert!(
        interrupted >= 3,
        "only {interrupted} of {kills} kills met a run in progress"
    );
    let runs = world.runs().await;
    assert!(runs.iter().all(|(_, status, _)| status == "succeeded"), "{runs:?}");
    assert_eq!(totals(&world).await, expected);

    // What the sandbox sells meanwhile is nobody's loss: both worlds stand still at the same moment.
    assert_eq!(world.time.now() - clean.time.now(), TimeDelta::zero());
}
