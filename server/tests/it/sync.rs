//! The ingestion path, end to end: from the store's ledger over HTTP to the numbers that GraphQL answers.

use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use server::providers::shopify::sandbox::{Fault, FaultKind, RefundRequest};

use crate::support::oracle::{self, Day};
use crate::support::world::{AURORA, BERLIN, GULF, KYOTO, User, World};

/// How many days before today the fill makes known.
const FILL: u64 = 7;

const SERIES: &str = "query ($from: Date!, $to: Date!) {
    shopifyDashboard(range: {from: $from, to: $to}) {
        series { date orders grossSales discounts refunds revenueNet taxes shipping dutiesAndFees totalSales orderValue aov }
    }
    homeDashboard(range: {from: $from, to: $to}) {
        series { date revenueNet orders }
        kpis { revenueNet { value } orders { value } refunds { value } }
    }
}";

fn money(value: &Value) -> Decimal {
    Decimal::from_str(value.as_str().unwrap_or_else(|| panic!("{value} is no decimal"))).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Every number of every covered day equals the ledger's; answers how many orders these days have.
async fn assert_books_agree(world: &World, user: &User, shop: &str, timezone: Tz) -> i64 {
    let today = world.today(timezone);
    let from = today - Days::new(FILL);
    let books = oracle::days(&world.sandbox.ledger(shop).unwrap(), timezone);
    let data = world.ask_with(user, SERIES, json!({ "from": from, "to": today })).await;
    let series = data["shopifyDashboard"]["series"].as_array().unwrap();
    assert_eq!(series.len() as u64, FILL + 1);
    let mut total = Day::default();
    for (point, home) in series.iter().zip(data["homeDashboard"]["series"].as_array().unwrap()) {
        let date: NaiveDate = point["date"].as_str().unwrap().parse().unwrap();
        let day = books.get(&date).cloned().unwrap_or_default();
        for (field, expected) in [
            ("grossSales", day.gross_sales),
            ("discounts", day.discounts),
            ("refunds", day.refunds),
            ("revenueNet", day.revenue_net()),
            ("taxes", day.taxes),
            ("shipping", day.shipping),
            ("dutiesAndFees", day.duties_and_fees),
            ("totalSales", day.total_sales()),
            ("orderValue", day.order_value),
        ] {
            assert_eq!(money(&point[field]), expected, "{shop} {date} {field}");
        }
        assert_eq!(point["orders"], json!(day.orders), "{shop} {date}");
        assert_eq!(point["aov"].is_null(), day.orders == 0, "{shop} {date}");
        assert_eq!((&home["date"], &home["orders"]), (&point["date"], &point["orders"]));
        assert_eq!(money(&home["revenueNet"]), day.revenue_net());
        total.orders += day.orders;
        total.gross_sales += day.revenue_net();
        total.refunds += day.refunds;
    }
    for (period, first) in [("TODAY", 0), ("LAST_7_DAYS", 6)] {
        let kept: (NaiveDate, Decimal, i64) = sqlx::query_as(
            "select range_from, (current ->> 'revenue_net')::numeric, (current ->> 'orders')::bigint
               from latest_kpis where account_id = $1 and period = $2",
        )
        .bind(user.tenant.account_id())
        .bind(period)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
        let from = today - Days::new(first);
        let booked = || books.range(from..=today).map(|(_, day)| day);
        let expected = (
            from,
            booked().map(Day::revenue_net).sum(),
            booked().map(|day| day.orders).sum(),
        );
        assert_eq!(kept, expected, "{shop} {period}");
    }
    let kpis = &data["homeDashboard"]["kpis"];
    assert_eq!(money(&kpis["revenueNet"]["value"]), total.gross_sales);
    assert_eq!(money(&kpis["refunds"]["value"]), total.refunds);
    assert_eq!(
        kpis["orders"]["value"].as_str().unwrap().parse::<i64>().unwrap(),
        total.orders
    );
    total.orders
}

#[tokio::test]
async fn numbers_equal_the_stores_books_in_four_currencies_and_time_zones() {
    // Clocks changed in Berlin on 25 October and in New York on 1 November.
    for (now, shop, currency, timezone) in [
        ("2026-11-03T15:20:00Z", AURORA, "USD", chrono_tz::America::New_York),
        ("2026-10-28T21:40:00Z", BERLIN, "EUR", chrono_tz::Europe::Berlin),
        ("2026-11-20T14:59:30Z", KYOTO, "JPY", chrono_tz::Asia::Tokyo),
        ("2026-11-20T20:59:30Z", GULF, "KWD", chrono_tz::Asia::Kuwait),
    ] {
        let world = World::at(at(now)).await;
        let user = world.synced("Acme", currency, timezone.name(), shop).await;
        let orders = assert_books_agree(&world, &user, shop, timezone).await;
        assert!(orders > 20, "{shop}: {orders} orders show nothing");
    }
}

#[tokio::test]
async fn syncing_again_changes_nothing() {
    let world = World::at(at("2026-11-03T15:20:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let snapshot = async || -> Vec<Value> {
        sqlx::query_scalar(
            "select to_jsonb(t) from (
                 select to_jsonb(o) - 'id' as row from fact_orders o
                 union all select to_jsonb(d) from fact_order_days d
                 union all select to_jsonb(m) - 'computed_at' from daily_shopify_metrics m
                 union all select to_jsonb(s) - 'computed_at' from daily_summary s) t order by t.row::text",
        )
        .fetch_all(&world.fixture.owner)
        .await
        .unwrap()
    };
    let before = snapshot().await;
    world.sync(&user).await;
    world.sync(&user).await;
    assert_eq!(snapshot().await, before);
    assert!(before.len() > 100);
}

#[tokio::test]
async fn a_later_refund_moves_todays_numbers_and_no_others() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let timezone = chrono_tz::America::New_York;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let before = world.ask_with(&user, SERIES, days_until_today(&world, timezone)).await;

    world.time.pass(TimeDelta::minutes(30));
    let order = world
        .sandbox
        .ledger(AURORA)
        .unwrap()
        .into_iter()
        .find(|row| {
            let age = world.time.now() - row.processed_at;
            row.line_type == "PRODUCT"
                && row.reason == "ORDER"
                && !row.test
                && age > TimeDelta::days(3)
                && age < TimeDelta::days(5)
        })
        .unwrap();
    world
        .sandbox
        .refund_order(AURORA, order.order_id, RefundRequest::default())
        .unwrap();
    world.sync(&user).await;
    assert_books_agree(&world, &user, AURORA, timezone).await;

    let after = world.ask_with(&user, SERIES, days_until_today(&world, timezone)).await;
    let today = world.today(timezone).to_string();
    let (before, after) = (series(&before), series(&after));
    for (then, now) in before.iter().zip(after) {
        if now["date"].as_str() == Some(&today) {
            assert!(money(&now["refunds"]) > money(&then["refunds"]));
        } else {
            assert_eq!(now, then, "a past day moved");
        }
    }
}

