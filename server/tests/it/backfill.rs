//! A store's whole history: by file and in slices it comes to the store's books, whatever goes wrong on the way.

use std::collections::BTreeSet;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use server::app::{App, Parts};
use server::cipher::Cipher;
use server::config::{EncryptionConfig, ShopifyConfig, SyncConfig};
use server::jobs::Jobs;
use server::providers::Registry;
use server::providers::http::Http;
use server::providers::shopify::Shopify;
use server::providers::shopify::sandbox::{
    EditRequest, Fault, FaultKind, LineQuantity, NewLine, NewOrder, RefundRequest, SandboxConfig, Tally, Target,
};
use server::queue::{Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;

use crate::support::oracle::{self, Day};
use crate::support::world::{API_SECRET, AURORA, BERLIN, ENCRYPTION_KEY, GULF, KYOTO, User, World};

const NEW_YORK: Tz = chrono_tz::America::New_York;
/// Days of the sandbox's history.
const DAYS: u64 = 90;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn on(target: Target, kind: FaultKind, times: u32) -> Fault {
    Fault {
        kind,
        times,
        on: target,
    }
}

/// Asks for jobs of the one store.
async fn ask_for(world: &World, user: &User, jobs: &[&str]) {
    let links = world.ask(user, "{ integrations { id } }").await;
    let input = json!({ "input": { "integrationId": links["integrations"][0]["id"], "jobs": jobs } });
    let mutation = "mutation ($input: ManualSyncInput!) { manualSync(input: $input) { userErrors { message } } }";
    let asked = world.ask_with(user, mutation, input).await;
    assert_eq!(asked["manualSync"]["userErrors"], json!([]));
}

async fn hurry(world: &World) {
    sqlx::query("update sync_runs set scheduled_at = now() where status = 'queued'")
        .execute(&world.fixture.owner)
        .await
        .unwrap();
}

async fn is_idle(world: &World) -> bool {
    sqlx::query_scalar("select not exists (select from sync_runs where status in ('queued', 'running'))")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

/// Lets a worker work until nothing is queued any more; no pause is waited for.
async fn work_through(world: &World, worker: Worker<Jobs>) {
    let stop = CancellationToken::new();
    let working = tokio::spawn(worker.run(stop.clone()));
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    while !is_idle(world).await {
        assert!(tokio::time::Instant::now() < deadline, "{:?}", world.runs().await);
        hurry(world).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    working.await.unwrap();
}

async fn backfill(world: &World, user: &User) {
    ask_for(world, user, &["SHOPIFY_BACKFILL"]).await;
    work_through(world, world.worker()).await;
}

async fn tally(world: &World, shop: &str) -> Tally {
    world.sandbox.tally(shop).unwrap()
}

/// The first day that is known.
async fn covered_from(world: &World) -> NaiveDate {
    sqlx::query_scalar("select backfilled_from from sync_cursors")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

/// Every number of every day of the store's history equals the ledger's; answers how many orders there are.
async fn assert_history_agrees(world: &World, user: &User, shop: &str, timezone: Tz) -> i64 {
    let to = world.today(timezone);
    let from = to - Days::new(DAYS + 20);
    assert_days_agree(world, user, shop, timezone, from).await
}

async fn assert_days_agree(world: &World, user: &User, shop: &str, timezone: Tz, from: NaiveDate) -> i64 {
    const SERIES: &str = "query ($from: Date!, $to: Date!) { shopifyDashboard(range: {from: $from, to: $to}) {
        series { date orders grossSales discounts refunds revenueNet taxes shipping dutiesAndFees totalSales orderValue }
    } }";
    let range = json!({ "from": from, "to": world.today(timezone) });
    let data = world.ask_with(user, SERIES, range).await;
    let books = oracle::days(&world.sandbox.ledger(shop).unwrap(), timezone);
    let mut orders = 0;
    for point in data["shopifyDashboard"]["series"].as_array().unwrap() {
        let date: NaiveDate = point["date"].as_str().unwrap().parse().unwrap();
        let day = books.get(&date).cloned().unwrap_or_default();
        assert_eq!(point["orders"], json!(day.orders), "{shop} {date}");
        for (field, expected) in [
            ("grossSales", day.gross_sales),
            ("discounts", day.discounts),
            ("refunds", day.refunds),
            ("revenueNet", Day::revenue_net(&day)),
            ("taxes", day.taxes),
            ("shipping", day.shipping),
            ("dutiesAndFees", day.duties_and_fees),
            ("totalSales", Day::total_sales(&day)),
            ("orderValue", day.order_value),
        ] {
            let told = Decimal::from_str(point[field].as_str().unwrap()).unwrap();
            assert_eq!(told, expected, "{shop} {date} {field}");
        }
        orders += day.orders;
    }
    orders
}

/// All that the tables say of the store, but for when it was written.
async fn tables(world: &World) -> Value {
    sqlx::query_scalar(
        "select jsonb_build_object(
             'orders', (select jsonb_agg(to_jsonb(o) - 'account_id' - 'integration_id' - 'shop_id'
                                         order by shopify_order_id) from fact_orders o),
             'days', (select jsonb_agg(to_jsonb(d) - 'account_id' - 'integration_id' - 'shop_id'
                                       order by shopify_order_id, date) from fact_order_days d),
             'cells', (select jsonb_agg(to_jsonb(m) - 'account_id' - 'integration_id' - 'computed_at'
                                        order by date) from daily_shopify_metrics m),
             'summary', (select jsonb_agg(to_jsonb(s) - 'account_id' - 'computed_at' order by date)
                           from daily_summary s),
             'covered', (select jsonb_agg(backfilled_from) from sync_cursors),
             'presets', (select jsonb_agg(to_jsonb(k) - 'account_id' - 'computed_at' order by period)
                           from latest_kpis k))",
    )
    .fetch_one(&world.fixture.owner)
    .await
    .unwrap()
}

/// The payloads as they are kept, without the cursors, which tell where a page ended.
async fn payloads(world: &World) -> Vec<Value> {
    fn forget_cursors(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("endCursor");
                fields.values_mut().for_each(forget_cursors);
            }
            Value::Array(items) => items.iter_mut().for_each(forget_cursors),
            _ => {}
        }
    }
    let mut payloads: Vec<Value> =
        sqlx::query_scalar("select payload from shopify_orders_raw order by shopify_order_id")
            .fetch_all(&world.fixture.owner)
            .await
            .unwrap();
    payloads.iter_mut().for_each(forget_cursors);
    payloads
}

