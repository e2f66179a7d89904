//! The door for deliveries: who gets in, what is kept of them, that an acknowledged one is there whatever happens, and
//! that its job wakes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use hmac::{Hmac, KeyInit, Mac};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use server::accounts::{ApiTokenRequest, Creator, issue_api_token};
use server::domain::ids::{IntegrationId, Role, RunStatus, WebhookStatus};
use server::domain::webhook::Topic;
use server::store::Tenant;
use sha2::Sha256;
use tokio_util::sync::CancellationToken;

use crate::api::{code, pages};
use crate::commands::{Running, command, settings};
use crate::support::fixture::Fixture;
use crate::support::world::{API_SECRET, User, World, client};

const SIGNATURE: &str = "X-Shopify-Hmac-Sha256";
const BODY: &str = r#"{"id": 5512345678901, "updated_at": "2026-11-22T10:00:00-05:00"}"#;

fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

/// A delivery as Shopify posts it.
#[derive(Clone)]
struct Posted {
    topic: String,
    shop: String,
    webhook_id: String,
    body: Vec<u8>,
    secret: &'static str,
}

impl Posted {
    fn new(topic: &str, shop: &str, webhook_id: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            shop: shop.to_owned(),
            webhook_id: webhook_id.to_owned(),
            body: BODY.into(),
            secret: API_SECRET,
        }
    }

    fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..self
        }
    }

    fn to(&self, client: &Client, address: &str) -> RequestBuilder {
        client
            .post(format!("{address}/api/webhooks/shopify/{}", self.topic))
            .header("X-Shopify-Topic", &self.topic)
            .header("X-Shopify-Shop-Domain", &self.shop)
            .header("X-Shopify-Webhook-Id", &self.webhook_id)
            .header("X-Shopify-Event-Id", format!("event of {}", self.webhook_id))
            .header("X-Shopify-Triggered-At", "2026-11-22T15:00:00.000Z")
            .header(SIGNATURE, sign(self.secret, &self.body))
            .header(CONTENT_TYPE, "application/json")
            .body(self.body.clone())
    }
}

/// A store of an account, and the door.
struct Door {
    world: World,
    tenant: Tenant,
    store: IntegrationId,
    shop: String,
}

impl Door {
    async fn new() -> Self {
        let world = World::now().await;
        let tenant = world.fixture.account("Acme", "UTC").await;
        let store = world.fixture.store(&tenant).await;
        let shop = world.fixture.domain(store).await;
        Self {
            world,
            tenant,
            store,
            shop,
        }
    }

    fn fixture(&self) -> &Fixture {
        &self.world.fixture
    }

    fn posted(&self, topic: &str, webhook_id: &str) -> Posted {
        Posted::new(topic, &self.shop, webhook_id)
    }

    async fn post(&self, posted: &Posted) -> StatusCode {
        let answer = posted.to(&self.world.http, &self.world.address).send().await.unwrap();
        answer.status()
    }

    async fn deliver(&self, topic: &str, webhook_id: &str) {
        assert_eq!(self.post(&self.posted(topic, webhook_id)).await, StatusCode::OK);
    }

    /// What is stored, by topic and id.
    async fn stored(&self) -> Vec<(String, String)> {
        sqlx::query_as("select topic, webhook_id from shopify_webhooks_raw order by 1, 2")
            .fetch_all(&self.fixture().owner)
            .await
            .unwrap()
    }

    /// The runs of the store's jobs, by job and status.
    async fn runs(&self) -> Vec<(String, String)> {
        sqlx::query_as("select job_type, status from sync_runs order by created_at, job_type")
            .fetch_all(&self.fixture().owner)
            .await
            .unwrap()
    }