fn series(data: &Value) -> &Vec<Value> {
    data["shopifyDashboard"]["series"].as_array().unwrap()
}

fn days_until_today(world: &World, timezone: Tz) -> Value {
    let today = world.today(timezone);
    json!({ "from": today - Days::new(FILL), "to": today })
}

#[tokio::test]
async fn the_watermark_is_set_once_by_the_fill_and_moved_by_fresh() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let cursor = async || -> (DateTime<Utc>, NaiveDate, Value) {
        sqlx::query_as("select last_synced_order_updated_at, backfilled_from, resume from sync_cursors")
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap()
    };
    let (first, covered, resume) = cursor().await;
    assert_eq!(covered, "2026-11-13".parse().unwrap());
    assert_eq!(resume, json!({}));
    assert!(first <= world.time.now() && first > world.time.now() - TimeDelta::days(1));

    world.time.pass(TimeDelta::hours(5));
    world.sync(&user).await;
    let (second, ..) = cursor().await;
    assert!(second > first);
    let first_fill: DateTime<Utc> =
        sqlx::query_scalar("select min(window_from) from sync_runs where job_type = 'shopify_7d_fill'")
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap();
    assert_eq!(first_fill, at("2026-11-13T05:00:00Z"));
}

#[tokio::test]
async fn days_before_the_first_known_one_are_not_synced_rather_than_small() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let query = "{ homeDashboard(range: {preset: LAST_30_DAYS}, compareTo: PREVIOUS_PERIOD) {
        series { date revenueNet orders }
        kpis { revenueNet { value previous isPartial } mer { value reason } }
        freshness { source coveredFrom isComplete }
    } }";
    let data = world.ask(&user, query).await;
    let home = &data["homeDashboard"];
    let series = home["series"].as_array().unwrap();
    assert_eq!(series.len(), 30);
    for point in series {
        let known = point["date"].as_str().unwrap() >= "2026-11-13";
        assert_eq!(point["revenueNet"].is_string(), known, "{point}");
        assert_eq!(point["orders"].is_number(), known, "{point}");
    }
    assert_eq!(home["kpis"]["revenueNet"]["isPartial"], json!(true));
    assert_eq!(home["kpis"]["revenueNet"]["previous"], Value::Null);
    assert_eq!(home["kpis"]["mer"], json!({ "value": null, "reason": "NOT_CONNECTED" }));
    let shopify = &home["freshness"].as_array().unwrap()[0];
    assert_eq!(shopify["coveredFrom"], json!("2026-11-13"));
    assert_eq!(shopify["isComplete"], json!(false));
}

