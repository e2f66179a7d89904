//! Shopify: stores, their orders, products and customers.
//!
//! ```text
//! oauth.rs      a store agrees, tokens come and are renewed
//! webhook.rs    a delivery proves that Shopify sent it
//! audit.rs      the store's own books: counts, lists, its sales report
//! bulk.rs       the whole history as one file, which Shopify prepares
//! client.rs     one question to a store with patience; pages of orders with complete ledgers, of products, of customers
//! wire.rs       the documents of queries/shopify and the shapes of their answers
//! setup.rs      what a store grants and says of itself; the webhooks it sends
//! normalise.rs  an order's dated ledger becomes a fact, without IO
//! ```
//!
//! No contact data is asked for. Amounts are those in the store's own currency.

mod audit;
mod bulk;
mod client;
mod normalise;
mod oauth;
pub mod sandbox;
mod setup;
mod webhook;
mod wire;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;
use sha2::Sha256;
use url::Url;

use super::contract::{
    AuditSource, Authorize, AuthorizeRequest, Callback, ChangedCountQuery, Extent, Grant, HiddenHistory, HistoryError,
    HistoryFile, HistoryParts, HistorySource, HistoryState, HistoryStateQuery, OrderCountQuery, OrderListPage,
    OrderListQuery, OrderPage, OrderQuery, OrderSource, OrdersById, Provider, ProviderError, RecordPage, RecordQuery,
    RecordSource, ReportedDay, SalesReportQuery, ShopAccess, Started, TokenSet,
};
use super::http::Http;
use crate::config::ShopifyConfig;
use crate::domain::clock::Clock;
use crate::domain::fact::OrderFact;
use crate::domain::ids::{ProviderKind, ShopifyOrderId};
use crate::domain::money::CurrencyCode;

/// How many members of a list can be reached by following its pages; Shopify ends there.
const REACH: u64 = 25_000;

/// Shopify as one app sees it.
#[derive(Debug)]
pub struct Shopify {
    config: ShopifyConfig,
    http: Http,
    clock: Clock,
    paces: client::Paces,
    reach: u64,
}

impl Shopify {
    /// With the app's registration, a way out, and the time.
    pub fn new(config: ShopifyConfig, http: Http, clock: Clock) -> Self {
        Self {
            config,
            http,
            clock,
            paces: client::Paces::default(),
            reach: REACH,
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

    /// As if Shopify's lists ended after so many members.
    #[must_use]
    pub fn with_reach(self, reach: u64) -> Self {
        Self { reach, ..self }
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
    fn reach(&self) -> u64 {
        self.reach
    }

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

#[async_trait]
impl HistorySource for Shopify {
    fn hidden_history(&self, scopes: &[String], now: DateTime<Utc>) -> Option<HiddenHistory> {
        bulk::hidden_history(scopes, now)
    }

    async fn extent(&self, access: &ShopAccess) -> Result<Extent, ProviderError> {
        self.history_extent(access).await
    }

    async fn changed_count(&self, access: &ShopAccess, query: &ChangedCountQuery) -> Result<u64, ProviderError> {
        self.count_changed(access, query).await
    }

    async fn start_history(&self, access: &ShopAccess) -> Result<Started, ProviderError> {
        self.start_bulk(access).await
    }

    async fn history_state(
        &self,
        access: &ShopAccess,
        query: &HistoryStateQuery<'_>,
    ) -> Result<HistoryState, ProviderError> {
        self.bulk_state(access, query).await
    }

    async fn read_history(
        &self,
        access: &ShopAccess,
        file: &HistoryFile,
        from: u64,
    ) -> Result<HistoryParts, HistoryError> {
        self.read_bulk(access, file, from).await
    }
}

#[cfg(test)]
mod tests;
