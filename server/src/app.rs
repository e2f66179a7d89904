//! The composition root: the parts that a request or a job works with, put together once.

use std::sync::Arc;

use url::Url;

use crate::connections::Cipher;
use crate::domain::clock::Clock;
use crate::providers::Registry;
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
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
