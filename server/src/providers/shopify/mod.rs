//! Shopify: stores, their orders, products and customers.
//!
//! ```text
//! oauth.rs      a store agrees, tokens come and are renewed
//! client.rs     one question to a store with patience; pages of orders with complete ledgers, of products, of customers
//! wire.rs       the documents of queries/shopify and the shapes of their answers
//! normalise.rs  an order's dated ledger becomes a fact, without IO
//! ```
//!
//! No contact data is asked for. Amounts are those in the store's own currency.

mod client;
mod normalise;
mod oauth;
pub mod sandbox;
mod wire;

use async_trait::async_trait;
use chrono_tz::Tz;
use secrecy::SecretString;
use serde_json::value::RawValue;
use url::Url;

use super::contract::{
    Authorize, AuthorizeRequest, Callback, Grant, OrderPage, OrderQuery, OrderSource, Provider, ProviderError,
    RecordPage, RecordQuery, RecordSource, ShopAccess, TokenSet,
};
use super::http::Http;
use crate::config::ShopifyConfig;
use crate::domain::clock::Clock;
use crate::domain::fact::OrderFact;
use crate::domain::ids::ProviderKind;
use crate::domain::money::CurrencyCode;

/// Shopify as one app sees it.
#[derive(Debug)]
pub struct Shopify {
    config: ShopifyConfig,
    http: Http,
    clock: Clock,
    paces: client::Paces,
}

impl Shopify {
    /// With the app's registration, a way out, and the time.
    pub fn new(config: ShopifyConfig, http: Http, clock: Clock) -> Self {
        Self {
            config,
            http,
            clock,
            paces: client::Paces::default(),
        }
    }

    /// The address of `path` at a store. Secrets go there, so nothing but a store's permanent domain is let through.
    fn address(&self, domain: &str, path: &str) -> Result<Url, ProviderError> {
        if !oauth::is_shop_domain(domain) {
            return Err(ProviderError::Broken(
                "a store's domain must be of the form name.myshopify.com; nothing was sent".to_owned(),
            ));
        }
        let base = self.config.base_url.replace("{shop}", domain);
        Url::parse(&format!("{base}{path}"))
            .map_err(|_| ProviderError::Broken("SHOPIFY_BASE_URL does not make an address".to_owned()))
    }
}

#[async_trait]
impl Provider for Shopify {
    fn kind(&self) -> ProviderKind {
        ProviderKind::Shopify
    }

    fn authorize(&self, request: &AuthorizeRequest) -> Result<Authorize, ProviderError> {
        self.authorize_address(request)
    }

    fn verify_callback(&self, query: &[(String, String)]) -> Result<Callback, ProviderError> {
        self.genuine_callback(query)
    }

    async fn exchange(&self, callback: &Callback) -> Result<Grant, ProviderError> {
        self.exchange_code(callback).await
    }

    async fn refresh(&self, domain: &str, refresh_token: &SecretString) -> Result<TokenSet, ProviderError> {
        self.refresh_tokens(domain, refresh_token).await
    }
}

#[async_trait]
impl OrderSource for Shopify {
    async fn orders(&self, access: &ShopAccess, query: &OrderQuery) -> Result<OrderPage, ProviderError> {
        self.order_page(access, query).await
    }

    fn replay(&self, payload: &RawValue, timezone: Tz, currency: CurrencyCode) -> Result<OrderFact, String> {
        normalise::replay(payload, timezone, currency)
    }
}

#[async_trait]
impl RecordSource for Shopify {
    async fn records(&self, access: &ShopAccess, query: &RecordQuery) -> Result<RecordPage, ProviderError> {
        self.record_page(access, query).await
    }
}

#[cfg(test)]
mod tests;
