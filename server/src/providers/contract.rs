//! What a provider must be able to do, and the five ways in which it can fail.
//!
//! A provider turns the outside world into data and stores nothing. Its base address, clock and HTTP client come
//! through its constructor, so that a test gives it another world.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use secrecy::SecretString;
use serde_json::value::RawValue;
use url::Url;

use crate::domain::fact::OrderFact;
use crate::domain::ids::ProviderKind;
use crate::domain::money::CurrencyCode;

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

/// The beginning of an authorisation: what goes into the address that the browser is sent to.
#[derive(Debug, Clone)]
pub struct AuthorizeRequest {
    /// For Shopify, the store as somebody typed it.
    pub shop: Option<String>,
    /// Unguessable, single-use; comes back with the browser.
    pub state: String,
    /// Where the provider sends the browser back to.
    pub redirect_uri: Url,
}

/// Where to send the browser.
#[derive(Debug, Clone)]
pub struct Authorize {
    /// The provider's page.
    pub url: Url,
    /// The store's checked, canonical domain, for Shopify.
    pub shop_domain: Option<String>,
}

/// What an authorisation brought.
#[derive(Debug, Clone)]
pub struct Grant {
    /// The tokens.
    pub tokens: TokenSet,
    /// Scopes that were granted; fewer than asked for is possible.
    pub scopes: Vec<String>,
    /// What the tokens open.
    pub subject: Subject,
}

/// Tokens as a provider issued them.
#[derive(Debug, Clone)]
pub struct TokenSet {
    /// Goes with every call.
    pub access_token: SecretString,
    /// Until when; none for one that does not expire.
    pub access_expires_at: Option<DateTime<Utc>>,
    /// Brings the next pair.
    pub refresh_token: Option<SecretString>,
    /// Until when.
    pub refresh_expires_at: Option<DateTime<Utc>>,
}

/// The store or ad account behind a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A Shopify store.
    Shop(ShopProfile),
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

/// Which orders to bring: all that changed at `updated_from` or later, the earliest change first.
#[derive(Debug, Clone)]
pub struct OrderQuery {
    /// The first change that counts.
    pub updated_from: DateTime<Utc>,
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
    /// The page size that worked, to go on with.
    pub page_size: u32,
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

/// The life of a link to a provider.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Which one it is.
    fn kind(&self) -> ProviderKind;

    /// Where to send the browser so that somebody can agree.
    fn authorize(&self, request: &AuthorizeRequest) -> Result<Authorize, ProviderError>;

    /// Checks the signature of the callback's query (as raw pairs, in any order) and says which store it names and
    /// whether it is genuine; no network.
    fn verify_callback(&self, query: &[(String, String)]) -> Result<Callback, ProviderError>;

    /// Exchanges the code of a verified callback for tokens, and asks what they open.
    async fn exchange(&self, callback: &Callback) -> Result<Grant, ProviderError>;

    /// Trades a refresh token for the next pair.
    async fn refresh(&self, domain: &str, refresh_token: &SecretString) -> Result<TokenSet, ProviderError>;
}

/// A callback whose signature was right.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The state that we sent along.
    pub state: String,
    /// The code to exchange.
    pub code: SecretString,
    /// The store that it is for, for Shopify.
    pub shop_domain: Option<String>,
}

/// Where orders come from.
#[async_trait]
pub trait OrderSource: Send + Sync {
    /// One page.
    async fn orders(&self, access: &ShopAccess, query: &OrderQuery) -> Result<OrderPage, ProviderError>;

    /// What a stored payload means in a store with these days and this currency: the same as when it was pulled, and
    /// without asking anybody. The error is a sentence.
    fn replay(&self, payload: &RawValue, timezone: Tz, currency: CurrencyCode) -> Result<OrderFact, String>;
}
