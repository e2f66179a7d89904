//! Bringing data in, page by page, told once for all jobs.
//!
//! ```text
//! pull (network, no transaction open)
//!   └▶ one transaction: fence ▶ raw ▶ facts ▶ day cells ▶ summary ▶ latest KPIs ▶ cursor and progress
//!
//! inbox: what a provider tells unasked, stored before it is acknowledged; it wakes a job, it is no second road to facts
//!
//! reconcile: the store's own count of a day against ours ▶ which orders differ ▶ these by id, the same way
//! replay: stored raw ▶ facts ▶ … the same way, asking nobody
//! named: orders that deliveries name, pulled by their ids, the same way
//! notices: deletions, removals and wishes to be forgotten, one transaction each
//! ```
//!
//! The fence is the run's token: a worker that lost its run can't commit. A crash at any point leaves the state before
//! or after a page, and the next attempt resumes at the saved cursor. Running anything twice changes nothing. While a
//! page is written the next one is already on its way.

mod inbox;
mod named;
mod notices;
mod orders;
mod page;
mod reconcile;
mod records;
mod repairs;
mod replay;
mod shop;

use std::time::Duration;

pub use inbox::{Inbox, InboxError};
pub use notices::work_through_notices;
pub use orders::{Scan, sync_fresh_orders, sync_orders};
pub use reconcile::reconcile_orders;
pub use records::sync_records;
pub use replay::replay_orders;

use crate::connections::AccessError;
use crate::providers::contract::ProviderError;
use crate::store::StoreError;

/// Why an ingestion ended before its end. Each sentence is for the people who run the account.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The worker is stopping.
    #[error("the worker is stopping")]
    Asked,
    /// The run belongs to another worker now, or was cancelled.
    #[error("the run belongs to another worker now, or was cancelled")]
    Lost,
    /// The provider wants us to come back later.
    #[error("{why}")]
    Later {
        /// How long to wait.
        after: Duration,
        /// What was said.
        why: String,
    },
    /// It may go right the next time.
    #[error("{0}")]
    Retry(String),
    /// Somebody has to connect again.
    #[error("{0}")]
    Reconnect(String),
    /// We may not do this.
    #[error("{0}")]
    Denied(String),
    /// Something unexpected.
    #[error("{0}")]
    Broken(String),
    /// The database refused.
    #[error(transparent)]
    Database(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost => Self::Lost,
            other => Self::Database(other),
        }
    }
}

impl From<ProviderError> for Stopped {
    fn from(error: ProviderError) -> Self {
        match error {
            ProviderError::Later { after, why } => Self::Later { after, why },
            ProviderError::Retry(why) => Self::Retry(why),
            ProviderError::Reconnect(why) => Self::Reconnect(why),
            ProviderError::Denied(why) => Self::Denied(why),
            ProviderError::Broken(why) => Self::Broken(why),
        }
    }
}

impl From<AccessError> for Stopped {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::Provider(error) => error.into(),
            AccessError::Store(error) => error.into(),
            AccessError::NotFound | AccessError::NotConnected { .. } => Self::Denied(error.to_string()),
            AccessError::Cipher(_) => Self::Broken(error.to_string()),
        }
    }
}