    /// Until `done`, for a minute at most.
    async fn until(&self, what: &str, done: impl AsyncFn() -> bool) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while !done().await {
            assert!(tokio::time::Instant::now() < deadline, "{what}: not within a minute");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many statements of the web side wait for a lock.
    async fn stuck(&self) -> i64 {
        sqlx::query_scalar(
            "select count(*) from pg_stat_activity
              where datname = current_database() and usename = 'api' and wait_event_type = 'Lock'",
        )
        .fetch_one(&self.fixture().owner)
        .await
        .unwrap()
    }
}

/// What of a body may not be found anywhere: contact data as Shopify sends it.
fn order_with_contact_data() -> Value {
    json!({
        "id": 5_512_345_678_901_i64, "admin_graphql_api_id": "gid://shopify/Order/5512345678901",
        "email": "canary@example.com", "contact_email": "canary@example.com", "phone": "+49 canary",
        "updated_at": "2026-11-22T10:00:00-05:00", "note": "canary", "browser_ip": "canary",
        "customer": { "id": 7, "first_name": "Canary", "email": "canary@example.com",
                      "default_address": { "address1": "canary" } },
        "billing_address": { "name": "Canary", "zip": "canary" },
        "shipping_address": { "name": "Canary", "latitude": 1.5 },
        "line_items": [{ "id": 1, "title": "canary", "price": "10.00" }],
    })
}

#[tokio::test]
async fn only_what_is_signed_with_a_secret_of_the_app_gets_in() {
    let door = Door::new().await;
    let request = |posted: &Posted| posted.to(&door.world.http, &door.world.address);
    let genuine = door.posted("orders/create", "1");
    let mut forged = genuine.clone();
    forged.secret = "another secret";
    let mut headerless = request(&genuine).build().unwrap();
    headerless.headers_mut().remove(SIGNATURE);
    let mut changed = request(&genuine).build().unwrap();
    *changed.body_mut() = Some(BODY.replace("5512345678901", "5512345678902").into());
    // A wrong signature is found before anything else is looked at.
    let mut forged_nowhere = forged.clone();
    forged_nowhere.topic = "orders/never".to_owned();
    for request in [
        request(&forged).build().unwrap(),
        headerless,
        changed,
        request(&forged.clone().body("{")).build().unwrap(),
        request(&forged_nowhere).build().unwrap(),
    ] {
        let answer = door.world.http.execute(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "UNAUTHENTICATED");
    }
    assert!(door.stored().await.is_empty() && door.runs().await.is_empty());

    let answer = request(&genuine).send().await.unwrap();
    assert_eq!(
        (answer.status(), answer.bytes().await.unwrap().len()),
        (StatusCode::OK, 0)
    );
    assert_eq!(door.stored().await, [("orders/create".to_owned(), "1".to_owned())]);
}

#[tokio::test]
async fn what_can_not_be_used_is_refused_and_the_door_stays_open() {
    let door = Door::new().await;
    let genuine = || door.posted("orders/create", "1");
    let send = async |request: RequestBuilder| {
        let answer = request.send().await.unwrap();
        let status = answer.status();
        assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json", "{status}");
        assert!(!answer.text().await.unwrap().contains("canary"));
        status.as_u16()
    };
    let to_door = |posted: &Posted| posted.to(&door.world.http, &door.world.address);
    let named = |field: &str, value: &str| {
        let mut posted = genuine();
        match field {
            "topic" => posted.topic = value.to_owned(),
            "shop" => posted.shop = value.to_owned(),
            _ => posted.webhook_id = value.to_owned(),
        }
        to_door(&posted)
    };
    let bodies = |body: &str| to_door(&genuine().body(body));
    for (what, request, status) in [
        ("no JSON", bodies("canary"), 400),
        ("broken off", bodies("{\"id\": 1"), 400),
        ("a list", bodies("[]"), 400),
        ("empty", bodies(""), 400),
        ("an address for an id", bodies(r#"{"id": "canary@example.com"}"#), 400),
        ("deep and open", bodies(&"{\"a\":".repeat(200_000)), 400),
        ("unknown topic", named("topic", "orders/never"), 404),
        ("topic of many parts", named("topic", "orders/create/now"), 404),
        ("unknown shop", named("shop", "nobody.myshopify.com"), 404),
        ("no shop", named("shop", "nobody.example.com"), 400),
        ("no id", named("id", ""), 400),
        ("endless id", named("id", &"7".repeat(3000)), 400),
        (
            "too long",
            bodies(&format!("{{\"a\": \"{}\"}}", "x".repeat(2 * 1024 * 1024))),
            413,
        ),
    ] {
        assert_eq!(send(request).await, status, "{what}");
    }
    let mut elsewhere = to_door(&genuine()).build().unwrap();
    elsewhere.url_mut().set_path("/api/webhooks/shopify/orders/updated");
    let answer = door.world.http.execute(elsewhere).await.unwrap();
    assert_eq!(
        answer.status(),
        StatusCode::BAD_REQUEST,
        "the header names another topic"
    );
    assert!(door.stored().await.is_empty() && door.runs().await.is_empty());

    // Ten megabytes are not waited for: either the refusal is read, or the sender finds the line cut.
    let huge = genuine().body(vec![b' '; 10 * 1024 * 1024]);
    let huge = huge.to(&door.world.http, &door.world.address).send().await;
    assert!(huge.is_err() || huge.is_ok_and(|answer| answer.status() == StatusCode::PAYLOAD_TOO_LARGE));

    let just_fits = format!("{{\"id\": 1, \"a\": \"{}\"}}", "x".repeat(2 * 1024 * 1024 - 20));
    assert_eq!(
        door.post(&door.posted("orders/create", "fits").body(just_fits)).await,
        StatusCode::OK
    );
    let deep = format!("{{\"id\": 1, \"a\": {}{}}}", "[".repeat(500_000), "]".repeat(500_000));
    assert_eq!(
        door.post(&door.posted("orders/create", "deep").body(deep)).await,
        StatusCode::OK
    );
    assert_eq!(door.stored().await.len(), 2);
}

#[tokio::test]
async fn a_privacy_request_of_a_store_that_nobody_knows_is_answered_and_leaves_nothing() {
    let door = Door::new().await;
    for topic in Topic::ALL {
        let status = door
            .post(&Posted::new(topic.as_str(), "nobody.myshopify.com", "1"))
            .await;
        let expected = if topic.is_compliance() {
            StatusCode::OK
        } else {
            StatusCode::NOT_FOUND
        };
        assert_eq!(status, expected, "{topic}");
    }
    assert!(door.stored().await.is_empty() && door.runs().await.is_empty());
}

#[tokio::test]
async fn a_delivery_is_stored_once_for_each_topic() {
    let door = Door::new().await;
    for _ in 0..3 {
        door.deliver("orders/create", "1").await;
    }
    door.deliver("orders/updated", "1").await;
    door.deliver("orders/updated", "2").await;
    let expected = [("orders/create", "1"), ("orders/updated", "1"), ("orders/updated", "2")];
    let expected = expected.map(|(topic, id)| (topic.to_owned(), id.to_owned()));
    assert_eq!(door.stored().await, expected);
    // Another store may use the same id.
    let other = door.fixture().store(&door.tenant).await;
    let other = Posted::new("orders/create", &door.fixture().domain(other).await, "1");
    assert_eq!(door.post(&other).await, StatusCode::OK);
    assert_eq!(door.stored().await.len(), 4);
}

/// The table is locked so that deliveries line up, and are written in one batch once it is free.
#[tokio::test]
async fn a_batch_with_repetitions_and_one_that_can_not_be_stored_harms_nobody_in_it() {
    let door = Door::new().await;
    sqlx::query("alter table shopify_webhooks_raw add constraint no_poison check (webhook_id <> 'poison')")
        .execute(&door.fixture().owner)
        .await
        .unwrap();
    let mut lock = door.fixture().owner.begin().await.unwrap();
    sqlx::query("lock table shopify_webhooks_raw in access exclusive mode")
        .execute(&mut *lock)
        .await
        .unwrap();
    let ids = (0..60).map(|place| match place {
        30 => "poison".to_owned(),
        place if place % 3 == 0 => "again".to_owned(),
        place => place.to_string(),
    });
    let ids: Vec<String> = ids.collect();
    let post = async |id: &str| (id.to_owned(), door.post(&door.posted("orders/create", id)).await);
    let others = async {
        door.until("a writer waits", async || door.stuck().await == 1).await;
        futures::future::join_all(ids.iter().map(|id| post(id))).await
    };
    let freed = async {
        door.until("both writers wait", async || door.stuck().await == 2).await;
        lock.rollback().await.unwrap();
    };
    let (first, mut answers, ()) = tokio::join!(post("first"), others, freed);
    answers.push(first);
    for (id, status) in answers {
        let expected = if id == "poison" {
            StatusCode::INTERNAL_SERVER_ERROR
        } else {
            StatusCode::OK
        };
        assert_eq!(status, expected, "{id}");
    }
    let mut expected: BTreeSet<&str> = ids.iter().map(String::as_str).filter(|id| *id != "poison").collect();
    expected.insert("first");
    let stored = door.stored().await;
    assert_eq!(stored.len(), expected.len());
    assert_eq!(
        stored.iter().map(|(_, id)| id.as_str()).collect::<BTreeSet<_>>(),
        expected
    );
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_acknowledged_and_a_retry_brings_it() {
    let door = Door::new().await;
    door.deliver("orders/create", "0").await;
    door.fixture().limit_connections(0).await;
    let posted = door.posted("orders/create", "1");
    let answer = posted.to(&door.world.http, &door.world.address).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key(RETRY_AFTER));
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(door.stored().await.len(), 1);
    door.fixture().limit_connections(-1).await;
    assert_eq!(door.post(&posted).await, StatusCode::OK);
    assert_eq!(door.stored().await.len(), 2);
    // Connections that died in the pool are nobody's loss.
    door.fixture().limit_connections(0).await;
    door.fixture().limit_connections(-1).await;
    door.deliver("orders/create", "2").await;
    assert_eq!(door.stored().await.len(), 3);
}

#[tokio::test]
async fn a_slow_database_is_not_waited_for_and_who_hangs_up_loses_nothing() {
    let door = Door::new().await;
    let mut lock = door.fixture().owner.begin().await.unwrap();
    sqlx::query("lock table shopify_webhooks_raw in access exclusive mode")
        .execute(&mut *lock)
        .await
        .unwrap();
    let patient = door.posted("orders/create", "patient");
    let hasty = door
        .posted("orders/create", "hasty")
        .to(&door.world.http, &door.world.address);
    let hasty = tokio::spawn(hasty.send());
    door.until("it is handed in", async || door.stuck().await >= 1).await;
    hasty.abort();
    assert_eq!(door.post(&patient).await, StatusCode::SERVICE_UNAVAILABLE);
    lock.rollback().await.unwrap();
    door.until("both are stored", async || door.stored().await.len() == 2)
        .await;
    assert_eq!(door.post(&patient).await, StatusCode::OK);
    assert_eq!(door.stored().await.len(), 2);
}

#[tokio::test]
async fn contact_data_is_neither_stored_nor_logged() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let shop = fixture.domain(fixture.store(&tenant).await).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut settings = settings(&fixture.database);
    settings.insert("RUST_LOG", "trace".to_owned());
    settings.insert("SHOPIFY_API_SECRET", format!("the next secret, {API_SECRET}"));
    let mut server = command(&["serve"], &settings)
        .stderr(Stdio::from(File::create(&path).unwrap()))
        .spawn()
        .unwrap();
    let log = || std::fs::read_to_string(&path).unwrap();
    let address = loop {
        let line = log().split_once("listening on ").map(|(_, rest)| rest.to_owned());
        if let Some((address, _)) = line.as_deref().and_then(|rest| rest.split_once('\n')) {
            break address.to_owned();
        }
        assert!(server.try_wait().unwrap().is_none(), "{}", log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let client = client();
    let order = order_with_contact_data().to_string();
    let mut unreadable = order_with_contact_data();
    unreadable["id"] = json!("canary@example.com");
    let mut by_next_secret = Posted::new("orders/updated", &shop, "2").body(order.clone());
    by_next_secret.secret = "the next secret";
    for (posted, status) in [
        (Posted::new("orders/create", &shop, "1").body(order.clone()), 200),
        (by_next_secret, 200),
        (
            Posted::new("orders/create", &shop, "3").body(unreadable.to_string()),
            400,
        ),
        (
            Posted::new("orders/create", "nobody.myshopify.com", "4").body(order),
            404,
        ),
    ] {
        let answer = posted.to(&client, &address).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let rows: Vec<Value> = sqlx::query_scalar("select to_jsonb(d) from shopify_webhooks_raw d order by webhook_id")
        .fetch_all(&fixture.owner)
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    let kept = json!({
        "id": 5_512_345_678_901_i64, "admin_graphql_api_id": "gid://shopify/Order/5512345678901",
        "updated_at": "2026-11-22T15:00:00Z",
    });
    assert_eq!(rows[0]["payload"], kept);
    assert_eq!(rows[0]["event_id"], "event of 1");
    let log = log();
    assert!(log.contains("/api/webhooks/shopify/orders/create"), "{log}");
    for told in [log, json!(rows).to_string()] {
        assert!(!told.to_lowercase().contains("canary"), "{told}");
    }
}

#[tokio::test]
async fn a_hundred_deliveries_wake_one_run_of_each_job() {
    let door = Door::new().await;
    let sent = (0..100).map(async |place: usize| {
        let topic = ["orders/create", "orders/updated", "refunds/create", "customers/redact"][place % 4];
        door.deliver(topic, &place.to_string()).await;
    });
    futures::future::join_all(sent).await;
    assert_eq!(door.stored().await.len(), 100);
    let queued = |job: &str| (job.to_owned(), "queued".to_owned());
    let runs: BTreeSet<_> = door.runs().await.into_iter().collect();
    assert_eq!(door.runs().await.len(), runs.len());
    assert_eq!(
        runs,
        BTreeSet::from([queued("shopify_fresh"), queued("shopify_webhooks")])
    );
    let triggers: Vec<String> = sqlx::query_scalar("select distinct trigger from sync_runs")
        .fetch_all(&door.fixture().owner)
        .await
        .unwrap();
    assert_eq!(triggers, ["webhook"]);
}

#[tokio::test]
async fn each_topic_wakes_its_job_and_one_that_asks_the_store_only_where_that_is_connected() {
    let door = Door::new().await;
    let wake = async |status: &str, topic: Topic| {
        sqlx::query("with gone as (delete from sync_runs) update integrations set status = $1")
            .bind(status)
            .execute(&door.fixture().owner)
            .await
            .unwrap();
        door.deliver(topic.as_str(), status).await;
        door.runs().await
    };
    for topic in Topic::ALL.into_iter().filter(|topic| !topic.only_hurries()) {
        let queued = vec![(topic.job().to_owned(), "queued".to_owned())];
        assert_eq!(wake("connected", topic).await, queued, "{topic}");
        for status in ["needs_reauth", "paused", "disconnected"] {
            let expected = if topic.needs_connection() {
                vec![]
            } else {
                queued.clone()
            };
            assert_eq!(wake(status, topic).await, expected, "{topic} {status}");
        }
    }
    // Once it is in order again, what has waited is dealt with.
    sqlx::query("with gone as (delete from sync_runs) update integrations set status = 'connected'")
        .execute(&door.fixture().owner)
        .await
        .unwrap();
    let jobs: BTreeSet<&str> = Topic::ALL
        .into_iter()
        .filter(|topic| !topic.only_hurries())
        .map(Topic::job)
        .collect();
    let woken = door.fixture().worker.system().wake_for_deliveries().await.unwrap();
    assert_eq!(usize::try_from(woken).unwrap(), jobs.len());
    let runs: BTreeSet<String> = door.runs().await.into_iter().map(|(job, _)| job).collect();
    assert_eq!(runs, jobs.into_iter().map(str::to_owned).collect());
    assert_eq!(door.fixture().worker.system().wake_for_deliveries().await.unwrap(), 0);
}

#[tokio::test]
async fn a_delivery_that_comes_while_its_job_is_running_gets_a_run_afterwards() {
    let door = Door::new().await;
    let worker = &door.fixture().worker;
    let wake = async || worker.system().wake_for_deliveries().await.unwrap();
    door.deliver("orders/create", "before").await;
    let claimed = worker.system().claim_run(Duration::from_secs(60), 2).await.unwrap();
    let run = claimed.expect("the delivery woke it");
    let topics = [Topic::OrdersCreate, Topic::OrdersUpdated];

    let db = worker.write(&door.tenant).await.unwrap();
    let began = db.now().await.unwrap();
    db.fence_run(&run, &server::store::Progress::default(), false)
        .await
        .unwrap();
    // The run holds its row while it writes: a delivery does not wait for that.
    door.deliver("orders/updated", "meanwhile").await;
    assert_eq!(wake().await, 0);
    let settled = db
        .settle_deliveries(run.integration_id, &topics, began, WebhookStatus::Processed)
        .await
        .unwrap();
    assert_eq!(settled, 1);
    db.finish_run(&run, RunStatus::Succeeded, None, None).await.unwrap();
    db.commit().await.unwrap();

    let db = worker.read(&door.tenant).await.unwrap();
    let waiting = db.waiting_deliveries(run.integration_id, &topics, 10).await.unwrap();
    let [waiting] = &*waiting else {
        panic!("{waiting:?}");
    };
    assert_eq!(
        (waiting.topic, waiting.payload.order()),
        (Topic::OrdersUpdated, Some(5_512_345_678_901))
    );
    assert!(waiting.received_at > began && waiting.triggered_at.is_some());
    assert_eq!((wake().await, wake().await), (1, 0));

    // The next run reads it; then nothing is left to wake for.
    let next = worker.system().claim_run(Duration::from_secs(60), 2).await.unwrap();
    let next = next.expect("it was woken for");
    let db = worker.write(&door.tenant).await.unwrap();
    assert_eq!(
        db.settle_read_deliveries(&[waiting.id], WebhookStatus::Processed)
            .await
            .unwrap(),
        1
    );
    db.finish_run(&next, RunStatus::Succeeded, None, None).await.unwrap();
    db.commit().await.unwrap();
    assert_eq!(wake().await, 0);
}

#[tokio::test]
async fn a_run_that_can_not_deal_with_a_delivery_is_not_begun_again_at_once_for_ever() {
    let door = Door::new().await;
    let worker = &door.fixture().worker;
    let wake = async || worker.system().wake_for_deliveries().await.unwrap();
    door.deliver("orders/create", "1").await;
    let run = worker
        .system()
        .claim_run(Duration::from_secs(60), 2)
        .await
        .unwrap()
        .unwrap();
    let db = worker.write(&door.tenant).await.unwrap();
    db.finish_run(&run, RunStatus::Failed, None, Some(("X", "It broke.")))
        .await
        .unwrap();
    db.commit().await.unwrap();
    assert_eq!(wake().await, 0);
    let later = async |statement: &'static str| {
        sqlx::query(statement).execute(&door.fixture().owner).await.unwrap();
    };
    // An hour later it is tried again, and a new delivery is at once.
    later("update sync_runs set created_at = created_at - interval '1 hour'").await;
    assert_eq!(wake().await, 1);
    later("delete from sync_runs where status = 'queued'").await;
    later("update sync_runs set created_at = created_at + interval '1 hour'").await;
    assert_eq!(wake().await, 0);
    door.deliver("orders/create", "2").await;
    assert_eq!(door.runs().await.len(), 2);
}

#[tokio::test]
async fn the_end_of_a_bulk_operation_lets_the_run_that_waits_for_it_go_on() {
    let door = Door::new().await;
    let finish = r#"{"admin_graphql_api_id": "gid://shopify/BulkOperation/1", "status": "completed"}"#;
    let deliver = async |id: &str| {
        let posted = door.posted("bulk_operations/finish", id).body(finish);
        assert_eq!(door.post(&posted).await, StatusCode::OK);
        let status: String = sqlx::query_scalar("select status from shopify_webhooks_raw where webhook_id = $1")
            .bind(id)
            .fetch_one(&door.fixture().owner)
            .await
            .unwrap();
        status
    };
    // Nobody waits: it begins nothing.
    assert_eq!(deliver("1").await, "ignored");
    assert!(door.runs().await.is_empty());
    sqlx::query(
        "insert into sync_runs (account_id, integration_id, job_type, trigger, scheduled_at)
         values ($1, $2, 'shopify_backfill', 'connect', now() + interval '1 hour'),
                ($1, $2, 'shopify_fresh', 'schedule', now() + interval '1 hour')",
    )
    .bind(door.tenant.account_id())
    .bind(door.store)
    .execute(&door.fixture().owner)
    .await
    .unwrap();
    assert_eq!(deliver("2").await, "received");
    door.deliver("orders/create", "3").await;
    let due: Vec<String> = sqlx::query_scalar("select job_type from sync_runs where scheduled_at <= now()")
        .fetch_all(&door.fixture().owner)
        .await
        .unwrap();
    assert_eq!(due, ["shopify_backfill"]);
    assert_eq!(door.runs().await.len(), 2);
}

#[tokio::test]
async fn the_worker_wakes_for_what_waits_and_clears_away_what_is_old() {
    let door = Door::new().await;
    for (id, status, days) in [
        ("new", "processed", 29),
        ("old", "processed", 31),
        ("ancient", "failed", 300),
        ("nothing", "ignored", 31),
        ("waits", "received", 31),
    ] {
        sqlx::query(
            "insert into shopify_webhooks_raw
                 (account_id, integration_id, shop_domain, topic, webhook_id, payload, status, received_at)
             values ($1, $2, $3, 'customers/redact', $4, '{}', $5, now() - make_interval(days => $6))",
        )
        .bind(door.tenant.account_id())
        .bind(door.store)
        .bind(&door.shop)
        .bind(id)
        .bind(status)
        .bind(days)
        .execute(&door.fixture().owner)
        .await
        .unwrap();
    }
    let system = door.fixture().worker.system();
    let month = Duration::from_secs(30 * 24 * 60 * 60);
    assert_eq!(system.delete_old_deliveries(month, 1).await.unwrap(), 1);
    assert!(!door.stored().await.iter().any(|(_, id)| id == "ancient"));

    let stop = CancellationToken::new();
    let working = tokio::spawn(door.world.worker().run(stop.clone()));
    door.until("two are left", async || door.stored().await.len() == 2)
        .await;
    door.until("the job is awake", async || !door.runs().await.is_empty())
        .await;
    stop.cancel();
    working.await.unwrap();
    let left: Vec<String> = door.stored().await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(left, ["new", "waits"]);
}

#[tokio::test]
async fn deliveries_are_shown_to_the_accounts_own_admins_alone() {
    let world = World::now().await;
    let mine = world.user("Mine", "USD", "UTC").await;
    let theirs = world.user("Theirs", "USD", "UTC").await;
    let store = world.fixture.store(&mine.tenant).await;
    let shop = world.fixture.domain(store).await;
    for place in 0..25 {
        let topic = if place % 5 == 0 {
            "orders/create"
        } else {
            "orders/updated"
        };
        let posted = Posted::new(topic, &shop, &format!("{place:02}"));
        let answer = posted.to(&world.http, &world.address).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let ids = pages(&world, &mine, "webhookDeliveries", "", 4).await;
    assert_eq!(ids.iter().map(Value::to_string).collect::<BTreeSet<_>>().len(), 25);
    assert_eq!(
        pages(&world, &mine, "webhookDeliveries", ", topic: \"orders/create\"", 2)
            .await
            .len(),
        5
    );

    let db = world.fixture.worker.write(&mine.tenant).await.unwrap();
    let [oldest] = &*db.waiting_deliveries(store, &[Topic::OrdersCreate], 1).await.unwrap() else {
        panic!("nothing waits");
    };
    db.settle_delivery(oldest.id, WebhookStatus::Failed, Some("It broke."))
        .await
        .unwrap();
    db.commit().await.unwrap();
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on WebhookDelivery {
        id topic shopDomain webhookId eventId triggeredAt receivedAt processedAt status error
        integration { externalId } } } }";
    let oldest = json!({ "ids": [ids[24]] });
    let found = world.ask_with(&mine, query, oldest.clone()).await;
    let node = &found["nodes"][0];
    assert!(
        node["receivedAt"].is_string() && node["processedAt"].is_string(),
        "{node}"
    );
    for (field, expected) in [
        ("__typename", json!("WebhookDelivery")),
        ("id", ids[24].clone()),
        ("topic", json!("orders/create")),
        ("shopDomain", json!(shop)),
        ("webhookId", json!("00")),
        ("eventId", json!("event of 00")),
        ("triggeredAt", json!("2026-11-22T15:00:00Z")),
        ("status", json!("FAILED")),
        ("error", json!("It broke.")),
        ("integration", json!({ "externalId": shop })),
    ] {
        assert_eq!(node[field], expected, "{field}");
    }

    // Neither the list nor an id leads another account to it.
    let list = "{ webhookDeliveries { totalCount nodes { id } } }";
    let nothing = json!({ "webhookDeliveries": { "totalCount": 0, "nodes": [] } });
    assert_eq!(world.ask(&theirs, list).await, nothing);
    assert_eq!(
        world.ask_with(&theirs, query, oldest.clone()).await["nodes"],
        json!([null])
    );

    let wrong = json!({ "query": "{ webhookDeliveries(topic: \"orders/update\") { totalCount } }" });
    assert_eq!(code(&world.post(&mine.bearer, &wrong).await), "BAD_USER_INPUT");

    // Whoever may only look at numbers sees none of it.
    for role in [Role::Viewer, Role::Analyst] {
        let request = ApiTokenRequest {
            name: role.to_string(),
            role,
            scopes: vec![],
            expires_in_days: None,
        };
        let db = world.fixture.web.write(&mine.tenant).await.unwrap();
        let issued = issue_api_token(&db, Creator::Operator, &request, world.time.now())
            .await
            .unwrap();
        db.commit().await.unwrap();
        let looker = User {
            tenant: mine.tenant,
            bearer: issued.secret.reveal().to_owned(),
        };
        assert_eq!(
            code(&world.post(&looker.bearer, &json!({ "query": list })).await),
            "FORBIDDEN"
        );
        assert_eq!(
            world.ask_with(&looker, query, oldest.clone()).await["nodes"],
            json!([null])
        );
    }
}

/// The server's process is killed again and again while deliveries stream in. Senders try until each is acknowledged,
/// as Shopify does; whatever was acknowledged by a process that is dead now is there.
async fn kill_the_server(kills: usize, senders: usize) {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let shop = Arc::new(fixture.domain(fixture.store(&tenant).await).await);
    let settings = settings(&fixture.database);
    let (mut server, address) = Running::serve(&settings).await;
    let address = Arc::new(std::sync::RwLock::new(address));
    let (next, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let failed = Arc::new(AtomicUsize::new(0));
    let streams: Vec<_> = (0..senders)
        .map(|_| {
            let (shop, address, next) = (shop.clone(), address.clone(), next.clone());
            let (over, failed) = (over.clone(), failed.clone());
            tokio::spawn(async move {
                let client = client();
                let mut acknowledged = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    let id = next.fetch_add(1, Ordering::SeqCst).to_string();
                    let posted = Posted::new("orders/updated", &shop, &id);
                    loop {
                        let address = address.read().unwrap().clone();
                        match posted.to(&client, &address).send().await {
                            Ok(answer) if answer.status() == StatusCode::OK => break acknowledged.push(id),
                            Ok(answer) => assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE),
                            Err(_) => {
                                failed.fetch_add(1, Ordering::SeqCst);
                                tokio::time::sleep(Duration::from_millis(5)).await;
                            }
                        }
                    }
                }
                acknowledged
            })
        })
        .collect();
    let mut random = StdRng::seed_from_u64(13);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(20..250))).await;
        // Dropping it is `kill -9`.
        drop(server);
        let at;
        (server, at) = Running::serve(&settings).await;
        *address.write().unwrap() = at;
    }
    over.store(true, Ordering::SeqCst);
    let mut acknowledged = BTreeSet::new();
    for stream in streams {
        acknowledged.extend(stream.await.unwrap());
    }
    drop(server);
    let stored: Vec<String> = sqlx::query_scalar("select webhook_id from shopify_webhooks_raw")
        .fetch_all(&fixture.owner)
        .await
        .unwrap();
    let failed = failed.load(Ordering::SeqCst);
    println!(
        "{kills} kills, {failed} requests cut off, {} deliveries acknowledged",
        acknowledged.len()
    );
    assert!(
        failed >= kills,
        "{failed} requests were cut off by {kills} kills: they met no stream"
    );
    assert_eq!(stored.len(), acknowledged.len());
    assert_eq!(stored.into_iter().collect::<BTreeSet<_>>(), acknowledged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_in_a_stream_has_what_it_acknowledged() {
    kill_the_server(4, 8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "drill: the server is killed a hundred times"]
async fn drill_a_server_killed_a_hundred_times_has_what_it_acknowledged() {
    kill_the_server(100, 16).await;
}

/// One of a storm of deliveries, and whether it is what it seems.
#[derive(Clone)]
struct Gust {
    posted: Posted,
    genuine: bool,
}

/// Deliveries of twenty stores: one in ten twice, one in twenty forged, one in twenty with the id of another topic's.
fn storm(shops: &[String], count: usize, random: &mut StdRng) -> Vec<Gust> {
    const TOPICS: [&str; 4] = ["orders/create", "orders/updated", "refunds/create", "products/update"];
    let mut storm = Vec::with_capacity(count);
    while storm.len() < count {
        let place = storm.len();
        let shop = &shops[place % shops.len()];
        let mut posted = Posted::new(
            TOPICS[random.random_range(0..TOPICS.len())],
            shop,
            &format!("id-{place}"),
        );
        posted.body = format!("{{\"id\": {place}, \"email\": \"canary@example.com\"}}").into_bytes();
        let genuine = !random.random_bool(0.05);
        if !genuine {
            posted.secret = "another secret";
        }
        if genuine && random.random_bool(0.1) {
            storm.push(Gust {
                posted: posted.clone(),
                genuine,
            });
        } else if genuine && random.random_bool(0.05) {
            let mut other = posted.clone();
            other.topic = "orders/cancelled".to_owned();
            storm.push(Gust { posted: other, genuine });
        }
        storm.push(Gust { posted, genuine });
    }
    storm.shuffle(random);
    storm
}

/// Sends everything from so many connections at once, and answers how long each acknowledgement took, sorted.
async fn send(world: &World, storm: &[Gust], senders: usize) -> Vec<Duration> {
    let next = AtomicUsize::new(0);
    let sending = (0..senders).map(async |_| {
        let mut took = Vec::new();
        while let Some(gust) = storm.get(next.fetch_add(1, Ordering::SeqCst)) {
            let request = gust.posted.to(&world.http, &world.address);
            let began = tokio::time::Instant::now();
            let status = request.send().await.unwrap().status();
            took.push(began.elapsed());
            let expected = if gust.genuine {
                StatusCode::OK
            } else {
                StatusCode::UNAUTHORIZED
            };
            assert_eq!(status, expected, "{}", gust.posted.webhook_id);
        }
        took
    });
    let mut took = futures::future::join_all(sending).await.concat();
    took.sort_unstable();
    took
}

async fn weather_a_storm(count: usize, senders: usize) {
    let world = World::now().await;
    let mut owners: BTreeMap<String, User> = BTreeMap::new();
    for place in 0..20 {
        let user = world.user(&format!("Account{place}"), "USD", "UTC").await;
        let store = world.fixture.store(&user.tenant).await;
        owners.insert(world.fixture.domain(store).await, user);
    }
    let shops: Vec<String> = owners.keys().cloned().collect();
    let mut random = StdRng::seed_from_u64(2026);
    let mut storm = storm(&shops, count, &mut random);
    let took = send(&world, &storm, senders).await;
    storm.shuffle(&mut random);
    send(&world, &storm[..count / 2], senders).await;

    let key = |gust: &Gust| {
        let Posted {
            shop,
            topic,
            webhook_id,
            ..
        } = &gust.posted;
        (shop.clone(), topic.clone(), webhook_id.clone())
    };
    let mut expected: Vec<_> = storm.iter().filter(|gust| gust.genuine).map(key).collect();
    expected.sort_unstable();
    expected.dedup();
    let stored: Vec<(String, String, String)> = sqlx::query_as(
        "select shop_domain, topic, webhook_id from shopify_webhooks_raw
          order by shop_domain collate \"C\", topic collate \"C\", webhook_id collate \"C\"",
    )
    .fetch_all(&world.fixture.owner)
    .await
    .unwrap();
    assert!(
        stored == expected,
        "{} stored, {} expected",
        stored.len(),
        expected.len()
    );
    let wrong: i64 = sqlx::query_scalar(
        "select count(*) from shopify_webhooks_raw d join shops s using (shop_domain)
          where d.account_id <> s.account_id or d.payload <> jsonb_build_object('id', split_part(d.webhook_id, '-', 2)::int)",
    )
    .fetch_one(&world.fixture.owner)
    .await
    .unwrap();
    assert_eq!(wrong, 0);
    for (shop, user) in &owners {
        let shown = world.ask(user, "{ webhookDeliveries { totalCount } }").await;
        let own = expected.iter().filter(|(of, ..)| of == shop).count();
        assert_eq!(shown["webhookDeliveries"]["totalCount"], json!(own));
    }
    let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
    println!(
        "{} deliveries from {senders} connections: acknowledged within p50 {:?}, p99 {:?}, at most {:?}",
        storm.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_repeated_forged_and_shuffled_deliveries_each_genuine_one_is_stored_once() {
    weather_a_storm(600, 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "drill: ten thousand deliveries"]
async fn drill_of_ten_thousand_deliveries_each_genuine_one_is_stored_once() {
    weather_a_storm(10_000, 50).await;
}
