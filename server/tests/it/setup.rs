//! Setting a store up, and looking after it: webhooks, scopes, profile, the kind of its token, and what a run says when
//! the store will not.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use reqwest::header::LOCATION;
use reqwest::redirect::Policy;
use rust_decimal::Decimal;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use server::cipher::{TokenKind, TokenPlace};
use server::connections::shop_access;
use server::domain::ids::{IntegrationId, RunTrigger};
use server::domain::webhook::{Acceptance, Delivery, Topic, WebhookPayload};
use server::jobs::Jobs;
use server::providers::shopify::sandbox::{Fault, FaultKind, NewOrder, ShopChange, Target};
use server::queue::Handler;
use server::store::{Ciphertext, NamedClaim, NewRun, Progress, SealedToken, StoreError};
use url::Url;

use crate::support::oracle;
use crate::support::world::{AURORA, User, World};

const NEW_YORK: Tz = chrono_tz::America::New_York;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The account's only link.
async fn link(world: &World, user: &User) -> IntegrationId {
    sqlx::query_scalar("select id from integrations where account_id = $1")
        .bind(user.tenant.account_id())
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

/// A store that was connected and set up.
async fn connected(world: &World) -> User {
    world.synced("Anna", "USD", "America/New_York", AURORA).await
}

/// Runs jobs of the account's only link, and waits until nothing is to be done.
async fn run(world: &World, user: &User, jobs: &[&str]) {
    let links = world.ask(user, "{ integrations { id } }").await;
    let input = json!({ "integrationId": links["integrations"][0]["id"], "jobs": jobs });
    let mutation = "mutation ($input: ManualSyncInput!) { manualSync(input: $input) { userErrors { message } } }";
    let asked = world.ask_with(user, mutation, json!({ "input": input })).await;
    assert_eq!(asked["manualSync"]["userErrors"], json!([]));
    world.work().await;
}

async fn set_up(world: &World, user: &User) {
    run(world, user, &["SHOPIFY_SETUP"]).await;
}

/// What the latest run of a job came to, and what it says.
async fn latest(world: &World, job: &str) -> (String, Option<String>) {
    sqlx::query_as(
        "select status, coalesce(error_message, progress ->> 'message') from sync_runs where job_type = $1
          order by created_at desc limit 1",
    )
    .bind(job)
    .fetch_one(&world.fixture.owner)
    .await
    .unwrap()
}

/// Asks the store itself, as the app.
async fn admin(world: &World, user: &User, query: &str, variables: Value) -> Value {
    let app = world.app(&world.fixture.web);
    let access = shop_access(&app, &user.tenant, link(world, user).await).await.unwrap();
    let request = world
        .http
        .post(format!("{}/{AURORA}/admin/api/2026-10/graphql.json", world.shopify))
        .header("x-shopify-access-token", access.access_token.expose_secret())
        .json(&json!({ "query": query, "variables": variables }));
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer:#}");
    answer["data"].take()
}

/// Every subscription that stands at the store, by topic and address.
async fn subscriptions(world: &World, user: &User) -> BTreeMap<(String, String), (String, Vec<String>)> {
    let query = "{ webhookSubscriptions(first: 250) { nodes { id topic uri includeFields } } }";
    let data = admin(world, user, query, json!({})).await;
    let nodes = data["webhookSubscriptions"]["nodes"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    nodes
        .map(|node| {
            let fields = node["includeFields"].as_array().unwrap().iter().map(text).collect();
            ((text(&node["topic"]), text(&node["uri"])), (text(&node["id"]), fields))
        })
        .collect()
}

async fn integration(world: &World, user: &User) -> Value {
    let document = include_str!("../../../queries/settings/integrations.graphql");
    world.ask(user, document).await["integrations"][0].take()
}

fn change(world: &World, change: ShopChange) {
    world.sandbox.change_shop(AURORA, change).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_store_tells_of_every_topic_and_of_nobody() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    let standing = subscriptions(&world, &user).await;
    let wanted: Vec<Topic> = Topic::ALL.into_iter().filter(|topic| !topic.is_compliance()).collect();
    assert_eq!(standing.len(), wanted.len());
    for topic in &wanted {
        let spelled = topic.as_str().replace('/', "_").to_uppercase();
        let uri = format!("{}/api/webhooks/shopify/{topic}", world.address);
        let (_, fields) = &standing[&(spelled, uri)];
        assert_eq!(fields, topic.fields(), "{topic}");
    }
    let shown = integration(&world, &user).await;
    let topics = shown["webhookSubscriptions"].as_array().unwrap();
    assert_eq!(topics.len(), wanted.len());
    for topic in topics {
        assert_eq!(
            (&topic["status"], &topic["error"]),
            (&json!("ACTIVE"), &Value::Null),
            "{topic}"
        );
        assert_eq!(topic["checkedAt"], json!("2026-11-20T18:00:00Z"));
    }
    assert_eq!(latest(&world, "shopify_setup").await, ("succeeded".to_owned(), None));

    world.deliver();
    let order = NewOrder {
        customer_id: Some(7),
        ..NewOrder::default()
    };
    let order = world.sandbox.create_order(AURORA, order).unwrap();
    world.sandbox.touch_order(AURORA, order.id).unwrap();
    world.sandbox.quiet().await;
    let sent = world.sandbox.deliveries(AURORA).unwrap();
    let topics: HashSet<_> = sent.iter().map(|sent| sent.topic.as_str()).collect();
    assert_eq!(
        topics,
        HashSet::from(["orders/create", "orders/updated", "customers/create"])
    );
    for sent in sent {
        let body = sent.body.as_object().unwrap();
        let known: Vec<&str> = body.keys().map(String::as_str).collect();
        assert_eq!(known, ["admin_graphql_api_id", "id", "updated_at"], "{}", sent.topic);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_or_changed_is_put_right_and_what_is_not_ours_stays() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    let before = subscriptions(&world, &user).await;
    let ours = |topic: &str| format!("{}/api/webhooks/shopify/{topic}", world.address);
    let id = |topic: &str, path: &str| before[&(topic.to_owned(), ours(path))].0.clone();
    let delete = "mutation ($id: ID!) { webhookSubscriptionDelete(id: $id) { userErrors { message } } }";
    admin(
        &world,
        &user,
        delete,
        json!({ "id": id("ORDERS_CREATE", "orders/create") }),
    )
    .await;
    let update = "mutation ($id: ID!, $it: WebhookSubscriptionInput!) {
        webhookSubscriptionUpdate(id: $id, webhookSubscription: $it) { userErrors { message } } }";
    let everything = json!({ "id": id("ORDERS_UPDATED", "orders/updated"), "it": { "includeFields": [] } });
    admin(&world, &user, update, everything).await;
    let moved = json!({ "id": id("SHOP_UPDATE", "shop/update"), "it": { "uri": ours("shop/updated") } });
    admin(&world, &user, update, moved).await;
    let create = "mutation ($topic: WebhookSubscriptionTopic!, $it: WebhookSubscriptionInput!) {
        webhookSubscriptionCreate(topic: $topic, webhookSubscription: $it) { userErrors { message } } }";
    for (topic, uri) in [
        (
            "ORDERS_CREATE",
            "https://other.example/api/webhooks/shopify/orders/create".to_owned(),
        ),
        ("ORDERS_PAID", ours("orders/paid")),
        ("REFUNDS_CREATE", ours("refunds/create/twice")),
    ] {
        admin(&world, &user, create, json!({ "topic": topic, "it": { "uri": uri } })).await;
    }

    set_up(&world, &user).await;
    let mut after = subscriptions(&world, &user).await;
    let foreign = (
        "ORDERS_CREATE".to_owned(),
        "https://other.example/api/webhooks/shopify/orders/create".to_owned(),
    );
    assert!(after.remove(&foreign).is_some(), "it was somebody else's");
    let fields = |of: &BTreeMap<_, (String, Vec<String>)>| -> Vec<_> {
        of.iter()
            .map(|(key, (_, fields))| (Clone::clone(key), fields.clone()))
            .collect()
    };
    assert_eq!(fields(&after), fields(&before));
    assert_eq!(
        after[&("ORDERS_UPDATED".to_owned(), ours("orders/updated"))].0,
        id("ORDERS_UPDATED", "orders/updated"),
        "it was mended, not made anew"
    );
    set_up(&world, &user).await;
    assert_eq!(
        subscriptions(&world, &user).await.len(),
        before.len() + 1,
        "twice changes nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_address_is_shown_with_what_to_do_and_syncs_go_on() {
    let now = at("2026-11-20T18:00:00Z");
    let world = World::with(now, |mut config| {
        config.refuse_plain_http = true;
        config
    })
    .await;
    let user = connected(&world).await;
    let (status, note) = latest(&world, "shopify_setup").await;
    assert_eq!(status, "succeeded");
    let note = note.unwrap();
    assert!(note.contains("15 of 15") && note.contains("PUBLIC_URL"), "{note}");
    let shown = integration(&world, &user).await;
    for topic in shown["webhookSubscriptions"].as_array().unwrap() {
        assert_eq!(topic["status"], json!("REFUSED"));
        assert_eq!(topic["error"], json!("Address protocol http:// is not supported"));
    }
    assert_eq!(latest(&world, "shopify_7d_fill").await.0, "succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_any_more_is_shown() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    let shown = integration(&world, &user).await;
    assert_eq!(
        (&shown["missingScopes"], &shown["historyLimitDays"]),
        (&json!([]), &Value::Null)
    );

    change(
        &world,
        ShopChange {
            withheld_scopes: Some(vec!["read_all_orders".to_owned(), "read_products".to_owned()]),
            ..ShopChange::default()
        },
    );
    set_up(&world, &user).await;
    let shown = integration(&world, &user).await;
    assert_eq!(shown["scopes"], json!(["read_orders", "read_customers"]));
    assert_eq!(shown["missingScopes"], json!(["read_all_orders", "read_products"]));
    assert_eq!(shown["historyLimitDays"], json!(60));
    let (status, note) = latest(&world, "shopify_setup").await;
    assert_eq!(status, "succeeded");
    assert!(note.unwrap().contains("read_all_orders, read_products"));
}

const SERIES: &str = "query ($from: Date!, $to: Date!) {
    shopifyDashboard(range: {from: $from, to: $to}) {
        series { date orders grossSales discounts refunds taxes shipping dutiesAndFees orderValue }
        freshness { coveredFrom }
    }
    homeDashboard(range: {from: $from, to: $to}) { series { date revenueNet } }
}";

/// Every day of these equals the store's books by that clock from the first covered day on, and has no number before.
async fn assert_cut_by(world: &World, user: &User, timezone: Tz, covered: &str) {
    let covered: NaiveDate = covered.parse().unwrap();
    let (from, to) = (covered - TimeDelta::days(3), world.today(timezone));
    let data = world.ask_with(user, SERIES, json!({ "from": from, "to": to })).await;
    let freshness = &data["shopifyDashboard"]["freshness"][0];
    assert_eq!(freshness["coveredFrom"], json!(covered));
    let books = oracle::days(&world.sandbox.ledger(AURORA).unwrap(), timezone);
    let series = data["shopifyDashboard"]["series"].as_array().unwrap();
    let home = data["homeDashboard"]["series"].as_array().unwrap();
    assert!(series.len() > 8);
    for (point, home) in series.iter().zip(home) {
        let date: NaiveDate = point["date"].as_str().unwrap().parse().unwrap();
        let day = (date >= covered).then(|| books.get(&date).cloned().unwrap_or_default());
        assert_eq!(point["orders"], json!(day.as_ref().map(|day| day.orders)), "{date}");
        let number = |value: &Value| value.as_str().map(|text| text.parse::<Decimal>().unwrap());
        for (shown, booked) in [
            (&point["grossSales"], day.as_ref().map(|day| day.gross_sales)),
            (&point["discounts"], day.as_ref().map(|day| day.discounts)),
            (&point["refunds"], day.as_ref().map(|day| day.refunds)),
            (&point["taxes"], day.as_ref().map(|day| day.taxes)),
            (&point["shipping"], day.as_ref().map(|day| day.shipping)),
            (&point["dutiesAndFees"], day.as_ref().map(|day| day.duties_and_fees)),
            (&point["orderValue"], day.as_ref().map(|day| day.order_value)),
            (&home["revenueNet"], day.as_ref().map(oracle::Day::revenue_net)),
        ] {
            assert_eq!(number(shown), booked, "{date} in {timezone}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_time_zone_cuts_every_day_anew() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    assert_cut_by(&world, &user, NEW_YORK, "2026-11-13").await;
    // East of before, the first day begins earlier than what is known; west of it, it is whole. And back again.
    for (timezone, covered) in [
        (chrono_tz::Asia::Tokyo, "2026-11-14"),
        (chrono_tz::Pacific::Honolulu, "2026-11-14"),
        (NEW_YORK, "2026-11-15"),
    ] {
        change(
            &world,
            ShopChange {
                timezone: Some(timezone.name().to_owned()),
                ..ShopChange::default()
            },
        );
        set_up(&world, &user).await;
        let (status, note) = latest(&world, "shopify_setup").await;
        assert_eq!(status, "succeeded");
        assert!(note.unwrap().contains(timezone.name()));
        assert_eq!(latest(&world, "shopify_replay").await.0, "succeeded");
        assert_cut_by(&world, &user, timezone, covered).await;
        assert_eq!(integration(&world, &user).await["timezone"], json!(timezone.name()));
    }
    set_up(&world, &user).await;
    assert_eq!(latest(&world, "shopify_setup").await, ("succeeded".to_owned(), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cut_by_the_old_days_writes_nothing_more_and_begins_again() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    let id = link(&world, &user).await;
    for (job, timezone, covered) in [
        ("shopify_replay", chrono_tz::Asia::Tokyo, "2026-11-14"),
        // Anew, it covers the seven days by their new beginnings.
        ("shopify_7d_fill", NEW_YORK, "2026-11-13"),
    ] {
        // In the hands of a worker; a replay has done all but the last.
        let db = world.fixture.web.write(&user.tenant).await.unwrap();
        let new = NewRun {
            integration_id: id,
            job_type: job,
            trigger: RunTrigger::Manual,
        };
        let queued = db.enqueue_run(&new).await.unwrap().id;
        if job == "shopify_replay" {
            let resume = json!({ "run": queued, "after": i64::MAX });
            db.note_resume(id, job, Some(&resume)).await.unwrap();
        }
        db.commit().await.unwrap();
        let system = world.fixture.worker.system();
        let held = match system.claim_named_run(queued, Duration::from_secs(600)).await.unwrap() {
            NamedClaim::Claimed(run) => run,
            other => panic!("{other:?}"),
        };
        change(
            &world,
            ShopChange {
                timezone: Some(timezone.name().to_owned()),
                ..ShopChange::default()
            },
        );
        set_up(&world, &user).await;
        let db = world.fixture.worker.write(&user.tenant).await.unwrap();
        let lost = db.fence_run(&held, &Progress::default(), false).await;
        assert!(matches!(lost, Err(StoreError::LeaseLost)), "{job}");
        assert_eq!(latest(&world, job).await.0, "succeeded");
        assert_cut_by(&world, &user, timezone, covered).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_comes_back_with_another_time_zone_is_cut_anew_too() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    change(
        &world,
        ShopChange {
            timezone: Some("Asia/Tokyo".to_owned()),
            ..ShopChange::default()
        },
    );
    assert!(world.connect(&user, AURORA).await.status().is_success());
    world.work().await;
    assert_cut_by(&world, &user, chrono_tz::Asia::Tokyo, "2026-11-14").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_currency_holds_the_syncs_until_it_is_right_again() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    let numbers = async || -> Vec<Value> {
        sqlx::query_scalar("select to_jsonb(m) - 'computed_at' from daily_shopify_metrics m order by date")
            .fetch_all(&world.fixture.owner)
            .await
            .unwrap()
    };
    let before = numbers().await;
    let to = |currency: &str| {
        change(
            &world,
            ShopChange {
                currency: Some(currency.to_owned()),
                ..ShopChange::default()
            },
        );
    };
    to("EUR");
    set_up(&world, &user).await;
    let shown = integration(&world, &user).await;
    assert_eq!(shown["status"], json!("PAUSED"));
    let why = shown["statusReason"].as_str().unwrap().to_owned();
    assert!(why.contains("EUR") && why.contains("USD"), "{why}");
    assert_eq!(
        latest(&world, "shopify_setup").await,
        ("succeeded".to_owned(), Some(why.clone()))
    );
    run(&world, &user, &["SHOPIFY_FRESH"]).await;
    let (status, error) = latest(&world, "shopify_fresh").await;
    assert_eq!(status, "failed");
    assert!(error.unwrap().contains(&why));

    // By itself, only the look at the store goes on.
    let sync = server::config::SyncConfig {
        fresh_every: Duration::from_secs(900),
        nightly_at: chrono::NaiveTime::MIN,
    };
    let jobs = Jobs::new(world.app(&world.fixture.worker), sync);
    sqlx::query("update integrations set connected_at = connected_at - interval '1 year'")
        .execute(&world.fixture.owner)
        .await
        .unwrap();
    jobs.schedule().await.unwrap();
    let queued: Vec<String> = sqlx::query_scalar("select job_type from sync_runs where status = 'queued'")
        .fetch_all(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!(queued, ["shopify_setup"]);
    to("USD");
    world.work().await;
    let shown = integration(&world, &user).await;
    assert_eq!(
        (&shown["status"], &shown["statusReason"]),
        (&json!("CONNECTED"), &Value::Null)
    );
    assert_eq!(numbers().await, before);
    let told: Vec<String> =
        sqlx::query_scalar("select action from audit_log where action like 'integration.%' order by created_at")
            .fetch_all(&world.fixture.owner)
            .await
            .unwrap();
    assert_eq!(
        told,
        ["integration.connected", "integration.paused", "integration.resumed"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_settings_that_was_told_is_dealt_with() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    change(
        &world,
        ShopChange {
            name: Some("Aurora & Daughters".to_owned()),
            ..ShopChange::default()
        },
    );
    let delivery = Delivery {
        shop_domain: AURORA.to_owned(),
        topic: Topic::ShopUpdate,
        webhook_id: "one".to_owned(),
        event_id: None,
        triggered_at: Some(world.time.now()),
        payload: WebhookPayload::default(),
    };
    let accepted = world.fixture.web.system().accept_deliveries(&[delivery]).await.unwrap();
    assert_eq!(accepted, [Acceptance::Accepted]);
    world.work().await;
    let status: String = sqlx::query_scalar("select status from shopify_webhooks_raw")
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!(status, "processed");
    assert_eq!(integration(&world, &user).await["name"], json!("Aurora & Daughters"));
}

/// A token without an end, as apps got it before there were others, in the place of the link's tokens.
async fn give_permanent_token(world: &World, user: &User) -> SecretString {
    let browser = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let scopes = server::config::SHOPIFY_SCOPES;
    let page = format!(
        "{}/{AURORA}/admin/oauth/authorize?client_id=key&scope={scopes}&state=s&redirect_uri=http://app.test/",
        world.shopify
    );
    let sent_back = browser.get(page).send().await.unwrap();
    let target: Url = sent_back.headers()[LOCATION].to_str().unwrap().parse().unwrap();
    let code = target
        .query_pairs()
        .find(|(name, _)| name == "code")
        .unwrap()
        .1
        .into_owned();
    let request = json!({ "client_id": "key", "client_secret": crate::support::world::API_SECRET, "code": code });
    let endpoint = format!("{}/{AURORA}/admin/oauth/access_token", world.shopify);
    let answer: Value = browser
        .post(endpoint)
        .json(&request)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = SecretString::from(answer["access_token"].as_str().unwrap());

    let app = world.app(&world.fixture.web);
    let place = TokenPlace {
        account_id: user.tenant.account_id(),
        integration_id: link(world, user).await,
        kind: TokenKind::Access,
    };
    let sealed = SealedToken {
        kind: place.kind.as_str().to_owned(),
        ciphertext: Ciphertext(app.cipher.seal(&token, &place).unwrap()),
        key_id: app.cipher.active_key().unwrap().to_owned(),
        expires_at: None,
    };
    let db = world.fixture.web.write(&user.tenant).await.unwrap();
    db.replace_tokens(place.integration_id, &[sealed]).await.unwrap();
    db.commit().await.unwrap();
    token
}

/// The kinds of tokens that the link has, and whether each has an end.
async fn tokens(world: &World) -> Vec<(String, bool)> {
    sqlx::query_as("select kind, expires_at is not null from integration_secrets order by kind")
        .fetch_all(&world.fixture.owner)
        .await
        .unwrap()
}

fn a_pair() -> [(String, bool); 2] {
    [("access_token".to_owned(), true), ("refresh_token".to_owned(), true)]
}

fn refuse_trade(world: &World) {
    let kind = FaultKind::Status {
        status: 400,
        retry_after: None,
    };
    let fault = Fault {
        on: Target::Token,
        ..Fault::once(kind)
    };
    world.sandbox.inject(AURORA, fault).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_an_end_is_traded_for_one_that_is_renewed() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    let old = give_permanent_token(&world, &user).await;
    assert_eq!(tokens(&world).await, [("access_token".to_owned(), false)]);

    // An app made for one store keeps its token.
    refuse_trade(&world);
    set_up(&world, &user).await;
    assert_eq!(latest(&world, "shopify_setup").await.0, "succeeded");
    assert_eq!(tokens(&world).await, [("access_token".to_owned(), false)]);
    run(&world, &user, &["SHOPIFY_FRESH"]).await;
    assert_eq!(
        latest(&world, "shopify_fresh").await.0,
        "succeeded",
        "what works is not traded in passing"
    );
    assert_eq!(tokens(&world).await, [("access_token".to_owned(), false)]);

    // The answer is lost once: the same question brings another pair.
    let fault = Fault {
        on: Target::Token,
        ..Fault::once(FaultKind::DropConnection)
    };
    world.sandbox.inject(AURORA, fault).unwrap();
    let issued = world.sandbox.tokens_issued();
    let links = world.ask(&user, "{ integrations { id } }").await;
    let input = json!({ "integrationId": links["integrations"][0]["id"], "jobs": ["SHOPIFY_SETUP"] });
    let mutation = "mutation ($input: ManualSyncInput!) { manualSync(input: $input) { userErrors { message } } }";
    world.ask_with(&user, mutation, json!({ "input": input })).await;
    world.work().await;
    set_up(&world, &user).await;
    assert_eq!(tokens(&world).await, a_pair());
    assert_eq!(world.sandbox.tokens_issued() - issued, 4, "two pairs");
    assert_eq!(latest(&world, "shopify_setup").await.0, "succeeded");

    let access = shop_access(&world.app(&world.fixture.web), &user.tenant, link(&world, &user).await)
        .await
        .unwrap();
    assert_ne!(access.access_token.expose_secret(), old.expose_secret());
    world.time.pass(TimeDelta::hours(3));
    run(&world, &user, &["SHOPIFY_FRESH"]).await;
    assert_eq!(
        latest(&world, "shopify_fresh").await.0,
        "succeeded",
        "it is renewed like any other"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_takes_no_token_without_an_end_gets_another() {
    let now = at("2026-11-20T18:00:00Z");
    let world = World::with(now, |mut config| {
        config.refuse_permanent_tokens = true;
        config
    })
    .await;
    let user = connected(&world).await;
    give_permanent_token(&world, &user).await;
    run(&world, &user, &["SHOPIFY_FRESH"]).await;
    assert_eq!(latest(&world, "shopify_fresh").await.0, "succeeded");
    assert_eq!(tokens(&world).await, a_pair());

    give_permanent_token(&world, &user).await;
    refuse_trade(&world);
    run(&world, &user, &["SHOPIFY_FRESH"]).await;
    let (status, error) = latest(&world, "shopify_fresh").await;
    assert_eq!(status, "failed");
    assert!(error.unwrap().contains("without an end"));
    assert_eq!(integration(&world, &user).await["status"], json!("NEEDS_REAUTH"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_a_store_has_its_own_sentence_on_the_run() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = connected(&world).await;
    let mut said = HashSet::new();
    for (status, word) in [(402, "bill"), (403, "scopes"), (404, "closed"), (423, "locked")] {
        let kind = FaultKind::Status {
            status,
            retry_after: None,
        };
        world.sandbox.inject(AURORA, Fault::once(kind)).unwrap();
        run(&world, &user, &["SHOPIFY_FRESH"]).await;
        let (ended, error) = latest(&world, "shopify_fresh").await;
        let error = error.unwrap();
        assert_eq!(ended, "failed", "{error}");
        assert!(error.contains(word), "{status}: {error}");
        assert!(said.insert(error));
        assert_eq!(
            integration(&world, &user).await["status"],
            json!("CONNECTED"),
            "{status} says nothing about the token"
        );
    }
}