fn succeeded(runs: &[(String, String, Option<String>)]) -> bool {
    runs.iter().all(|(_, status, _)| status == "succeeded")
}

#[tokio::test]
async fn the_whole_history_equals_the_stores_books_in_four_currencies_and_time_zones() {
    // Clocks changed in Berlin on 25 October and in New York on 1 November.
    for (now, shop, currency, timezone) in [
        ("2026-11-03T15:20:00Z", AURORA, "USD", NEW_YORK),
        ("2026-10-28T21:40:00Z", BERLIN, "EUR", chrono_tz::Europe::Berlin),
        ("2026-11-20T14:59:30Z", KYOTO, "JPY", chrono_tz::Asia::Tokyo),
        ("2026-11-20T20:59:30Z", GULF, "KWD", chrono_tz::Asia::Kuwait),
    ] {
        let world = World::at(at(now)).await;
        let user = world.synced("Acme", currency, timezone.name(), shop).await;
        let filled: Vec<(i64, Value)> =
            sqlx::query_as("select shopify_order_id, payload from shopify_orders_raw order by 1")
                .fetch_all(&world.fixture.owner)
                .await
                .unwrap();
        backfill(&world, &user).await;
        assert!(succeeded(&world.runs().await), "{:?}", world.runs().await);
        let orders = assert_history_agrees(&world, &user, shop, timezone).await;
        assert!(orders > 500, "{shop}: {orders} orders are no history");
        assert_eq!(covered_from(&world).await.to_string(), "2025-01-01");
        let asked = tally(&world, shop).await;
        assert_eq!((asked.operations, asked.downloads), (1, vec![0]));

        // What was read with more care before is not written over with the same version.
        let ids = Vec::from_iter(filled.iter().map(|(id, _)| *id));
        let kept: Vec<(i64, Value)> = sqlx::query_as(
            "select shopify_order_id, payload from shopify_orders_raw where shopify_order_id = any($1) order by 1",
        )
        .bind(ids)
        .fetch_all(&world.fixture.owner)
        .await
        .unwrap();
        assert_eq!(kept, filled);

        let before = tables(&world).await;
        backfill(&world, &user).await;
        assert!(succeeded(&world.runs().await));
        assert_eq!(tables(&world).await, before, "{shop}: doing it again changed something");
        assert_eq!(tally(&world, shop).await.operations, 2);
    }
}

