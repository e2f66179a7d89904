//! The database schema, told in order: who may connect, which row belongs to whom, then the tables from the account
//! down to the numbers, and last the few functions that may look across accounts.
//!
//! Every table with an `account_id` passes through [`tenancy`], where the text of the policies stands once. A
//! migration is one change, its first line says why, and its `down` takes back exactly what its `up` made: `up`,
//! `down`, `up` gives the same schema.
//!
//! PostgreSQL 15 or newer. Run [`Migrator`] as the role that is to own the tables, never as `api` or `worker`.

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::{MigrationTrait, async_trait};

mod m20261122_000001_roles;
mod m20261122_000002_tenancy;
mod m20261122_000003_accounts;
mod m20261122_000004_integrations;
mod m20261122_000005_access;
mod m20261122_000006_sync;
mod m20261122_000007_raw;
mod m20261122_000008_facts;
mod m20261122_000009_daily;
mod m20261122_000010_system_functions;
mod m20261122_000011_schedule_slots;
mod m20261122_000012_refresh_lease;
mod m20261122_000013_deliveries;
mod m20261122_000014_tombstones_redactions;
mod m20261122_000015_webhook_subscriptions;
mod m20261122_000016_product_days;
mod m20261122_000018_reconciliations;
mod system;
mod tenancy;

/// Every migration, oldest first: what `server migrate` runs.
#[derive(Debug)]
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261122_000001_roles::Migration),
            Box::new(m20261122_000002_tenancy::Migration),
            Box::new(m20261122_000003_accounts::Migration),
            Box::new(m20261122_000004_integrations::Migration),
            Box::new(m20261122_000005_access::Migration),
            Box::new(m20261122_000006_sync::Migration),
            Box::new(m20261122_000007_raw::Migration),
            Box::new(m20261122_000008_facts::Migration),
            Box::new(m20261122_000009_daily::Migration),
            Box::new(m20261122_000010_system_functions::Migration),
            Box::new(m20261122_000011_schedule_slots::Migration),
            Box::new(m20261122_000012_refresh_lease::Migration),
            Box::new(m20261122_000013_deliveries::Migration),
            Box::new(m20261122_000014_tombstones_redactions::Migration),
            Box::new(m20261122_000015_webhook_subscriptions::Migration),
            Box::new(m20261122_000018_reconciliations::Migration),
            Box::new(m20261122_000016_product_days::Migration),
        ]
    }
}
