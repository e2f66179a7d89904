//! `shopify_fresh`: the orders that the store told of, by their ids, then every order that changed since the watermark,
//! which moves forward page by page.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::ingest::{Stopped, sync_fresh_orders};
use crate::queue::Run;

pub(super) async fn run(
    app: &App,
    run: &Run,
    fresh_every: Duration,
    stop: &CancellationToken,
) -> Result<Option<String>, Stopped> {
    sync_fresh_orders(app, run, fresh_every, stop).await
}
