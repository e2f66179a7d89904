#![doc = include_str!("../ARCHITECTURE.md")]

pub mod access;
pub mod accounts;
pub mod app;
pub mod commands;
pub mod config;
pub mod connections;
pub mod dashboards;
pub mod domain;
pub mod embedded;
pub mod graphql;
pub mod http;
pub mod ingest;
pub mod jobs;
pub mod providers;
pub mod queue;
pub mod store;
