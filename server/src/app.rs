//! The composition root: the parts that a request or a job works with, put together once.

use std::sync::Arc;

use url::Url;

use crate::cipher::Cipher;
use crate::config::{EncryptionConfig, ShopifyConfig};
use crate::domain::clock::Clock;
use crate::providers::Registry;
use crate::providers::http::Http;
use crate::providers::shopify::Shopify;
use crate::store::Database;

/// Everything that outlives a request or a job. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What [`App`] is put together from.
pub struct Parts {
    /// As `api` in the web side, as `worker` in the worker.
    pub database: Database,
    /// Where "now" comes from.
    pub clock: Clock,
    /// The outside world.
    pub providers: Registry,
    /// Seals and opens stored tokens.
    pub cipher: Cipher,
    /// How browsers and providers reach us.
    pub public_url: Url,
}

impl App {
    /// From parts: the program's commands and the tests put in different ones.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// With the providers that the settings name, over the network.
    pub fn production(
        database: Database,
        clock: Clock,
        encryption: &EncryptionConfig,
        shopify: ShopifyConfig,
        public_url: Url,
    ) -> Result<Self, reqwest::Error> {
        let shopify = Shopify::new(shopify, Http::new()?, clock.clone());
        Ok(Self::new(Parts {
            database,
            clock,
            providers: Registry::new(shopify),
            cipher: Cipher::new(encryption),
            public_url,
        }))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
