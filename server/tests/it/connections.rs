//! Connecting a store as a browser goes through it, and what becomes of its tokens afterwards.

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;
use server::accounts::{ApiTokenRequest, Creator, issue_api_token};
use server::app::App;
use server::cipher::{TokenKind, TokenPlace};
use server::connections::{self, AccessError, Actor, disconnect, renew_shop_access, shop_access};
use server::domain::ids::{ActorKind, IntegrationId, IntegrationStatus, ProviderKind, Role};
use server::providers::contract::ProviderError;
use server::providers::shopify::sandbox::{Fault, FaultKind, Target};
use url::Url;

use crate::support::world::{AURORA, BERLIN, User, World};

/// A browser that stops at every redirect.
fn browser() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

fn location(response: &Response) -> Url {
    let location = response.headers()[LOCATION].to_str().unwrap();
    location.parse().unwrap()
}

/// `name=value` of the cookie that a response sets.
fn cookie(response: &Response, name: &str) -> Option<String> {
    let cookies = response.headers().get_all(SET_COOKIE);
    let mut pairs = cookies
        .iter()
        .filter_map(|cookie| cookie.to_str().ok()?.split(';').next());
    pairs.find(|pair| pair.starts_with(name)).map(str::to_owned)
}

/// Goes as far as the address at which the store sends the browser back.
async fn callback(world: &World, user: &User, shop: &str) -> Url {
    let browser = browser();
    let begin = format!("{}/api/connect/shopify?shop={shop}", world.address);
    let begun = browser.get(begin).bearer_auth(&user.bearer).send().await.unwrap();
    assert_eq!(begun.status(), StatusCode::SEE_OTHER);
    location(&browser.get(location(&begun)).send().await.unwrap())
}

