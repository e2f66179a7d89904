//! The Admin API's endpoint: what stands between an HTTP request and the schema.
//!
//! In this order: a fault that waits, the token, the document, its price, the bucket; then the schema; then the answer
//! in Shopify's shape, with the cost of what was got and the warnings of searches beside the data.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{Pos, Request, ServerError, Variables};
use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Sandbox;
use super::cost::SINGLE_QUERY_LIMIT;
use super::faults::{Fault, FaultKind, Target, add_partial_error, break_order, status_body};
use super::schema::{Origin, Scene};
use super::shops::{self, Profile};
use super::token::Use;

/// The versions that are served. Older ones fall forward to the first.
const VERSIONS: [&str; 5] = ["2026-01", "2026-04", "2026-07", "2026-10", "unstable"];

const NOT_PERMANENT: &str = "[API] Non-expiring access tokens are no longer accepted for the Admin API. Start using expiring offline tokens: https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens";

#[derive(Deserialize)]
struct Asked {
    query: String,
    #[serde(default)]
    variables: Variables,
    #[serde(rename = "operationName")]
    operation_name: Option<String>,
}

/// `POST /admin/api/{version}/graphql.json`.
pub(crate) async fn graphql(
    State(sandbox): State<Sandbox>,
    Path((shop, version)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    pause(&sandbox).await;
    let (Some(shop), Some(version)) = (shops::find(&shop), served_version(&version)) else {
        return not_found();
    };
    let mut response = answer(&sandbox, shop, &headers, &body).await;
    let name = HeaderName::from_static("x-shopify-api-version");
    response.headers_mut().insert(name, HeaderValue::from_static(version));
    response
}

async fn answer(sandbox: &Sandbox, shop: &'static Profile, headers: &HeaderMap, body: &[u8]) -> Response {
    let inner = &sandbox.inner;
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let now = inner.now();
    let fault = inner.with_store(shop, now, |store| store.next_fault(Target::Graphql));
    let fault = match apply(fault).await {
        Ok(fault) => fault,
        Err(response) => return response,
    };

    let token = header("x-shopify-access-token").unwrap_or_default();
    if matches!(fault, Some(FaultKind::RevokeToken)) {
        inner.mint().revoke(token);
    }
    let Some(claims) = inner.mint().admit(shop.domain, token, now) else {
        return refuse(401);
    };
    if claims.kind == Use::Permanent && inner.config.refuse_permanent_tokens {
        return (StatusCode::FORBIDDEN, Json(json!({ "errors": NOT_PERMANENT }))).into_response();
    }

    let Ok(asked) = serde_json::from_slice::<Asked>(body) else {
        let errors = json!({ "errors": { "query": "Required parameter missing or invalid" } });
        return (StatusCode::BAD_REQUEST, Json(errors)).into_response();
    };
    let document = match parse_query(&asked.query) {
        Ok(document) => document,
        Err(error) => {
            let locations: Vec<_> = error.positions().map(location).collect();
            let errors = json!({ "errors": [{ "message": error.to_string(), "locations": locations }] });
            return Json(errors).into_response();
        }
    };
    let Some((name, operation)) = chosen(&document, asked.operation_name.as_deref()) else {
        let errors = json!({ "errors": [{ "message": "An operation name is required" }] });
        return Json(errors).into_response();
    };

    let price = inner.prices.price(&document, operation, &asked.variables, None);
    let status = || inner.with_store(shop, now, |store| store.bucket.status());
    let cost = |actual: Option<f64>| json!({ "requestedQueryCost": price, "actualQueryCost": actual, "throttleStatus": status() });
    if price > SINGLE_QUERY_LIMIT {
        let message = format!(
            "Query cost is {price}, which exceeds the single query max cost limit ({SINGLE_QUERY_LIMIT}).\n\nSee https://shopify.dev/concepts/about-apis/rate-limits for more information on how the\ncost of a query is calculated."
        );
        let extensions = json!({
            "code": "MAX_COST_EXCEEDED",
            "cost": price,
            "maxCost": SINGLE_QUERY_LIMIT,
            "documentation": "https://shopify.dev/api/usage/rate-limits",
        });
        let errors = json!([{ "message": message, "extensions": extensions }]);
        return Json(json!({ "errors": errors, "extensions": { "cost": cost(None) } })).into_response();
    }
    let throttled = matches!(fault, Some(FaultKind::Throttled))
        || !inner.with_store(shop, now, |store| store.bucket.take(price, Instant::now()));
    inner.with_store(shop, now, |store| {
        store.tally.questions += 1;
        store.tally.throttled += u64::from(throttled);
    });
    if throttled {
        let extensions = json!({ "code": "THROTTLED", "documentation": "https://shopify.dev/api/usage/rate-limits" });
        let errors = json!([{ "message": "Throttled", "extensions": extensions }]);
        let mut answer = json!({ "errors": errors, "extensions": { "cost": cost(None) } });
        if matches!(fault, Some(FaultKind::Throttled)) {
            answer["extensions"]["cost"]["throttleStatus"]["currentlyAvailable"] = json!(0);
        }
        return Json(answer).into_response();
    }

    let settings = inner.with_store(shop, now, |store| store.settings.clone());
    let scopes = claims.scopes.split(',').map(str::to_owned);
    let scopes: Vec<_> = scopes
        .filter(|scope| !settings.withheld_scopes.contains(scope))
        .collect();
    let scene = Arc::new(Scene {
        inner: Arc::clone(inner),
        shop,
        shelf: inner.with_store(shop, now, |store| store.shelf(now)),
        unlisted: inner.with_store(shop, now, |store| store.unlisted.clone()),
        now,
        oldest: inner.oldest_visible(&scopes, now),
        scopes,
        settings,
        searches: Mutex::new(Vec::new()),
        explain_searches: header("shopify-search-query-debug") == Some("1"),
        customers: OnceLock::new(),
    });
    let mut request = Request::new(asked.query.as_str())
        .variables(asked.variables.clone())
        .data(Arc::clone(&scene))
        .data(Origin(format!("http://{}", header("host").unwrap_or("localhost"))));
    if let Some(name) = &asked.operation_name {
        request = request.operation_name(name);
    }
    request.set_parsed_query(document.clone());
    let executed = inner.schema.execute(request).await;

    // An error without a path was found before anything was executed.
    let executable = executed.errors.iter().all(|error| !error.path.is_empty());
    let data = serde_json::to_value(&executed.data).unwrap_or_default();
    let actual = executable.then(|| inner.prices.price(&document, operation, &asked.variables, Some(&data)));
    inner.with_store(shop, now, |store| {
        store.bucket.give_back(price - actual.unwrap_or(0.0), Instant::now());
    });
    let mut answer = json!({ "extensions": { "cost": cost(actual) } });
    if executable {
        answer["data"] = data;
    }
    if !executed.errors.is_empty() {
        let errors = executed.errors.iter().map(|error| shape(error, name, operation));
        answer["errors"] = errors.collect();
    }
    let searches = std::mem::take(&mut *scene.searches.lock().unwrap_or_else(PoisonError::into_inner));
    if !searches.is_empty() {
        answer["extensions"]["search"] = Value::from(searches);
    }
    match fault {
        Some(FaultKind::PartialError) => add_partial_error(&mut answer),
        Some(FaultKind::MalformedOrder { order_id, field }) => {
            let is_broken = break_order(&mut answer, order_id, field.as_deref());
            if !is_broken {
                let fault = Fault::once(FaultKind::MalformedOrder { order_id, field });
                inner.with_store(shop, now, |store| store.faults.push_front(fault));
            }
        }
        Some(FaultKind::MalformedJson) => return cut_off(&answer),
        Some(FaultKind::DropConnection) => return broken_connection(),
        _ => {}
    }
    Json(answer).into_response()
}

/// The operation that a request means, and its name.
fn chosen<'a>(
    document: &'a ExecutableDocument,
    name: Option<&'a str>,
) -> Option<(Option<&'a str>, &'a OperationDefinition)> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some((None, &operation.node)),
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name).map(|operation| (Some(name), &operation.node))
        }
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations
            .iter()
            .next()
            .map(|(name, operation)| (Some(name.as_str()), &operation.node)),
        (DocumentOperations::Multiple(_), None) => None,
    }
}

