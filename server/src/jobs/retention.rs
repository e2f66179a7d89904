//! What is cleared away by itself: deliveries that were dealt with, once nobody asks about them any more.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::Mutex;

use crate::app::App;
use crate::store::StoreError;

/// How long deliveries are kept, from their receipt.
const DELIVERIES: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How often is looked for old ones.
const EVERY: TimeDelta = TimeDelta::hours(1);
/// How many go at once: a short transaction, so that nobody waits for it.
const BATCH: i32 = 1000;

/// When this worker looks again.
#[derive(Default)]
pub(super) struct Retention(Mutex<Option<DateTime<Utc>>>);

impl Retention {
    /// Clears away one batch, if it is time. After a full one it is time again at once.
    pub(super) async fn clear_away(&self, app: &App) -> Result<(), StoreError> {
        let now = app.clock.now();
        let mut next = self.0.lock().await;
        if next.is_some_and(|next| now < next) {
            return Ok(());
        }
        let gone = app.database.system().delete_old_deliveries(DELIVERIES, BATCH).await?;
        if gone < i64::from(BATCH) {
            *next = Some(now + EVERY);
        }
        Ok(())
    }
}
