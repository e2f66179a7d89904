//! The server's tests against a real PostgreSQL: one binary, its folders as in `src`.

#![expect(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

mod access;
mod api;
mod commands;
mod connections;
mod crash;
mod dashboards;
mod embedded;
mod entities;
mod facts;
mod http;
mod layering;
mod notices;
mod operator;
mod products;
mod queue;
mod reconcile;
mod setup;
mod shopify_documents;
mod support;
mod sync;
mod tenancy;
mod webhooks;