/// An error as Shopify words it. What validation says is put into the real one's words where readers tell by them.
fn shape(error: &ServerError, name: Option<&str>, operation: &OperationDefinition) -> Value {
    let locations: Vec<_> = error.locations.iter().map(|at| location(*at)).collect();
    if !error.path.is_empty() {
        let mut shaped = json!({ "message": error.message, "locations": locations, "path": error.path });
        if let Some(extensions) = &error.extensions {
            shaped["extensions"] = serde_json::to_value(extensions).unwrap_or_default();
        }
        return shaped;
    }
    let quoted: Vec<&str> = error.message.split('"').skip(1).step_by(2).collect();
    let (message, extensions) = match quoted.as_slice() {
        [field, of, ..] if error.message.starts_with("Unknown field") => (
            format!("Field '{field}' doesn't exist on type '{of}'"),
            json!({ "code": "undefinedField", "typeName": of, "fieldName": field }),
        ),
        [argument, field, ..] if error.message.starts_with("Unknown argument") => (
            format!("Field '{field}' doesn't accept argument '{argument}'"),
            json!({ "code": "argumentNotAccepted", "name": field, "typeName": "Field", "argumentName": argument }),
        ),
        [field, argument, ..] if error.message.ends_with("is required but not provided") => (
            format!("Field '{field}' is missing required arguments: {argument}"),
            json!({ "code": "missingRequiredArguments", "className": "Field", "name": field, "arguments": argument }),
        ),
        _ if error.message.starts_with("Invalid value for argument") => {
            (error.message.clone(), json!({ "code": "argumentLiteralsIncompatible" }))
        }
        _ => (error.message.clone(), json!({ "code": "INVALID_DOCUMENT" })),
    };
    let kind = match operation.ty {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    let mut path = vec![name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}"))];
    if let Some(at) = error.locations.first() {
        lead_to(*at, &operation.selection_set.node, &mut path);
    }
    json!({ "message": message, "locations": locations, "path": path, "extensions": extensions })
}

/// Adds the keys that lead to the selection at a position.
fn lead_to(at: Pos, set: &SelectionSet, path: &mut Vec<String>) -> bool {
    for selection in &set.items {
        let (key, inner) = match &selection.node {
            Selection::Field(field) => (
                field.node.response_key().node.to_string(),
                Some(&field.node.selection_set.node),
            ),
            Selection::InlineFragment(fragment) => {
                let on = fragment.node.type_condition.as_ref();
                let on = on.map_or_else(|| "...".to_owned(), |on| format!("... on {}", on.node.on.node));
                (on, Some(&fragment.node.selection_set.node))
            }
            Selection::FragmentSpread(spread) => (format!("... {}", spread.node.fragment_name.node), None),
        };
        path.push(key);
        if selection.pos == at || inner.is_some_and(|inner| lead_to(at, inner, path)) {
            return true;
        }
        path.pop();
    }
    false
}

fn location(at: Pos) -> Value {
    json!({ "line": at.line, "column": at.column })
}

fn served_version(asked: &str) -> Option<&'static str> {
    match VERSIONS.iter().find(|version| **version == asked) {
        Some(version) => Some(version),
        None if asked < VERSIONS[0] && asked.len() == VERSIONS[0].len() => Some(VERSIONS[0]),
        None => None,
    }
}

