//! `/graphql`: GraphQL over HTTP, to the letter of the specification of September 2026.
//!
//! ```text
//! Accept ─▶ 406 │ Content-Type ─▶ 415 │ who? ─▶ 401 │ parameters ─▶ 400 │ a change by GET ─▶ 405 │ execute ─▶ status
//! ```
//!
//! An answer with `data` has a status of success. Without it, a caller that takes
//! `application/graphql-response+json` gets the error's own status; one that takes `application/json` alone gets 200
//! for a document that does not parse or fit the schema, as such clients expect. Two audits of the package
//! `graphql-http` ask for 400 where the specification now says 422; 400 it is, until the audits change.
//!
//! Work runs in a task of its own, so that a caller who hangs up does not stop a change half-way.

use std::any::Any;
use std::time::Duration;

use async_graphql::parser::types::OperationType;
use async_graphql::{Executor, Request, ServerError, Value, Variables};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value as Parameter;
use tracing::Instrument;

use super::Web;
use super::error::{Failure, status_of};
use super::media::{self, Media};
use super::trace::TraceId;
use crate::graphql::{Caller, Code};

/// Longest time that an operation may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// Deepest nesting of brackets that is parsed. The schema's own limit is lower, but applies only after parsing, and the
/// parser calls itself once a level.
const MAX_BRACKETS: usize = 100;
/// The specification's own status for an answer with both `data` and errors.
const PARTIAL_SUCCESS: u16 = 294;
/// `POST /graphql`.
pub(super) async fn post(
    State(web): State<Web>,
    trace: TraceId,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let admit = admit(&web, &headers, &trace, true);
    answer(&web.schema, &headers, Sent::Body(body), &trace, admit).await
}

/// `GET /graphql`: queries only.
pub(super) async fn get(
    State(web): State<Web>,
    trace: TraceId,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let admit = admit(&web, &headers, &trace, false);
    answer(
        &web.schema,
        &headers,
        Sent::Query(query.unwrap_or_default()),
        &trace,
        admit,
    )
    .await
}

/// Who is asking, as resolvers see it. With `may_change`, a cookie alone is not enough.
pub(super) async fn admit(
    web: &Web,
    headers: &HeaderMap,
    trace: &TraceId,
    may_change: bool,
) -> Result<Caller, Failure> {
    let viewer = web.gate.viewer(headers).await?;
    if may_change {
        viewer.confirm_intent(headers)?;
    }
    Ok(Caller::new(viewer, trace.as_str().to_owned()))
}

/// How the parameters came.
enum Sent {
    Body(Result<Bytes, BytesRejection>),
    Query(String),
}

async fn answer<E: Executor, C: Any + Send + Sync>(
    executor: &E,
    headers: &HeaderMap,
    sent: Sent,
    trace: &TraceId,
    admit: impl Future<Output = Result<C, Failure>>,
) -> Response {
    let media = match Media::wanted(headers) {
        Ok(media) => media,
        Err(failure) => return failed(Media::Json, &failure, trace),
    };
    let answered = async {
        let by_get = matches!(sent, Sent::Query(_));
        if !by_get {
            media::require_json(headers)?;
        }
        let caller = admit.await?;
        let mut request = match sent {
            Sent::Body(body) => Parameters::of_body(&media::whole(body)?)?,
            Sent::Query(query) => Parameters::of_query(&query)?,
        }
        .into_request();
        if by_get {
            refuse_changes(&mut request)?;
        }
        let response = execute(executor, request.data(caller), trace).await?;
        database_away(&response).map_or(Ok(response), Err)
    };
    match answered.await {
        Ok(response) => succeeded(media, response),
        Err(failure) => failed(media, &failure, trace),
    }
}

/// Runs a request to its end, whether or not the caller waits for it.
pub(super) async fn execute<E: Executor>(
    executor: &E,
    mut request: Request,
    trace: &TraceId,
) -> Result<async_graphql::Response, Failure> {
    match variable_not_given(&mut request, trace) {
        Some(error) => Ok(async_graphql::Response::from_errors(vec![error])),
        None => execute_within(PATIENCE, executor, request).await,
    }
}