#[tokio::test]
async fn slices_come_to_the_same_as_the_file() {
    let now = at("2026-11-03T15:20:00Z");
    let by_file = World::at(now).await;
    let user = by_file.synced("Acme", "USD", "America/New_York", AURORA).await;
    backfill(&by_file, &user).await;

    let in_slices = World::at(now).await;
    let user = in_slices.synced("Acme", "USD", "America/New_York", AURORA).await;
    in_slices
        .sandbox
        .inject(AURORA, on(Target::Bulk, FaultKind::BulkRefused, 1))
        .unwrap();
    backfill(&in_slices, &user).await;
    assert!(succeeded(&in_slices.runs().await));
    assert_eq!(tally(&in_slices, AURORA).await.downloads, [0_u64; 0]);
    assert_eq!(tables(&in_slices).await, tables(&by_file).await);
    assert_eq!(payloads(&in_slices).await, payloads(&by_file).await);
}

#[tokio::test]
async fn a_store_that_was_never_synced_is_known_from_its_first_day_and_goes_on_from_there() {
    for refused in [false, true] {
        let world = World::at(at("2026-11-03T15:20:00Z")).await;
        let user = world.user("Acme", "USD", "America/New_York").await;
        assert!(world.connect(&user, AURORA).await.status().is_success());
        sqlx::query("delete from sync_runs")
            .execute(&world.fixture.owner)
            .await
            .unwrap();
        if refused {
            world
                .sandbox
                .inject(AURORA, on(Target::Bulk, FaultKind::BulkRefused, 1))
                .unwrap();
        }
        backfill(&world, &user).await;
        assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
        world.time.pass(TimeDelta::hours(7));
        ask_for(&world, &user, &["SHOPIFY_FRESH"]).await;
        world.work().await;
        assert!(succeeded(&world.runs().await));
        assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
    }
}

