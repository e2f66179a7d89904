//! A store's orders, as a provider hands them over: each as it came and as it was understood.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::value::RawValue;

use super::{ProviderError, ShopAccess};
use crate::domain::fact::OrderFact;
use crate::domain::ids::ShopifyOrderId;
use crate::domain::money::CurrencyCode;

/// Which orders to bring: all that changed last in a stretch of time, the earliest change first.
#[derive(Debug, Clone)]
pub struct OrderQuery {
    /// The first change that counts.
    pub updated_from: DateTime<Utc>,
    /// The first change that does not count any more; none where all later ones do.
    pub updated_before: Option<DateTime<Utc>>,
    /// The `next` of the page before.
    pub after: Option<String>,
    /// How many at most; the provider takes fewer where a page would cost too much.
    pub page_size: u32,
}

/// Orders in the sequence of their last change.
#[derive(Debug)]
pub struct OrderPage {
    /// The orders.
    pub orders: Vec<PulledOrder>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
    /// When this page was asked for: changes until then are in it or in an earlier page, if it is the last one.
    pub asked_at: DateTime<Utc>,
    /// How many were asked for in the end.
    pub page_size: u32,
}

/// Orders that were asked for by their ids.
#[derive(Debug)]
pub struct OrdersById {
    /// Those that there are.
    pub orders: Vec<PulledOrder>,
    /// Those that the store does not know, or does not show.
    pub missing: Vec<ShopifyOrderId>,
    /// When the first of them was asked for.
    pub asked_at: DateTime<Utc>,
}

/// One order as it came and as it was understood.
#[derive(Debug)]
pub enum PulledOrder {
    /// A fact was made of it.
    Read {
        /// The provider's JSON, as it came (nested pages completed).
        payload: Box<RawValue>,
        /// What it means.
        fact: Box<OrderFact>,
    },
    /// It could not be understood. It is kept, with the reason, and the run goes on.
    Unreadable {
        /// The order's id where at least that could be read.
        external_id: Option<String>,
        /// What came.
        payload: Box<RawValue>,
        /// A sentence.
        reason: String,
    },
}

/// Where orders come from.
#[async_trait]
pub trait OrderSource: Send + Sync {
    /// How many orders can be reached by following the pages of one query. Whoever wants more begins a new query where
    /// the pages got to.
    fn reach(&self) -> u64;

    /// One page.
    async fn orders(&self, access: &ShopAccess, query: &OrderQuery) -> Result<OrderPage, ProviderError>;

    /// These orders, as they are now. Each costs as much as several of a page: for a few that are known to have changed.
    async fn orders_by_id(&self, access: &ShopAccess, ids: &[ShopifyOrderId]) -> Result<OrdersById, ProviderError>;

    /// What a stored payload means in a store with these days and this currency: the same as when it was pulled, and
    /// without asking anybody. The error is a sentence.
    fn replay(&self, payload: &RawValue, timezone: Tz, currency: CurrencyCode) -> Result<OrderFact, String>;
}
