//! How the failure of a whole request looks from outside: as a GraphQL error or as `application/problem+json`, with a
//! code of the API's closed list. What a resolver has to report is shaped in `graphql/error.rs`.
//!
//! A failure that is ours is logged here, once, with its text; the outside gets a sentence without it and the trace id
//! to ask about.

use async_graphql::{ErrorExtensionValues, ServerError, Value};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::trace::TraceId;
use crate::access::AccessError;
use crate::graphql::Code;
use crate::store::StoreError;

/// Seconds after which a caller may try again when the database is away.
const RETRY_AFTER_SECONDS: u64 = 2;

/// The status of an answer that holds nothing but an error with this code.
pub(crate) fn status_of(code: Code) -> StatusCode {
    match code {
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::Forbidden => StatusCode::FORBIDDEN,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::BadUserInput | Code::ComplexityExceeded => StatusCode::BAD_REQUEST,
        Code::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Code::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Code::Conflict => StatusCode::CONFLICT,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A request that failed as a whole.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    pub(crate) code: Code,
    pub(crate) message: String,
    /// Seconds after which to try again.
    pub(crate) retry_after: Option<u64>,
    /// The only methods that this address takes.
    pub(crate) allow: Option<&'static str>,
}

impl Failure {
    /// With the status that belongs to the code.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            status: status_of(code),
            code,
            message: message.into(),
            retry_after: None,
            allow: None,
        }
    }

    /// A request that can't be served as it was sent, with one of HTTP's own statuses.
    pub(crate) fn http(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            ..Self::new(Code::BadUserInput, message)
        }
    }

    /// A failure of ours: `error` goes to the log, the outside learns nothing of it.
    pub(crate) fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            Code::Internal,
            "Something went wrong on our side. The trace id tells us where to look.",
        )
    }

    /// Something that we need is away for the moment.
    pub(crate) fn unavailable(message: &str) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(RETRY_AFTER_SECONDS),
            ..Self::new(Code::Internal, message)
        }
    }

    /// Whether something that we need is away.
    pub(crate) fn is_unavailable(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// What a resolver reported, as the failure of the whole request.
    pub(crate) fn of(error: &ServerError) -> Self {
        let code = Code::of(error).unwrap_or(Code::Internal);
        let retry_after = error
            .extensions
            .as_ref()
            .and_then(|extensions| match extensions.get("retryAfter") {
                Some(Value::Number(seconds)) => seconds.as_u64(),
                _ => None,
            });
        match retry_after {
            Some(seconds) if code == Code::Internal => Self {
                retry_after: Some(seconds),
                ..Self::unavailable(&error.message)
            },
            retry_after => Self {
                retry_after,
                ..Self::new(code, &error.message)
            },
        }
    }

    /// As the one error of a GraphQL answer.
    pub(crate) fn to_graphql(&self, trace: &TraceId) -> ServerError {
        let mut error = ServerError::new(self.message.clone(), None);
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", self.code.as_str());
        extensions.set("traceId", trace.as_str());
        if let Some(seconds) = self.retry_after {
            extensions.set("retryAfter", seconds);
        }
        error.extensions = Some(extensions);
        error
    }

    /// As a problem document (RFC 9457).
    pub(crate) fn to_problem(&self, trace: &TraceId) -> Response {
        let problem = Problem {
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: &self.message,
            code: self.code.as_str(),
            trace_id: trace.as_str(),
        };
        let mut response = (self.status, Json(problem)).into_response();
        let media = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, media);
        self.add_headers(&mut response);
        response
    }

    /// `Retry-After`, `Allow` and `WWW-Authenticate`, where they apply.
    pub(crate) fn add_headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if let Some(methods) = self.allow {
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    trace_id: &'a str,
}

impl From<AccessError> for Failure {
    fn from(error: AccessError) -> Self {
        match &error {
            AccessError::Unauthenticated => Self::new(Code::Unauthenticated, error.to_string()),
            AccessError::Forged => Self::new(Code::Forbidden, error.to_string()),
            AccessError::Store(store) => (&**store).into(),
            AccessError::NoKeys => {
                tracing::error!(%error, "a request failed");
                Self::unavailable("Sign-in can't be checked at the moment. Try again in a few seconds.")
            }
        }
    }
}

impl From<&StoreError> for Failure {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => {
                tracing::error!(%error, "a request failed");
                Self::unavailable("The database can't be reached at the moment. Try again in a few seconds.")
            }
            StoreError::Timeout(_) => {
                tracing::warn!(%error, "a request failed");
                Self::new(
                    Code::Timeout,
                    "The database took too long. Ask for less, or try again later.",
                )
            }
            StoreError::Conflict { .. } | StoreError::LeaseLost | StoreError::Broken(_) => Self::internal(error),
        }
    }
}

/// For every path that leads nowhere.
pub(super) async fn not_found(trace: TraceId, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(200).collect();
    Failure::new(Code::NotFound, format!("There is nothing at {path}.")).to_problem(&trace)
}

/// For a path that is there, asked with a method that it does not take. The router adds which ones it does.
pub(super) async fn method_not_allowed(trace: TraceId) -> Response {
    let message = "This address does not take this method; the Allow header names those it takes.";
    Failure::http(StatusCode::METHOD_NOT_ALLOWED, message).to_problem(&trace)
}
