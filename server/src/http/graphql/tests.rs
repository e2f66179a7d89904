//! The protocol, over a schema of a few fields and without anybody to be.

use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};

use async_graphql::{EmptySubscription, ErrorExtensions, Object, Schema};
use axum::body::to_bytes;
use axum::http::HeaderName;
use serde_json::json;

use super::*;

/// Whether the slow field was read to its end.
static FINISHED: AtomicBool = AtomicBool::new(false);

struct Query;

#[Object]
impl Query {
    async fn number(&self, of: Option<i32>) -> i32 {
        of.unwrap_or(1)
    }

    async fn broken(&self) -> async_graphql::Result<Option<i32>> {
        Err(async_graphql::Error::new("no").extend_with(|_, extensions| extensions.set("code", "NOT_FOUND")))
    }

    async fn away(&self) -> async_graphql::Result<i32> {
        Err(async_graphql::Error::new("gone").extend_with(|_, extensions| {
            extensions.set("code", "INTERNAL");
            extensions.set("retryAfter", 2);
        }))
    }

    async fn panics(&self, of: Option<i32>) -> i32 {
        of.expect("a resolver's own panic")
    }

    async fn slow(&self) -> bool {
        tokio::time::sleep(Duration::from_millis(200)).await;
        FINISHED.store(true, Ordering::SeqCst);
        true
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn change(&self) -> bool {
        true
    }
}

/// What came back.
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Parameter,
}

impl Reply {
    fn has_data(&self) -> bool {
        self.body.get("data").is_some()
    }

    fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or("none")
    }
}

