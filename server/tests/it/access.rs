//! Who is let in, over HTTP: passwords, sessions, signed tokens and API tokens, and one answer for all that are bad.

use std::time::Duration;

use chrono::TimeDelta;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use server::accounts::{ApiTokenRequest, Creator, IssuedApiToken, issue_api_token, revoke_api_token};
use server::domain::ids::Role;

use crate::support::world::{JWT_SECRET, User, World};

const VIEWER: &str = "{ viewer { account { id } user { email } role } }";

async fn world() -> World {
    World::now().await
}

impl World {
    fn login(&self, credentials: &Value) -> RequestBuilder {
        self.http
            .post(format!("{}/api/auth/login", self.address))
            .json(credentials)
    }

    fn graphql(&self) -> RequestBuilder {
        self.http
            .post(format!("{}/graphql", self.address))
            .json(&json!({ "query": VIEWER }))
    }

    async fn token(&self, user: &User, role: Role, scopes: &[&str], days: Option<u32>) -> IssuedApiToken {
        let request = ApiTokenRequest {
            name: "a test's".to_owned(),
            role,
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
            expires_in_days: days,
        };
        let db = self.fixture.web.write(&user.tenant).await.unwrap();
        let issued = issue_api_token(&db, Creator::Operator, &request, self.time.now())
            .await
            .unwrap();
        db.commit().await.unwrap();
        issued
    }
}

/// Status and body without what differs between any two answers.
async fn essence(answer: Response) -> (StatusCode, Value) {
    let status = answer.status();
    let mut body: Value = answer.json().await.unwrap();
    for error in body["errors"].as_array_mut().into_iter().flatten() {
        error["extensions"].as_object_mut().unwrap().remove("traceId");
    }
    if let Some(problem) = body.as_object_mut() {
        problem.remove("traceId");
    }
    (status, body)
}

fn signed(claims: &Value) -> String {
    let key = EncodingKey::from_secret(JWT_SECRET.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
}

/// The session's cookie as a browser sends it back.
fn cookie(answer: &Response) -> String {
    let set = answer.headers()["set-cookie"].to_str().unwrap();
    for flag in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(flag), "{set}");
    }
    set.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_reads_by_itself_and_changes_only_with_the_header() {
    let world = world().await;
    world.user("Acme", "USD", "UTC").await;
    let answer = world
        .login(&json!({ "email": " ACME@example.com", "password": "correct horse battery" }))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let session = cookie(&answer);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["role"], "owner");
    assert!(body.get("token").is_none());

    let by_get = world
        .http
        .get(format!("{}/graphql", world.address))
        .query(&[("query", VIEWER)]);
    let read = by_get.header("cookie", &session).send().await.unwrap();
    let (status, body) = essence(read).await;
    assert_eq!(
        (status, &body["data"]["viewer"]["user"]["email"]),
        (StatusCode::OK, &json!("acme@example.com"))
    );

    let forged = world.graphql().header("cookie", &session).send().await.unwrap();
    let (status, body) = essence(forged).await;
    assert_eq!(
        (status, &body["errors"][0]["extensions"]["code"]),
        (StatusCode::FORBIDDEN, &json!("FORBIDDEN"))
    );
    let meant = world
        .graphql()
        .header("cookie", &session)
        .header("x-csrf", "1")
        .send()
        .await
        .unwrap();
    assert_eq!(meant.status(), StatusCode::OK);
    // A header that is there counts alone, however good the cookie is.
    let confused = world
        .graphql()
        .header("cookie", &session)
        .header("x-csrf", "1")
        .bearer_auth("x")
        .send()
        .await;
    assert_eq!(confused.unwrap().status(), StatusCode::UNAUTHORIZED);

    let logout = || {
        world
            .http
            .post(format!("{}/api/auth/logout", world.address))
            .header("cookie", &session)
    };
    assert_eq!(logout().send().await.unwrap().status(), StatusCode::FORBIDDEN);
    let left = logout().header("x-csrf", "1").send().await.unwrap();
    assert_eq!(left.status(), StatusCode::NO_CONTENT);
    assert!(
        left.headers()["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("session=; Path=/; Max-Age=0")
    );
}

