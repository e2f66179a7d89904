//! `shopify_webhooks`: what the store told and what needs no question: deletions, the app's removal, privacy. Asks nobody,
//! so it also serves a store that can no longer be reached.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::ingest::{Stopped, work_through_notices};
use crate::queue::Run;

pub(super) async fn run(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    work_through_notices(app, run, stop).await
}