#[tokio::test]
async fn whatever_goes_wrong_the_history_comes_in_whole() {
    use FaultKind as Kind;
    let drops = || on(Target::Download, Kind::DropConnection, 1);
    let gone = Kind::Status {
        status: 403,
        retry_after: None,
    };
    let overloaded = Kind::Status {
        status: 503,
        retry_after: Some(1),
    };
    // The trouble, how many operations are begun in spite of it, and how many times their files are opened.
    let cases: Vec<(&str, Vec<Fault>, usize, usize)> = vec![
        (
            "busy for a while",
            vec![on(Target::Bulk, Kind::BulkInProgress, 3)],
            1,
            1,
        ),
        ("busy for good", vec![on(Target::Bulk, Kind::BulkInProgress, 99)], 0, 0),
        ("fails once", vec![on(Target::Bulk, Kind::BulkFails, 1)], 2, 1),
        ("fails always", vec![on(Target::Bulk, Kind::BulkFails, 99)], 3, 0),
        ("expires once", vec![on(Target::Bulk, Kind::BulkExpires, 1)], 2, 1),
        ("not grouped", vec![on(Target::Bulk, Kind::BulkUngrouped, 99)], 1, 1),
        ("lacks its end", vec![on(Target::Bulk, Kind::BulkTruncated, 1)], 2, 5),
        (
            "has another count",
            vec![on(Target::Bulk, Kind::BulkMiscounted, 1)],
            2,
            5,
        ),
        ("breaks off", vec![drops(), drops(), drops()], 1, 4),
        (
            "begins anew",
            vec![drops(), on(Target::Download, Kind::RangeIgnored, 9)],
            1,
            2,
        ),
        ("address refused", vec![on(Target::Download, gone, 1)], 2, 1),
        ("overloaded", vec![on(Target::Download, overloaded, 2)], 1, 1),
        (
            "takes its time",
            vec![on(Target::Bulk, Kind::Delay { delay_ms: 300 }, 1)],
            1,
            1,
        ),
    ];
    for (trouble, faults, operations, downloads) in cases {
        let world = World::with(at("2026-11-03T15:20:00Z"), |config| SandboxConfig {
            history_days: 40,
            ..config
        })
        .await;
        let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
        for fault in faults {
            world.sandbox.inject(AURORA, fault).unwrap();
        }
        backfill(&world, &user).await;
        assert!(succeeded(&world.runs().await), "{trouble}: {:?}", world.runs().await);
        let asked = tally(&world, AURORA).await;
        assert_eq!(
            (asked.operations, asked.downloads.len()),
            (operations, downloads),
            "{trouble}: {asked:?}"
        );
        assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
        assert_eq!(covered_from(&world).await.to_string(), "2025-01-01", "{trouble}");
    }
}

#[tokio::test]
async fn a_worker_that_dies_half_way_is_followed_by_one_that_goes_on() {
    let world = World::with(at("2026-11-03T15:20:00Z"), |config| SandboxConfig {
        bulk_pace: Duration::from_millis(15),
        ..config
    })
    .await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    ask_for(&world, &user, &["SHOPIFY_BACKFILL"]).await;
    let kept = async || -> Option<i64> {
        sqlx::query_scalar("select (resume #>> '{shopify_backfill,step,read,offset}')::bigint from sync_cursors")
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap()
    };
    let mut begins = Vec::new();
    for _ in 0..2 {
        let before = kept().await.unwrap_or(0);
        let working = tokio::spawn(world.worker().run(CancellationToken::new()));
        while kept().await.unwrap_or(0) <= before {
            hurry(&world).await;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // Dropped in the midst of whatever it was doing.
        working.abort();
        let _ = working.await;
        begins.push(kept().await.unwrap() as u64);
        sqlx::query("update sync_runs set lease_expires_at = now() - interval '1 second' where status = 'running'")
            .execute(&world.fixture.owner)
            .await
            .unwrap();
        world.fixture.worker.system().reap_runs(10).await.unwrap();
        assert_eq!(
            covered_from(&world).await.to_string(),
            "2026-10-27",
            "no day before the file is in"
        );
    }
    work_through(&world, world.worker()).await;
    assert!(succeeded(&world.runs().await), "{:?}", world.runs().await);
    let asked = tally(&world, AURORA).await;
    assert_eq!(asked.operations, 1, "{asked:?}");
    assert_eq!(asked.downloads[0], 0);
    assert!(
        asked.downloads[1] > 0 && asked.downloads[2] > asked.downloads[1],
        "{asked:?}"
    );
    assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
}

#[tokio::test]
async fn what_changes_meanwhile_is_not_written_over_with_what_the_file_says() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let delay = FaultKind::Delay { delay_ms: 100 };
    world.sandbox.inject(AURORA, on(Target::Bulk, delay, 1)).unwrap();
    ask_for(&world, &user, &["SHOPIFY_BACKFILL"]).await;
    let stop = CancellationToken::new();
    let working = tokio::spawn(world.worker().run(stop.clone()));
    let waits = async || -> bool {
        sqlx::query_scalar(
            "select exists (select from sync_runs where job_type = 'shopify_backfill' and status = 'queued'
                               and progress ->> 'message' like 'Shopify is preparing%')",
        )
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
    };
    while !waits().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    stop.cancel();
    working.await.unwrap();
    sqlx::query("update sync_runs set scheduled_at = now() + interval '1 hour' where job_type = 'shopify_backfill'")
        .execute(&world.fixture.owner)
        .await
        .unwrap();

    // The file shows these as they were before.
    world.time.pass(TimeDelta::minutes(30));
    let ledger = world.sandbox.ledger(AURORA).unwrap();
    let old = ledger.iter().filter(|row| {
        let age = world.time.now() - row.processed_at;
        row.reason == "ORDER" && row.line_type == "PRODUCT" && !row.test && age > TimeDelta::days(40)
    });
    let old: BTreeSet<u64> = old.map(|row| row.order_id).take(40).collect();
    let mut changed = 0;
    for id in &old {
        let refunded = world.sandbox.refund_order(AURORA, *id, RefundRequest::default());
        changed += usize::from(refunded.is_ok());
    }
    assert!(changed > 5);
    world.sync(&user).await;
    work_through(&world, world.worker()).await;
    assert!(succeeded(&world.runs().await));
    assert_eq!(tally(&world, AURORA).await.operations, 1);
    assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
}