#[tokio::test]
async fn a_session_ends_after_twelve_hours() {
    let world = world().await;
    let user = world.user("Acme", "USD", "UTC").await;
    let ask = || world.graphql().bearer_auth(&user.bearer).send();
    world.time.pass(TimeDelta::hours(12));
    assert_eq!(ask().await.unwrap().status(), StatusCode::OK);
    world.time.pass(TimeDelta::seconds(31));
    assert_eq!(ask().await.unwrap().status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same_and_slow_down() {
    let world = world().await;
    world.user("Acme", "USD", "UTC").await;
    let attempt = async |email: &str, password: &str| {
        essence(
            world
                .login(&json!({ "email": email, "password": password }))
                .send()
                .await
                .unwrap(),
        )
        .await
    };
    let wrong = attempt("acme@example.com", "wrong").await;
    assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
    for (email, password) in [
        ("nobody@example.com", "correct horse battery"),
        ("acme@example.com", ""),
        ("", ""),
        ("acme@example.com\u{0}", "x"),
    ] {
        assert_eq!(attempt(email, password).await, wrong, "{email}");
    }
    for _ in 0..3 {
        attempt("acme@example.com", "wrong").await;
    }
    let (status, body) = attempt("acme@example.com", "correct horse battery").await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::TOO_MANY_REQUESTS, &json!("RATE_LIMITED"))
    );
    world.time.pass(TimeDelta::seconds(2));
    assert_eq!(
        attempt("acme@example.com", "correct horse battery").await.0,
        StatusCode::OK
    );

    for (media, body) in [
        ("text/plain", "{}"),
        ("application/json", "{}"),
        ("application/json", "email=a"),
    ] {
        let request = world
            .http
            .post(format!("{}/api/auth/login", world.address))
            .header("content-type", media);
        let status = request.body(body).send().await.unwrap().status();
        assert!(
            status.is_client_error() && status != StatusCode::UNAUTHORIZED,
            "{media} {body}"
        );
    }
}

