//! A store's whole history: prepared by the provider as one file, or counted, to be read in stretches of time.
//!
//! ```text
//! start_history ─▶ history_state … ─▶ read_history
//! ```

use std::fmt;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use secrecy::SecretString;

use super::{ProviderError, PulledOrder, ShopAccess};

/// Asks how much history there is.
#[derive(Debug, Clone, Copy)]
pub struct ExtentQuery;

/// How much history a store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// When the store was opened.
    pub opened_at: DateTime<Utc>,
    /// Its orders, as far as this app may see them. About so many, where the store does not count further.
    pub orders: u64,
}

/// Asks how many orders changed last in a stretch of time.
#[derive(Debug, Clone, Copy)]
pub struct ChangedCountQuery {
    /// The first change that counts.
    pub updated_from: DateTime<Utc>,
    /// The first change that does not count any more.
    pub updated_before: DateTime<Utc>,
}

/// Asks the provider to prepare all orders as one file.
#[derive(Debug, Clone, Copy)]
pub struct StartHistory;

/// What became of the wish for a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Started {
    /// It is being prepared, under this name.
    Preparing(String),
    /// Too many are being prepared; later there may be room. A sentence.
    Busy(String),
    /// This store prepares none for us. A sentence.
    Refused(String),
}

/// Asks how far a file is.
#[derive(Debug, Clone, Copy)]
pub struct HistoryStateQuery<'a> {
    /// The name that [`Started::Preparing`] gave it.
    pub operation: &'a str,
}

/// How far a file is.
#[derive(Debug, Clone)]
pub enum HistoryState {
    /// Being prepared.
    Preparing {
        /// Orders that are in it.
        orders: u64,
    },
    /// It can be read.
    Ready(HistoryFile),
    /// There will be none: it failed, was cancelled or is no longer kept. A sentence.
    Failed(String),
}

/// A file that is ready.
#[derive(Clone)]
pub struct HistoryFile {
    /// Where it is; whoever knows the address may read it. None where nothing is in it.
    pub address: Option<SecretString>,
    /// How many orders are in it.
    pub orders: u64,
    /// How long it is, where the provider says so.
    pub bytes: Option<u64>,
}

impl fmt::Debug for HistoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HistoryFile")
            .field("orders", &self.orders)
            .finish_non_exhaustive()
    }
}

/// Some orders of a file, in its sequence.
#[derive(Debug)]
pub struct HistoryPart {
    /// The orders.
    pub orders: Vec<PulledOrder>,
    /// Where in the file the next order begins, in bytes: a reader that is interrupted goes on from there.
    pub resume_at: u64,
}

/// Why reading a file ended before its end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// The file can't be read any more; another one may. A sentence.
    #[error("{0}")]
    Gone(String),
    /// Its parts do not stand together, and no other file's would. A sentence.
    #[error("{0}")]
    Ungrouped(String),
    /// It may go right from the same place.
    #[error(transparent)]
    Provider(#[from] ProviderError),
}

/// The parts of a file, one after the other.
pub type HistoryParts = BoxStream<'static, Result<HistoryPart, HistoryError>>;

/// A part of a store's history that it does not show to this app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenHistory {
    /// Orders that were made before this moment are missing from every answer.
    pub before: DateTime<Utc>,
    /// A sentence that says so, and what to do.
    pub why: String,
}

/// Where the history of a store comes from.
#[async_trait]
pub trait HistorySource: Send + Sync {
    /// What the store does not show to an app with these scopes.
    fn hidden_history(&self, scopes: &[String], now: DateTime<Utc>) -> Option<HiddenHistory>;

    /// How much there is.
    async fn extent(&self, access: &ShopAccess) -> Result<Extent, ProviderError>;

    /// How many orders changed last in a stretch of time.
    async fn changed_count(&self, access: &ShopAccess, query: &ChangedCountQuery) -> Result<u64, ProviderError>;

    /// Asks for a file of all orders as they are now.
    async fn start_history(&self, access: &ShopAccess) -> Result<Started, ProviderError>;

    /// How far that is.
    async fn history_state(
        &self,
        access: &ShopAccess,
        query: &HistoryStateQuery<'_>,
    ) -> Result<HistoryState, ProviderError>;

    /// Reads a file that is ready, from the beginning or where an earlier reader was interrupted. Reads ahead by one
    /// part while the one before is being worked on.
    async fn read_history(
        &self,
        access: &ShopAccess,
        file: &HistoryFile,
        from: u64,
    ) -> Result<HistoryParts, HistoryError>;
}