#[tokio::test]
async fn a_ledger_longer_than_any_page_comes_in_whole_on_every_road() {
    for refused in [None, Some(FaultKind::BulkRefused)] {
        let world = World::at(at("2026-11-20T18:00:00Z")).await;
        let user = world.user("Acme", "USD", "America/New_York").await;
        let line = |number: i64| NewLine {
            title: format!("Line {number}"),
            price: Decimal::new(1_000 + number, 2),
            quantity: 2,
            ..NewLine::default()
        };
        // More sales than two pages of an agreement, and more agreements than two pages of an order.
        let long = NewOrder {
            lines: (0..150).map(line).collect(),
            at: Some(world.time.now() - TimeDelta::days(30)),
            ..NewOrder::default()
        };
        let order = world.sandbox.create_order(AURORA, long).unwrap();
        for number in 0..25 {
            let one = RefundRequest {
                lines: vec![LineQuantity {
                    line: number,
                    quantity: 1,
                }],
                ..RefundRequest::default()
            };
            world.sandbox.refund_order(AURORA, order.id, one).unwrap();
        }
        let added = EditRequest {
            add: (200..260).map(line).collect(),
            ..EditRequest::default()
        };
        world.sandbox.edit_order(AURORA, order.id, added).unwrap();
        assert!(world.connect(&user, AURORA).await.status().is_success());
        if refused.is_some() {
            world.work().await;
            let fault = on(Target::Bulk, FaultKind::BulkRefused, 1);
            world.sandbox.inject(AURORA, fault).unwrap();
        } else {
            // Only by the file.
            sqlx::query("delete from sync_runs")
                .execute(&world.fixture.owner)
                .await
                .unwrap();
        }
        backfill(&world, &user).await;
        assert!(succeeded(&world.runs().await), "{:?}", world.runs().await);
        assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
        let (agreements, sales, unread): (i32, i32, i64) = sqlx::query_as(
            "select jsonb_array_length(payload #> '{agreements,nodes}'),
                    jsonb_array_length(payload #> '{agreements,nodes,0,sales,nodes}'),
                    (select count(*) from sync_rejects)
               from shopify_orders_raw where shopify_order_id = $1",
        )
        .bind(order.id as i64)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
        assert_eq!((agreements, unread), (27, 0));
        assert!(sales >= 150, "{sales}");
    }
}

/// Connects a store with these scopes alone, as an app does that is registered so.
async fn connect_with(world: &World, user: &User, scopes: &str) {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let begun = browser
        .get(format!("{}/api/connect/shopify", world.address))
        .query(&[("shop", AURORA)])
        .bearer_auth(&user.bearer)
        .send()
        .await
        .unwrap();
    let mut url: url::Url = begun.headers()["location"].to_str().unwrap().parse().unwrap();
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(pairs.into_iter().map(|(name, value)| {
            let value = if name == "scope" { scopes.to_owned() } else { value };
            (name, value)
        }));
    let connected = world.http.get(url).send().await.unwrap();
    assert!(connected.status().is_success(), "{connected:?}");
}

#[tokio::test]
async fn a_history_that_is_not_shown_is_a_limit_and_not_an_empty_one() {
    for refused in [false, true] {
        let world = World::with(at("2026-11-20T18:00:00Z"), |config| SandboxConfig {
            hide_older_orders: true,
            ..config
        })
        .await;
        let user = world.user("Acme", "USD", "America/New_York").await;
        connect_with(&world, &user, "read_orders,read_products,read_customers").await;
        world.work().await;
        let fault = on(Target::Bulk, FaultKind::BulkRefused, 1);
        if refused {
            world.sandbox.inject(AURORA, fault).unwrap();
        }
        backfill(&world, &user).await;
        let told = async || -> Value {
            world
                .ask(
                    &user,
                    "{ syncStatus { coveredFrom historyLimit }
                       syncRuns(first: 1) { nodes { jobType status progress { message throttle { maximum } } } } }",
                )
                .await
        };
        let limited = told().await;
        let limit = limited["syncStatus"][0]["historyLimit"].as_str().unwrap();
        assert!(
            limit.contains("last 60 days") && limit.contains("read_all_orders"),
            "{limit}"
        );
        // 60 days before the afternoon of the 20th of November is within the 21st of September.
        assert_eq!(limited["syncStatus"][0]["coveredFrom"], json!("2026-09-22"));
        let run = &limited["syncRuns"]["nodes"][0];
        assert_eq!(
            (&run["jobType"], &run["status"]),
            (&json!("shopify_backfill"), &json!("SUCCEEDED"))
        );
        assert_eq!(run["progress"]["message"], json!(limit));
        assert_eq!(run["progress"]["throttle"]["maximum"], json!(2000));

        // The scope is granted: what was hidden comes in.
        world.time.pass(TimeDelta::minutes(1));
        connect_with(&world, &user, server::config::SHOPIFY_SCOPES).await;
        world.work().await;
        backfill(&world, &user).await;
        let whole = told().await;
        assert_eq!(whole["syncStatus"][0]["historyLimit"], Value::Null);
        assert_eq!(whole["syncStatus"][0]["coveredFrom"], json!("2025-01-01"));
        assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
    }
}

