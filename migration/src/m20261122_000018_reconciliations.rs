//! Why: a number that was held against the store's own count may be trusted, and one that differs must say so.
//!
//! `daily_reconciliations` is what a night found of a day: how many orders the store counts and how many are here once
//! what was wrong is repaired, and what the store's own report says, where it may be read. A number of a dashboard is
//! never made of it. The index on `processed_at` is what counting a day's orders reads.

use sea_orm_migration::prelude::*;

use crate::tenancy::{Grant, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        connection
            .execute_unprepared(&protect("daily_reconciliations", Grant::ReadWrite))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

const UP: &str = "
create table public.daily_reconciliations (
    account_id uuid not null,
    integration_id uuid not null,
    date date not null,
    reconciled_at timestamptz not null,
    orders_at_shopify bigint not null,
    orders_here bigint not null,
    drift bigint not null,
    repaired bigint not null default 0,
    net_sales_at_shopify numeric(20,4),
    net_sales_drift numeric(20,4),
    total_sales_at_shopify numeric(20,4),
    total_sales_drift numeric(20,4),
    primary key (integration_id, date),
    check (drift = orders_at_shopify - orders_here),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index daily_reconciliations_account on public.daily_reconciliations (account_id, integration_id, date);
create index fact_orders_processed on public.fact_orders (account_id, integration_id, processed_at);
";

const DOWN: &str = "
drop index public.fact_orders_processed;
drop table public.daily_reconciliations;
";
