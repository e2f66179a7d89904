//! What deliveries do: orders are in seconds after the store told of them, what was deleted stays so, and whom a store
//! wants forgotten stays forgotten whatever comes later.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::America::New_York;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::StatusCode;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use server::domain::ids::{IntegrationId, RunId, RunTrigger};
use server::domain::webhook::Topic;
use server::providers::shopify::sandbox::{
    CancelRequest, EditRequest, Fault, FaultKind, LedgerRow, NewLine, NewOrder, RefundRequest,
};
use server::queue::enqueue;
use server::store::{NamedClaim, NewRun, Progress, StoreError};
use sha2::Sha256;
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::world::{API_SECRET, AURORA, User, World};
use crate::sync::assert_books_agree;

const NOW: &str = "2026-11-20T18:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A synced store at a moment at which nothing happens in it by itself for a while.
async fn synced() -> (World, User) {
    let world = World::at(at(NOW)).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    world.time.pass(TimeDelta::seconds(20));
    (world, user)
}

/// A delivery of the store arrives. Answers its id.
async fn tell(world: &World, topic: Topic, happened_at: DateTime<Utc>, body: Value) -> String {
    let id = Uuid::new_v4().to_string();
    tell_as(world, &id, topic, happened_at, body).await;
    id
}

/// As [`tell`], under an id that may have come before.
async fn tell_as(world: &World, id: &str, topic: Topic, happened_at: DateTime<Utc>, body: Value) {
    let body = body.to_string();
    let mut signature = Hmac::<Sha256>::new_from_slice(API_SECRET.as_bytes()).unwrap();
    signature.update(body.as_bytes());
    let answer = world
        .http
        .post(format!("{}/api/webhooks/shopify/{topic}", world.address))
        .header("X-Shopify-Shop-Domain", AURORA)
        .header("X-Shopify-Webhook-Id", id)
        .header("X-Shopify-Triggered-At", happened_at.to_rfc3339())
        .header(
            "X-Shopify-Hmac-Sha256",
            STANDARD.encode(signature.finalize().into_bytes()),
        )
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

/// Shopify's own id of the store, which the bodies of some deliveries have to name.
async fn store_id(world: &World) -> i64 {
    sqlx::query_scalar("select shopify_shop_id from shops where shop_domain = $1")
        .bind(AURORA)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

/// As [`tell`], now, and the jobs do what follows from it.
async fn tell_and_work(world: &World, topic: Topic, body: Value) -> String {
    let id = tell(world, topic, world.time.now(), body).await;
    world.work().await;
    id
}

async fn fate(world: &World, delivery: &str) -> (String, Option<String>) {
    sqlx::query_as("select status, error from shopify_webhooks_raw where webhook_id = $1")
        .bind(delivery)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

async fn status(world: &World, delivery: &str) -> String {
    fate(world, delivery).await.0
}

async fn count(world: &World, of: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {of}")))
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

async fn is_known(world: &World, order: u64) -> bool {
    count(
        world,
        &format!("fact_orders where shopify_order_id = {order} and deleted_at is null"),
    )
    .await
        == 1
}

async fn execute(world: &World, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned()))
        .execute(&world.fixture.owner)
        .await
        .unwrap();
}

async fn link(world: &World) -> IntegrationId {
    sqlx::query_scalar("select i.id from integrations i join shops s on s.id = i.shop_id where s.shop_domain = $1")
        .bind(AURORA)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

async fn queue(world: &World, user: &User, job_type: &'static str) -> RunId {
    let run = NewRun {
        integration_id: link(world).await,
        job_type,
        trigger: RunTrigger::Manual,
    };
    let db = world.fixture.web.write(&user.tenant).await.unwrap();
    let queued = enqueue(&db, &run).await.unwrap();
    db.commit().await.unwrap();
    queued.id
}

/// How far the store has been scanned.
async fn scanned(world: &World) -> (DateTime<Utc>, DateTime<Utc>) {
    sqlx::query_as("select last_synced_order_updated_at, orders_synced_through from sync_cursors")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

fn place(world: &World, request: NewOrder) -> (u64, DateTime<Utc>) {
    let order = world.sandbox.create_order(AURORA, request).unwrap();
    (order.id, order.updated_at)
}

/// An order that was sold days ago and has nothing taken back.
fn old_order(world: &World, days: i64) -> LedgerRow {
    let ledger = world.sandbox.ledger(AURORA).unwrap();
    let found = ledger.iter().find(|row| {
        let age = world.time.now() - row.processed_at;
        let is_whole = ledger
            .iter()
            .all(|other| other.order_id != row.order_id || other.reason == "ORDER");
        is_whole
            && row.line_type == "PRODUCT"
            && !row.test
            && age > TimeDelta::days(days)
            && age < TimeDelta::days(days + 1)
    });
    found.unwrap().clone()
}

#[tokio::test]
async fn an_order_that_the_store_tells_of_is_in_without_a_scan() {
    let (world, user) = synced().await;
    let before = scanned(&world).await;
    let (told, version) = place(&world, NewOrder::default());
    let (untold, _) = place(&world, NewOrder::default());
    let delivery = tell_and_work(
        &world,
        Topic::OrdersCreate,
        json!({ "id": told, "updated_at": version }),
    )
    .await;
    assert_eq!(fate(&world, &delivery).await, ("processed".to_owned(), None));
    assert!(is_known(&world, told).await);
    assert!(!is_known(&world, untold).await, "a scan brought the other one too");
    assert_eq!(scanned(&world).await, before, "the watermark is about all orders");

    // Once a quarter of an hour is over, a delivery brings everything.
    world.time.pass(TimeDelta::minutes(16));
    let (later, version) = place(&world, NewOrder::default());
    tell_and_work(
        &world,
        Topic::OrdersCreate,
        json!({ "id": later, "updated_at": version }),
    )
    .await;
    assert!(is_known(&world, untold).await && is_known(&world, later).await);
    assert!(scanned(&world).await > before);
    assert_books_agree(&world, &user, AURORA, New_York).await;
    assert!(world.runs().await.iter().all(|(_, status, _)| status == "succeeded"));
}

#[tokio::test]
async fn whatever_happens_to_orders_is_told_in_any_order_and_any_number_of_times() {
    let (world, user) = synced().await;
    let (refunded, cancelled, edited) = (old_order(&world, 2), old_order(&world, 3), old_order(&world, 5));
    let now = world.time.now();
    world
        .sandbox
        .refund_order(AURORA, refunded.order_id, RefundRequest::default())
        .unwrap();
    world
        .sandbox
        .cancel_order(AURORA, cancelled.order_id, CancelRequest::default())
        .unwrap();
    let edit = EditRequest {
        add: vec![NewLine::default()],
        ..EditRequest::default()
    };
    world.sandbox.edit_order(AURORA, edited.order_id, edit).unwrap();
    let (placed, _) = place(
        &world,
        NewOrder {
            shipping: Some(Decimal::ONE),
            ..NewOrder::default()
        },
    );

    // An update before the creation, a creation with an old version, and everything twice.
    let mut deliveries = Vec::new();
    for (topic, body) in [
        (Topic::OrdersUpdated, json!({ "id": placed, "updated_at": now })),
        (
            Topic::OrdersCreate,
            json!({ "id": placed, "updated_at": now - TimeDelta::minutes(5) }),
        ),
        (Topic::RefundsCreate, json!({ "id": 1, "order_id": refunded.order_id })),
        (
            Topic::OrdersCancelled,
            json!({ "id": cancelled.order_id, "updated_at": now }),
        ),
        (
            Topic::OrdersEdited,
            json!({ "order_edit": { "id": 2, "order_id": edited.order_id } }),
        ),
    ] {
        let first = tell(&world, topic, now, body.clone()).await;
        tell_as(&world, &first, topic, now, body.clone()).await;
        deliveries.push(tell(&world, topic, now, body).await);
        deliveries.push(first);
    }
    assert_eq!(count(&world, "shopify_webhooks_raw").await, 10);
    let before = scanned(&world).await;
    world.work().await;
    for delivery in &deliveries {
        assert_eq!(fate(&world, delivery).await, ("processed".to_owned(), None));
    }
    assert_eq!(scanned(&world).await, before);
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test]
async fn what_is_known_is_not_asked_for_and_what_is_not_there_is_settled_with_a_reason() {
    let (world, _) = synced().await;
    let known = old_order(&world, 2).order_id;
    let version: DateTime<Utc> =
        sqlx::query_scalar("select order_updated_at from fact_orders where shopify_order_id = $1")
            .bind(known as i64)
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap();
    // Whoever asks the store now fails for good.
    let refusal = FaultKind::Status {
        status: 402,
        retry_after: None,
    };
    world.sandbox.inject(AURORA, Fault::once(refusal.clone())).unwrap();
    let silent = tell_and_work(
        &world,
        Topic::OrdersUpdated,
        json!({ "id": known, "updated_at": version }),
    )
    .await;
    assert_eq!(status(&world, &silent).await, "processed");
    assert_eq!(world.runs().await[0].1, "succeeded");
    let nameless = tell_and_work(&world, Topic::OrdersUpdated, json!({})).await;
    let (state, why) = fate(&world, &nameless).await;
    assert_eq!((state.as_str(), why.is_some()), ("ignored", true));

    // The refusal is still there: a delivery of a newer version meets it, and goes on waiting.
    let newer = json!({ "id": known, "updated_at": version + TimeDelta::seconds(1) });
    let newer = tell_and_work(&world, Topic::OrdersUpdated, newer).await;
    assert_eq!(world.runs().await[0].1, "failed");
    assert_eq!(status(&world, &newer).await, "received");

    let unknown = tell_and_work(&world, Topic::OrdersUpdated, json!({ "id": 7 })).await;
    let (state, why) = fate(&world, &unknown).await;
    assert_eq!(state, "ignored");
    assert!(why.unwrap().contains("no such order"));
    assert_eq!(status(&world, &newer).await, "processed");
}

#[tokio::test]
async fn an_order_that_can_not_be_read_is_kept_aside_and_its_delivery_says_so() {
    let (world, _) = synced().await;
    let (order, _) = place(&world, NewOrder::default());
    let fault = FaultKind::MalformedOrder {
        order_id: Some(order),
        field: Some("processedAt".to_owned()),
    };
    world.sandbox.inject(AURORA, Fault::once(fault)).unwrap();
    let delivery = tell_and_work(&world, Topic::OrdersCreate, json!({ "id": order })).await;
    let (state, why) = fate(&world, &delivery).await;
    assert_eq!(state, "failed");
    assert!(why.unwrap().contains("could not be read"));
    assert_eq!(count(&world, "sync_rejects").await, 1);
    assert_eq!(world.runs().await[0].1, "succeeded");
}

#[tokio::test]
async fn where_orders_can_not_be_named_the_scan_brings_them() {
    let (world, user) = synced().await;
    // More than are read one by one.
    let mut deliveries = Vec::new();
    for order in 1..=101 {
        deliveries.push(tell(&world, Topic::OrdersUpdated, world.time.now(), json!({ "id": order })).await);
    }
    let before = scanned(&world).await;
    world.work().await;
    for delivery in &deliveries {
        assert_eq!(status(&world, delivery).await, "processed");
    }
    assert!(scanned(&world).await > before);

    // A store that does not understand the question.
    world.time.pass(TimeDelta::seconds(20));
    let before = scanned(&world).await;
    let (order, _) = place(&world, NewOrder::default());
    let nonsense = FaultKind::Status {
        status: 422,
        retry_after: None,
    };
    world.sandbox.inject(AURORA, Fault::once(nonsense)).unwrap();
    let delivery = tell_and_work(&world, Topic::OrdersCreate, json!({ "id": order })).await;
    assert_eq!(status(&world, &delivery).await, "processed");
    assert!(scanned(&world).await > before);
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test]
async fn orders_that_are_told_of_before_the_first_fill_make_no_day_known() {
    let world = World::at(at(NOW)).await;
    let user = world.user("Acme", "USD", "America/New_York").await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    execute(&world, "delete from sync_runs").await;
    let order = old_order(&world, 2).order_id;
    // The order itself comes through; the scan that a store without a known day needs does not.
    for kind in [
        FaultKind::Delay { delay_ms: 0 },
        FaultKind::Status {
            status: 402,
            retry_after: None,
        },
    ] {
        world.sandbox.inject(AURORA, Fault::once(kind)).unwrap();
    }
    let delivery = tell_and_work(&world, Topic::OrdersUpdated, json!({ "id": order })).await;
    assert_eq!(status(&world, &delivery).await, "processed");
    assert!(is_known(&world, order).await);
    assert_eq!(count(&world, "daily_shopify_metrics").await, 0);
    assert_eq!(count(&world, "daily_summary").await, 0);

    queue(&world, &user, "shopify_7d_fill").await;
    world.work().await;
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test]
async fn a_deleted_order_leaves_every_day_it_had_a_part_in() {
    let (world, user) = synced().await;
    let order = old_order(&world, 3).order_id;
    world
        .sandbox
        .refund_order(AURORA, order, RefundRequest::default())
        .unwrap();
    tell_and_work(&world, Topic::RefundsCreate, json!({ "id": 1, "order_id": order })).await;
    let days = count(&world, &format!("fact_order_days where shopify_order_id = {order}")).await;
    assert_eq!(days, 2, "the day of the sale and that of the refund");
    let orders = assert_books_agree(&world, &user, AURORA, New_York).await;

    world.time.pass(TimeDelta::seconds(20));
    world.sandbox.delete_order(AURORA, order).unwrap();
    for _ in 0..2 {
        let delivery = tell_and_work(&world, Topic::OrdersDelete, json!({ "id": order })).await;
        assert_eq!(fate(&world, &delivery).await, ("processed".to_owned(), None));
        assert_eq!(assert_books_agree(&world, &user, AURORA, New_York).await, orders - 1);
    }
    // Neither what is stored nor another look at the store brings it back.
    queue(&world, &user, "shopify_replay").await;
    queue(&world, &user, "shopify_7d_fill").await;
    world.work().await;
    assert!(!is_known(&world, order).await);
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test]
async fn a_deletion_that_comes_before_its_order_keeps_it_out_until_it_changes_again() {
    let (world, user) = synced().await;
    let (gone, _) = place(&world, NewOrder::default());
    world.sandbox.delete_order(AURORA, gone).unwrap();
    let deleted = tell(&world, Topic::OrdersDelete, world.time.now(), json!({ "id": gone })).await;
    let created = tell(&world, Topic::OrdersCreate, world.time.now(), json!({ "id": gone })).await;
    world.work().await;
    assert_eq!(status(&world, &deleted).await, "processed");
    assert_eq!(status(&world, &created).await, "ignored");
    assert_books_agree(&world, &user, AURORA, New_York).await;

    // A page that was on its way when the order was deleted: the store still shows it.
    let (late, version) = place(&world, NewOrder::default());
    tell_and_work(&world, Topic::OrdersDelete, json!({ "id": late })).await;
    world.sync(&user).await;
    tell_and_work(&world, Topic::OrdersUpdated, json!({ "id": late })).await;
    assert_eq!(
        count(&world, &format!("fact_orders where shopify_order_id = {late}")).await,
        0
    );
    assert_eq!(
        count(&world, &format!("shopify_orders_raw where shopify_order_id = {late}")).await,
        0
    );

    // A version that is newer than the deletion lives, and so does one that the deletion of an older one comes after.
    world.time.pass(TimeDelta::seconds(20));
    world.sandbox.touch_order(AURORA, late).unwrap();
    tell_and_work(&world, Topic::OrdersUpdated, json!({ "id": late })).await;
    assert!(is_known(&world, late).await);
    assert_books_agree(&world, &user, AURORA, New_York).await;
    let stale = tell(&world, Topic::OrdersDelete, version, json!({ "id": late })).await;
    world.work().await;
    assert_eq!(status(&world, &stale).await, "ignored");
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test]
async fn an_order_that_was_deleted_and_changed_after_all_is_back_with_all_its_days() {
    let (world, user) = synced().await;
    let order = old_order(&world, 2).order_id;
    tell_and_work(&world, Topic::OrdersDelete, json!({ "id": order })).await;
    assert!(!is_known(&world, order).await);
    world.time.pass(TimeDelta::seconds(20));
    world.sandbox.touch_order(AURORA, order).unwrap();
    tell_and_work(&world, Topic::OrdersUpdated, json!({ "id": order })).await;
    assert!(is_known(&world, order).await);
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test]
async fn deleted_products_and_customers_go_unless_they_are_newer() {
    let (world, user) = synced().await;
    let now = world.time.now();
    for (table, key, kind, topic) in [
        ("shopify_products_raw", "product", "product", Topic::ProductsDelete),
        ("shopify_customers_raw", "customer", "customer", Topic::CustomersDelete),
    ] {
        execute(&world, &format!("delete from {table}")).await;
        for (id, changed_at) in [(1, now), (2, now + TimeDelta::seconds(1))] {
            let sql = format!(
                "insert into {table} (account_id, integration_id, shopify_{key}_id, {key}_created_at,
                                      {key}_updated_at, payload)
                 values ($1, $2, $3, $4, $4, '{{}}')"
            );
            sqlx::query(AssertSqlSafe(sql))
                .bind(user.tenant.account_id())
                .bind(link(&world).await)
                .bind(id)
                .bind(changed_at)
                .execute(&world.fixture.owner)
                .await
                .unwrap();
        }
        for id in [1, 2] {
            tell(&world, topic, now, json!({ "id": id })).await;
        }
        world.work().await;
        let left: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(format!("select shopify_{key}_id from {table}")))
            .fetch_all(&world.fixture.owner)
            .await
            .unwrap();
        assert_eq!(left, [2], "{table}");
        assert_eq!(
            count(&world, &format!("shopify_tombstones where kind = '{kind}'")).await,
            2
        );
    }
}

#[tokio::test]
async fn a_delivery_that_can_not_be_dealt_with_does_not_hold_up_the_next() {
    let (world, user) = synced().await;
    // The database itself refuses one of them.
    execute(
        &world,
        "create function refuse() returns trigger language plpgsql as
         $$ begin raise exception 'this one fails'; end $$;",
    )
    .await;
    execute(
        &world,
        "create trigger refuse before insert on shopify_tombstones for each row when (new.shopify_id = 13)
         execute function refuse();",
    )
    .await;
    let order = old_order(&world, 2).order_id;
    world.sandbox.delete_order(AURORA, order).unwrap();
    let now = world.time.now();
    let empty = tell(&world, Topic::ProductsDelete, now, json!({})).await;
    let refused = tell(&world, Topic::OrdersDelete, now, json!({ "id": 13 })).await;
    let good = tell(&world, Topic::OrdersDelete, now, json!({ "id": order })).await;
    world.work().await;
    for delivery in [&empty, &refused] {
        let (state, why) = fate(&world, delivery).await;
        assert_eq!(state, "failed");
        let why = why.unwrap();
        assert!(!why.contains("this one fails") && why.ends_with('.'), "{why}");
    }
    assert_eq!(status(&world, &good).await, "processed");
    assert_eq!(world.runs().await[0].1, "succeeded");
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

/// The signature covers the body alone: whoever saw one delivery could send it to another address.
#[tokio::test]
async fn what_can_not_be_undone_is_not_done_unless_the_body_names_the_store() {
    let world = World::now().await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let store = store_id(&world).await;
    let (customer, order) = customer(&world).await;
    let later = world.time.now() + TimeDelta::minutes(5);
    for (topic, body) in [
        (Topic::AppUninstalled, json!({ "id": order })),
        (Topic::AppUninstalled, json!({ "shop_id": store })),
        (
            Topic::CustomersRedact,
            json!({ "id": order, "customer": { "id": customer } }),
        ),
        (
            Topic::CustomersRedact,
            json!({ "shop_id": store + 1, "customer": { "id": customer } }),
        ),
        (
            Topic::CustomersDataRequest,
            json!({ "id": store, "customer": { "id": customer } }),
        ),
        (Topic::ShopRedact, json!({ "id": store })),
    ] {
        let delivery = tell(&world, topic, later, body).await;
        world.work().await;
        assert_eq!(status(&world, &delivery).await, "failed", "{topic}");
    }
    assert_eq!(count(&world, "integrations where status = 'connected'").await, 1);
    assert_eq!(count(&world, "shopify_redactions").await, 0);
    // Nor is a store forgotten by another's wish once it has been disconnected.
    execute(&world, "update integrations set status = 'needs_reauth'").await;
    tell(&world, Topic::ShopRedact, later, json!({ "shop_id": store + 1 })).await;
    world.work().await;
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test]
async fn an_uninstalled_app_loses_tokens_and_runs_but_not_the_numbers() {
    let world = World::now().await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    // One run that is in the middle of its work, one that waits.
    let running = queue(&world, &user, "shopify_fresh").await;
    let claimed = world.fixture.worker.system();
    let claimed = claimed.claim_named_run(running, Duration::from_secs(60)).await;
    let NamedClaim::Claimed(claimed) = claimed.unwrap() else {
        panic!("the run waits for a worker");
    };
    let waiting = queue(&world, &user, "shopify_7d_fill").await;
    execute(
        &world,
        "update sync_runs set scheduled_at = now() + interval '1 hour' where status = 'queued'",
    )
    .await;
    world.sandbox.uninstall(AURORA).unwrap();
    // Later than any clock of this test.
    let later = world.time.now() + TimeDelta::minutes(5);
    let store = store_id(&world).await;
    let delivery = tell(&world, Topic::AppUninstalled, later, json!({ "id": store })).await;
    work_until_settled(&world, &delivery).await;

    assert_eq!(fate(&world, &delivery).await, ("processed".to_owned(), None));
    let (standing, why): (String, String) = sqlx::query_as("select status, status_reason from integrations")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!(standing, "disconnected");
    assert!(why.contains("connect the store again"), "{why}");
    assert_eq!(count(&world, "integration_secrets").await, 0);
    assert_eq!(count(&world, "shops where uninstalled_at is not null").await, 1);
    let audited = "audit_log where action = 'integration.disconnected' and actor_kind = 'provider'";
    assert_eq!(count(&world, audited).await, 1);
    assert_eq!(
        count(
            &world,
            &format!("sync_runs where id = '{waiting}' and status = 'cancelled'")
        )
        .await,
        1
    );
    // The one in progress may not write any more.
    let db = world.fixture.worker.write(&user.tenant).await.unwrap();
    let fenced = db.fence_run(&claimed, &Progress::default(), false).await;
    assert!(matches!(fenced, Err(StoreError::LeaseLost)), "{fenced:?}");
    drop(db);
    assert_books_agree(&world, &user, AURORA, New_York).await;

    // Installed again: what tells of the time before changes nothing.
    execute(&world, "delete from sync_runs where status = 'running'").await;
    world.time.pass(TimeDelta::minutes(1));
    assert!(world.connect(&user, AURORA).await.status().is_success());
    let connected: DateTime<Utc> = sqlx::query_scalar("select connected_at from integrations")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    let before = connected - TimeDelta::milliseconds(1);
    let stale = tell(&world, Topic::AppUninstalled, before, json!({ "id": store })).await;
    world.work().await;
    let (state, why) = fate(&world, &stale).await;
    assert_eq!((state.as_str(), why.is_some()), ("ignored", true));
    assert_eq!(count(&world, "integrations where status = 'connected'").await, 1);
    assert_eq!(count(&world, "integration_secrets").await, 2);
}

/// Works while another worker seems to hold a run for good.
async fn work_until_settled(world: &World, delivery: &str) {
    let stop = CancellationToken::new();
    let working = tokio::spawn(world.worker().run(stop.clone()));
    for _ in 0..500 {
        if status(world, delivery).await != "received" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.cancel();
    working.await.unwrap();
}

/// A customer of orders that say where the customer came from, and one of these orders.
async fn customer(world: &World) -> (i64, i64) {
    sqlx::query_as(
        "select customer_id, shopify_order_id from fact_orders
          where customer_id is not null and utm_source is not null and not is_test and cancelled_at is null
          order by customer_order_index desc, shopify_order_id limit 1",
    )
    .fetch_one(&world.fixture.owner)
    .await
    .unwrap()
}

/// Tables with a row that contains the text as a word of its own.
async fn tables_with(world: &World, word: &str) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
          order by 1",
    )
    .fetch_all(&world.fixture.owner)
    .await
    .unwrap();
    let mut found = Vec::new();
    for table in tables {
        let sql = format!("select exists (select from {table} t where to_jsonb(t)::text ~* ('\\m' || $1 || '\\M'))");
        let is_there: bool = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(word)
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap();
        if is_there {
            found.push(table);
        }
    }
    found
}

/// Everything that a number is made of.
async fn numbers(world: &World) -> Vec<Value> {
    sqlx::query_scalar(
        "select row from (
             select to_jsonb(d) as row from fact_order_days d
             union all select to_jsonb(m) - 'computed_at' from daily_shopify_metrics m
             union all select to_jsonb(s) - 'computed_at' from daily_summary s
             union all select to_jsonb(k) - 'computed_at' from latest_kpis k) t order by row::text",
    )
    .fetch_all(&world.fixture.owner)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_request_for_data_is_answered_in_the_audit_log_without_naming_the_customer() {
    let (world, _) = synced().await;
    let (customer, _) = customer(&world).await;
    let orders = count(&world, &format!("fact_orders where customer_id = {customer}")).await;
    let body = json!({
        "shop_id": store_id(&world).await, "customer": { "id": customer }, "orders_requested": [1],
        "data_request": { "id": 99 },
    });
    let delivery = tell_and_work(&world, Topic::CustomersDataRequest, body).await;
    assert_eq!(fate(&world, &delivery).await, ("processed".to_owned(), None));
    let (kind, target, detail): (String, String, Value) =
        sqlx::query_as("select actor_kind, target_id, detail from audit_log where action = 'privacy.data_request'")
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap();
    assert_eq!(kind, "provider");
    let row: Uuid = sqlx::query_scalar("select id from shopify_webhooks_raw where webhook_id = $1")
        .bind(&delivery)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!(target, row.to_string());
    assert_eq!(
        detail,
        json!({ "request": 99, "orders": orders, "customerRecord": false })
    );
    assert!(
        orders > 0
            && !tables_with(&world, &customer.to_string())
                .await
                .contains(&"audit_log".to_owned())
    );
}

#[tokio::test]
async fn a_forgotten_customer_is_nowhere_stays_so_and_changes_no_number() {
    let (world, user) = synced().await;
    let (customer, order) = customer(&world).await;
    let name = customer.to_string();
    let other = format!("fact_orders where customer_id is not null and customer_id <> {customer}");
    let others = count(&world, &other).await;
    execute(
        &world,
        &format!(
            "insert into shopify_customers_raw (account_id, integration_id, shopify_customer_id, customer_created_at,
                                                customer_updated_at, payload)
             select account_id, id, {customer}, now(), now(), '{{\"id\": \"gid://shopify/Customer/{customer}\"}}'
               from integrations"
        ),
    )
    .await;
    // What names the customer: an order, another delivery, and a record that could not be read.
    tell_and_work(
        &world,
        Topic::OrdersUpdated,
        json!({ "id": order, "customer": { "id": customer } }),
    )
    .await;
    tell_and_work(&world, Topic::CustomersDelete, json!({ "id": customer })).await;
    let unreadable = async || {
        world.time.pass(TimeDelta::seconds(20));
        world.sandbox.touch_order(AURORA, order as u64).unwrap();
        let fault = FaultKind::MalformedOrder {
            order_id: Some(order as u64),
            field: Some("processedAt".to_owned()),
        };
        world.sandbox.inject(AURORA, Fault::once(fault)).unwrap();
        tell_and_work(&world, Topic::OrdersUpdated, json!({ "id": order })).await;
        assert_eq!(count(&world, "sync_rejects").await, 1);
    };
    unreadable().await;
    let rejects = tables_with(&world, &name).await;
    assert!(rejects.contains(&"sync_rejects".to_owned()), "{rejects:?}");
    let before = numbers(&world).await;

    let store = store_id(&world).await;
    let redact = json!({ "shop_id": store, "customer": { "id": customer }, "orders_to_redact": [order] });
    for _ in 0..2 {
        let delivery = tell_and_work(&world, Topic::CustomersRedact, redact.clone()).await;
        assert_eq!(fate(&world, &delivery).await, ("processed".to_owned(), None));
    }
    let is_forgotten = async |after: &str| {
        assert_eq!(tables_with(&world, &name).await, Vec::<String>::new(), "{after}");
        let traces = format!(
            "fact_orders f join shopify_orders_raw r using (integration_id, shopify_order_id)
              where shopify_order_id = {order}
                and (coalesce(utm_source, utm_medium, utm_campaign, utm_content, utm_term) is not null
                     or r.payload::text like '%utmParameters%')"
        );
        assert_eq!(count(&world, &traces).await, 0, "{after}");
        assert!(numbers(&world).await == before, "{after}: numbers moved");
        assert_eq!(
            count(&world, &other).await,
            others,
            "{after}: another customer was forgotten"
        );
    };
    is_forgotten("the wish").await;
    queue(&world, &user, "shopify_replay").await;
    world.work().await;
    is_forgotten("a replay").await;
    // The store still shows the customer with the order.
    unreadable().await;
    is_forgotten("a record that can't be read").await;
    world.sync(&user).await;
    assert_eq!(count(&world, "sync_rejects").await, 0);
    is_forgotten("a scan").await;
    queue(&world, &user, "shopify_replay").await;
    world.work().await;
    is_forgotten("a replay of what the scan brought").await;
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test]
async fn a_forgotten_store_leaves_nothing_and_may_come_back_as_a_new_one() {
    let world = World::now().await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let name = world.sandbox.shops()[0].name;
    let domain = AURORA.trim_end_matches(".myshopify.com");
    // Another store of the account, with a day of its own.
    let other = world.fixture.store(&user.tenant).await;
    execute(
        &world,
        &format!(
            "insert into daily_shopify_metrics (account_id, integration_id, date, currency, orders)
             select account_id, '{other}', max(date), 'USD', 3 from daily_shopify_metrics group by account_id"
        ),
    )
    .await;
    execute(
        &world,
        "insert into oauth_states (state_hash, account_id, provider, shop_domain, expires_at)
         select convert_to(shop_domain, 'UTF8'), account_id, 'shopify', shop_domain, now() from shops",
    )
    .await;
    let later = world.time.now() + TimeDelta::minutes(5);
    let store = store_id(&world).await;
    let kept = tell_and_work(&world, Topic::ShopRedact, json!({ "shop_id": store })).await;
    let (state, why) = fate(&world, &kept).await;
    assert_eq!((state.as_str(), why.is_some()), ("ignored", true));
    assert!(count(&world, "fact_orders").await > 0);

    let link = link(&world).await;
    world.sandbox.uninstall(AURORA).unwrap();
    let (customer, order) = customer(&world).await;
    tell(&world, Topic::OrdersDelete, later, json!({ "id": order })).await;
    tell(
        &world,
        Topic::CustomersRedact,
        later,
        json!({ "shop_id": store, "customer": { "id": customer } }),
    )
    .await;
    tell(&world, Topic::AppUninstalled, later, json!({ "id": store })).await;
    tell(&world, Topic::OrdersUpdated, later, json!({ "id": order })).await;
    tell(&world, Topic::ShopRedact, later, json!({ "shop_id": store })).await;
    world.work().await;

    for word in [domain, name] {
        let found = tables_with(&world, word).await;
        assert!(
            found.is_empty() || found == ["audit_log"],
            "{word:?} is still in {found:?}"
        );
    }
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.table_name::text from information_schema.columns c
          where c.table_schema = 'public' and c.column_name = 'integration_id'",
    )
    .fetch_all(&world.fixture.owner)
    .await
    .unwrap();
    assert!(tables.len() > 10);
    for table in tables {
        let left = count(&world, &format!("{table} where integration_id = '{link}'")).await;
        assert_eq!(left, i64::from(table == "sync_runs"), "{table}");
    }
    let runs = "sync_runs where status = 'succeeded' and error_message is null and error_history = '[]'";
    assert_eq!(count(&world, &format!("{runs} and integration_id = '{link}'")).await, 1);
    let summary: Vec<i64> = sqlx::query_scalar("select orders from daily_summary")
        .fetch_all(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!(summary, [3], "the other store's day and no other");
    let audited: Value = sqlx::query_scalar("select to_jsonb(a) from audit_log a where action = 'privacy.shop_redact'")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert!(!audited.to_string().contains(domain), "{audited}");

    // A new link, a new history.
    world.time.pass(TimeDelta::minutes(1));
    execute(
        &world,
        &format!("delete from daily_shopify_metrics where integration_id = '{other}'"),
    )
    .await;
    execute(
        &world,
        &format!("update integrations set status = 'disconnected' where id = '{other}'"),
    )
    .await;
    assert!(world.connect(&user, AURORA).await.status().is_success());
    world.work().await;
    assert_ne!(self::link(&world).await, link);
    assert_books_agree(&world, &user, AURORA, New_York).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_a_store_is_in_the_numbers_without_anybody_asking() {
    let (world, user) = synced().await;
    let question = "{ shopifyDashboard(range: { from: \"2026-11-20\", to: \"2026-11-20\" }) {
        kpis { orders { value } grossSales { value } } } }";
    let before = world.ask(&user, question).await;
    world.deliver();

    place(&world, NewOrder::default());
    // The store tells of it in its own time; the worker is the one in production.
    let stop = CancellationToken::new();
    let working = tokio::spawn(world.worker().run(stop.clone()));
    let changed = async {
        loop {
            let now = world.ask(&user, question).await;
            if now != before {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let after = tokio::time::timeout(Duration::from_secs(60), changed).await;
    stop.cancel();
    working.await.unwrap();

    let orders = |answer: &Value| -> i64 {
        let value = answer["shopifyDashboard"]["kpis"]["orders"]["value"].as_str();
        value.unwrap().parse().unwrap()
    };
    assert_eq!(orders(&after.unwrap()), orders(&before) + 1);
    world.work().await;
    assert_books_agree(&world, &user, AURORA, New_York).await;
}
