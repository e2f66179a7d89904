//! What providers deliver unasked. The signature is looked at before anything else, and an acknowledgement is never
//! given before the delivery is stored: a sender that gets none comes again.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::Web;
use super::error::Failure;
use super::media;
use super::trace::TraceId;
use crate::domain::ids::ProviderKind;
use crate::domain::webhook::Acceptance;
use crate::graphql::Code;
use crate::ingest::InboxError;
use crate::providers::contract::DeliveryRefused;

/// Most bytes that a delivery may have.
pub(super) const MAX_BODY_BYTES: usize = 2 * 1024 * 1024;
/// How long storing may take. Senders hang up after five seconds, and an answer in time is better than none.
const PATIENCE: Duration = Duration::from_secs(2);

/// `POST /api/webhooks/shopify/{resource}/{event}`, such as `orders/create`.
pub(super) async fn shopify(
    State(web): State<Web>,
    trace: TraceId,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    // What can't be read names no topic, which is found out after the signature.
    let topic = path.map_or_else(
        |_| String::new(),
        |Path((resource, event))| format!("{resource}/{event}"),
    );
    match receive(&web, ProviderKind::Shopify, &topic, &headers, body).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(failure) => failure.to_problem(&trace),
    }
}

async fn receive(
    web: &Web,
    provider: ProviderKind,
    topic: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<(), Failure> {
    let body = media::at_most(MAX_BODY_BYTES, body)?;
    let source = web
        .app
        .providers
        .stores(provider)
        .ok_or_else(|| Failure::internal(&"deliveries of a provider without stores"))?;
    let delivery = source.read_delivery(headers, topic, &body)?;
    // While a delivery waits in line its body has no more use.
    drop(body);
    let is_compliance = delivery.topic.is_compliance();
    let accepted = tokio::time::timeout(PATIENCE, web.inbox.accept(delivery)).await;
    match accepted.unwrap_or(Err(InboxError::Unavailable))? {
        Acceptance::Accepted | Acceptance::Duplicate => Ok(()),
        // Nothing is held about this store, so what privacy law asks for is done.
        Acceptance::UnknownShop if is_compliance => Ok(()),
        Acceptance::UnknownShop => Err(Failure::new(
            Code::NotFound,
            "This store is not connected here; remove the subscription, or connect the store.",
        )),
    }
}

impl From<DeliveryRefused> for Failure {
    fn from(refused: DeliveryRefused) -> Self {
        let sentence = refused.to_string();
        match refused {
            DeliveryRefused::NotGenuine => Self::new(Code::Unauthenticated, sentence),
            DeliveryRefused::UnknownTopic => Self::new(Code::NotFound, sentence),
            DeliveryRefused::Malformed(why) => {
                tracing::warn!(why, "a genuine delivery can't be read");
                Self::new(Code::BadUserInput, sentence)
            }
        }
    }
}

impl From<InboxError> for Failure {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Unavailable => {
                Self::unavailable("The delivery could not be stored in time. Send it again in a few seconds.")
            }
            InboxError::Broken => Self::internal(&error),
        }
    }
}
