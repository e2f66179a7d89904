//! What a store tells and what needs no question: deletions, the app's removal, and the wishes of privacy law.
//!
//! One delivery, one transaction, the oldest first. Deliveries come repeated, late and out of order, so each is judged
//! by when it happened and against what is known. Works for a link in any state, and without a token.
//!
//! What can't be undone is done only where the signed body itself names the store: the topic and the store of a delivery
//! come from its address and its headers, which nobody has signed.

use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::Stopped;
use super::page::rebuild_days;
use crate::app::App;
use crate::connections::{Actor, end_link};
use crate::domain::ids::{
    ActorKind, IntegrationStatus, ShopifyCustomerId, ShopifyOrderId, ShopifyProductId, WebhookStatus,
};
use crate::domain::webhook::Topic;
use crate::queue::Run;
use crate::store::{AuditEntry, LinkedShop, Progress, StoreError, TenantDb, WaitingDelivery};

/// Deliveries looked at in one go.
const BATCH: i64 = 100;

/// Who does it, for the audit log.
const PROVIDER: &str = "shopify";

const REMOVED: &str = "The app was removed from the store; connect the store again to go on.";
const FORGOTTEN: &str = "The store's owner asked for its data to be deleted; nothing of it is left.";

/// What became of a delivery.
enum Fate {
    /// It was dealt with.
    Done,
    /// There is nothing to do, and this is why.
    Moot(&'static str),
    /// It can't be dealt with, and this is why.
    Senseless(&'static str),
}

/// Works through all that waits. One that can't be dealt with is marked so and does not hold up the next.
pub async fn work_through_notices(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    let topics = Vec::from_iter(Topic::ALL.into_iter().filter(|topic| !topic.needs_connection()));
    let mut progress: Progress = serde_json::from_value(run.progress.clone()).unwrap_or_default();
    loop {
        let db = app.database.read(&run.tenant).await?;
        let waiting = db.waiting_deliveries(run.integration_id, &topics, BATCH).await?;
        drop(db);
        if waiting.is_empty() {
            return Ok(None);
        }
        progress.pages += 1;
        for delivery in waiting {
            if stop.is_cancelled() {
                return Err(Stopped::Asked);
            }
            progress.records += 1;
            settle(app, run, &progress, &delivery).await?;
        }
    }
}

async fn settle(app: &App, run: &Run, progress: &Progress, delivery: &WaitingDelivery) -> Result<(), Stopped> {
    // Two transactions can stand in each other's way, which ends one of them: so twice.
    for is_last in [false, true] {
        match deal_with(app, run, progress, delivery).await {
            Err(Stopped::Database(StoreError::Broken(_) | StoreError::Conflict { .. })) if !is_last => {}
            Err(Stopped::Database(failure @ (StoreError::Broken(_) | StoreError::Conflict { .. }))) => {
                error!(delivery = %delivery.id, topic = %delivery.topic, %failure, "a delivery could not be dealt with");
                let db = app.database.write(&run.tenant).await?;
                db.fence_run(run, progress, false).await?;
                let why = "The database could not take it. The server's log has the reason, with the delivery's id.";
                db.settle_delivery(delivery.id, WebhookStatus::Failed, Some(why))
                    .await?;
                db.commit().await?;
            }
            done => return done,
        }
    }
    Ok(())
}

async fn deal_with(app: &App, run: &Run, progress: &Progress, delivery: &WaitingDelivery) -> Result<(), Stopped> {
    let db = app.database.write(&run.tenant).await?;
    db.fence_run(run, progress, true).await?;
    let Some(shop) = db.linked_shop(run.integration_id).await? else {
        return Err(Stopped::Denied("This is not a link to a store.".to_owned()));
    };
    let said_by = match delivery.topic {
        Topic::AppUninstalled => delivery.payload.id,
        _ => delivery.payload.shop_id,
    };
    let is_own = said_by == Some(shop.shopify_shop_id.0);
    let fate = match delivery.topic {
        Topic::OrdersDelete => order_deleted(app, &db, run, delivery).await?,
        Topic::ProductsDelete => product_deleted(&db, run, delivery).await?,
        Topic::CustomersDelete => customer_deleted(&db, run, delivery).await?,
        _ if !is_own => Fate::Senseless("The delivery does not name this store in its body; nothing was done."),
        Topic::AppUninstalled => app_uninstalled(&db, run, &shop, delivery).await?,
        Topic::CustomersDataRequest => data_requested(&db, run, delivery).await?,
        Topic::CustomersRedact => customer_to_forget(&db, run, delivery).await?,
        Topic::ShopRedact => store_to_forget(app, &db, run, &shop).await?,
        _ => Fate::Senseless("This topic is for another job."),
    };
    let (status, why) = match fate {
        Fate::Done => (WebhookStatus::Processed, None),
        Fate::Moot(why) => (WebhookStatus::Ignored, Some(why)),
        Fate::Senseless(why) => (WebhookStatus::Failed, Some(why)),
    };
    db.settle_delivery(delivery.id, status, why).await?;
    db.commit().await?;
    info!(delivery = %delivery.id, topic = %delivery.topic, %status, "delivery dealt with");
    Ok(())
}

/// The moment of what a delivery tells: the provider's, or when it arrived where the provider does not say.
fn moment(delivery: &WaitingDelivery) -> chrono::DateTime<chrono::Utc> {
    delivery.triggered_at.unwrap_or(delivery.received_at)
}

const NAMELESS: Fate = Fate::Senseless("The delivery does not say what it is about.");

async fn order_deleted(app: &App, db: &TenantDb, run: &Run, delivery: &WaitingDelivery) -> Result<Fate, Stopped> {
    let Some(id) = delivery.payload.order() else {
        return Ok(NAMELESS);
    };
    db.serialise_account().await?;
    let days = db
        .delete_order(run.integration_id, ShopifyOrderId(id), moment(delivery))
        .await?;
    match days {
        None => Ok(Fate::Moot("The order has changed since: it is there.")),
        Some(days) => {
            rebuild_days(app, db, run, &days).await?;
            Ok(Fate::Done)
        }
    }
}

async fn product_deleted(db: &TenantDb, run: &Run, delivery: &WaitingDelivery) -> Result<Fate, Stopped> {
    let Some(id) = delivery.payload.id else {
        return Ok(NAMELESS);
    };
    db.serialise_account().await?;
    db.delete_product(run.integration_id, ShopifyProductId(id), moment(delivery))
        .await?;
    Ok(Fate::Done)
}

async fn customer_deleted(db: &TenantDb, run: &Run, delivery: &WaitingDelivery) -> Result<Fate, Stopped> {
    let Some(id) = delivery.payload.id else {
        return Ok(NAMELESS);
    };
    db.serialise_account().await?;
    db.delete_customer(run.integration_id, ShopifyCustomerId(id), moment(delivery))
        .await?;
    Ok(Fate::Done)
}

/// The tokens are dead already. A store that has been connected since was installed anew, and stays.
async fn app_uninstalled(
    db: &TenantDb,
    run: &Run,
    shop: &LinkedShop,
    delivery: &WaitingDelivery,
) -> Result<Fate, Stopped> {
    if moment(delivery) < shop.connected_at {
        return Ok(Fate::Moot(
            "The store has been connected since; this tells of an earlier installation.",
        ));
    }
    let actor = Actor {
        kind: ActorKind::Provider,
        id: Some(PROVIDER.to_owned()),
    };
    end_link(db, run.integration_id, actor, REMOVED).await?;
    db.note_uninstalled(run.integration_id, moment(delivery)).await?;
    Ok(Fate::Done)
}

/// What is held is ids and amounts. How much that is goes into the audit log, for the people who answer; the customer
/// does not, because that log is never changed.
async fn data_requested(db: &TenantDb, run: &Run, delivery: &WaitingDelivery) -> Result<Fate, Stopped> {
    let Some(customer) = delivery.payload.customer.as_ref().and_then(|customer| customer.id) else {
        return Ok(NAMELESS);
    };
    let held = db
        .held_of_customer(run.integration_id, ShopifyCustomerId(customer))
        .await?;
    let request = delivery.payload.data_request.as_ref().and_then(|request| request.id);
    let detail = json!({ "request": request, "orders": held.orders, "customerRecord": held.has_record });
    audit(db, "privacy.data_request", delivery, detail).await?;
    Ok(Fate::Done)
}

async fn customer_to_forget(db: &TenantDb, run: &Run, delivery: &WaitingDelivery) -> Result<Fate, Stopped> {
    let Some(customer) = delivery.payload.customer.as_ref().and_then(|customer| customer.id) else {
        return Ok(NAMELESS);
    };
    db.serialise_account().await?;
    let orders = db
        .forget_customer(
            run.integration_id,
            ShopifyCustomerId(customer),
            &delivery.payload.orders_to_redact,
        )
        .await?;
    audit(db, "privacy.customer_redact", delivery, json!({ "orders": orders })).await?;
    Ok(Fate::Done)
}

async fn store_to_forget(app: &App, db: &TenantDb, run: &Run, shop: &LinkedShop) -> Result<Fate, Stopped> {
    if matches!(shop.status, IntegrationStatus::Connected | IntegrationStatus::Paused) {
        return Ok(Fate::Moot("The store is connected again, so its data stays."));
    }
    db.forget_runs(run).await?;
    db.serialise_account().await?;
    let days = db.forget_store(run.integration_id, FORGOTTEN).await?;
    rebuild_days(app, db, run, &days).await?;
    let entry = AuditEntry {
        actor_kind: ActorKind::Provider,
        actor_id: Some(PROVIDER.to_owned()),
        action: "privacy.shop_redact",
        target_type: "integration",
        target_id: run.integration_id.to_string(),
        detail: json!({ "days": days.len() }),
        request_id: None,
    };
    db.audit(&entry).await?;
    Ok(Fate::Done)
}

async fn audit(
    db: &TenantDb,
    action: &'static str,
    delivery: &WaitingDelivery,
    detail: serde_json::Value,
) -> Result<(), StoreError> {
    let entry = AuditEntry {
        actor_kind: ActorKind::Provider,
        actor_id: Some(PROVIDER.to_owned()),
        action,
        target_type: "webhook",
        target_id: delivery.id.to_string(),
        detail,
        request_id: None,
    };
    db.audit(&entry).await
}
