//! The edge: every URL on one screen.
//!
//! Handlers read a request, ask the [`Gate`] who it is from, call one thing below and shape the answer; they decide
//! nothing else. Around all of them: a trace id, one line in the log, a limit on the body, gzip, and an answer even
//! after a panic. Every error outside GraphQL is `application/problem+json`.

mod auth;
mod error;
mod graphql;
mod health;
mod media;
mod oauth;
mod rest;
mod trace;
mod webhooks;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_http::compression::CompressionLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;

use crate::access::Gate;
use crate::app::App;
use crate::graphql::{Schema, sdl};
use crate::ingest::Inbox;
use crate::telemetry;

/// How long requests in progress may go on once the server has been told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long deliveries in line may take to be written after that.
const CLOSING: Duration = Duration::from_secs(3);

/// What the handlers work with. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    /// The parts of the program.
    pub app: App,
    /// Tells who is asking.
    pub gate: Gate,
    /// Answers GraphQL.
    pub schema: Schema,
    /// Takes deliveries.
    pub inbox: Inbox,
}

/// Every URL.
pub fn router(web: Web) -> Router {
    telemetry::install();
    Router::new()
        .route("/graphql", post(graphql::post).get(graphql::get))
        .route("/schema.graphql", get(async || sdl()))
        .route("/api/dashboard/home", get(rest::home))
        .route("/api/dashboard/shopify", get(rest::shopify))
        .route("/api/settings/sync-status", get(rest::sync_status))
        .route("/api/settings/manual-sync", post(rest::manual_sync))
        .route("/api/auth/login", post(auth::login))
        .route("/api/auth/logout", post(auth::logout))
        .route("/api/connect/shopify", get(oauth::begin_shopify))
        .route("/api/connect/shopify/callback", get(oauth::finish_shopify))
        .route(
            "/api/webhooks/shopify/{resource}/{event}",
            post(webhooks::shopify).layer(DefaultBodyLimit::max(webhooks::MAX_BODY_BYTES)),
        )
        .route("/api/health-lite", get(health::health_lite))
        .route("/livez", get(health::live))
        .route("/metrics", get(health::metrics))
        .route("/readyz", get(health::ready))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .with_state(web)
        .layer(DefaultBodyLimit::max(media::MAX_BODY_BYTES))
        .layer(CompressionLayer::new().gzip(true))
        .layer(SetSensitiveRequestHeadersLayer::new([
            header::AUTHORIZATION,
            header::COOKIE,
        ]))
        .layer(middleware::from_fn(trace::observe))
}

/// Serves what a process without the API tells of itself: that it lives, and what it has counted.
pub async fn serve_metrics(
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    telemetry::install();
    let router = Router::new()
        .route("/livez", get(health::live))
        .route("/metrics", get(health::metrics));
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

/// Serves until `shutdown` is done, then lets requests in progress finish, for [`GRACE`] at most. Deliveries that stand
/// in line are still written.
pub async fn serve(
    web: Web,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let stopping = tokio_util::sync::CancellationToken::new();
    let told = stopping.clone();
    let inbox = web.inbox.clone();
    let service = router(web).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(async move {
        shutdown.await;
        tracing::info!("stopping: no new requests are taken");
        told.cancel();
    });
    let too_long = async {
        stopping.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let served = tokio::select! {
        served = serving.into_future() => served,
        () = too_long => {
            tracing::warn!("requests in progress were cut off");
            Ok(())
        }
    };
    // A request that was cut off may still hold the inbox open; nothing that it waits for has been acknowledged.
    let _ = tokio::time::timeout(CLOSING, inbox.close()).await;
    served
}
