//! Why: a store that does not tell of its changes looks like one that has none, so people must see which topics it
//! tells of, and why it refuses the others.

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
            .execute_unprepared(&protect("shopify_webhook_subscriptions", Grant::ReadWrite))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("drop table public.shopify_webhook_subscriptions")
            .await?;
        Ok(())
    }
}

const UP: &str = "
create table public.shopify_webhook_subscriptions (
    account_id uuid not null,
    integration_id uuid not null,
    topic text not null,
    subscription_id text,
    status text not null check (status in ('active', 'refused')),
    error text,
    checked_at timestamptz not null,
    primary key (integration_id, topic),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade,
    constraint shopify_webhook_subscriptions_has_reason check ((status = 'refused') = (error is not null))
);
create index shopify_webhook_subscriptions_account
    on public.shopify_webhook_subscriptions (account_id, integration_id, topic);
";