async fn execute_within<E: Executor>(
    patience: Duration,
    executor: &E,
    request: Request,
) -> Result<async_graphql::Response, Failure> {
    let executor = executor.clone();
    let work = async move { executor.execute(request).await };
    let work = tokio::spawn(work.in_current_span());
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(panic)) => Err(Failure::internal(&panic)),
        Err(_) => {
            tracing::warn!("an operation took too long");
            let message = "This took too long, and may still be going on. Ask for less, or look before you try again.";
            Err(Failure::new(Code::Timeout, message))
        }
    }
}

/// The failure that left an answer without anything in it because the database is away: the one kind of failure of a
/// field that the status should tell of, so that a caller or a balancer tries again later.
fn database_away(response: &async_graphql::Response) -> Option<Failure> {
    let failure = response
        .errors
        .iter()
        .map(Failure::of)
        .find(|failure| failure.is_unavailable())?;
    is_empty(&response.data).then_some(failure)
}

/// Whether there is nothing in the answer: no data, or null for all that was asked for.
fn is_empty(data: &Value) -> bool {
    match data {
        Value::Null => true,
        Value::Object(fields) => fields.values().all(|field| *field == Value::Null),
        _ => false,
    }
}

/// Whether the document was refused before anything of it ran: then the answer has no `data`, not even `null`. An error
/// of a field has a path.
fn is_request_error(response: &async_graphql::Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// What a request may say, whichever way it came.
#[derive(Default)]
struct Parameters {
    query: String,
    operation_name: Option<String>,
    variables: Variables,
    extensions: serde_json::Map<String, Parameter>,
}

impl Parameters {
    fn of_body(body: &[u8]) -> Result<Self, Failure> {
        let malformed = |message: &str| Failure::new(Code::BadUserInput, message);
        match serde_json::from_slice(body) {
            Ok(Parameter::Object(parameters)) => Self::of_object(parameters),
            Ok(Parameter::Array(_)) => Err(malformed("Send one operation a request; batches are not taken.")),
            Ok(_) => Err(malformed("The body must be a JSON object with `query`.")),
            Err(_) => Err(malformed("The body is not JSON.")),
        }
    }

    fn of_query(query: &str) -> Result<Self, Failure> {
        let mut parameters = serde_json::Map::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = match &*name {
                "query" | "operationName" => Parameter::String(value.into_owned()),
                "variables" | "extensions" if value.is_empty() => Parameter::Null,
                "variables" | "extensions" => serde_json::from_str(&value).map_err(|_| {
                    let message = format!("The parameter `{name}` is not JSON.");
                    Failure::new(Code::BadUserInput, message)
                })?,
                _ => continue,
            };
            if parameters.insert(name.clone().into_owned(), value).is_some() {
                let message = format!("The parameter `{name}` stands twice.");
                return Err(Failure::new(Code::BadUserInput, message));
            }
        }
        Self::of_object(parameters)
    }

    fn of_object(parameters: serde_json::Map<String, Parameter>) -> Result<Self, Failure> {
        let wrong = |name: &str, kind: &str| {
            let message = format!("The parameter `{name}` must be {kind}.");
            Err(Failure::new(Code::BadUserInput, message))
        };
        let mut read = Self::default();
        let mut has_query = false;
        for (name, value) in parameters {
            match (name.as_str(), value) {
                ("query", Parameter::String(text)) => {
                    has_query = true;
                    read.query = text;
                }
                ("operationName", Parameter::String(text)) => read.operation_name = Some(text),
                ("variables", map @ Parameter::Object(_)) => read.variables = Variables::from_json(map),
                ("extensions", Parameter::Object(map)) => read.extensions = map,
                ("operationName" | "variables" | "extensions", Parameter::Null) => {}
                ("query" | "operationName", _) => return wrong(&name, "a text"),
                ("variables" | "extensions", _) => return wrong(&name, "a map"),
                _ => {}
            }
        }
        if !has_query {
            return wrong("query", "there");
        }
        if brackets(&read.query) > MAX_BRACKETS {
            return Err(Failure::new(Code::ComplexityExceeded, "Query is nested too deep."));
        }
        Ok(read)
    }

    fn into_request(self) -> Request {
        let mut request = Request::new(self.query).variables(self.variables);
        request.operation_name = self.operation_name;
        for (name, value) in self.extensions {
            if let Ok(value) = Value::from_json(value) {
                request.extensions.insert(name, value);
            }
        }
        request
    }
}