#[tokio::test]
async fn an_empty_store_has_an_empty_history() {
    let world = World::with(at("2026-11-20T18:00:00Z"), |config| SandboxConfig {
        history_days: 0,
        ..config
    })
    .await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    for row in world.sandbox.ledger(AURORA).unwrap() {
        let _ = world.sandbox.delete_order(AURORA, row.order_id);
    }
    world.work().await;
    backfill(&world, &user).await;
    assert!(succeeded(&world.runs().await));
    assert_eq!(covered_from(&world).await.to_string(), "2025-01-01");
    let orders: i64 = sqlx::query_scalar("select count(*) from fact_orders")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!((orders, tally(&world, AURORA).await.downloads), (0, Vec::new()));
}

/// A worker to which Shopify's lists end after so many members.
fn short_sighted(world: &World, reach: u64) -> Worker<Jobs> {
    let database = world.fixture.worker.clone();
    let shopify = ShopifyConfig {
        api_key: "key".to_owned(),
        api_secrets: vec![API_SECRET.into()],
        scopes: server::config::SHOPIFY_SCOPES.to_owned(),
        api_version: server::config::SHOPIFY_API_VERSION.to_owned(),
        base_url: format!("{}/{{shop}}", world.shopify),
    };
    let shopify = Shopify::new(shopify, Http::new().unwrap(), world.clock()).with_reach(reach);
    let app = App::new(Parts {
        database: database.clone(),
        clock: world.clock(),
        providers: Registry::new(shopify),
        cipher: Cipher::new(&EncryptionConfig {
            keys: vec![("k1".to_owned(), ENCRYPTION_KEY)],
        }),
        public_url: world.address.parse().unwrap(),
    });
    let sync = SyncConfig {
        fresh_every: Duration::from_secs(900),
        nightly_at: chrono::NaiveTime::MIN,
    };
    let options = WorkerOptions {
        poll: Duration::from_millis(20),
        housekeeping: Duration::from_secs(3600),
        ..WorkerOptions::default()
    };
    Worker::new(database, Jobs::new(app, sync), options)
}

