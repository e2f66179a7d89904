//! Why: which products sell is read off the same dated ledger as every other number, so the parts add up to the whole.
//!
//! `fact_product_days` is what one order moved of one product on one local day, `daily_product_metrics` its sum over the
//! orders of a day. Orders whose customer's history Shopify had not told yet get an index of their own: they are few
//! among many, and are asked for again.

use sea_orm_migration::prelude::*;

use crate::tenancy::{Grant, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        for table in ["fact_product_days", "daily_product_metrics"] {
            connection.execute_unprepared(&protect(table, Grant::ReadWrite)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// Product 0 is none: a key has no nulls. Then the title tells lines apart, and an empty one is no line at all.
const UP: &str = "
create table public.fact_product_days (
    account_id uuid not null,
    integration_id uuid not null,
    shop_id uuid not null,
    shopify_order_id bigint not null,
    date date not null,
    order_date date not null,
    shopify_product_id bigint not null,
    title text not null default '',
    currency char(3) not null,
    units int not null default 0,
    units_returned int not null default 0,
    gross_sales numeric(20,4) not null default 0,
    discounts numeric(20,4) not null default 0,
    refunds numeric(20,4) not null default 0,
    revenue_net numeric(20,4) not null default 0,
    primary key (integration_id, shopify_order_id, date, shopify_product_id, title),
    foreign key (account_id, integration_id, shop_id, shopify_order_id)
        references public.fact_orders (account_id, integration_id, shop_id, shopify_order_id) on delete cascade
);
create index fact_product_days_date on public.fact_product_days (account_id, integration_id, date);

create table public.daily_product_metrics (
    account_id uuid not null,
    integration_id uuid not null,
    date date not null,
    shopify_product_id bigint not null,
    title text not null default '',
    currency char(3) not null,
    orders bigint not null default 0,
    units bigint not null default 0,
    units_returned bigint not null default 0,
    gross_sales numeric(20,4) not null default 0,
    discounts numeric(20,4) not null default 0,
    refunds numeric(20,4) not null default 0,
    revenue_net numeric(20,4) not null default 0,
    computed_at timestamptz not null default now(),
    primary key (integration_id, date, shopify_product_id, title),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);

create index fact_orders_untold on public.fact_orders (account_id, integration_id, order_created_at)
    where customer_id is not null and customer_order_index is null;
";

const DOWN: &str = "
drop index public.fact_orders_untold;
drop table public.daily_product_metrics;
drop table public.fact_product_days;
";
