//! The GraphQL API over HTTP: lists page by page, syncs on demand, and ids of other accounts.

use serde_json::{Value, json};

use crate::support::world::{AURORA, User, World};

const NOON: &str = "2026-11-20T18:00:00Z";

async fn synced() -> (World, User) {
    let world = World::at(NOON.parse().unwrap()).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    (world, user)
}

/// Every name of a list that is read in pages of `first`.
pub(crate) async fn pages(world: &World, user: &User, field: &str, arguments: &str, first: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = Value::Null;
    loop {
        let query = format!(
            "query ($after: String) {{ list: {field}(first: {first}, after: $after{arguments}) {{
                edges {{ cursor node {{ id }} }} nodes {{ id }} pageInfo {{ hasNextPage endCursor }} totalCount }} }}"
        );
        let data = world.ask_with(user, &query, json!({ "after": after })).await;
        let list = &data["list"];
        let nodes = list["nodes"].as_array().unwrap();
        assert!(nodes.len() <= first && !nodes.is_empty());
        all.extend(nodes.iter().map(|node| node["id"].clone()));
        let info = &list["pageInfo"];
        assert_eq!(
            info["endCursor"],
            list["edges"].as_array().unwrap().last().unwrap()["cursor"]
        );
        after = info["endCursor"].clone();
        if info["hasNextPage"] == json!(false) {
            assert_eq!(list["totalCount"], json!(all.len()), "{field}");
            return all;
        }
    }
}

pub(crate) fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("none")
}