#[tokio::test]
async fn every_bad_credential_gets_the_same_answer() {
    let world = world().await;
    let user = world.user("Acme", "USD", "UTC").await;
    let other = world.user("Other", "USD", "UTC").await;
    let expires = world.time.now().timestamp() + 600;
    let subject: String = sqlx::query_scalar("select id::text from users where account_id = $1")
        .bind(user.tenant.account_id())
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    let claims = |subject: &str, account: &str| json!({ "sub": subject, "exp": expires, "account_id": account });
    let (own, others) = (
        user.tenant.account_id().to_string(),
        other.tenant.account_id().to_string(),
    );
    let good = signed(&claims(&subject, &own));
    assert_eq!(
        world.graphql().bearer_auth(&good).send().await.unwrap().status(),
        StatusCode::OK
    );

    let revoked = world.token(&user, Role::Viewer, &[], None).await;
    let db = world.fixture.web.write(&user.tenant).await.unwrap();
    revoke_api_token(&db, Creator::Operator, revoked.listed.id)
        .await
        .unwrap();
    db.commit().await.unwrap();
    let expired = world.token(&user, Role::Viewer, &[], Some(1)).await;
    sqlx::query("update api_tokens set expires_at = now() - interval '1 hour' where id = $1")
        .bind(expired.listed.id)
        .execute(&world.fixture.owner)
        .await
        .unwrap();
    let unknown = world.token(&user, Role::Viewer, &[], None).await;
    sqlx::query("delete from api_tokens where id = $1")
        .bind(unknown.listed.id)
        .execute(&world.fixture.owner)
        .await
        .unwrap();

    let ask = async |request: RequestBuilder| essence(request.send().await.unwrap()).await;
    let nobody = ask(world.graphql()).await;
    assert_eq!(nobody.0, StatusCode::UNAUTHORIZED);
    assert_eq!(nobody.1["errors"].as_array().unwrap().len(), 1);
    assert_eq!(nobody.1["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    assert!(nobody.1.get("data").is_none());
    let token = world.token(&user, Role::Viewer, &[], None).await;
    let mistyped = format!("{}x", &token.secret.reveal()[..token.secret.reveal().len() - 1]);
    for (name, bearer) in [
        ("nonsense", "nonsense"),
        ("a revoked API token", revoked.secret.reveal()),
        ("an expired API token", expired.secret.reveal()),
        ("an unknown API token", unknown.secret.reveal()),
        ("a mistyped API token", &mistyped),
        ("a changed signature", &format!("{good}A")),
        ("somebody else's account", &signed(&claims(&subject, &others))),
        (
            "an account that is not there",
            &signed(&claims(&subject, "00000000-0000-0000-0000-000000000000")),
        ),
        (
            "a person who is not there",
            &signed(&claims("00000000-0000-0000-0000-000000000000", &own)),
        ),
        (
            "an expired token",
            &signed(&json!({ "sub": subject, "exp": expires - 700, "account_id": own })),
        ),
    ] {
        assert_eq!(ask(world.graphql().bearer_auth(bearer)).await, nobody, "{name}");
        assert_eq!(
            ask(world.graphql().header("cookie", format!("session={bearer}"))).await,
            nobody,
            "{name}"
        );
    }
    for header in ["", "Bearer", "Bearer ", "Basic YTpi", "bearer  ", good.as_str()] {
        assert_eq!(
            ask(world.graphql().header("authorization", header)).await,
            nobody,
            "{header}"
        );
    }
    let twice = world.graphql().bearer_auth(&good).bearer_auth(&good);
    assert_eq!(ask(twice).await, nobody);
}

#[tokio::test]
async fn an_api_token_does_what_its_role_and_scopes_allow_until_it_is_revoked() {
    let world = world().await;
    let user = world.user("Acme", "USD", "UTC").await;
    let sync = json!({ "query": "mutation { manualSync(input: { integrationId: \"x\" }) { userErrors { code } } }" });
    for (role, scopes, may_sync) in [
        (Role::Viewer, vec![], false),
        (Role::Analyst, vec![], true),
        (Role::Owner, vec!["kpi:read"], false),
        (Role::Analyst, vec!["sync:write"], true),
        (Role::Viewer, vec!["sync:write"], false),
    ] {
        let token = world.token(&user, role, &scopes, Some(30)).await;
        let answer = world.post(token.secret.reveal(), &sync).await;
        let forbidden = answer["errors"][0]["extensions"]["code"] == "FORBIDDEN";
        assert_eq!(!forbidden, may_sync, "{role} {scopes:?}: {answer}");
    }

    let token = world.token(&user, Role::Viewer, &[], Some(30)).await;
    let viewer = world.post(token.secret.reveal(), &json!({ "query": VIEWER })).await;
    assert_eq!(viewer["data"]["viewer"]["role"], "VIEWER");
    assert_eq!(viewer["data"]["viewer"]["user"], Value::Null);
    let db = world.fixture.web.write(&user.tenant).await.unwrap();
    revoke_api_token(&db, Creator::Operator, token.listed.id).await.unwrap();
    db.commit().await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let refused = world.graphql().bearer_auth(token.secret.reveal()).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_stored_text_is_a_usable_token() {
    let world = world().await;
    let user = world.user("Acme", "USD", "UTC").await;
    let token = world.token(&user, Role::Owner, &[], None).await;
    let rows: Vec<String> =
        sqlx::query_scalar("select row_to_json(t)::text from api_tokens t union all select row_to_json(u)::text from users u union all select row_to_json(a)::text from audit_log a")
            .fetch_all(&world.fixture.owner)
            .await
            .unwrap();
    let all = rows.join("\n");
    assert!(all.contains(&token.listed.prefix) && all.contains("api_token.create"));
    let secret = token.secret.reveal();
    assert!(!all.contains(&secret[token.listed.prefix.len()..]) && !all.contains("correct horse"));
}