async fn ask(headers: &[(&'static str, &str)], sent: Sent) -> Reply {
    let schema = Schema::new(Query, Mutation, EmptySubscription);
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
        .collect();
    let trace = TraceId::new();
    let response = answer(&schema, &headers, sent, &trace, ready(Ok(()))).await;
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Reply {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap(),
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");
const NEW: (&str, &str) = ("accept", "application/graphql-response+json");
const OLD: (&str, &str) = ("accept", "application/json");

fn body(text: impl Into<Bytes>) -> Sent {
    Sent::Body(Ok(text.into()))
}

async fn post(accept: (&'static str, &str), parameters: Parameter) -> Reply {
    ask(&[JSON, accept], body(parameters.to_string())).await
}

async fn get(accept: (&'static str, &str), query: &str) -> Reply {
    ask(&[accept], Sent::Query(query.to_owned())).await
}

#[tokio::test]
async fn a_good_request_is_answered_in_the_media_type_that_was_asked_for() {
    for (accept, media) in [
        (NEW, "application/graphql-response+json; charset=utf-8"),
        (OLD, "application/json; charset=utf-8"),
        (("accept", "*/*"), "application/json; charset=utf-8"),
    ] {
        let reply = post(accept, json!({ "query": "{ number }" })).await;
        assert_eq!((reply.status, &reply.body), (200, &json!({ "data": { "number": 1 } })));
        assert_eq!(reply.headers[header::CONTENT_TYPE], media);
    }
    let reply = post(("accept", "text/html"), json!({ "query": "{ number }" })).await;
    assert_eq!((reply.status, reply.has_data()), (406, false));
}

#[tokio::test]
async fn a_document_that_does_not_fit_has_no_data_and_the_status_its_caller_understands() {
    for query in [
        "{",
        "{ nothing }",
        "query ($of: Int!) { number(of: $of) }",
        "",
        "subscription { number }",
    ] {
        for (accept, status) in [(NEW, 400), (OLD, 200)] {
            let reply = post(accept, json!({ "query": query, "variables": { "of": null } })).await;
            assert_eq!(
                (reply.status, reply.has_data()),
                (status, false),
                "{query} {}",
                reply.body
            );
            assert!(reply.body["errors"][0]["message"].is_string(), "{query}");
        }
    }
}

#[tokio::test]
async fn parameters_of_a_wrong_kind_are_refused() {
    let wrong = [
        json!({}),
        json!({ "qeury": "{ number }" }),
        json!({ "query": {} }),
        json!({ "query": 0 }),
        json!({ "query": null }),
        json!({ "query": "{ number }", "operationName": 1 }),
        json!({ "query": "{ number }", "operationName": ["a"] }),
        json!({ "query": "{ number }", "variables": "of" }),
        json!({ "query": "{ number }", "variables": [] }),
        json!({ "query": "{ number }", "extensions": false }),
        json!([{ "query": "{ number }" }]),
        json!([]),
        json!("{ number }"),
    ];
    for parameters in wrong {
        for accept in [NEW, OLD] {
            let reply = post(accept, parameters.clone()).await;
            assert_eq!((reply.status, reply.has_data()), (400, false), "{parameters}");
            assert_eq!(reply.code(), "BAD_USER_INPUT");
        }
    }
    for text in ["", "{ \"not", "query=1", "\u{feff}{}"] {
        assert_eq!(ask(&[JSON, OLD], body(text.to_owned())).await.status, 400, "{text}");
    }
    let nulls = json!({ "query": "{ number }", "variables": null, "operationName": null, "extensions": null });
    assert_eq!(post(NEW, nulls).await.status, 200);
}

#[tokio::test]
async fn only_json_is_taken_by_post() {
    let good = json!({ "query": "mutation { change }" }).to_string();
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
    ] {
        let reply = ask(&[("content-type", media), OLD], body(good.clone())).await;
        assert_eq!((reply.status, reply.has_data()), (415, false), "{media}");
    }
    assert_eq!(ask(&[OLD], body(good.clone())).await.status, 415);
    assert_eq!(ask(&[JSON, OLD], body(good)).await.status, 200);
}

#[tokio::test]
async fn by_get_queries_are_answered_and_changes_refused() {
    let reply = get(
        NEW,
        "query=query(%24of:Int)%7Bnumber(of:%24of)%7D&variables=%7B%22of%22:5%7D",
    )
    .await;
    assert_eq!((reply.status, &reply.body["data"]["number"]), (200, &json!(5)));
    for query in [
        "mutation%7Bchange%7D",
        "query+a%7Bnumber%7D+mutation+b%7Bchange%7D&operationName=a",
    ] {
        let reply = get(NEW, &format!("query={query}")).await;
        assert_eq!((reply.status, reply.has_data()), (405, false));
        assert_eq!(reply.headers[header::ALLOW], "POST");
    }
    for query in [
        "",
        "query=%7B",
        "query=%7Bnumber%7D&query=%7Bnumber%7D",
        "query=%7Bnumber%7D&variables=x",
    ] {
        assert_eq!(get(NEW, query).await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn an_error_beside_data_is_a_success_of_its_own_kind() {
    for (accept, status) in [(NEW, PARTIAL_SUCCESS), (OLD, 200)] {
        let reply = post(accept, json!({ "query": "{ number broken }" })).await;
        assert_eq!((reply.status, reply.has_data()), (status, true));
        assert_eq!(reply.code(), "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_told_by_the_status() {
    for accept in [NEW, OLD] {
        let reply = post(accept, json!({ "query": "{ away }" })).await;
        assert_eq!((reply.status, reply.has_data(), reply.code()), (503, false, "INTERNAL"));
        assert_eq!(reply.headers[header::RETRY_AFTER], "2");
        assert!(reply.body["errors"][0]["extensions"]["traceId"].is_string());
    }
}

#[tokio::test]
async fn a_panic_becomes_an_answer_without_its_text() {
    let reply = post(NEW, json!({ "query": "{ panics }" })).await;
    assert_eq!((reply.status, reply.has_data(), reply.code()), (500, false, "INTERNAL"));
    assert!(!reply.body.to_string().contains("own panic"), "{}", reply.body);
}

#[tokio::test]
async fn an_operation_that_takes_too_long_is_given_up_but_not_cut_off() {
    let schema = Schema::new(Query, Mutation, EmptySubscription);
    let failure = execute_within(Duration::from_millis(10), &schema, Request::new("{ slow }"))
        .await
        .unwrap_err();
    assert_eq!(
        (failure.status, failure.code),
        (StatusCode::GATEWAY_TIMEOUT, Code::Timeout)
    );
    assert!(!FINISHED.load(Ordering::SeqCst));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(FINISHED.load(Ordering::SeqCst));
}

#[tokio::test]
async fn nesting_that_would_exhaust_the_parser_is_refused() {
    for bracket in ["{a", "[", "(a:"] {
        let query = format!("{{a{}", bracket.repeat(60_000));
        let reply = post(NEW, json!({ "query": query })).await;
        assert_eq!((reply.status, reply.code()), (400, "COMPLEXITY_EXCEEDED"), "{bracket}");
    }
}

#[test]
fn brackets_in_texts_and_comments_do_not_count() {
    let deep = "{[(".repeat(50);
    for (document, depth) in [
        ("{ a }".to_owned(), 1),
        ("{ a(b: [{ c: 1 }]) } { d }".to_owned(), 4),
        (format!("{{ a(b: \"{deep}\") }}"), 2),
        (format!("{{ a(b: \"\\\"{deep}\\\\\") }}"), 2),
        (format!("{{ a(b: \"\"\"{deep} \" {deep} \\\"\"\" {deep}\"\"\") }}"), 2),
        (format!("# {deep}\n{{ a }}"), 1),
        (format!("{{ a(b: \"\") c(d: \"\"\"\"\"\") }} # {deep}"), 2),
        (format!("{{ a(b: \"{deep}"), 2),
    ] {
        assert_eq!(brackets(&document), depth, "{document}");
    }
}
