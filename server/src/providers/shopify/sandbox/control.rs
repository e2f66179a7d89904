//! The stage hands' door: `/{shop}/_sandbox/…` and `/_sandbox/shops`. Real stores have none; it asks for no token.
//!
//! | address | does |
//! |---|---|
//! | `GET /_sandbox/shops` | lists the stores |
//! | `GET`, `POST`, `DELETE /{shop}/_sandbox/faults` | shows, fills and empties the queue: [`Fault`], one or a list, such as `{"fault": "status", "status": 429, "retry_after": 2, "times": 3}` |
//! | `POST /{shop}/_sandbox/uninstall` | kills every token |
//! | `POST /{shop}/_sandbox/shop` | changes its settings: [`ShopChange`] |
//! | `GET /{shop}/_sandbox/deliveries` | webhooks sent and to be sent, with the answers: [`super::DeliveryRecord`] |
//! | `POST /{shop}/_sandbox/webhooks` | sends one by hand, such as those of privacy law: [`WebhookRequest`] |
//! | `GET /{shop}/_sandbox/ledger` | every row of the ledger: [`super::LedgerRow`] |
//! | `POST /{shop}/_sandbox/orders` | places an order: [`NewOrder`] |
//! | `POST /{shop}/_sandbox/orders/{id}/refund`, `/edit`, `/cancel` | [`RefundRequest`], [`EditRequest`], [`CancelRequest`] |
//! | `POST /{shop}/_sandbox/orders/{id}/touch`, `/delete` | takes no body |
//! | `POST /{shop}/_sandbox/orders/{id}/unlist` | keeps the order out of lists, `"from_changes"` or `"from_lists"`; `null` undoes it |
//! | `POST /{shop}/_sandbox/products/{id}/rename` | `{"title": "…"}` |
//! | `POST /{shop}/_sandbox/products/{id}/delete` | takes no body |
//!
//! Bodies are JSON, an empty one stands for the defaults, and a field that is not known is refused. An order answers with
//! its [`super::OrderSummary`].

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::hand::{CancelRequest, EditRequest, NewOrder, RefundRequest, SandboxError, ShopChange};
use super::{Fault, Sandbox, WebhookRequest};

pub(crate) fn routes() -> Router<Sandbox> {
    Router::new()
        .route("/_sandbox/shops", get(shops))
        .route("/{shop}/_sandbox/faults", get(faults).post(inject).delete(clear_faults))
        .route("/{shop}/_sandbox/uninstall", post(uninstall))
        .route("/{shop}/_sandbox/shop", post(change_shop))
        .route("/{shop}/_sandbox/deliveries", get(deliveries))
        .route("/{shop}/_sandbox/webhooks", post(send_webhook))
        .route("/{shop}/_sandbox/ledger", get(ledger))
        .route("/{shop}/_sandbox/orders", post(create))
        .route("/{shop}/_sandbox/orders/{id}/refund", post(refund))
        .route("/{shop}/_sandbox/orders/{id}/edit", post(edit))
        .route("/{shop}/_sandbox/orders/{id}/cancel", post(cancel))
        .route("/{shop}/_sandbox/orders/{id}/touch", post(touch))
        .route("/{shop}/_sandbox/orders/{id}/delete", post(delete))
        .route("/{shop}/_sandbox/orders/{id}/unlist", post(unlist))
        .route("/{shop}/_sandbox/products/{id}/rename", post(rename_product))
        .route("/{shop}/_sandbox/products/{id}/delete", post(delete_product))
}

/// One fault, or several that are met one after the other.
#[derive(Deserialize)]
#[serde(untagged)]
enum Faults {
    Several(Vec<Fault>),
    One(Fault),
}

/// A product's new name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTitle {
    title: String,
}

/// What a request that can't be done is told.
enum Refusal {
    Sandbox(SandboxError),
    Body(serde_json::Error),
}

impl From<SandboxError> for Refusal {
    fn from(error: SandboxError) -> Self {
        Self::Sandbox(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::Sandbox(error @ SandboxError::Refused(_)) => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            Self::Sandbox(error) => (StatusCode::NOT_FOUND, error.to_string()),
            Self::Body(error) => (StatusCode::BAD_REQUEST, format!("The body can't be read: {error}.")),
        };
        (status, Json(json!({ "error": message }))).into_response()
    }
}