/// Waits as long as every answer takes.
pub(crate) async fn pause(sandbox: &Sandbox) {
    let latency = sandbox.inner.config.latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
}

/// Lets a fault act that acts before the request is looked at: it waits, or it is the answer. Others are handed back.
pub(crate) async fn apply(fault: Option<Fault>) -> Result<Option<FaultKind>, Response> {
    match fault.map(|fault| fault.kind) {
        Some(FaultKind::Delay { delay_ms }) => {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            Ok(None)
        }
        Some(FaultKind::Status { status, retry_after }) => {
            let mut response = refuse(status);
            if let Some(seconds) = retry_after {
                let value = format!("{seconds}.0");
                if let Ok(value) = HeaderValue::from_str(&value) {
                    response.headers_mut().insert(header::RETRY_AFTER, value);
                }
            }
            Err(response)
        }
        Some(FaultKind::Html) => {
            let page = "<!DOCTYPE html><html><head><title>Please wait</title></head><body>One moment.</body></html>";
            Err(Html(page).into_response())
        }
        other => Ok(other),
    }
}

/// A status with the body that comes with it.
fn refuse(status: u16) -> Response {
    let code = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, Json(status_body(status))).into_response()
}

/// The answer of a store that does not exist.
pub(crate) fn not_found() -> Response {
    refuse(404)
}

/// The answer at an address that nothing is served at.
pub(crate) async fn nothing_here() -> Response {
    not_found()
}

/// An answer that ends in the middle.
pub(crate) fn cut_off(answer: &Value) -> Response {
    let text: String = answer.to_string();
    let half: String = text.chars().take(text.chars().count() / 2).collect();
    ([(header::CONTENT_TYPE, "application/json")], half).into_response()
}

/// A connection that breaks instead of an answer.
pub(crate) fn broken_connection() -> Response {
    let broken = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the connection was to break");
    Body::from_stream(futures::stream::once(async { Err::<Bytes, _>(broken) })).into_response()
}