/// How deep brackets are nested in a document, leaving out texts and comments.
fn brackets(document: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = document.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'#' => after
                .iter()
                .position(|byte| b"\r\n".contains(byte))
                .map_or(&[], |end| &after[end..]),
            b'"' => after_text(after),
            b'{' | b'[' | b'(' => {
                depth += 1;
                deepest = deepest.max(depth);
                after
            }
            b'}' | b']' | b')' => {
                depth = depth.saturating_sub(1);
                after
            }
            _ => after,
        };
    }
    deepest
}

/// What follows a text whose first quotation mark has been read.
fn after_text(rest: &[u8]) -> &[u8] {
    let (end, mut rest): (&[u8], &[u8]) = match rest.strip_prefix(b"\"\"") {
        Some(block) => (b"\"\"\"", block),
        None => (b"\"", rest),
    };
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            return after;
        }
        // In a block, only the mark itself can be escaped; skipping a backslash and one byte serves both.
        let step = if rest.first() == Some(&b'\\') { 2 } else { 1 };
        match rest.get(step..) {
            Some(after) => rest = after,
            None => return &[],
        }
    }
}

/// 405 for a document with anything but queries in it. One that does not parse is left to the engine to refuse.
fn refuse_changes(request: &mut Request) -> Result<(), Failure> {
    let Ok(document) = request.parsed_query() else {
        return Ok(());
    };
    let mut operations = document.operations.iter();
    if operations.all(|(_, operation)| operation.node.ty == OperationType::Query) {
        return Ok(());
    }
    Err(Failure {
        allow: Some("POST"),
        ..Failure::http(
            StatusCode::METHOD_NOT_ALLOWED,
            "By GET, only queries are taken. Send this by POST.",
        )
    })
}

/// The error of a request that leaves out a variable which must be there, or gives `null` for it. The engine would pass
/// over the one, and notice the other only at the field that uses it.
fn variable_not_given(request: &mut Request, trace: &TraceId) -> Option<ServerError> {
    let chosen = request.operation_name.clone();
    let given = request.variables.clone();
    let document = request.parsed_query().ok()?;
    let mut operations = document.operations.iter();
    let (_, operation) =
        operations.find(|(name, _)| chosen.is_none() || name.map(|name| name.as_str()) == chosen.as_deref())?;
    let missing = operation.node.variable_definitions.iter().find(|definition| {
        let definition = &definition.node;
        let value = given.get(&definition.name.node).unwrap_or(&Value::Null);
        !definition.var_type.node.nullable && definition.default_value.is_none() && *value == Value::Null
    })?;
    let (name, kind) = (&missing.node.name.node, &missing.node.var_type.node);
    let message = format!("The variable `${name}` of type {kind} is missing.");
    let mut error = Failure::new(Code::BadUserInput, message).to_graphql(trace);
    error.locations = vec![missing.pos];
    Some(error)
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    extensions: &'a std::collections::BTreeMap<String, Value>,
}

fn succeeded(media: Media, mut response: async_graphql::Response) -> Response {
    let refused = is_request_error(&response);
    let status = match media {
        Media::Json => StatusCode::OK,
        Media::GraphqlResponse if refused => response
            .errors
            .first()
            .and_then(Code::of)
            .map_or(StatusCode::BAD_REQUEST, status_of),
        Media::GraphqlResponse if response.errors.is_empty() => StatusCode::OK,
        Media::GraphqlResponse => StatusCode::from_u16(PARTIAL_SUCCESS).unwrap_or(StatusCode::OK),
    };
    let headers = std::mem::take(&mut response.http_headers);
    let body = Body {
        errors: &response.errors,
        data: (!refused).then_some(&response.data),
        extensions: &response.extensions,
    };
    (headers, reply(media, status, &body)).into_response()
}

fn failed(media: Media, failure: &Failure, trace: &TraceId) -> Response {
    let body = Body {
        errors: &[failure.to_graphql(trace)],
        data: None,
        extensions: &std::collections::BTreeMap::new(),
    };
    let mut response = reply(media, failure.status, &body);
    failure.add_headers(&mut response);
    response
}

fn reply(media: Media, status: StatusCode, body: &Body<'_>) -> Response {
    let mut response = (status, Json(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(header::VARY, HeaderValue::from_static("accept, authorization, cookie"));
    response
}

#[cfg(test)]
mod tests;