/// Reads a body; an empty one stands for the defaults.
fn read<T: DeserializeOwned>(body: &str) -> Result<T, Refusal> {
    let body = if body.trim().is_empty() { "{}" } else { body };
    serde_json::from_str(body).map_err(Refusal::Body)
}

type Answer = Result<Response, Refusal>;

async fn shops(State(sandbox): State<Sandbox>) -> Response {
    Json(sandbox.shops()).into_response()
}

async fn faults(State(sandbox): State<Sandbox>, Path(shop): Path<String>) -> Answer {
    let shop = sandbox.shop(&shop)?;
    let now = sandbox.inner.now();
    let faults = sandbox.inner.with_store(shop, now, |store| store.faults.clone());
    Ok(Json(faults).into_response())
}

async fn inject(State(sandbox): State<Sandbox>, Path(shop): Path<String>, body: String) -> Answer {
    let faults = match read(&body)? {
        Faults::Several(faults) => faults,
        Faults::One(fault) => vec![fault],
    };
    for fault in faults {
        sandbox.inject(&shop, fault)?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn clear_faults(State(sandbox): State<Sandbox>, Path(shop): Path<String>) -> Answer {
    let shop = sandbox.shop(&shop)?;
    sandbox
        .inner
        .with_store(shop, sandbox.inner.now(), |store| store.faults.clear());
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn uninstall(State(sandbox): State<Sandbox>, Path(shop): Path<String>) -> Answer {
    sandbox.uninstall(&shop)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn change_shop(State(sandbox): State<Sandbox>, Path(shop): Path<String>, body: String) -> Answer {
    sandbox.change_shop(&shop, read::<ShopChange>(&body)?)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn deliveries(State(sandbox): State<Sandbox>, Path(shop): Path<String>) -> Answer {
    Ok(Json(sandbox.deliveries(&shop)?).into_response())
}

async fn send_webhook(State(sandbox): State<Sandbox>, Path(shop): Path<String>, body: String) -> Answer {
    let ids = sandbox.send_webhook(&shop, read::<WebhookRequest>(&body)?)?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "webhook_ids": ids }))).into_response())
}

async fn ledger(State(sandbox): State<Sandbox>, Path(shop): Path<String>) -> Answer {
    Ok(Json(sandbox.ledger(&shop)?).into_response())
}

async fn create(State(sandbox): State<Sandbox>, Path(shop): Path<String>, body: String) -> Answer {
    let order = sandbox.create_order(&shop, read::<NewOrder>(&body)?)?;
    Ok((StatusCode::CREATED, Json(order)).into_response())
}

async fn refund(State(sandbox): State<Sandbox>, Path((shop, id)): Path<(String, u64)>, body: String) -> Answer {
    let order = sandbox.refund_order(&shop, id, read::<RefundRequest>(&body)?)?;
    Ok(Json(order).into_response())
}

async fn edit(State(sandbox): State<Sandbox>, Path((shop, id)): Path<(String, u64)>, body: String) -> Answer {
    let order = sandbox.edit_order(&shop, id, read::<EditRequest>(&body)?)?;
    Ok(Json(order).into_response())
}

async fn cancel(State(sandbox): State<Sandbox>, Path((shop, id)): Path<(String, u64)>, body: String) -> Answer {
    let order = sandbox.cancel_order(&shop, id, read::<CancelRequest>(&body)?)?;
    Ok(Json(order).into_response())
}

async fn touch(State(sandbox): State<Sandbox>, Path((shop, id)): Path<(String, u64)>) -> Answer {
    Ok(Json(sandbox.touch_order(&shop, id)?).into_response())
}

async fn delete(State(sandbox): State<Sandbox>, Path((shop, id)): Path<(String, u64)>) -> Answer {
    Ok(Json(sandbox.delete_order(&shop, id)?).into_response())
}

async fn unlist(State(sandbox): State<Sandbox>, Path((shop, id)): Path<(String, u64)>, body: String) -> Answer {
    let from = serde_json::from_str(&body).map_err(Refusal::Body)?;
    sandbox.unlist_order(&shop, id, from)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn rename_product(State(sandbox): State<Sandbox>, Path((shop, id)): Path<(String, u64)>, body: String) -> Answer {
    sandbox.rename_product(&shop, id, &read::<NewTitle>(&body)?.title)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn delete_product(State(sandbox): State<Sandbox>, Path((shop, id)): Path<(String, u64)>) -> Answer {
    sandbox.delete_product(&shop, id)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
