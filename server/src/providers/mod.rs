//! Providers.
pub mod shopify;
