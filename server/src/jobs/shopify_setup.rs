//! `shopify_setup`: what a store needs so that it tells of its changes, and what it says of itself. Also looks at a link
//! that is paused.

use crate::app::App;
use crate::connections;
use crate::ingest::Stopped;
use crate::queue::Run;

pub(super) async fn run(app: &App, run: &Run) -> Result<Option<String>, Stopped> {
    Ok(connections::set_up(app, run).await?)
}
