//! The outside world, one folder a provider. Adding one: its folder, a variant of [`ProviderKind`], an arm below.

pub mod contract;
pub mod http;
pub mod shopify;

use crate::domain::ids::ProviderKind;
use contract::{OrderSource, Provider};
use shopify::Shopify;

/// The providers this process can talk to.
pub struct Registry {
    shopify: Shopify,
}

impl Registry {
    /// From the providers that are configured.
    pub fn new(shopify: Shopify) -> Self {
        Self { shopify }
    }

    /// The one that handles links of this kind, if this process knows it.
    pub fn provider(&self, kind: ProviderKind) -> Option<&dyn Provider> {
        match kind {
            ProviderKind::Shopify => Some(&self.shopify),
            ProviderKind::Meta => None,
        }
    }

    /// Where a link of this kind brings orders from, if it has any.
    pub fn orders(&self, kind: ProviderKind) -> Option<&dyn OrderSource> {
        match kind {
            ProviderKind::Shopify => Some(&self.shopify),
            ProviderKind::Meta => None,
        }
    }
}
