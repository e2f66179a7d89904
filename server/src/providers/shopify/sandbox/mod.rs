//! A Shopify to practise on: stateful stores behind real HTTP, so that the code that talks to Shopify is the code that
//! is tested and demonstrated.
//!
//! `http://host/{shop}` stands for `https://{shop}`. Behind it, a request meets
//!
//! - `oauth`: installation, code exchange, rotating refresh tokens (`token` keeps them alive over a restart);
//! - `admin`: the GraphQL endpoint: faults, token, `cost` and its bucket, then `schema`, then the answer in Shopify's
//!   shape;
//! - `control`: the stage hands' door, `/{shop}/_sandbox/…`: place, refund, edit, cancel and delete orders, ask for
//!   trouble (`faults`), read the ledger;
//! - `webhooks`: what the stores tell of their own accord, sent by [`Sandbox::deliver`].
//!
//! Every store is an `order` ledger, and everything an answer says is read off it. `seed` writes the ledger a day at a
//! time, as a pure function of store and date, with each order's future; the clock plays it; `hand` changes it. `shops`
//! says which stores there are. `search` is the filter language.
//!
//! Nothing here is shared with the client under test, neither types nor documents: a mistake made twice would not be
//! found. The clock is passed in. No store knows a person's name or address.

mod admin;
mod control;
mod cost;
mod dice;
mod faults;
mod hand;
mod money;
mod oauth;
mod order;
mod schema;
mod search;
mod seed;
mod shops;
mod state;
#[cfg(test)]
mod tests;
mod token;
mod webhooks;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{get, post};
use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::Notify;

use self::cost::{Bucket, Prices};
use self::schema::AdminSchema;
use self::shops::Profile;
use self::state::Store;
use self::token::Mint;

pub use self::faults::{Fault, FaultKind, Target};
pub use self::hand::{
    CancelRequest, EditRequest, LedgerRow, LineDiscount, LineQuantity, NewLine, NewOrder, OrderSummary, RefundRequest,
    SandboxError, ShopChange,
};
pub use self::order::CancelReason;
pub use self::state::Unlisted;
pub use self::webhooks::{Attempt, DeliveryRecord, DeliveryState, WebhookRequest};

/// Tells the sandbox the time. Orders appear, and are paid and refunded, as it goes on.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How a sandbox behaves.
#[derive(Clone)]
pub struct SandboxConfig {
    /// The app's client id. A sandbox knows one app.
    pub api_key: String,
    /// The app's client secret: signs callbacks and tokens.
    pub api_secret: SecretString,
    /// What time it is.
    pub clock: Clock,
    /// How long each answer takes.
    pub latency: Duration,
    /// Points that the cost bucket of a shop holds (2000 on a standard plan).
    pub bucket_size: f64,
    /// Points that flow back each second (100 on a standard plan).
    pub restore_rate: f64,
    /// Days of history before today.
    pub history_days: u32,
    /// Whether installing an app asks on a page, as Shopify does; `?prompt=1` asks once.
    pub ask_consent: bool,
    /// Whether access tokens without an end are refused, as public apps meet it from 2027.
    pub refuse_permanent_tokens: bool,
    /// Whether orders older than 60 days are hidden from a token without `read_all_orders`.
    pub hide_older_orders: bool,
    /// Whether webhooks are delivered to secure addresses only, as Shopify has it, and not to this machine's own either.
    pub refuse_plain_http: bool,
    /// Where the topics of privacy law go: what the app's registration says, without the topic at its end.
    pub compliance_uri: Option<String>,
    /// How often the stores are looked at for what has happened as time went on. What is done by hand is told at once.
    pub look_every: Duration,
    /// The wait before a webhook is sent for the second time; it doubles with each further one.
    pub retry_pause: Duration,
}

impl SandboxConfig {
    /// A standard plan, 90 days of history, and no waiting.
    pub fn new(api_key: impl Into<String>, api_secret: impl Into<SecretString>, clock: Clock) -> Self {
        Self {
            api_key: api_key.into(),
            api_secret: api_secret.into(),
            clock,
            latency: Duration::ZERO,
            bucket_size: 2_000.0,
            restore_rate: 100.0,
            history_days: 90,
            ask_consent: false,
            refuse_permanent_tokens: false,
            hide_older_orders: false,
            refuse_plain_http: false,
            compliance_uri: None,
            look_every: Duration::from_secs(1),
            retry_pause: Duration::from_secs(1),
        }
    }
}

