//! Shopify: stores, their orders, products and customers.
//!
//! ```text
//! oauth.rs      a store agrees, tokens come and are renewed
//! webhook.rs    a delivery proves that Shopify sent it
//! audit.rs      the store's own books: counts, lists, its sales report
//! client.rs     one question to a store with patience; pages of orders with complete ledgers, of products, of customers
//! wire.rs       the documents of queries/shopify and the shapes of their answers
//! setup.rs      what a store grants and says of itself; the webhooks it sends
//! normalise.rs  an order's dated ledger becomes a fact, without IO
//! ```
//!
//! No contact data is asked for. Amounts are those in the store's own currency.

mod audit;
mod client;
mod normalise;
mod oauth;
pub mod sandbox;
mod setup;
mod webhook;
mod wire;

use async_trait::async_trait;
use chrono_tz::Tz;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use sha2::Sha256;
use url::Url;

use super::contract::{
    AuditSource, Authorize, AuthorizeRequest, Callback, Grant, OrderCountQuery, OrderListPage, OrderListQuery,
    OrderPage, OrderQuery, OrderSource, OrdersById, Provider, ProviderError, RecordPage, RecordQuery, RecordSource,
    ReportedDay, SalesReportQuery, ShopAccess, TokenSet,
};
use super::http::Http;
use crate::config::ShopifyConfig;
use crate::domain::clock::Clock;
use crate::domain::fact::OrderFact;
use crate::domain::ids::{ProviderKind, ShopifyOrderId};
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

    /// The HMAC-SHA256 of a message by each of the app's secrets: two of them while one takes the other's place.
    fn signatures<'a>(&'a self, message: &'a [u8]) -> impl Iterator<Item = [u8; 32]> + 'a {
        self.config.api_secrets.iter().filter_map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).ok()?;
            mac.update(message);
            Some(mac.finalize().into_bytes().into())
        })
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

    async fn expiring(&self, domain: &str, access_token: &SecretString) -> Result<Option<TokenSet>, ProviderError> {
        self.expiring_tokens(domain, access_token).await
    }
}

#[async_trait]
impl OrderSource for Shopify {
    async fn orders(&self, access: &ShopAccess, query: &OrderQuery) -> Result<OrderPage, ProviderError> {
        self.order_page(access, query).await
    }

    async fn orders_by_id(&self, access: &ShopAccess, ids: &[ShopifyOrderId]) -> Result<OrdersById, ProviderError> {
        self.named_orders(access, ids).await
    }

    fn replay(&self, payload: &RawValue, timezone: Tz, currency: CurrencyCode) -> Result<OrderFact, String> {
        normalise::replay(payload, timezone, currency)
    }
}

#[async_trait]
impl AuditSource for Shopify {
    async fn count_orders(&self, access: &ShopAccess, query: &OrderCountQuery) -> Result<u64, ProviderError> {
        self.order_count(access, query).await
    }

    async fn list_orders(&self, access: &ShopAccess, query: &OrderListQuery) -> Result<OrderListPage, ProviderError> {
        self.order_list(access, query).await
    }

    async fn sales_report(
        &self,
        access: &ShopAccess,
        query: &SalesReportQuery,
    ) -> Result<Vec<ReportedDay>, ProviderError> {
        self.report(access, query).await
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