async fn get(url: &Url) -> (StatusCode, String) {
    let response = browser().get(url.clone()).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

/// The account's only link.
async fn link(world: &World, user: &User) -> IntegrationId {
    sqlx::query_scalar("select id from integrations where account_id = $1")
        .bind(user.tenant.account_id())
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

async fn count(world: &World, table: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from {table}")))
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

async fn status(world: &World, id: IntegrationId) -> (IntegrationStatus, Option<String>) {
    sqlx::query_as("select status, status_reason from integrations where id = $1")
        .bind(id)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap()
}

/// A world with a connected store, seen by two processes.
async fn connected() -> (World, User, IntegrationId, [App; 2]) {
    let world = World::now().await;
    let user = world.user("Anna", "USD", "America/New_York").await;
    assert_eq!(world.connect(&user, AURORA).await.status(), StatusCode::OK);
    let id = link(&world, &user).await;
    let apps = [world.app(&world.fixture.web), world.app(&world.fixture.worker)];
    (world, user, id, apps)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connected_store_has_all_that_its_first_sync_needs() {
    let world = World::now().await;
    let user = world.user("Anna", "USD", "America/New_York").await;
    let back = callback(&world, &user, AURORA).await;
    let (status, page) = get(&back).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(page.contains("is connected"), "{page}");

    let id = link(&world, &user).await;
    let runs: Vec<(String, String, String)> =
        sqlx::query_as("select job_type, status, trigger from sync_runs order by scheduled_at")
            .fetch_all(&world.fixture.owner)
            .await
            .unwrap();
    assert_eq!(
        runs,
        [
            "shopify_setup",
            "shopify_7d_fill",
            "shopify_products",
            "shopify_customers",
            "shopify_backfill"
        ]
        .map(|job| (job.to_owned(), "queued".to_owned(), "connect".to_owned()))
    );
    assert_eq!(count(&world, "sync_cursors").await, 1);
    assert_eq!(count(&world, "oauth_states").await, 0);
    assert_eq!(
        count(
            &world,
            "audit_log where action = 'integration.connected' and actor_kind = 'user'"
        )
        .await,
        1
    );

    let access = shop_access(&world.app(&world.fixture.web), &user.tenant, id)
        .await
        .unwrap();
    assert_eq!(access.domain, AURORA);
    let secrets: Vec<(String, Vec<u8>)> =
        sqlx::query_as("select kind, ciphertext from integration_secrets order by kind")
            .fetch_all(&world.fixture.owner)
            .await
            .unwrap();
    assert_eq!(
        secrets.iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(),
        ["access_token", "refresh_token"]
    );
    let token = access.access_token.expose_secret().as_bytes();
    for (kind, sealed) in &secrets {
        assert!(
            !sealed.windows(token.len()).any(|part| part == token),
            "{kind} is stored as it is"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_is_good_once_in_time_and_unchanged() {
    let world = World::now().await;
    let user = world.user("Anna", "USD", "America/New_York").await;

    let mut forged = callback(&world, &user, AURORA).await;
    let pairs: Vec<(String, String)> = forged.query_pairs().into_owned().collect();
    forged.query_pairs_mut().clear().extend_pairs(
        pairs
            .iter()
            .map(|(name, value)| (name, if name == "state" { "another" } else { value })),
    );
    let (status, page) = get(&forged).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");

    let late = callback(&world, &user, AURORA).await;
    world.time.pass(TimeDelta::minutes(6));
    let (status, page) = get(&late).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");
    assert!(page.contains("too old"), "{page}");

    let back = callback(&world, &user, AURORA).await;
    assert_eq!(get(&back).await.0, StatusCode::OK);
    let (status, page) = get(&back).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{page}");
    assert!(page.contains("used before"), "{page}");
    assert_eq!(count(&world, "integrations").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_that_began_must_be_the_one_that_comes_back() {
    let world = World::now().await;
    world.user("Anna", "USD", "America/New_York").await;
    let browser = browser();
    let login = json!({ "email": "anna@example.com", "password": "correct horse battery" });
    let signed_in = browser
        .post(format!("{}/api/auth/login", world.address))
        .json(&login)
        .send()
        .await
        .unwrap();
    let session = cookie(&signed_in, "session=").expect("a session");

    let begin = async || {
        let address = format!("{}/api/connect/shopify?shop={AURORA}", world.address);
        let begun = browser.get(address).header(COOKIE, &session).send().await.unwrap();
        let bound = cookie(&begun, "connect_browser=").expect("the browser is bound");
        (location(&browser.get(location(&begun)).send().await.unwrap()), bound)
    };
    let come_back = async |back: Url, cookies: &str| {
        let response = browser.get(back).header(COOKIE, cookies).send().await.unwrap();
        response.status()
    };
    let (back, _) = begin().await;
    assert_eq!(get(&back).await.0, StatusCode::BAD_REQUEST, "no cookie");
    let (back, _) = begin().await;
    assert_eq!(
        come_back(back, "connect_browser=another").await,
        StatusCode::BAD_REQUEST
    );
    let (back, bound) = begin().await;
    assert_eq!(come_back(back, &bound).await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_somebody_who_may_connects_and_only_a_store() {
    let world = World::now().await;
    let user = world.user("Anna", "USD", "America/New_York").await;
    let begin = format!("{}/api/connect/shopify?shop={AURORA}", world.address);
    assert_eq!(get(&begin.parse().unwrap()).await.0, StatusCode::UNAUTHORIZED);
    for typed in ["", "evil.example", "aurora-goods.myshopify.com.evil.example"] {
        let answer = world.connect(&user, typed).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{typed}");
    }
    assert_eq!(count(&world, "oauth_states").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_another_currency_is_refused_by_name() {
    let world = World::now().await;
    let user = world.user("Anna", "USD", "America/New_York").await;
    let (status, page) = get(&callback(&world, &user, BERLIN).await).await;
    assert_eq!(status, StatusCode::CONFLICT, "{page}");
    assert!(page.contains("EUR") && page.contains("USD"), "{page}");
    for table in ["shops", "integrations", "integration_secrets", "sync_runs"] {
        assert_eq!(count(&world, table).await, 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_belongs_to_one_account() {
    let (world, ..) = connected().await;
    let other = world.user("Bela", "USD", "America/New_York").await;
    let (status, page) = get(&callback(&world, &other, AURORA).await).await;
    assert_eq!(status, StatusCode::CONFLICT, "{page}");
    assert!(!page.contains("Anna"), "{page}");
    assert_eq!(count(&world, "integrations").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_comes_back_gets_its_link_and_its_history_back() {
    let (world, user, id, [app, _]) = connected().await;
    world.work().await;
    let orders = count(&world, "fact_orders").await;
    assert!(orders > 0);
    let actor = Actor {
        kind: ActorKind::System,
        id: None,
    };
    assert!(
        disconnect(&app, &user.tenant, id, actor.clone(), "The owner asked for it.")
            .await
            .unwrap()
    );
    assert!(!disconnect(&app, &user.tenant, id, actor, "Twice.").await.unwrap());
    assert_eq!(count(&world, "integration_secrets").await, 0);
    let error = shop_access(&app, &user.tenant, id).await.unwrap_err();
    assert!(
        matches!(
            error,
            AccessError::NotConnected {
                status: IntegrationStatus::Disconnected,
                ..
            }
        ),
        "{error}"
    );

    assert_eq!(world.connect(&user, AURORA).await.status(), StatusCode::OK);
    assert_eq!(link(&world, &user).await, id);
    assert_eq!(status(&world, id).await, (IntegrationStatus::Connected, None));
    assert_eq!(count(&world, "fact_orders").await, orders);
    shop_access(&app, &user.tenant, id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_renewed_once_whoever_asks() {
    let (world, user, id, apps) = connected().await;
    let token = async |app: &App| {
        let access = shop_access(app, &user.tenant, id).await.unwrap();
        access.access_token.expose_secret().to_owned()
    };
    let first = token(&apps[0]).await;
    world.time.pass(TimeDelta::minutes(54));
    assert_eq!(token(&apps[1]).await, first, "six minutes are left");
    world.time.pass(TimeDelta::minutes(30));

    let issued = world.sandbox.tokens_issued();
    let asking: Vec<_> = (0..50)
        .map(|turn| {
            let (app, tenant) = (apps[turn % 2].clone(), user.tenant);
            tokio::spawn(async move { shop_access(&app, &tenant, id).await })
        })
        .collect();
    let mut tokens = Vec::new();
    for asked in asking {
        tokens.push(asked.await.unwrap().unwrap().access_token.expose_secret().to_owned());
    }
    tokens.dedup();
    assert_eq!(tokens.len(), 1, "two renewals would have brought two tokens");
    assert_eq!(world.sandbox.tokens_issued() - issued, 2, "one pair was asked for");
    assert_ne!(tokens[0], first);
    // The new refresh token was stored with it: it brings the next one.
    world.time.pass(TimeDelta::hours(2));
    assert_ne!(token(&apps[0]).await, tokens[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_store_refuses_is_replaced_before_its_end() {
    let (_world, user, id, [app, other]) = connected().await;
    let refused = shop_access(&app, &user.tenant, id).await.unwrap();
    let renewed = renew_shop_access(&app, &user.tenant, id, &refused).await.unwrap();
    let (old, new) = (
        refused.access_token.expose_secret(),
        renewed.access_token.expose_secret(),
    );
    assert_ne!(old, new);
    // Another process with the same refused token finds the new one, and renews no more.
    let found = renew_shop_access(&other, &user.tenant, id, &refused).await.unwrap();
    assert_eq!(found.access_token.expose_secret(), new);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_renewal_takes_nothing_away() {
    let (world, user, id, [app, _]) = connected().await;
    let first = shop_access(&app, &user.tenant, id).await.unwrap();
    let fail = |kind| {
        let fault = Fault {
            on: Target::Token,
            ..Fault::once(kind)
        };
        world.sandbox.inject(AURORA, fault).unwrap();
    };
    // Good for another four minutes: it goes on with that.
    world.time.pass(TimeDelta::minutes(56));
    fail(FaultKind::DropConnection);
    let access = shop_access(&app, &user.tenant, id).await.unwrap();
    assert_eq!(access.access_token.expose_secret(), first.access_token.expose_secret());
    // At its end: try again later, with the refresh token that is still there.
    world.time.pass(TimeDelta::minutes(5));
    fail(FaultKind::MalformedJson);
    let error = shop_access(&app, &user.tenant, id).await.unwrap_err();
    assert!(
        matches!(error, AccessError::Provider(ProviderError::Retry(_))),
        "{error}"
    );
    shop_access(&app, &user.tenant, id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pair_that_was_never_stored_does_no_harm() {
    let (world, user, id, [app, other]) = connected().await;
    let mut tokens = HashSet::new();
    for _ in 0..3 {
        // A process asks for the next pair and dies before it stores it, with the right to renew still its own.
        let db = world.fixture.web.write(&user.tenant).await.unwrap();
        db.take_refresh_lease(id, Duration::from_secs(1))
            .await
            .unwrap()
            .unwrap();
        let sealed = db.sealed_tokens(id).await.unwrap();
        db.commit().await.unwrap();
        let sealed = sealed.iter().find(|token| token.kind == "refresh_token").unwrap();
        let place = TokenPlace {
            account_id: user.tenant.account_id(),
            integration_id: id,
            kind: TokenKind::Refresh,
        };
        let refresh_token = app.cipher.open(&sealed.ciphertext.0, &place).unwrap();
        let provider = app.providers.provider(ProviderKind::Shopify).unwrap();
        provider.refresh(AURORA, &refresh_token).await.unwrap();

        world.time.pass(TimeDelta::hours(2));
        let access = shop_access(&other, &user.tenant, id).await.unwrap();
        assert!(tokens.insert(access.access_token.expose_secret().to_owned()));
    }
    assert_eq!(status(&world, id).await, (IntegrationStatus::Connected, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_was_removed_asks_for_its_owner() {
    let (world, user, id, [app, _]) = connected().await;
    world.sandbox.uninstall(AURORA).unwrap();
    world.time.pass(TimeDelta::hours(1));
    for _ in 0..2 {
        let error = shop_access(&app, &user.tenant, id).await.unwrap_err();
        assert!(
            matches!(error, AccessError::Provider(ProviderError::Reconnect(_))),
            "{error}"
        );
    }
    let (status, reason) = status(&world, id).await;
    assert_eq!(status, IntegrationStatus::NeedsReauth);
    assert!(reason.unwrap().contains("connect the store again"));
    assert_eq!(
        count(&world, "audit_log where action = 'integration.needs_reauth'").await,
        1
    );

    connections::mark_needs_reauth(&app, &user.tenant, id, "Again.")
        .await
        .unwrap();
    assert_eq!(
        count(&world, "audit_log where action = 'integration.needs_reauth'").await,
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_reaches_nothing() {
    let (world, user, id, [app, _]) = connected().await;
    let other = world.user("Bela", "USD", "America/New_York").await;
    let error = shop_access(&app, &other.tenant, id).await.unwrap_err();
    assert!(matches!(error, AccessError::NotFound), "{error}");
    let actor = Actor {
        kind: ActorKind::System,
        id: None,
    };
    assert!(!disconnect(&app, &other.tenant, id, actor, "Not theirs.").await.unwrap());
    connections::mark_needs_reauth(&app, &other.tenant, id, "Not theirs.")
        .await
        .unwrap();
    shop_access(&app, &user.tenant, id).await.unwrap();

    // And a token that was moved to another place in the table opens nothing.
    let moved = "update integration_secrets s set ciphertext = o.ciphertext from integration_secrets o
                  where s.integration_id = o.integration_id and s.kind = 'access_token' and o.kind = 'refresh_token'";
    sqlx::query(moved).execute(&world.fixture.owner).await.unwrap();
    let error = shop_access(&app, &user.tenant, id).await.unwrap_err();
    assert!(matches!(error, AccessError::Cipher(_)), "{error}");
}

#[tokio::test]
async fn a_program_connects_a_store_if_its_token_may() {
    let world = World::now().await;
    let user = world.user("Anna", "USD", "America/New_York").await;
    for (role, expected) in [(Role::Analyst, StatusCode::FORBIDDEN), (Role::Admin, StatusCode::OK)] {
        let request = ApiTokenRequest {
            name: "agency tool".to_owned(),
            role,
            scopes: Vec::new(),
            expires_in_days: None,
        };
        let db = world.fixture.web.write(&user.tenant).await.unwrap();
        let issued = issue_api_token(&db, Creator::Operator, &request, world.time.now())
            .await
            .unwrap();
        db.commit().await.unwrap();
        let program = User {
            tenant: user.tenant,
            bearer: issued.secret.reveal().to_owned(),
        };
        assert_eq!(world.connect(&program, AURORA).await.status(), expected, "{role}");
    }
    assert_eq!(
        count(
            &world,
            "audit_log where action = 'integration.connected' and actor_kind = 'api_token'"
        )
        .await,
        1
    );
}