/// A store of the sandbox.
#[derive(Clone, Debug, Serialize)]
pub struct ShopSummary {
    /// The myshopify domain: the store's name in URLs.
    pub domain: &'static str,
    /// The name that people read.
    pub name: &'static str,
    /// Currency code (ISO 4217).
    pub currency: String,
    /// IANA time zone.
    pub timezone: &'static str,
    /// Whether listed prices hold the tax.
    pub taxes_included: bool,
}

/// A running sandbox. Clones share the same stores.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    config: SandboxConfig,
    schema: AdminSchema,
    prices: Prices,
    /// Opened when they are first asked for.
    stores: HashMap<&'static str, Mutex<Option<Store>>>,
    mint: Mutex<Mint>,
    /// Rung when there may be something to deliver.
    news: Notify,
}

impl Sandbox {
    /// A sandbox with all its stores.
    pub fn new(config: SandboxConfig) -> Self {
        let schema = schema::build();
        let prices = Prices::read(&schema.sdl()).expect("a schema prints itself as valid SDL");
        let mint = Mutex::new(Mint::new(config.api_secret.clone()));
        let stores = shops::ALL.iter().map(|shop| (shop.domain, Mutex::new(None))).collect();
        Self {
            inner: Arc::new(Inner {
                config,
                schema,
                prices,
                stores,
                mint,
                news: Notify::new(),
            }),
        }
    }

    /// Everything the sandbox serves. Mount it at the root of an address; the first part of a path is the shop.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/{shop}/admin/oauth/authorize", get(oauth::authorize))
            .route("/{shop}/admin/oauth/access_token", post(oauth::access_token))
            .route("/{shop}/admin/api/{version}/graphql.json", post(admin::graphql))
            .merge(control::routes())
            .fallback(admin::nothing_here)
            .with_state(self.clone())
    }

    /// The stores there are. Any other one answers as a closed store.
    pub fn shops(&self) -> Vec<ShopSummary> {
        let summary = |shop: &'static Profile| ShopSummary {
            domain: shop.domain,
            name: shop.name,
            currency: format!("{:?}", shop.currency).to_uppercase(),
            timezone: shop.timezone.name(),
            taxes_included: shop.taxes_included,
        };
        shops::ALL.iter().map(summary).collect()
    }

    /// Puts a fault at the end of a shop's queue.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`].
    pub fn inject(&self, shop: &str, fault: Fault) -> Result<(), SandboxError> {
        let shop = self.shop(shop)?;
        self.inner
            .with_store(shop, self.inner.now(), |store| store.faults.push_back(fault));
        Ok(())
    }

    /// Kills every token of a shop and ends its subscriptions, as an uninstallation does; `app/uninstalled` is still
    /// told.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`].
    pub fn uninstall(&self, shop: &str) -> Result<(), SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        self.inner.mint().revoke_shop(shop.domain, now);
        self.inner.with_store(shop, now, |store| {
            store.announce_uninstallation(now);
            store.subscriptions.clear();
        });
        self.inner.news.notify_one();
        Ok(())
    }

    /// How many codes and tokens it has handed out, to all stores: how often it was asked for them shows here.
    pub fn tokens_issued(&self) -> u64 {
        self.inner.mint().issued()
    }

    fn shop(&self, domain: &str) -> Result<&'static Profile, SandboxError> {
        shops::find(domain).ok_or_else(|| SandboxError::UnknownShop(domain.to_owned()))
    }
}

impl Inner {
    /// The time, in whole seconds, as Shopify tells it.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        let now = (self.config.clock)();
        DateTime::from_timestamp(now.timestamp(), 0).unwrap_or(now)
    }

    pub(crate) fn mint(&self) -> MutexGuard<'_, Mint> {
        self.mint.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stores that were asked for.
    pub(crate) fn opened(&self) -> Vec<&'static Profile> {
        let is_open = |shop: &&'static Profile| {
            let store = self.stores.get(shop.domain);
            store.is_some_and(|store| store.lock().unwrap_or_else(PoisonError::into_inner).is_some())
        };
        shops::ALL.iter().filter(is_open).collect()
    }

    /// Works on a store's memory, opening the store if this is the first time.
    pub(crate) fn with_store<T>(
        &self,
        shop: &'static Profile,
        now: DateTime<Utc>,
        work: impl FnOnce(&mut Store) -> T,
    ) -> T {
        let open = || {
            let bucket = Bucket::new(self.config.bucket_size, self.config.restore_rate, Instant::now());
            Store::new(shop, self.config.history_days, bucket, now)
        };
        match self.stores.get(shop.domain) {
            Some(store) => {
                let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
                work(store.get_or_insert_with(open))
            }
            None => work(&mut open()),
        }
    }
}
