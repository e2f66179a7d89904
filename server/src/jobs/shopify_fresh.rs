//! `shopify_fresh`: every order that changed since the watermark, which it moves forward page by page.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::ingest::{Scan, Stopped, sync_orders};
use crate::queue::Run;

pub(super) async fn run(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    sync_orders(app, run, Scan::SinceWatermark, stop).await
}
