//! Orders that the store named in deliveries, read by their ids: known seconds after a change, not with the next scan.
//!
//! A delivery is only a hint that an order changed. What it holds is not written anywhere: the order is asked for as it
//! is now, so repeated, late and reordered deliveries end at the same numbers.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Stopped;
use super::page::Page;
use super::shop::{NamedOrders, Shop};
use crate::app::App;
use crate::domain::ids::{ShopifyOrderId, WebhookDeliveryId, WebhookStatus};
use crate::domain::webhook::Topic;
use crate::providers::contract::{OrdersById, PulledOrder};
use crate::queue::Run;
use crate::store::{Progress, Replaces, StoreError, TenantDb, WaitingDelivery};

/// The topics whose deliveries name an order to be read.
pub(super) const NAMING_ORDERS: [Topic; 5] = [
    Topic::OrdersCreate,
    Topic::OrdersUpdated,
    Topic::OrdersCancelled,
    Topic::OrdersEdited,
    Topic::RefundsCreate,
];

/// Orders that are read by their ids at most. A scan brings as many for a fifth of the cost.
const MOST_ORDERS: usize = 100;
/// Deliveries that are looked at; where more wait, a scan is due anyway.
const MOST_DELIVERIES: i64 = 2_000;
/// Orders in one transaction.
const BATCH: usize = 50;

const NOT_SHOWN: &str = "The store shows no such order: it was deleted, or is older than this app may see.";
const NOT_READABLE: &str = "The order could not be read and is kept aside with the reason.";

/// What became of the deliveries that waited.
pub(super) struct News {
    /// Those that arrived until then are meant, by the database's clock.
    pub(super) before: DateTime<Utc>,
    /// Whether each has been dealt with. If not, the scan does it.
    pub(super) is_all_in: bool,
}

/// An order as deliveries name it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Named {
    deliveries: Vec<WebhookDeliveryId>,
    /// The newest version that is told of; none where a delivery does not say.
    version: Option<DateTime<Utc>>,
    is_version_told: bool,
}

/// Reads the orders that waiting deliveries name and that are not known as they are named.
pub(super) async fn bring_named_orders(
    app: &App,
    run: &Run,
    shop: &mut Shop<'_>,
    progress: &mut Progress,
    stop: &CancellationToken,
) -> Result<News, Stopped> {
    let db = app.database.read(&run.tenant).await?;
    let before = db.now().await?;
    let waiting = db
        .waiting_deliveries(run.integration_id, &NAMING_ORDERS, MOST_DELIVERIES)
        .await?;
    let is_rest_unseen = waiting.len() as i64 >= MOST_DELIVERIES;
    let (named, nameless) = by_order(waiting);
    let ids = Vec::from_iter(named.keys().copied());
    if is_rest_unseen || ids.len() > MOST_ORDERS {
        return Ok(News {
            before,
            is_all_in: false,
        });
    }
    let known: BTreeMap<_, _> = db.order_versions(run.integration_id, &ids).await?.into_iter().collect();
    drop(db);

    let (settled, wanted): (Vec<_>, Vec<_>) = named
        .into_iter()
        .partition(|(id, named)| known.get(id).is_some_and(|version| named.is_known_as(*version)));
    let settled = Vec::from_iter(settled.into_iter().flat_map(|(_, named)| named.deliveries));
    if !settled.is_empty() || !nameless.is_empty() {
        let db = app.database.write(&run.tenant).await?;
        db.fence_run(run, progress, false).await?;
        db.settle_read_deliveries(&settled, WebhookStatus::Processed).await?;
        settle(&db, &nameless, WebhookStatus::Ignored, "The delivery names no order.").await?;
        db.commit().await?;
    }
    for batch in wanted.chunks(BATCH) {
        if stop.is_cancelled() {
            return Err(Stopped::Asked);
        }
        let ids = Vec::from_iter(batch.iter().map(|(id, _)| *id));
        let found = match shop.ask(&NamedOrders(&ids)).await {
            Err(Stopped::Broken(why)) => {
                warn!(why, "orders could not be read by their ids; the scan brings them");
                return Ok(News {
                    before,
                    is_all_in: false,
                });
            }
            answer => answer?,
        };
        write(app, run, progress, batch, &found).await?;
    }
    Ok(News {
        before,
        is_all_in: true,
    })
}

