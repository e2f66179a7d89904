//! What a provider must be able to do, and the five ways in which it can fail.
//!
//! A provider turns the outside world into data and stores nothing. Its base address, clock and HTTP client come
//! through its constructor, so that a test gives it another world.

mod audit;
mod deliveries;
mod link;
mod orders;
mod records;
mod setup;

use std::time::Duration;

use chrono_tz::Tz;
use secrecy::SecretString;

use crate::domain::money::CurrencyCode;

pub use audit::{
    AuditSource, ListedOrder, OrderCountQuery, OrderListPage, OrderListQuery, ReportedDay, SalesReportQuery,
};
pub use deliveries::{DeliveryRefused, DeliverySource};
pub use link::{Authorize, AuthorizeRequest, Callback, Grant, Provider, Subject, TokenSet};
pub use orders::{OrderPage, OrderQuery, OrderSource, OrdersById, PulledOrder};
pub use records::{PulledRecord, RecordPage, RecordQuery, RecordSource};
pub use setup::{SetupSource, Subscribed, Subscription, WantedSubscription};

/// A failure, sorted by what to do next. Each text is a sentence for the people who run the account; none holds a
/// token, an address with a token in it, or contact data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The provider asks us to come back after a while: a throttle, a maintenance window. Costs no attempt.
    #[error("{why}")]
    Later {
        /// How long to wait.
        after: Duration,
        /// What was said.
        why: String,
    },
    /// Something went wrong that may go right the next time.
    #[error("{0}")]
    Retry(String),
    /// The authorisation is gone: somebody has to connect again.
    #[error("{0}")]
    Reconnect(String),
    /// We may not do this, and asking again will not change it: a missing scope, a frozen store.
    #[error("{0}")]
    Denied(String),
    /// The request or the answer can't be right: a bug of ours or a change of theirs.
    #[error("{0}")]
    Broken(String),
}

/// What a store says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShopProfile {
    /// `name.myshopify.com`, the permanent domain.
    pub domain: String,
    /// Shopify's numeric id.
    pub shopify_shop_id: i64,
    /// The store's name.
    pub name: String,
    /// The currency of its books.
    pub currency: CurrencyCode,
    /// The time zone in which its days begin and end.
    pub timezone: Tz,
    /// Whether prices contain tax.
    pub taxes_included: bool,
}

/// What a call needs to know about the store it is for.
#[derive(Debug, Clone)]
pub struct ShopAccess {
    /// `name.myshopify.com`
    pub domain: String,
    /// Goes with the call.
    pub access_token: SecretString,
    /// Decides on which day a sale counts.
    pub timezone: Tz,
    /// Amounts in another currency are refused.
    pub currency: CurrencyCode,
}

/// Everything that a store can be asked for, and what it tells.
pub trait StoreSource: AuditSource + DeliverySource + OrderSource + RecordSource + SetupSource {}

impl<T: AuditSource + DeliverySource + OrderSource + RecordSource + SetupSource> StoreSource for T {}
