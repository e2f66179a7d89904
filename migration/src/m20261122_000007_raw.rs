//! Why: what a provider said is kept as it came, so that a mended reading is replayed without asking again.
//!
//! The provider's own key is the primary key: the same record delivered twice is one row. The account of a row is
//! checked through its integration, which spares bulk writes a second check.

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

const TABLES: [&str; 6] = [
    "shopify_webhooks_raw",
    "shopify_orders_raw",
    "shopify_products_raw",
    "shopify_customers_raw",
    "meta_insights_raw",
    "meta_creatives_raw",
];

/// Insights are kept by ad and by account only; a campaign's row would share the key of the account's.
const UP: &str = "
create table public.shopify_webhooks_raw (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null,
    integration_id uuid not null,
    shop_domain text not null,
    topic text not null,
    webhook_id text not null,
    event_id text,
    triggered_at timestamptz,
    received_at timestamptz not null default now(),
    payload jsonb not null,
    status text not null default 'received' check (status in ('received', 'processed', 'ignored', 'failed')),
    error text,
    processed_at timestamptz,
    unique (shop_domain, topic, webhook_id),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index shopify_webhooks_raw_list on public.shopify_webhooks_raw (account_id, received_at desc, id desc);
create index shopify_webhooks_raw_integration on public.shopify_webhooks_raw (account_id, integration_id);

create table public.shopify_orders_raw (
    account_id uuid not null,
    integration_id uuid not null,
    shopify_order_id bigint not null,
    order_created_at timestamptz not null,
    order_updated_at timestamptz not null,
    payload jsonb not null,
    fetched_at timestamptz not null default now(),
    primary key (integration_id, shopify_order_id),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index shopify_orders_raw_created on public.shopify_orders_raw (account_id, integration_id, order_created_at);
create index shopify_orders_raw_updated on public.shopify_orders_raw (account_id, integration_id, order_updated_at);

create table public.shopify_products_raw (
    account_id uuid not null,
    integration_id uuid not null,
    shopify_product_id bigint not null,
    product_created_at timestamptz not null,
    product_updated_at timestamptz not null,
    payload jsonb not null,
    fetched_at timestamptz not null default now(),
    primary key (integration_id, shopify_product_id),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index shopify_products_raw_created
    on public.shopify_products_raw (account_id, integration_id, product_created_at);
create index shopify_products_raw_updated
    on public.shopify_products_raw (account_id, integration_id, product_updated_at);

create table public.shopify_customers_raw (
    account_id uuid not null,
    integration_id uuid not null,
    shopify_customer_id bigint not null,
    customer_created_at timestamptz not null,
    customer_updated_at timestamptz not null,
    payload jsonb not null,
    fetched_at timestamptz not null default now(),
    primary key (integration_id, shopify_customer_id),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index shopify_customers_raw_created
    on public.shopify_customers_raw (account_id, integration_id, customer_created_at);
create index shopify_customers_raw_updated
    on public.shopify_customers_raw (account_id, integration_id, customer_updated_at);

create table public.meta_insights_raw (
    account_id uuid not null,
    integration_id uuid not null,
    level text not null check (level in ('account', 'ad')),
    date date not null,
    campaign_id text not null default '',
    adset_id text not null default '',
    ad_id text not null default '',
    payload jsonb not null,
    fetched_at timestamptz not null default now(),
    primary key (integration_id, ad_id, date, level),
    check ((level = 'account') = (ad_id = '')),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index meta_insights_raw_date on public.meta_insights_raw (account_id, integration_id, date);

create table public.meta_creatives_raw (
    account_id uuid not null,
    integration_id uuid not null,
    ad_id text not null,
    creative_id text not null,
    payload jsonb not null,
    fetched_at timestamptz not null default now(),
    primary key (integration_id, ad_id),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index meta_creatives_raw_creative on public.meta_creatives_raw (account_id, integration_id, creative_id);
";
