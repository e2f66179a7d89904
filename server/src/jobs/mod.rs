//! Every job and every schedule on one screen. A job's own file says how its run begins and what it calls.
//!
//! | job | when | what |
//! |---|---|---|
//! | `shopify_7d_fill` | on connecting, by hand | everything that changed in the last 7 days; makes these days known |
//! | `shopify_fresh` | every `SYNC_FRESH_EVERY`, by hand | everything that changed since the last time |
//! | | when the store tells of an order | that order; everything else only where `SYNC_FRESH_EVERY` is over |
//! | `shopify_reconcile` | nightly, by hand | the same, then each day's orders against the store's own count, put right |
//! | `shopify_webhooks` | when the store tells of it | deletions, the app's removal, wishes to be forgotten |
//! | `shopify_replay` | by hand, after a normaliser was mended; by `shopify_setup`, after a change of time zone | facts and numbers anew from the stored orders |
//! | `shopify_setup` | on connecting, nightly, when the store's settings change | webhooks, scopes, the store's profile, its token |
//! | `shopify_products`, `shopify_customers` | on connecting, nightly, when the store tells of one, by hand | every product, every customer that changed since the last time |

mod retention;
mod schedule;
mod shopify_7d_fill;
mod shopify_customers;
mod shopify_fresh;
mod shopify_products;
mod shopify_reconcile;
mod shopify_replay;
mod shopify_setup;
mod shopify_webhooks;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::SyncConfig;
use crate::domain::job::SyncJob;
use crate::ingest::Stopped;
use crate::queue::{Failure, Handler, Outcome, Run};
use crate::store::StoreError;

/// Knows the jobs, for the queue that does not.
pub struct Jobs {
    app: App,
    sync: SyncConfig,
    slots: schedule::Slots,
    retention: retention::Retention,
}

impl Jobs {
    /// With the schedules of `sync`.
    pub fn new(app: App, sync: SyncConfig) -> Self {
        Self {
            app,
            sync,
            slots: schedule::Slots::default(),
            retention: retention::Retention::default(),
        }
    }
}

#[async_trait]
impl Handler for Jobs {
    async fn handle(&self, run: &Run, stop: &CancellationToken) -> Outcome {
        let ended = match run.job_type.parse() {
            Ok(SyncJob::Shopify7dFill) => shopify_7d_fill::run(&self.app, run, stop).await,
            Ok(SyncJob::ShopifyFresh) => shopify_fresh::run(&self.app, run, self.sync.fresh_every, stop).await,
            Ok(SyncJob::ShopifyReconcile) => shopify_reconcile::run(&self.app, run, stop).await,
            Ok(SyncJob::ShopifyCustomers) => shopify_customers::run(&self.app, run, stop).await,
            Ok(SyncJob::ShopifyProducts) => shopify_products::run(&self.app, run, stop).await,
            Ok(SyncJob::ShopifyReplay) => shopify_replay::run(&self.app, run, stop).await,
            Ok(SyncJob::ShopifyWebhooks) => shopify_webhooks::run(&self.app, run, stop).await,
            Ok(SyncJob::ShopifySetup) => shopify_setup::run(&self.app, run).await,
            Err(_) => {
                return Outcome::Fail(Failure {
                    code: "UNKNOWN_JOB",
                    message: format!(
                        "This version knows no job `{}`. Update the worker, then retry.",
                        run.job_type
                    ),
                });
            }
        };
        ended.map_or_else(Outcome::from, Outcome::Done)
    }

    async fn schedule(&self) -> Result<(), StoreError> {
        self.slots.enqueue_due(&self.app, &self.sync).await?;
        self.retention.clear_away(&self.app).await
    }

    async fn wake(&self) -> Result<(), StoreError> {
        self.app.database.system().wake_for_deliveries().await?;
        Ok(())
    }
}

/// What the queue does when an ingestion stops before its end.
impl From<Stopped> for Outcome {
    fn from(stopped: Stopped) -> Self {
        let failure = |code, message| Failure { code, message };
        match stopped {
            Stopped::Asked => Self::Yielded,
            Stopped::Lost => Self::Lost,
            Stopped::Later { after, why } => Self::Snooze(after, failure("PROVIDER_LATER", why)),
            Stopped::Retry(why) => Self::Retry(failure("PROVIDER_RETRY", why)),
            Stopped::Reconnect(why) => Self::Fail(failure("PROVIDER_RECONNECT", why)),
            Stopped::Denied(why) => Self::Fail(failure("PROVIDER_DENIED", why)),
            Stopped::Broken(why) => Self::Retry(failure("BROKEN", why)),
            Stopped::Database(error) => {
                tracing::warn!(error = %error, source = ?std::error::Error::source(&error), "database error in a run");
                Self::Retry(failure(
                    "DATABASE",
                    "The database could not take the data. It will be tried again; nothing is lost.".to_owned(),
                ))
            }
        }
    }
}
