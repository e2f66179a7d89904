//! `shopify_replay`: facts and numbers made anew from the stored orders. Asks nobody, so it also serves a store that can
//! no longer be reached.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::ingest::{Stopped, replay_orders};
use crate::queue::Run;

pub(super) async fn run(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    replay_orders(app, run, stop).await
}
