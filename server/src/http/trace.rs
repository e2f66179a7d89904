//! Around every request: a trace id, one line in the log, and an answer even where a handler panics.
//!
//! The line has the path and not the query, which may hold a code or a token. No header is logged at all.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use super::error::Failure;
use crate::telemetry;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over from a caller.
const MAX_LENGTH: usize = 128;

/// What a request is called in the log, in its errors and in the header `x-request-id` of its answer: the caller's own
/// `x-request-id` where it is a plain one, else a new one.
#[derive(Debug, Clone)]
pub(crate) struct TraceId(String);

impl TraceId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// One that no other request has.
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7().to_string())
    }

    fn of(request: &Request) -> Self {
        let given = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let plain = |text: &&str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(&byte);
            (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(allowed)
        };
        given.filter(plain).map_or_else(Self::new, |text| Self(text.to_owned()))
    }
}

impl<S: Sync> FromRequestParts<S> for TraceId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().cloned();
        Ok(known.unwrap_or_else(Self::new))
    }
}

/// The outermost layer.
pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let trace = TraceId::of(&request);
    request.extensions_mut().insert(trace.clone());
    let span = tracing::info_span!(
        "request",
        trace_id = trace.as_str(),
        method = %request.method(),
        path = request.uri().path(),
    );
    let began = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    async {
        let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(_) => Failure::internal(&"a handler panicked").to_problem(&trace),
        };
        let status = response.status().as_u16();
        let took = began.elapsed();
        tracing::info!(status, milliseconds = took.as_millis(), "answered");
        let route = route.as_ref().map_or("none", MatchedPath::as_str);
        telemetry::request_answered(plain_method(&method), route, status, took);
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(trace.as_str()) {
            headers.insert(REQUEST_ID, id);
        }
        headers
            .entry(header::X_CONTENT_TYPE_OPTIONS)
            .or_insert(HeaderValue::from_static("nosniff"));
        response
    }
    .instrument(span)
    .await
}

/// A caller can send any word as a method; only the usual ones are counted apart.
fn plain_method(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str()
        }
        _ => "other",
    }
}