#[tokio::test]
async fn a_scan_begins_a_new_query_before_the_store_ends_the_list() {
    // A store whose every list ends after 400 orders, in silence. A slice of 30 days has more.
    let world = World::with(at("2026-11-20T18:00:00Z"), |config| SandboxConfig {
        result_cap: 400,
        ..config
    })
    .await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    let fault = on(Target::Bulk, FaultKind::BulkRefused, 1);
    world.sandbox.inject(AURORA, fault).unwrap();
    work_through(&world, short_sighted(&world, 400)).await;
    ask_for(&world, &user, &["SHOPIFY_BACKFILL"]).await;
    work_through(&world, short_sighted(&world, 400)).await;
    assert!(succeeded(&world.runs().await));
    assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_a_store_share_its_bucket_and_are_never_turned_away() {
    // Pages of 250 cost nearly all that the bucket holds.
    let world = World::with(at("2026-11-20T18:00:00Z"), |config| SandboxConfig {
        bucket_size: 1_000.0,
        restore_rate: 1_000.0,
        ..config
    })
    .await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    let fault = on(Target::Bulk, FaultKind::BulkRefused, 1);
    world.sandbox.inject(AURORA, fault).unwrap();
    ask_for(&world, &user, &["SHOPIFY_BACKFILL", "SHOPIFY_FRESH"]).await;
    work_through(&world, world.worker()).await;
    assert!(succeeded(&world.runs().await));
    let asked = tally(&world, AURORA).await;
    assert!(asked.questions > 10, "{asked:?}");
    assert_eq!(asked.throttled, 0, "{asked:?}");
    let runs = world
        .ask(
            &user,
            "{ syncRuns(first: 9) { nodes { jobType progress { throttle {
                waitedMs throttled available maximum restoreRate } } } } }",
        )
        .await;
    let mut waited = 0;
    let runs = runs["syncRuns"]["nodes"].as_array().unwrap();
    for run in runs.iter().filter(|run| run["jobType"] != "shopify_setup") {
        let throttle = &run["progress"]["throttle"];
        assert_eq!(
            (&throttle["throttled"], &throttle["maximum"], &throttle["restoreRate"]),
            (&json!(0), &json!(1000), &json!(1000)),
            "{run}"
        );
        waited += throttle["waitedMs"].as_u64().unwrap();
    }
    assert!(waited > 0, "{runs:?}");
    assert_history_agrees(&world, &user, AURORA, NEW_YORK).await;
}

