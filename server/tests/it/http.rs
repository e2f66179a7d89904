//! What every address has in common, the plain JSON ones, and what happens while the database is away.

use reqwest::header::{ACCEPT, ALLOW, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};
use serde_json::{Value, json};

use crate::support::world::{AURORA, World};

const PROBLEM: &str = "application/problem+json";

impl World {
    fn at_path(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.address))
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_a_problem_document() {
    let world = World::now().await;
    for (request, status) in [
        (world.at_path("/nowhere"), StatusCode::NOT_FOUND),
        (
            world.http.delete(format!("{}/graphql", world.address)),
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (world.at_path("/api/auth/login"), StatusCode::METHOD_NOT_ALLOWED),
        (
            world.at_path("/api/dashboard/home?preset=TODAY"),
            StatusCode::UNAUTHORIZED,
        ),
        (world.at_path("/api/settings/sync-status"), StatusCode::UNAUTHORIZED),
    ] {
        let answer = request.header("x-request-id", "a-test-1").send().await.unwrap();
        assert_eq!(answer.status(), status);
        assert_eq!(answer.headers()[CONTENT_TYPE], PROBLEM);
        assert_eq!(answer.headers()["x-request-id"], "a-test-1");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(
            answer.headers().contains_key(ALLOW),
            status == StatusCode::METHOD_NOT_ALLOWED
        );
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(
            (&problem["status"], &problem["traceId"]),
            (&json!(status.as_u16()), &json!("a-test-1"))
        );
        assert!(problem["detail"].is_string() && problem["code"].is_string());
    }
}

#[tokio::test]
async fn a_request_id_that_is_not_plain_is_replaced() {
    let world = World::now().await;
    for id in ["with blank", "<script>", &"x".repeat(200)] {
        let answer = world.at_path("/livez").header("x-request-id", id).send().await.unwrap();
        let own = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
        assert_ne!(own, id);
        assert_eq!(own.len(), 36);
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_refused() {
    let world = World::now().await;
    let user = world.user("Acme", "USD", "UTC").await;
    for (path, media) in [
        ("/graphql", "application/graphql-response+json; charset=utf-8"),
        ("/api/auth/login", PROBLEM),
        ("/api/settings/manual-sync", PROBLEM),
    ] {
        let long = json!({ "query": "x".repeat(300 * 1024) });
        let request = world
            .http
            .post(format!("{}{path}", world.address))
            .bearer_auth(&user.bearer);
        let request = request.header(ACCEPT, "application/graphql-response+json").json(&long);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        assert_eq!(answer.headers()[CONTENT_TYPE], media, "{path}");
    }
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_can_read_them() {
    let world = World::now().await;
    let client = reqwest::Client::builder().no_gzip().build().unwrap();
    let schema = || client.get(format!("{}/schema.graphql", world.address));
    let plain = schema().send().await.unwrap();
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(plain.text().await.unwrap(), server::graphql::sdl());
    let packed = schema().header("accept-encoding", "gzip").send().await.unwrap();
    assert_eq!(packed.headers()["content-encoding"], "gzip");
}

#[tokio::test]
async fn dashboards_and_syncs_are_plain_json_too() {
    let world = World::now().await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let ask = async |request: RequestBuilder| {
        let answer = request.bearer_auth(&user.bearer).send().await.unwrap();
        let status = answer.status();
        (status, answer.json::<Value>().await.unwrap())
    };

    let (status, home) = ask(world.at_path("/api/dashboard/home?preset=LAST_30_DAYS&granularity=WEEK")).await;
    assert_eq!(status, StatusCode::OK, "{home}");
    assert!(home["homeDashboard"]["series"].as_array().unwrap().len() >= 4);
    let (status, shopify) = ask(world.at_path("/api/dashboard/shopify?preset=LAST_30_DAYS")).await;
    assert_eq!(status, StatusCode::OK, "{shopify}");
    assert_eq!(
        home["homeDashboard"]["kpis"]["revenueNet"]["value"],
        shopify["shopifyDashboard"]["kpis"]["revenueNet"]["value"]
    );

    for wrong in [
        "/api/dashboard/home",
        "/api/dashboard/home?preset=SOMETIME",
        "/api/dashboard/home?from=2026-13-01&to=2026-13-02",
        "/api/dashboard/home?preset=TODAY&colour=red",
        "/api/dashboard/home?preset=TODAY&preset=TODAY",
    ] {
        let (status, problem) = ask(world.at_path(wrong)).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("BAD_USER_INPUT")),
            "{wrong} {problem}"
        );
    }

    let (status, syncs) = ask(world.at_path("/api/settings/sync-status")).await;
    assert_eq!(status, StatusCode::OK, "{syncs}");
    let link = world.ask(&user, "{ integrations { id } }").await["integrations"][0]["id"].clone();
    let sync = |body: &Value| {
        world
            .http
            .post(format!("{}/api/settings/manual-sync", world.address))
            .json(body)
    };
    let (status, queued) = ask(sync(&json!({ "integrationId": link, "jobs": ["SHOPIFY_FRESH"] }))).await;
    assert_eq!(status, StatusCode::OK, "{queued}");
    assert_eq!(queued["manualSync"]["runs"].as_array().unwrap().len(), 1, "{queued}");
    for wrong in [
        json!({}),
        json!([]),
        json!({ "integrationId": null }),
        json!({ "integrationId": link, "job": "x" }),
    ] {
        let (status, problem) = ask(sync(&wrong)).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("BAD_USER_INPUT")),
            "{wrong} {problem}"
        );
    }
}

#[tokio::test]
async fn while_the_database_is_away_the_status_says_so_and_afterwards_all_is_well() {
    let world = World::now().await;
    let user = world.user("Acme", "USD", "UTC").await;
    let ask = async |path: &str| world.at_path(path).send().await.unwrap();
    let query = json!({ "query": "{ viewer { account { name } } }" });
    let graphql = async || {
        let request = world
            .http
            .post(format!("{}/graphql", world.address))
            .bearer_auth(&user.bearer);
        let answer = request.json(&query).send().await.unwrap();
        let retry_after = answer.headers().contains_key(RETRY_AFTER);
        (answer.status(), retry_after, answer.json::<Value>().await.unwrap())
    };
    assert_eq!(
        ask("/api/health-lite").await.json::<Value>().await.unwrap(),
        json!({ "db": "ok" })
    );
    assert_eq!(ask("/readyz").await.status(), StatusCode::OK);
    assert_eq!(graphql().await.0, StatusCode::OK);

    world.fixture.limit_connections(0).await;
    for path in ["/api/health-lite", "/readyz"] {
        let answer = ask(path).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.headers()[CONTENT_TYPE], PROBLEM);
    }
    assert_eq!(ask("/livez").await.status(), StatusCode::OK);
    let (status, retry_after, body) = graphql().await;
    assert_eq!((status, retry_after), (StatusCode::SERVICE_UNAVAILABLE, true), "{body}");
    assert!(body.get("data").is_none());
    assert_eq!(body["errors"][0]["extensions"]["code"], "INTERNAL");

    world.fixture.limit_connections(-1).await;
    assert_eq!(ask("/api/health-lite").await.status(), StatusCode::OK);
    assert_eq!(graphql().await.0, StatusCode::OK);
}
