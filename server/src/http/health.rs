//! Whether the server lives, is ready, and reaches its database; and what it has counted.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Web;
use super::error::Failure;
use super::trace::TraceId;
use crate::telemetry;

/// A check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /api/health-lite`: `{"db":"ok"}` after `select now()`, else 503.
pub(super) async fn health_lite(State(web): State<Web>, trace: TraceId) -> Response {
    match tokio::time::timeout(PATIENCE, web.app.database.ping()).await {
        Ok(Ok(_)) => Json(json!({ "db": "ok" })).into_response(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database does not answer");
            Failure::unavailable("The database does not answer.").to_problem(&trace)
        }
        Err(_) => Failure::unavailable("The database does not answer in time.").to_problem(&trace),
    }
}

/// `GET /livez`: the process runs. Asks nobody, so that a database that is away does not get the process killed.
pub(super) async fn live() -> &'static str {
    "ok"
}

/// `GET /metrics`: what is counted, for Prometheus.
pub(super) async fn metrics() -> ([(HeaderName, &'static str); 1], String) {
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        telemetry::render(),
    )
}

/// `GET /readyz`: requests can be served: the database answers and its schema is this program's.
pub(super) async fn ready(State(web): State<Web>, trace: TraceId) -> Response {
    match tokio::time::timeout(PATIENCE, web.app.database.pending_migrations()).await {
        Ok(Ok(pending)) if pending.is_empty() => "ok".into_response(),
        Ok(Ok(pending)) => {
            let count = pending.len();
            tracing::warn!(count, "migrations have not run");
            let message = "The database lacks migrations that this program needs; run `server migrate up`.";
            Failure::unavailable(message).to_problem(&trace)
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "the database does not answer");
            Failure::unavailable("The database does not answer.").to_problem(&trace)
        }
        Err(_) => Failure::unavailable("The database does not answer in time.").to_problem(&trace),
    }
}