#[tokio::test]
async fn faults_on_the_way_are_waited_out_and_change_no_number() {
    let world = World::at(at("2026-11-03T15:20:00Z")).await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    for kind in [
        FaultKind::Throttled,
        FaultKind::MalformedJson,
        FaultKind::Status {
            status: 503,
            retry_after: Some(1),
        },
        FaultKind::Html,
        FaultKind::DropConnection,
        FaultKind::Status {
            status: 429,
            retry_after: Some(1),
        },
        FaultKind::Status {
            status: 500,
            retry_after: None,
        },
    ] {
        world.sandbox.inject(AURORA, Fault::once(kind)).unwrap();
    }
    for _ in 0..40 {
        world.work().await;
        // Patience is not what is tested here.
        sqlx::query("update sync_runs set scheduled_at = now() where status = 'queued'")
            .execute(&world.fixture.owner)
            .await
            .unwrap();
        if !world.is_busy().await {
            break;
        }
    }
    let runs = world.runs().await;
    assert!(runs.iter().all(|(_, status, _)| status == "succeeded"), "{runs:?}");
    assert_books_agree(&world, &user, AURORA, chrono_tz::America::New_York).await;
}

#[tokio::test]
async fn an_order_that_can_not_be_read_is_kept_aside_and_the_run_says_so() {
    let world = World::at(at("2026-11-03T15:20:00Z")).await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    let fault = FaultKind::MalformedOrder {
        order_id: None,
        field: Some("processedAt".to_owned()),
    };
    world.sandbox.inject(AURORA, Fault::once(fault)).unwrap();
    world.work().await;

    let status = world
        .ask(
            &user,
            "{ syncRuns(first: 5) { nodes { jobType status progress { message unreadable } } } }",
        )
        .await;
    let mut runs = status["syncRuns"]["nodes"].as_array().unwrap().iter();
    let run = runs.find(|run| run["jobType"] == "shopify_7d_fill").unwrap();
    assert_eq!(run["status"], json!("SUCCEEDED"), "{run}");
    assert_eq!(run["progress"]["unreadable"], json!(1));
    assert!(
        run["progress"]["message"]
            .as_str()
            .unwrap()
            .contains("could not be read"),
        "{run}"
    );
    let kept: (String, String, bool) = sqlx::query_as("select kind, reason, payload ? 'agreements' from sync_rejects")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!((kept.0.as_str(), kept.2), ("order", true));
    assert!(!kept.1.is_empty());

    // Once it can be read, it counts and is forgotten as a reject.
    world.sync(&user).await;
    let left: i64 = sqlx::query_scalar("select count(*) from sync_rejects")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert_books_agree(&world, &user, AURORA, chrono_tz::America::New_York).await;
}

