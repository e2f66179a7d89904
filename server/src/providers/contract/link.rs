//! How a link to a provider comes about, and how its tokens live on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use url::Url;

use super::{ProviderError, ShopProfile};
use crate::domain::ids::ProviderKind;

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

    /// Trades an access token without an end for a pair that is renewed; the old token is dead at once. None where the
    /// provider does not trade it: it stays as it is.
    async fn expiring(&self, domain: &str, access_token: &SecretString) -> Result<Option<TokenSet>, ProviderError>;
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