#[tokio::test]
async fn pages_of_orders_hold_every_order_once_in_both_directions() {
    let (world, user) = synced().await;
    let newest_first = pages(&world, &user, "orders", "", 7).await;
    let mut oldest_first = pages(&world, &user, "orders", ", sort: CREATED_AT_ASC", 100).await;
    assert!(newest_first.len() > 7);
    oldest_first.reverse();
    assert_eq!(newest_first, oldest_first);

    let one = world
        .ask(&user, "{ orders(first: 1) { pageInfo { endCursor } } }")
        .await;
    let cursor = one["orders"]["pageInfo"]["endCursor"].as_str().unwrap();
    for arguments in [
        format!("after: \"{cursor}\", sort: CREATED_AT_ASC"),
        "after: \"x\"".into(),
        "first: 0".into(),
        "first: 251".into(),
    ] {
        let query = format!("{{ orders({arguments}) {{ totalCount }} }}");
        assert_eq!(
            code(&world.post(&user.bearer, &json!({ "query": query })).await),
            "BAD_USER_INPUT",
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn orders_are_found_by_name_status_and_day() {
    let (world, user) = synced().await;
    let all = world
        .ask(
            &user,
            "{ orders { nodes { name orderDate financialStatus } totalCount } }",
        )
        .await;
    let first = &all["orders"]["nodes"][0];
    let name = first["name"].as_str().unwrap();
    for search in [name, name.trim_start_matches('#')] {
        let query = "query ($search: String) { orders(search: $search) { nodes { name } } }";
        let found = world.ask_with(&user, query, json!({ "search": search })).await;
        let nodes = found["orders"]["nodes"].as_array().unwrap();
        assert!(nodes.iter().any(|node| node["name"] == first["name"]), "{search}");
        assert!(nodes.iter().all(|node| node["name"].as_str().unwrap().contains(search)));
    }
    for nothing in ["%", "_", "'", "\\", "nothing"] {
        let query = "query ($search: String) { orders(search: $search) { totalCount } }";
        let found = world.ask_with(&user, query, json!({ "search": nothing })).await;
        assert_eq!(found["orders"]["totalCount"], json!(0), "{nothing}");
    }
    let day = &first["orderDate"];
    let query = "query ($day: Date) { orders(range: {from: $day, to: $day}) { nodes { orderDate } } }";
    let found = world.ask_with(&user, query, json!({ "day": day })).await;
    assert!(
        found["orders"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|node| &node["orderDate"] == day)
    );
    let found = world
        .ask(&user, "{ orders(status: PAID) { nodes { financialStatus } } }")
        .await;
    assert!(
        found["orders"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|node| node["financialStatus"] == json!("PAID"))
    );
    let found = world
        .ask(&user, "{ orders(range: {preset: YESTERDAY}) { totalCount } }")
        .await;
    assert!(found["orders"]["totalCount"].as_i64().unwrap() < all["orders"]["totalCount"].as_i64().unwrap());
}

#[tokio::test]
async fn an_id_leads_back_and_another_accounts_id_leads_nowhere() {
    let (world, user) = synced().await;
    let stranger = world.user("Other", "USD", "UTC").await;
    let data = world
        .ask(
            &user,
            "{ integrations { id } orders(first: 1) { nodes { id } } syncRuns(first: 1) { nodes { id } } }",
        )
        .await;
    let ids = json!([
        data["integrations"][0]["id"],
        data["orders"]["nodes"][0]["id"],
        data["syncRuns"]["nodes"][0]["id"],
        "x"
    ]);
    let query = "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
    let found = world.ask_with(&user, query, json!({ "ids": ids })).await;
    let expected: Vec<Value> = ["Integration", "Order", "SyncRun"]
        .iter()
        .zip(ids.as_array().unwrap())
        .map(|(name, id)| json!({ "__typename": name, "id": id }))
        .chain([Value::Null])
        .collect();
    assert_eq!(found["nodes"], json!(expected));
    let found = world.ask_with(&stranger, query, json!({ "ids": ids })).await;
    assert_eq!(found["nodes"], json!([null, null, null, null]));

    // As an argument it answers as an id of nothing does.
    let integration = ids[0].as_str().unwrap();
    for field in [
        "shopifyDashboard(range: {preset: TODAY}, integrationId: $id) { timezone }",
        "syncRuns(integrationId: $id) { totalCount }",
    ] {
        let ask = async |id: &str| {
            let query = format!("query ($id: ID) {{ {field} }}");
            let body = json!({ "query": query, "variables": { "id": id } });
            let mut answer = world.post(&stranger.bearer, &body).await;
            answer["errors"][0]["extensions"]["traceId"] = Value::Null;
            answer
        };
        let foreign = ask(integration).await;
        assert_eq!(code(&foreign), "NOT_FOUND");
        assert_eq!(
            foreign,
            ask("SW50ZWdyYXRpb246MDAwMDAwMDAtMDAwMC00MDAwLTgwMDAtMDAwMDAwMDAwMDAw").await
        );
        assert_eq!(foreign, ask("nonsense").await);
    }
    let mutation = "mutation ($id: ID!) { manualSync(input: {integrationId: $id}) { runs { id } userErrors { field message code } } }";
    let foreign = world.ask_with(&stranger, mutation, json!({ "id": integration })).await;
    assert_eq!(foreign["manualSync"]["userErrors"][0]["code"], json!("NOT_FOUND"));
    assert_eq!(
        foreign["manualSync"]["userErrors"][0]["field"],
        json!(["input", "integrationId"])
    );
    assert_eq!(
        foreign,
        world.ask_with(&stranger, mutation, json!({ "id": "nonsense" })).await
    );
    assert!(!world.is_busy().await);
}

#[tokio::test]
async fn a_manual_sync_is_queued_once_can_be_stopped_and_done_again() {
    let (world, user) = synced().await;
    let integration = world.ask(&user, "{ integrations { id } }").await["integrations"][0]["id"].clone();
    let manual = "mutation ($id: ID!, $jobs: [SyncJob!]) { manualSync(input: {integrationId: $id, jobs: $jobs}) {
        runs { id jobType status trigger } userErrors { code } } }";
    let first = world.ask_with(&user, manual, json!({ "id": integration })).await;
    let jobs: Vec<_> = first["manualSync"]["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| run["jobType"].clone())
        .collect();
    assert_eq!(jobs, ["shopify_7d_fill", "shopify_fresh"]);
    let again = world.ask_with(&user, manual, json!({ "id": integration })).await;
    assert_eq!(first, again);

    let status = world.ask(&user, "{ syncStatus { nextRunAt lastSuccessfulSync dataFreshTo coveredFrom lastError { code } currentRun { id } } }").await;
    let status = &status["syncStatus"][0];
    assert!(status["nextRunAt"].is_string() && status["lastSuccessfulSync"].is_string());
    assert_eq!(status["dataFreshTo"], json!(NOON));
    assert_eq!(
        (&status["coveredFrom"], &status["lastError"]),
        (&json!("2026-11-13"), &Value::Null)
    );

    let run = first["manualSync"]["runs"][1]["id"].clone();
    let cancel = "mutation ($id: ID!) { cancelSyncRun(input: {runId: $id}) { run { status } userErrors { code } } }";
    let retry =
        "mutation ($id: ID!) { retrySyncRun(input: {runId: $id}) { run { id jobType status } userErrors { code } } }";
    let early = world.ask_with(&user, retry, json!({ "id": run })).await;
    assert_eq!(early["retrySyncRun"]["userErrors"][0]["code"], json!("NOT_FINISHED"));
    let cancelled = world.ask_with(&user, cancel, json!({ "id": run })).await;
    assert_eq!(
        cancelled["cancelSyncRun"],
        json!({ "run": { "status": "CANCELLED" }, "userErrors": [] })
    );
    let twice = world.ask_with(&user, cancel, json!({ "id": run })).await;
    assert_eq!(
        twice["cancelSyncRun"]["userErrors"][0]["code"],
        json!("ALREADY_FINISHED")
    );
    let retried = world.ask_with(&user, retry, json!({ "id": run })).await;
    assert_eq!(retried["retrySyncRun"]["run"]["status"], json!("QUEUED"));
    assert_ne!(retried["retrySyncRun"]["run"]["id"], run);
    for mutation in [cancel, retry] {
        let nowhere = world.ask_with(&user, mutation, json!({ "id": integration })).await;
        assert!(nowhere.to_string().contains("NOT_FOUND"), "{nowhere}");
    }

    let said: Vec<(String, String)> =
        sqlx::query_as("select action, actor_kind from audit_log where action like 'sync.%' order by created_at")
            .fetch_all(&world.fixture.owner)
            .await
            .unwrap();
    let said: Vec<_> = said
        .iter()
        .map(|(action, actor)| (action.as_str(), actor.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("sync.manual", "user"),
            ("sync.manual", "user"),
            ("sync.cancel", "user"),
            ("sync.retry", "user")
        ]
    );

    // Whoever may only look starts nothing.
    let looker = world.user("Looker", "USD", "UTC").await;
    sqlx::query("update users set role = 'viewer' where email like 'looker@%'")
        .execute(&world.fixture.owner)
        .await
        .unwrap();
    for mutation in [manual, cancel, retry] {
        let body = json!({ "query": mutation, "variables": { "id": integration } });
        assert_eq!(code(&world.post(&looker.bearer, &body).await), "FORBIDDEN");
    }
    let data = world.ask(&looker, "{ viewer { role } syncRuns { totalCount } }").await;
    assert_eq!(
        data,
        json!({ "viewer": { "role": "VIEWER" }, "syncRuns": { "totalCount": 0 } })
    );
}

#[tokio::test]
async fn a_failure_is_shown_until_the_same_job_succeeds() {
    let (world, user) = synced().await;
    let fail = "update sync_runs set status = 'failed', error_code = 'X', error_message = 'It broke.',
                                     created_at = now() + interval '1 second'
                 where job_type = 'shopify_fresh' and id in (select id from sync_runs where job_type = 'shopify_fresh' limit 1)";
    world.sync(&user).await;
    sqlx::query(fail).execute(&world.fixture.owner).await.unwrap();
    let status = world.ask(&user, "{ syncStatus { lastError { code message } } }").await;
    let expected = json!({ "code": "X", "message": "It broke." });
    assert_eq!(status["syncStatus"][0]["lastError"], expected);
    sqlx::query("update sync_runs set created_at = created_at - interval '1 hour' where status = 'failed'")
        .execute(&world.fixture.owner)
        .await
        .unwrap();
    world.sync(&user).await;
    let status = world.ask(&user, "{ syncStatus { lastError { code message } } }").await;
    assert_eq!(status["syncStatus"][0]["lastError"], Value::Null);
}

#[tokio::test]
async fn a_bad_range_says_how_to_mend_it() {
    let world = World::at(NOON.parse().unwrap()).await;
    let user = world.user("Acme", "USD", "UTC").await;
    for arguments in [
        "range: {}",
        "range: {from: \"2026-03-01\"}",
        "range: {from: \"2026-03-01\", to: \"2026-03-02\", preset: TODAY}",
        "range: {from: \"2026-03-02\", to: \"2026-03-01\"}",
        "range: {from: \"2020-03-02\", to: \"2026-03-01\"}",
        "range: {preset: TODAY}, compareTo: CUSTOM",
        "range: {preset: TODAY}, compareRange: {preset: YESTERDAY}",
    ] {
        let query = format!("{{ homeDashboard({arguments}) {{ timezone }} }}");
        let answer = world.post(&user.bearer, &json!({ "query": query })).await;
        assert_eq!(code(&answer), "BAD_USER_INPUT", "{arguments}");
    }
    let query = "{ homeDashboard(range: {preset: TODAY}, granularity: null, compareTo: CUSTOM, compareRange: {preset: YESTERDAY}) {
        range { from to } comparedRange { from to } granularity freshness { source } kpis { orders { value reason } } } }";
    let data = world.ask(&user, query).await;
    assert_eq!(
        data["homeDashboard"],
        json!({
            "range": { "from": "2026-11-20", "to": "2026-11-20" },
            "comparedRange": { "from": "2026-11-19", "to": "2026-11-19" },
            "granularity": "DAY",
            "freshness": [],
            "kpis": { "orders": { "value": null, "reason": "NOT_CONNECTED" } },
        })
    );
}

#[tokio::test]
async fn the_committed_documents_are_answered() {
    let (world, user) = synced().await;
    for document in [
        "dashboard/home",
        "dashboard/shopify",
        "dashboard/orders",
        "dashboard/kpi-definitions",
        "settings/viewer",
        "settings/sync-status",
        "settings/sync-runs",
        "settings/webhook-deliveries",
    ] {
        let path = format!("{}/../queries/{document}.graphql", env!("CARGO_MANIFEST_DIR"));
        let query = std::fs::read_to_string(path).unwrap();
        let needs_days = query.contains("$preset");
        let variables = if needs_days {
            json!({ "preset": "LAST_7_DAYS" })
        } else {
            json!({})
        };
        let data = world.ask_with(&user, &query, variables).await;
        assert!(data.is_object(), "{document}");
    }
}
