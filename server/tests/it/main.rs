//! Tests.

mod shopify_documents;