#[tokio::test]
async fn a_token_that_dies_half_way_is_renewed_once_and_the_sync_goes_on() {
    let world = World::at(at("2026-11-03T15:20:00Z")).await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    world
        .sandbox
        .inject(AURORA, Fault::once(FaultKind::RevokeToken))
        .unwrap();
    world.work().await;
    assert_eq!(world.runs().await[0].1, "succeeded");
    assert_books_agree(&world, &user, AURORA, chrono_tz::America::New_York).await;
}

#[tokio::test]
async fn a_store_that_threw_us_out_is_shown_as_one_to_reconnect() {
    let world = World::at(at("2026-11-03T15:20:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    world.sandbox.uninstall(AURORA).unwrap();
    world.sync(&user).await;
    let data = world
        .ask(&user, "{ syncStatus { status lastError { message } } }")
        .await;
    assert_eq!(data["syncStatus"][0]["status"], json!("NEEDS_REAUTH"));
    let message = data["syncStatus"][0]["lastError"]["message"].as_str().unwrap();
    assert!(message.to_lowercase().contains("connect"), "{message}");
    // The numbers stay, and connecting again goes on with the same link.
    world.time.pass(TimeDelta::minutes(1));
    let links: i64 = sqlx::query_scalar("select count(*) from integrations")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert!(world.connect(&user, AURORA).await.status().is_success());
    world.work().await;
    assert_books_agree(&world, &user, AURORA, chrono_tz::America::New_York).await;
    let again: i64 = sqlx::query_scalar("select count(*) from integrations")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!(links, again);
}

#[tokio::test]
async fn no_secret_and_no_contact_data_is_stored_in_the_clear() {
    let world = World::at(at("2026-11-03T15:20:00Z")).await;
    world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'",
    )
    .fetch_all(&world.fixture.owner)
    .await
    .unwrap();
    for table in tables {
        let sql = format!("select coalesce(string_agg(t::text, ' '), '') from {table} t");
        let text: String = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap();
        for token in ["shpat_", "shprt_", "correct horse"] {
            assert!(!text.contains(token), "{table} holds a secret that begins with {token}");
        }
        for word in [
            "\"email\":",
            "\"phone\":",
            "\"address1\":",
            "\"firstName\":",
            "\"lastName\":",
        ] {
            assert!(!text.contains(word), "{table} holds contact data: {word}");
        }
    }
}

#[tokio::test]
async fn a_replay_makes_the_same_numbers_from_what_is_stored_and_asks_nobody() {
    let world = World::at(at("2026-11-03T15:20:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    // As if a normaliser had been wrong.
    for damage in [
        "update fact_orders set gross_sales = gross_sales + 1, units = 0",
        "delete from fact_order_days where shopify_order_id % 3 = 0",
        "update fact_order_days set refunds = refunds + 5 where shopify_order_id % 3 = 1",
        "update daily_shopify_metrics set orders = 0, gross_sales = 1",
        "update daily_summary set orders = 0, revenue_net = 1",
    ] {
        sqlx::query(damage).execute(&world.fixture.owner).await.unwrap();
    }
    world.sandbox.uninstall(AURORA).unwrap();
    let links = world.ask(&user, "{ integrations { id } }").await;
    let input = json!({ "input": { "integrationId": links["integrations"][0]["id"], "jobs": ["SHOPIFY_REPLAY"] } });
    let mutation = "mutation ($input: ManualSyncInput!) { manualSync(input: $input) { userErrors { message } } }";
    let asked = world.ask_with(&user, mutation, input).await;
    assert_eq!(asked["manualSync"]["userErrors"], json!([]));
    world.work().await;
    assert_eq!(world.runs().await[0].1, "succeeded");
    assert_books_agree(&world, &user, AURORA, chrono_tz::America::New_York).await;
}
