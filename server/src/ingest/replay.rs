//! The stored orders, read once more: what a mended normaliser makes of them. Nobody is asked.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Stopped;
use super::page::Page;
use super::shop::source;
use crate::app::App;
use crate::domain::ids::ShopifyOrderId;
use crate::providers::contract::PulledOrder;
use crate::queue::Run;
use crate::store::{Progress, Replaces};
use crate::telemetry;

/// Orders in one transaction.
const BATCH: i64 = 500;

/// The name of the resume point in `sync_cursors.resume`.
const AFTER: &str = "after";

/// Reads every stored order of the store again, in the sequence of their ids.
pub async fn replay_orders(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    let source = source(app)?;
    let db = app.database.read(&run.tenant).await?;
    let shop = db.linked_shop(run.integration_id).await?;
    let shop = shop.ok_or_else(|| Stopped::Denied("This is not a link to a store.".to_owned()))?;
    let (timezone, currency) = shop.books()?;
    let cursor = db.order_cursor(run.integration_id, &run.job_type).await?;
    drop(db);

    // Only an interrupted run of its own resumes: a new one begins at the first order.
    let resume = cursor.resume.filter(|resume| resume["run"] == json!(run.id));
    let mut after = ShopifyOrderId(resume.and_then(|resume| resume[AFTER].as_i64()).unwrap_or(0));
    let mut progress: Progress = serde_json::from_value(run.progress.clone()).unwrap_or_default();
    loop {
        let db = app.database.write(&run.tenant).await?;
        let stored = db.raw_orders(run.integration_id, after, BATCH).await?;
        let last = stored.last().map(|(id, _)| *id);
        let orders =
            Vec::from_iter(
                stored
                    .into_iter()
                    .map(|(id, payload)| match source.replay(&payload, timezone, currency) {
                        Ok(fact) => PulledOrder::Read {
                            payload,
                            fact: Box::new(fact),
                        },
                        Err(reason) => PulledOrder::Unreadable {
                            external_id: Some(id.to_string()),
                            payload,
                            reason,
                        },
                    }),
            );
        let page = Page::of(&orders);
        progress.pages += 1;
        progress.records += page.rows.len() as u64;
        progress.unreadable += page.rejects.len() as u64;
        db.fence_run(run, &progress, last.is_some()).await?;
        db.serialise_account().await?;
        page.keep(app, &db, run, Replaces::SameOrOlder).await?;
        let resume: Option<Value> = last.map(|last| json!({ "run": run.id, AFTER: last }));
        db.note_resume(run.integration_id, &run.job_type, resume.as_ref())
            .await?;
        db.commit().await?;
        telemetry::page_written(&run.job_type, page.rows.len());
        info!(records = progress.records, "orders replayed");
        match last {
            None => return Ok(None),
            Some(_) if stop.is_cancelled() => return Err(Stopped::Asked),
            Some(last) => after = last,
        }
    }
}
