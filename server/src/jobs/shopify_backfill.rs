//! `shopify_backfill`: every order there is, as one file that Shopify prepares, or else in stretches of time. Makes all
//! days known, back to the store's first, or as far back as Shopify shows orders to this app.

use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::ingest::{Stopped, backfill_orders};
use crate::queue::Run;

pub(super) async fn run(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    backfill_orders(app, run, stop).await
}
