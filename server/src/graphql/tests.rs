//! The contract as a whole: its text, its descriptions, its documents, its limits and its errors.

use std::path::{Path, PathBuf};

use async_graphql::{EmptySubscription, Variables};
use serde_json::{Value, json};

use super::*;
use crate::dashboards::metrics::CATALOGUE;

/// Without the program's parts: enough for everything that ends before a row is read.
fn schema() -> Schema {
    Schema(builder().finish())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

async fn answer(query: &str) -> Value {
    let response = schema().execute(Request::new(query)).await;
    serde_json::to_value(response).expect("an answer is JSON")
}

async fn codes(query: &str) -> Vec<String> {
    let answer = answer(query).await;
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    errors
        .iter()
        .map(|error| error["extensions"]["code"].as_str().unwrap_or("none").to_owned())
        .collect()
}

/// Every type of the schema, as introspection tells it.
async fn types() -> Vec<Value> {
    let answer = answer(
        "{ __schema { types {
            name kind description
            fields(includeDeprecated: true) { name description args { name description } type { name kind ofType { name } } }
            inputFields { name description }
            enumValues(includeDeprecated: true) { name description }
        } } }",
    )
    .await;
    answer["data"]["__schema"]["types"]
        .as_array()
        .cloned()
        .expect("the schema's types")
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[test]
fn the_printed_schema_is_the_committed_one() {
    let committed = std::fs::read_to_string(root().join("schema.graphql")).unwrap_or_default();
    assert!(
        committed == sdl(),
        "schema.graphql is not what the code says; run `cargo run -p server -- schema > schema.graphql` and look at \
         the difference: is it one that clients survive?"
    );
}

