//! The server's tests against a real PostgreSQL: one binary, its folders as in `src`.

mod access;
mod api;
mod commands;
mod crash;
mod dashboards;
mod embedded;
mod http;
mod layering;
mod queue;
mod shopify_documents;
mod support;
mod sync;
mod tenancy;
