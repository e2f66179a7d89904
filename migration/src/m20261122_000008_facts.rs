//! Why: every number on a dashboard must lead back to the orders and ads behind it.
//!
//! A fact is what a raw record means. An order's money is spread over the local days on which it moved:
//! `fact_order_days` has one row for each order and day, and every daily number is a plain sum over it.

use sea_orm_migration::prelude::*;

use crate::tenancy::{Grant, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        for table in ["fact_orders", "fact_order_days", "fact_meta_daily"] {
            connection.execute_unprepared(&protect(table, Grant::ReadWrite)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// The wide unique key of `fact_orders` is what an order's days point at: account, integration and store in one check.
const UP: &str = "
create table public.fact_orders (
    account_id uuid not null,
    integration_id uuid not null,
    shop_id uuid not null,
    shopify_order_id bigint not null,
    order_name text not null,
    order_created_at timestamptz not null,
    order_updated_at timestamptz not null,
    processed_at timestamptz not null,
    order_date date not null,
    currency char(3) not null,
    gross_sales numeric(20,4) not null default 0,
    discounts numeric(20,4) not null default 0,
    refunds numeric(20,4) not null default 0,
    revenue_net numeric(20,4) not null default 0,
    shipping numeric(20,4) not null default 0,
    taxes numeric(20,4) not null default 0,
    duties_and_fees numeric(20,4) not null default 0,
    total_sales numeric(20,4) not null default 0,
    units int not null default 0,
    financial_status text,
    fulfillment_status text,
    cancelled_at timestamptz,
    is_test boolean not null default false,
    deleted_at timestamptz,
    customer_id bigint,
    customer_order_index int,
    source_name text,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    utm_content text,
    utm_term text,
    primary key (integration_id, shopify_order_id),
    unique (account_id, integration_id, shop_id, shopify_order_id),
    foreign key (account_id, integration_id, shop_id)
        references public.integrations (account_id, id, shop_id) on delete cascade
);
create index fact_orders_page on public.fact_orders (account_id, order_created_at desc, shopify_order_id desc);

create table public.fact_order_days (
    account_id uuid not null,
    integration_id uuid not null,
    shop_id uuid not null,
    shopify_order_id bigint not null,
    date date not null,
    order_date date not null,
    currency char(3) not null,
    orders smallint not null default 0,
    units int not null default 0,
    gross_sales numeric(20,4) not null default 0,
    discounts numeric(20,4) not null default 0,
    refunds numeric(20,4) not null default 0,
    revenue_net numeric(20,4) not null default 0,
    shipping numeric(20,4) not null default 0,
    taxes numeric(20,4) not null default 0,
    duties_and_fees numeric(20,4) not null default 0,
    total_sales numeric(20,4) not null default 0,
    order_value numeric(20,4) not null default 0,
    new_customer_orders smallint not null default 0,
    returning_customer_orders smallint not null default 0,
    guest_orders smallint not null default 0,
    primary key (integration_id, shopify_order_id, date),
    foreign key (account_id, integration_id, shop_id, shopify_order_id)
        references public.fact_orders (account_id, integration_id, shop_id, shopify_order_id) on delete cascade
);
create index fact_order_days_date on public.fact_order_days (account_id, integration_id, date);
create index fact_order_days_order_date on public.fact_order_days (account_id, integration_id, order_date);

create table public.fact_meta_daily (
    account_id uuid not null,
    integration_id uuid not null,
    level text not null check (level in ('account', 'ad')),
    date date not null,
    campaign_id text not null default '',
    campaign_name text,
    adset_id text not null default '',
    adset_name text,
    ad_id text not null default '',
    ad_name text,
    currency char(3) not null,
    spend numeric(20,4) not null default 0,
    impressions bigint not null default 0,
    clicks bigint not null default 0,
    link_clicks bigint not null default 0,
    purchases bigint not null default 0,
    purchase_value numeric(20,4) not null default 0,
    purchase_action_type text,
    attribution_setting text,
    primary key (integration_id, ad_id, date, level),
    check ((level = 'account') = (ad_id = '')),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index fact_meta_daily_date on public.fact_meta_daily (account_id, date, level);
";

const DOWN: &str = "
drop table public.fact_meta_daily;
drop table public.fact_order_days;
drop table public.fact_orders;
";