#[tokio::test]
async fn everything_is_described() {
    let mut missing = Vec::new();
    for ty in types().await {
        let name = text(&ty, "name");
        if name.starts_with("__") {
            continue;
        }
        if text(&ty, "description").is_empty() {
            missing.push(name.to_owned());
        }
        for member in ["fields", "inputFields", "enumValues"] {
            for member in list(&ty, member) {
                if text(member, "description").is_empty() {
                    missing.push(format!("{name}.{}", text(member, "name")));
                }
                for argument in list(member, "args") {
                    if text(argument, "description").is_empty() {
                        missing.push(format!("{name}.{}({})", text(member, "name"), text(argument, "name")));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "without a description: {}", missing.join(", "));
}

#[tokio::test]
async fn every_metric_is_described_as_the_catalogue_defines_it() {
    let types = types().await;
    let field = |ty: &str, key: &str| {
        let ty = types.iter().find(|candidate| text(candidate, "name") == ty)?;
        list(ty, "fields").iter().find(|field| text(field, "name") == key)
    };
    for definition in &CATALOGUE {
        let is_of_stores = definition.sources == [crate::domain::ids::ProviderKind::Shopify];
        for (ty, expected) in [
            ("HomeKpis", true),
            ("HomePoint", true),
            ("ShopifyKpis", is_of_stores),
            ("ShopifyPoint", is_of_stores),
        ] {
            let found = field(ty, definition.key);
            assert_eq!(found.is_some(), expected, "{ty}.{}", definition.key);
            // A line may break anywhere in a description.
            let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            let start = words(&format!("{}: {}", definition.title, definition.formula));
            if let Some(found) = found {
                let description = words(text(found, "description"));
                assert!(
                    description.starts_with(&start),
                    "{ty}.{} says `{description}`, the catalogue `{start}`",
                    definition.key
                );
            }
        }
    }
}

#[tokio::test]
async fn counts_are_whole_numbers_in_a_series_and_everything_else_is_decimal() {
    let types = types().await;
    for point in ["HomePoint", "ShopifyPoint"] {
        let ty = types
            .iter()
            .find(|ty| text(ty, "name") == point)
            .expect("a point's type");
        for definition in &CATALOGUE {
            let Some(field) = list(ty, "fields")
                .iter()
                .find(|field| text(field, "name") == definition.key)
            else {
                continue;
            };
            let expected = match definition.unit {
                crate::dashboards::metrics::Unit::Count => "Int",
                _ => "Decimal",
            };
            assert_eq!(text(&field["type"], "name"), expected, "{point}.{}", definition.key);
        }
    }
}

fn documents() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for folder in ["dashboard", "settings"] {
        let folder = root().join("queries").join(folder);
        for entry in std::fs::read_dir(&folder).expect("the folder of documents") {
            let path = entry.expect("an entry of the folder").path();
            let text = std::fs::read_to_string(&path).expect("a document");
            found.push((path, text));
        }
    }
    assert!(found.len() >= 9, "documents are missing");
    found
}

#[tokio::test]
async fn every_document_is_valid_and_within_the_limits() {
    for (path, document) in documents() {
        assert!(
            document.starts_with("# "),
            "{} says nothing about itself",
            path.display()
        );
        let variables = Variables::from_json(json!({"integrationId": "x", "preset": "LAST_30_DAYS"}));
        let response = schema().execute(Request::new(&document).variables(variables)).await;
        // Valid, and nobody is signed in: the first resolver refuses.
        let codes: Vec<_> = response.errors.iter().map(Code::of).collect();
        assert_eq!(
            codes,
            [Some(Code::Unauthenticated)],
            "{}: {:?}",
            path.display(),
            response.errors
        );
    }
}

#[tokio::test]
async fn nothing_is_answered_to_nobody() {
    let types = types().await;
    let fields = |name: &str| {
        let ty = types.iter().find(|ty| text(ty, "name") == name).expect("a root type");
        list(ty, "fields")
            .iter()
            .map(|field| text(field, "name").to_owned())
            .collect::<Vec<_>>()
    };
    // A document for each root field; a new one fails here until it is added.
    let documents = [
        ("viewer", "{ viewer { role } }"),
        (
            "homeDashboard",
            "{ homeDashboard(range: {preset: TODAY}) { timezone } }",
        ),
        (
            "shopifyDashboard",
            "{ shopifyDashboard(range: {preset: TODAY}) { timezone } }",
        ),
        ("orders", "{ orders { totalCount } }"),
        ("products", "{ products(range: {preset: TODAY}) { totalCount } }"),
        ("syncStatus", "{ syncStatus { type } }"),
        ("syncRuns", "{ syncRuns { totalCount } }"),
        ("integrations", "{ integrations { id } }"),
        ("kpiDefinitions", "{ kpiDefinitions { key } }"),
        ("node", "{ node(id: \"x\") { id } }"),
        ("nodes", "{ nodes(ids: [\"x\"]) { id } }"),
        (
            "manualSync",
            "mutation { manualSync(input: {integrationId: \"x\"}) { runs { id } } }",
        ),
        (
            "cancelSyncRun",
            "mutation { cancelSyncRun(input: {runId: \"x\"}) { run { id } } }",
        ),
        (
            "retrySyncRun",
            "mutation { retrySyncRun(input: {runId: \"x\"}) { run { id } } }",
        ),
    ];
    let mut expected = fields("Query");
    expected.extend(fields("Mutation"));
    expected.sort();
    let mut covered: Vec<String> = documents.iter().map(|(name, _)| (*name).to_owned()).collect();
    covered.sort();
    assert_eq!(covered, expected);
    for (name, document) in documents {
        assert_eq!(codes(document).await, ["UNAUTHENTICATED"], "{name}");
    }
}

#[tokio::test]
async fn a_document_that_asks_for_too_much_is_refused_before_anything_is_read() {
    let deep = format!(
        "{{ __schema {{ types {{ {} name {} }} }} }}",
        "ofType { ".repeat(20),
        "} ".repeat(20)
    );
    let recursive = format!("{{ viewer {{ {} role {} }} }}", "... { ".repeat(40), "} ".repeat(40));
    let aliases: String = (0..501).map(|n| format!("a{n}: viewer {{ role }} ")).collect();
    let directives = format!("{{ viewer {{ role {} }} }}", "@include(if: true) ".repeat(6));
    for document in [
        deep,
        recursive,
        format!("{{ {aliases} }}"),
        directives,
        "{ orders(first: 250) { nodes { id name createdAt orderDate } } }".to_owned(),
        "query($n: Int = 250) { syncRuns(first: $n) { nodes { id status jobType attempt } } }".to_owned(),
    ] {
        let codes = codes(&document).await;
        assert_eq!(
            codes,
            ["COMPLEXITY_EXCEEDED"],
            "{}",
            &document[..document.len().min(80)]
        );
    }
    // Within the limits, so that somebody must be signed in.
    for document in [
        "{ orders(first: 250) { nodes { id name } } }",
        "{ orders { nodes { id name createdAt orderDate revenueNet { amount } } } }",
    ] {
        assert_eq!(codes(document).await, ["UNAUTHENTICATED"]);
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_document_has_a_code_and_suggests_nothing() {
    for document in [
        "{",
        "{ viewr { role } }",
        "{ homeDashboard { timezone } }",
        "{ homeDashboard(range: {from: \"2026-02-30\", to: \"2026-03-01\"}) { timezone } }",
        "query($range: DateRangeInput!) { homeDashboard(range: $range) { timezone } }",
        "subscription { nothing }",
    ] {
        let answer = answer(document).await;
        let error = &answer["errors"][0];
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{document}");
        assert!(!text(error, "message").contains("Did you mean"), "{document}");
    }
}

#[tokio::test]
async fn an_error_of_ours_shows_none_of_its_text() {
    struct Broken;
    #[async_graphql::Object]
    impl Broken {
        async fn shaped(&self) -> Result<i32, error::ApiError> {
            Err(crate::store::StoreError::Broken("relation secret does not exist".to_owned()).into())
        }
        async fn unshaped(&self) -> async_graphql::Result<i32> {
            Err(async_graphql::Error::new_with_source("relation secret does not exist"))
        }
    }
    let inner = async_graphql::Schema::new(Broken, async_graphql::EmptyMutation, EmptySubscription);
    for field in ["shaped", "unshaped"] {
        let response = error::shield(inner.execute(format!("{{ {field} }}")).await, Some("trace-1"));
        let error = &serde_json::to_value(&response).expect("an answer is JSON")["errors"][0];
        assert_eq!(error["extensions"], json!({"code": "INTERNAL", "traceId": "trace-1"}));
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