#[tokio::test]
async fn what_is_counted_names_no_store_and_no_account() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let answer = world
        .http
        .get(format!("{}/metrics", world.address))
        .send()
        .await
        .unwrap();
    assert!(
        answer.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    let metrics = answer.text().await.unwrap();
    for line in [
        "provider_questions_total{document=\"OrdersPage\",outcome=\"answered\"}",
        "provider_points_total{document=\"OrdersPage\"}",
        "sync_pages_total{job=\"shopify_7d_fill\"}",
        "sync_records_total{job=\"shopify_7d_fill\"}",
        "sync_runs_total{job=\"shopify_7d_fill\",outcome=\"done\"}",
        "sync_run_seconds_bucket{job=\"shopify_7d_fill\",le=",
        "http_requests_total{method=\"GET\",route=\"/api/connect/shopify\",status=",
        "http_request_seconds_count{route=\"/graphql\"}",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    let account = user.tenant.account_id().to_string();
    for word in ["aurora", "myshopify", account.as_str()] {
        assert!(!metrics.contains(word), "{word}");
    }
}

/// The most memory that a process has had, in megabytes.
fn peak_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "drill: 100,000 orders, some minutes; cargo test -p server --test it --release -- --ignored drill"]
async fn drill_a_hundred_thousand_orders_survive_kills_in_little_memory() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the processes have the machine's clock, and so must the world"
    )]
    let now = Utc::now();
    let world = World::with(now, |config| SandboxConfig {
        history_days: 3_300,
        bulk_pace: Duration::from_millis(1),
        ..config
    })
    .await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    ask_for(&world, &user, &["SHOPIFY_BACKFILL"]).await;
    let kept = async || -> i64 {
        let read: Option<i64> =
            sqlx::query_scalar("select (resume #>> '{shopify_backfill,step,read,orders}')::bigint from sync_cursors")
                .fetch_one(&world.fixture.owner)
                .await
                .unwrap();
        read.unwrap_or(0)
    };
    let mut peak = 0;
    let mut kill_at = 10_000;
    let mut kills = 0;
    let mut worker = crate::crash::start_worker(&world);
    while !is_idle(&world).await {
        peak = peak.max(peak_memory(worker.id()));
        if kept().await > kill_at {
            kill_at = kept().await + 20_000;
            worker.kill().unwrap();
            worker.wait().unwrap();
            kills += 1;
            sqlx::query("update sync_runs set lease_expires_at = now() - interval '1 second' where status = 'running'")
                .execute(&world.fixture.owner)
                .await
                .unwrap();
            worker = crate::crash::start_worker(&world);
        }
        hurry(&world).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    worker.kill().unwrap();
    worker.wait().unwrap();
    assert!(succeeded(&world.runs().await), "{:?}", world.runs().await);
    assert!(kills >= 3, "{kills}");
    assert_eq!(tally(&world, AURORA).await.operations, 1);
    let (orders, facts): (i64, i64) =
        sqlx::query_as("select (select count(*) from shopify_orders_raw), (select count(*) from fact_orders)")
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap();
    assert_eq!(orders, facts);
    assert!(orders >= 100_000, "{orders}");
    assert!(peak < 150, "{peak} MB");
    let from = world.today(NEW_YORK) - Days::new(700);
    assert_days_agree(&world, &user, AURORA, NEW_YORK, from).await;
    println!("{orders} orders, {kills} kills, {peak} MB at most");
}

/// A process that serves what it counts does so where it was told to.
#[tokio::test]
async fn a_worker_tells_what_it_counts_where_it_is_asked_to() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let mut command: Command = crate::crash::worker_command(&world);
    let mut worker = command.env("METRICS_ADDR", address.to_string()).spawn().unwrap();
    let metrics = async |path: &str| {
        for _ in 0..500 {
            if let Ok(answer) = world.http.get(format!("http://{address}/{path}")).send().await {
                return answer.text().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the worker does not answer");
    };
    assert_eq!(metrics("livez").await, "ok");
    metrics("metrics").await;
    worker.kill().unwrap();
    worker.wait().unwrap();
}
