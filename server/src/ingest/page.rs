//! One page of orders, on its way from what was pulled to numbers. A pull and a replay both end here.

use std::cmp::Reverse;

use chrono::NaiveDate;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use tracing::warn;

use super::Stopped;
use crate::app::App;
use crate::domain::fact::OrderFact;
use crate::domain::ids::ShopifyOrderId;
use crate::providers::contract::PulledOrder;
use crate::queue::Run;
use crate::store::{OrderRecord, RejectedRecord, TenantDb};

/// Orders sorted into those that could be read and those that could not.
pub(super) struct Page<'a> {
    pub(super) rows: Vec<OrderRecord<'a>>,
    pub(super) rejects: Vec<(String, &'a str, &'a RawValue)>,
}

impl<'a> Page<'a> {
    pub(super) fn of(orders: &'a [PulledOrder]) -> Self {
        let mut read = Self {
            rows: Vec::with_capacity(orders.len()),
            rejects: Vec::new(),
        };
        for order in orders {
            match order {
                PulledOrder::Read { payload, fact } => read.rows.push(OrderRecord { payload, fact }),
                PulledOrder::Unreadable {
                    external_id,
                    payload,
                    reason,
                } => {
                    let id = external_id.clone().unwrap_or_else(|| digest(payload.get()));
                    warn!(order = id, reason, "order could not be read; kept aside");
                    read.rejects.push((id, reason, payload));
                }
            }
        }
        // The same order twice in a page: the later version is the one to keep.
        read.rows.sort_by_key(|row| (row.fact.id, Reverse(row.fact.updated_at)));
        read.rows.dedup_by_key(|row| row.fact.id);
        read.rows.sort_by_key(|row| row.fact.updated_at);
        read
    }

    pub(super) fn facts(&self) -> Vec<&'a OrderFact> {
        self.rows.iter().map(|row| row.fact).collect()
    }

    pub(super) fn ids(&self) -> Vec<ShopifyOrderId> {
        self.rows.iter().map(|row| row.fact.id).collect()
    }

    /// From what was read to numbers: facts, their days, the cells of these days; and what could not be read, aside.
    pub(super) async fn keep(&self, app: &App, db: &TenantDb, run: &Run) -> Result<(), Stopped> {
        let kept = db.keep_order_facts(run.integration_id, &self.rows).await?;
        let facts = Vec::from_iter(self.facts().into_iter().filter(|fact| kept.contains(&fact.id)));
        let days = db.replace_order_days(run.integration_id, &facts).await?;
        rebuild_days(app, db, run, &days).await?;
        self.keep_rejects(db, run).await
    }

    async fn keep_rejects(&self, db: &TenantDb, run: &Run) -> Result<(), Stopped> {
        if !self.rejects.is_empty() {
            let rejects = Vec::from_iter(self.rejects.iter().map(|(id, reason, payload)| RejectedRecord {
                kind: "order",
                external_id: id,
                reason,
                payload,
            }));
            db.keep_rejects(run.integration_id, run.id, &rejects).await?;
        }
        let readable = Vec::from_iter(self.rows.iter().map(|row| row.fact.id.to_string()));
        db.settle_rejects(run.integration_id, "order", &readable).await?;
        Ok(())
    }
}

/// From facts to numbers: the cells of these days, the summary, the presets.
pub(super) async fn rebuild_days(app: &App, db: &TenantDb, run: &Run, days: &[NaiveDate]) -> Result<(), Stopped> {
    if days.is_empty() {
        return Ok(());
    }
    db.rebuild_shopify_days(run.integration_id, days).await?;
    db.rebuild_summary(days).await?;
    let account = db.account().await?;
    db.rebuild_latest_kpis(app.clock.today(account.zone()?)).await?;
    Ok(())
}

/// A name for a record that has none: the same record gets the same one.
pub(super) fn digest(text: &str) -> String {
    let hash = Sha256::digest(text.as_bytes());
    format!(
        "sha256:{}",
        hash.iter()
            .take(12)
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    )
}
