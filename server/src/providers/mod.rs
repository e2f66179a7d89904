//! The outside world, one folder a provider. Adding one: its folder, a variant of [`ProviderKind`], an arm below.

pub mod contract;
pub mod http;
pub mod shopify;

use crate::domain::ids::ProviderKind;
use contract::{Provider, StoreSource};
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

    /// The stores behind links of this kind, if it links stores.
    pub fn stores(&self, kind: ProviderKind) -> Option<&dyn StoreSource> {
        match kind {
            ProviderKind::Shopify => Some(&self.shopify),
            ProviderKind::Meta => None,
        }
    }
}
