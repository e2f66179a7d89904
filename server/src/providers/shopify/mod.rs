//! Shopify.
pub mod sandbox;
