//! `shopify_7d_fill`: every order that changed since the start of the day seven days ago. Makes these days known, and
//! sets the watermark of `shopify_fresh` where there is none yet.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::ingest::{Scan, Stopped, sync_orders};
use crate::queue::Run;

pub(super) async fn run(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    sync_orders(app, run, Scan::LastSevenDays, stop).await
}
