//! What went wrong, for the outside: a sentence, a code of a closed list, a trace id. The only place in this level that
//! logs a failure, and it logs it once.

use std::sync::Arc;

use async_graphql::{ErrorExtensionValues, PathSegment, Response, ServerError, Value};

use crate::access::Action;
use crate::dashboards::DashboardError;
use crate::store::StoreError;

/// Seconds after which to try again when the database is away.
const RETRY_AFTER_SECONDS: u64 = 2;

/// The values of `extensions.code`. The list is closed: a client may handle each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// Nobody is signed in, or the credential is not good any more.
    Unauthenticated,
    /// The role or the token's scopes do not allow it.
    Forbidden,
    /// There is no such thing in this account.
    NotFound,
    /// The document or one of its inputs can't be used as it is.
    BadUserInput,
    /// Too many requests.
    RateLimited,
    /// The document asks for too much at once.
    ComplexityExceeded,
    /// It took too long.
    Timeout,
    /// Something else changed at the same time.
    Conflict,
    /// A failure of ours.
    Internal,
}

impl Code {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::BadUserInput,
        Self::RateLimited,
        Self::ComplexityExceeded,
        Self::Timeout,
        Self::Conflict,
        Self::Internal,
    ];

    /// As it stands in an answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::BadUserInput => "BAD_USER_INPUT",
            Self::RateLimited => "RATE_LIMITED",
            Self::ComplexityExceeded => "COMPLEXITY_EXCEEDED",
            Self::Timeout => "TIMEOUT",
            Self::Conflict => "CONFLICT",
            Self::Internal => "INTERNAL",
        }
    }

    /// The code that an error of an answer has.
    pub fn of(error: &ServerError) -> Option<Self> {
        let Value::String(given) = error.extensions.as_ref()?.get("code")? else {
            return None;
        };
        Self::ALL.into_iter().find(|code| code.as_str() == given)
    }
}

/// Why a resolver has no answer.
#[derive(Debug)]
pub(super) enum ApiError {
    /// Nobody is signed in.
    Unauthenticated,
    /// The caller may not do this.
    Forbidden(Action),
    /// No such thing in this account. The sentence says what is missing.
    NotFound(String),
    /// The input can't be used. The sentence says how to mend it.
    BadUserInput(String),
    /// The database did not answer with rows.
    Store(StoreError),
    /// A bug.
    Internal(&'static str),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<DashboardError> for ApiError {
    fn from(error: DashboardError) -> Self {
        match error {
            DashboardError::NoSuchStore => Self::NotFound(error.to_string()),
            DashboardError::Store(error) => Self::Store(error),
        }
    }
}

impl From<ApiError> for async_graphql::Error {
    fn from(error: ApiError) -> Self {
        let (code, message) = error.outside();
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", code.as_str());
        if let ApiError::Store(StoreError::Unavailable(_)) = error {
            extensions.set("retryAfter", RETRY_AFTER_SECONDS);
        }
        Self {
            message,
            source: Some(Arc::new(error)),
            extensions: Some(extensions),
        }
    }
}

impl ApiError {
    /// What a caller learns of it.
    fn outside(&self) -> (Code, String) {
        match self {
            Self::Unauthenticated => (
                Code::Unauthenticated,
                "sign in, or send a valid token as `Authorization: Bearer …`".to_owned(),
            ),
            Self::Forbidden(action) => (
                Code::Forbidden,
                format!(
                    "this needs the role {} or higher, and of a limited token the scope {}",
                    action.least_role(),
                    action.scope()
                ),
            ),
            Self::NotFound(sentence) => (Code::NotFound, sentence.clone()),
            Self::BadUserInput(sentence) => (Code::BadUserInput, sentence.clone()),
            Self::Store(StoreError::Unavailable(_)) => (
                Code::Internal,
                "the database can't be reached at the moment; try again in a few seconds".to_owned(),
            ),
            Self::Store(StoreError::Timeout(_)) => (
                Code::Timeout,
                "this took too long; ask for a shorter range or fewer rows".to_owned(),
            ),
            Self::Store(StoreError::Conflict { .. }) => (
                Code::Conflict,
                "something else changed the same thing at the same moment; look again and retry".to_owned(),
            ),
            Self::Store(StoreError::LeaseLost | StoreError::Broken(_)) | Self::Internal(_) => {
                (Code::Internal, MASKED.to_owned())
            }
        }
    }

    /// What the people who run the server learn of it: nothing of what a caller did wrong.
    fn inside(&self) -> Option<String> {
        match self {
            Self::Store(error) => Some(match std::error::Error::source(error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            }),
            Self::Internal(what) => Some((*what).to_owned()),
            _ => None,
        }
    }
}

const MASKED: &str = "something went wrong on our side; the trace id tells us where to look";

/// What the library says when a document is too large, by the beginning of its sentence.
const TOO_LARGE: [&str; 4] = [
    "Query is too complex",
    "Query is nested too deep",
    "The recursion depth of the query",
    "The number of directives on the field",
];

/// Gives every error its code and the trace id, and logs those that are ours.
pub(super) fn shield(mut response: Response, trace_id: Option<&str>) -> Response {
    for error in &mut response.errors {
        let code = Code::of(error);
        if let Some(text) = error.source::<ApiError>().and_then(ApiError::inside) {
            log(error, trace_id, &text);
        }
        let code = code.unwrap_or_else(|| {
            if error.source.is_some() {
                // An error that no resolver of ours shaped: its text is not meant for the outside.
                log(error, trace_id, &error.message);
                error.message = MASKED.to_owned();
                Code::Internal
            } else if TOO_LARGE.iter().any(|start| error.message.starts_with(start)) {
                Code::ComplexityExceeded
            } else {
                Code::BadUserInput
            }
        });
        let extensions = error.extensions.get_or_insert_default();
        extensions.set("code", code.as_str());
        if let Some(trace_id) = trace_id {
            extensions.set("traceId", trace_id);
        }
        error.source = None;
    }
    response
}

fn log(error: &ServerError, trace_id: Option<&str>, text: &str) {
    let path: String = error
        .path
        .iter()
        .map(|segment| match segment {
            PathSegment::Field(name) => format!(".{name}"),
            PathSegment::Index(index) => format!("[{index}]"),
        })
        .collect();
    tracing::error!(trace_id, path, error = text, "a field has no answer");
}
