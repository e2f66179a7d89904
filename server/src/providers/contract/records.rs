//! A store's products and customers, as a provider hands them over: each as it came. One road for both.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::value::RawValue;

use super::{ProviderError, ShopAccess};
use crate::domain::record::RecordKind;

/// Which records to bring: all of a kind that changed at `updated_from` or later, the earliest change first.
#[derive(Debug, Clone)]
pub struct RecordQuery {
    /// Of which kind.
    pub kind: RecordKind,
    /// The first change that counts.
    pub updated_from: DateTime<Utc>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// How many at most; the provider takes fewer where a page would cost too much.
    pub page_size: u32,
}

/// Records in the sequence of their last change.
#[derive(Debug)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<PulledRecord>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
    /// When this page was asked for.
    pub asked_at: DateTime<Utc>,
    /// The page size that worked, to go on with.
    pub page_size: u32,
}

/// One record as it came.
#[derive(Debug)]
pub enum PulledRecord {
    /// It has the shape that was asked for.
    Read {
        /// The provider's numeric id.
        id: i64,
        /// When it was created.
        created_at: DateTime<Utc>,
        /// Its version.
        updated_at: DateTime<Utc>,
        /// The provider's JSON. It holds nothing that names or reaches a person: that is not asked for.
        payload: Box<RawValue>,
    },
    /// It could not be understood. It is kept, with the reason, and the run goes on.
    Unreadable {
        /// The record's id where at least that could be read.
        external_id: Option<String>,
        /// What came.
        payload: Box<RawValue>,
        /// A sentence.
        reason: String,
    },
}

/// Where products and customers come from.
#[async_trait]
pub trait RecordSource: Send + Sync {
    /// One page.
    async fn records(&self, access: &ShopAccess, query: &RecordQuery) -> Result<RecordPage, ProviderError>;
}
