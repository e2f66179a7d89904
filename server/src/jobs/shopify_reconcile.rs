//! `shopify_reconcile`: what changed in the last seven days, then each of these days against the store's own count. What
//! was missed is put right; what can't be is shown as drift.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::ingest::{Stopped, reconcile_orders};
use crate::queue::Run;

pub(super) async fn run(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    reconcile_orders(app, run, stop).await
}