/// One batch, one transaction, the deliveries with it. The watermark stays: it is about all orders, not about these.
async fn write(
    app: &App,
    run: &Run,
    progress: &mut Progress,
    batch: &[(ShopifyOrderId, Named)],
    found: &OrdersById,
) -> Result<(), Stopped> {
    let read = Page::of(&found.orders);
    progress.pages += 1;
    progress.records += read.rows.len() as u64;
    progress.unreadable += read.rejects.len() as u64;

    let unreadable = found.orders.iter().filter_map(|order| match order {
        PulledOrder::Unreadable { external_id, .. } => external_id.as_deref()?.parse().ok(),
        PulledOrder::Read { .. } => None,
    });
    let unreadable: Vec<ShopifyOrderId> = unreadable.collect();
    let deliveries_of = |are_meant: &dyn Fn(&ShopifyOrderId) -> bool| {
        let meant = batch.iter().filter(|(id, _)| are_meant(id));
        Vec::from_iter(meant.flat_map(|(_, named)| named.deliveries.iter().copied()))
    };
    let gone = deliveries_of(&|id| found.missing.contains(id));
    let broken = deliveries_of(&|id| unreadable.contains(id));
    let good = deliveries_of(&|id| !found.missing.contains(id) && !unreadable.contains(id));

    let db = app.database.write(&run.tenant).await?;
    db.fence_run(run, progress, true).await?;
    db.serialise_account().await?;
    db.keep_raw_orders(run.integration_id, &read.rows, found.asked_at, Replaces::SameOrOlder)
        .await?;
    read.keep(app, &db, run, Replaces::SameOrOlder).await?;
    db.settle_read_deliveries(&good, WebhookStatus::Processed).await?;
    settle(&db, &gone, WebhookStatus::Ignored, NOT_SHOWN).await?;
    settle(&db, &broken, WebhookStatus::Failed, NOT_READABLE).await?;
    db.commit().await?;
    info!(records = read.rows.len(), "orders that were told of are in");
    Ok(())
}

async fn settle(
    db: &TenantDb,
    deliveries: &[WebhookDeliveryId],
    status: WebhookStatus,
    why: &str,
) -> Result<(), StoreError> {
    for id in deliveries {
        db.settle_delivery(*id, status, Some(why)).await?;
    }
    Ok(())
}

/// Deliveries by the order that they name, and those that name none.
fn by_order(waiting: Vec<WaitingDelivery>) -> (BTreeMap<ShopifyOrderId, Named>, Vec<WebhookDeliveryId>) {
    let mut named: BTreeMap<ShopifyOrderId, Named> = BTreeMap::new();
    let mut nameless = Vec::new();
    for delivery in waiting {
        match delivery.payload.order() {
            Some(id) => named.entry(ShopifyOrderId(id)).or_default().add(&delivery),
            None => nameless.push(delivery.id),
        }
    }
    (named, nameless)
}

impl Named {
    fn add(&mut self, delivery: &WaitingDelivery) {
        // A refund and an edit tell of themselves: their time is not the order's version.
        let version = match delivery.topic {
            Topic::OrdersCreate | Topic::OrdersUpdated | Topic::OrdersCancelled => delivery.payload.updated_at,
            _ => None,
        };
        self.is_version_told = version.is_some() && (self.is_version_told || self.deliveries.is_empty());
        self.version = self.version.max(version);
        self.deliveries.push(delivery.id);
    }

    /// Whether nothing is told of that is newer than this version.
    fn is_known_as(&self, version: DateTime<Utc>) -> bool {
        self.is_version_told && self.version.is_some_and(|told| told <= version)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::webhook::WebhookPayload;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-11-22T10:{minute:02}:00Z").parse().expect("a moment")
    }

    fn delivery(topic: Topic, body: &str) -> WaitingDelivery {
        let payload: WebhookPayload = serde_json::from_str(body).expect("a payload");
        WaitingDelivery {
            id: WebhookDeliveryId(Uuid::nil()),
            topic,
            payload,
            triggered_at: None,
            received_at: at(0),
        }
    }

    #[test]
    fn an_order_is_known_when_every_delivery_tells_of_a_version_that_is_here() {
        let updated = |minute| format!(r#"{{"id": 1, "updated_at": "2026-11-22T10:{minute:02}:00Z"}}"#);
        let refund = r#"{"id": 9, "order_id": 1, "updated_at": "2026-11-22T10:01:00Z"}"#;
        let silent = r#"{"id": 1}"#;
        for (bodies, stored, is_known) in [
            (vec![(Topic::OrdersUpdated, updated(5))], 5, true),
            (vec![(Topic::OrdersUpdated, updated(5))], 4, false),
            (
                vec![(Topic::OrdersUpdated, updated(5)), (Topic::OrdersCreate, updated(3))],
                5,
                true,
            ),
            (
                vec![(Topic::OrdersCreate, updated(3)), (Topic::OrdersUpdated, updated(5))],
                4,
                false,
            ),
            (vec![(Topic::OrdersUpdated, silent.to_owned())], 9, false),
            (
                vec![
                    (Topic::OrdersUpdated, silent.to_owned()),
                    (Topic::OrdersUpdated, updated(5)),
                ],
                9,
                false,
            ),
            (
                vec![
                    (Topic::OrdersUpdated, updated(5)),
                    (Topic::RefundsCreate, refund.to_owned()),
                ],
                9,
                false,
            ),
        ] {
            let waiting = bodies.iter().map(|(topic, body)| delivery(*topic, body)).collect();
            let (named, nameless) = by_order(waiting);
            assert!(nameless.is_empty());
            assert_eq!(
                named[&ShopifyOrderId(1)].is_known_as(at(stored)),
                is_known,
                "{bodies:?}"
            );
        }
    }

    #[test]
    fn a_delivery_without_an_order_is_set_apart() {
        let (named, nameless) = by_order(vec![delivery(Topic::OrdersUpdated, "{}")]);
        assert!(named.is_empty());
        assert_eq!(nameless.len(), 1);
    }
}
