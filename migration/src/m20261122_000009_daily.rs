//! Why: a dashboard reads a handful of rows, not a year of orders.
//!
//! A day cell is recomputed from facts as a whole and carries when; it is never added to. `latest_kpis` is the home
//! page in one row for each period.

use sea_orm_migration::prelude::*;

use crate::tenancy::{Grant, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        for table in TABLES {
            connection.execute_unprepared(&protect(table, Grant::ReadWrite)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            manager
                .get_connection()
                .execute_unprepared(&format!("drop table public.{table}"))
                .await?;
        }
        Ok(())
    }
}

const TABLES: [&str; 4] = [
    "daily_shopify_metrics",
    "daily_meta_metrics",
    "daily_summary",
    "latest_kpis",
];

const UP: &str = "
create table public.daily_shopify_metrics (
    account_id uuid not null,
    integration_id uuid not null,
    date date not null,
    currency char(3) not null,
    orders bigint not null default 0,
    units bigint not null default 0,
    gross_sales numeric(20,4) not null default 0,
    discounts numeric(20,4) not null default 0,
    refunds numeric(20,4) not null default 0,
    revenue_net numeric(20,4) not null default 0,
    shipping numeric(20,4) not null default 0,
    taxes numeric(20,4) not null default 0,
    duties_and_fees numeric(20,4) not null default 0,
    total_sales numeric(20,4) not null default 0,
    order_value numeric(20,4) not null default 0,
    new_customer_orders bigint not null default 0,
    returning_customer_orders bigint not null default 0,
    guest_orders bigint not null default 0,
    computed_at timestamptz not null default now(),
    primary key (integration_id, date),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index daily_shopify_metrics_account on public.daily_shopify_metrics (account_id, date);

create table public.daily_meta_metrics (
    account_id uuid not null,
    integration_id uuid not null,
    date date not null,
    currency char(3) not null,
    spend numeric(20,4) not null default 0,
    ad_spend numeric(20,4) not null default 0,
    impressions bigint not null default 0,
    clicks bigint not null default 0,
    link_clicks bigint not null default 0,
    purchases bigint not null default 0,
    purchase_value numeric(20,4) not null default 0,
    is_complete boolean not null default false,
    computed_at timestamptz not null default now(),
    primary key (integration_id, date),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index daily_meta_metrics_account on public.daily_meta_metrics (account_id, date);

create table public.daily_summary (
    account_id uuid not null references public.accounts (id) on delete cascade,
    date date not null,
    orders bigint not null default 0,
    units bigint not null default 0,
    gross_sales numeric(20,4) not null default 0,
    discounts numeric(20,4) not null default 0,
    refunds numeric(20,4) not null default 0,
    revenue_net numeric(20,4) not null default 0,
    shipping numeric(20,4) not null default 0,
    taxes numeric(20,4) not null default 0,
    duties_and_fees numeric(20,4) not null default 0,
    total_sales numeric(20,4) not null default 0,
    order_value numeric(20,4) not null default 0,
    new_customer_orders bigint not null default 0,
    returning_customer_orders bigint not null default 0,
    guest_orders bigint not null default 0,
    meta_spend numeric(20,4) not null default 0,
    meta_ad_spend numeric(20,4) not null default 0,
    meta_impressions bigint not null default 0,
    meta_clicks bigint not null default 0,
    meta_purchases bigint not null default 0,
    meta_purchase_value numeric(20,4) not null default 0,
    computed_at timestamptz not null default now(),
    primary key (account_id, date)
);

create table public.latest_kpis (
    account_id uuid not null references public.accounts (id) on delete cascade,
    period text not null check (period in ('TODAY', 'YESTERDAY', 'LAST_7_DAYS', 'LAST_30_DAYS')),
    range_from date not null,
    range_to date not null,
    previous_from date not null,
    previous_to date not null,
    current jsonb not null,
    previous jsonb,
    computed_at timestamptz not null default now(),
    primary key (account_id, period)
);
";
