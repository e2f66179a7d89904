//! `shopify_products`: every product that changed since the last time, as it came.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::domain::record::RecordKind;
use crate::ingest::{Stopped, sync_records};
use crate::queue::Run;

pub(super) async fn run(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    sync_records(app, run, RecordKind::Product, stop).await
}
