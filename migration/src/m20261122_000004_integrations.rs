//! Why: numbers come from stores and ad accounts, each linked once, with its secrets sealed and apart.
//!
//! An integration is the link; `shops` and `ad_accounts` are what is linked. A link that is lost and found again is
//! the same row, so that its data stays one history. References inside the tenant carry the account on both sides.
//! Where a parent must not vanish under a child the default `no action` is used, not `restrict`: it is checked when
//! the statement ends, so deleting a whole account still works.

use sea_orm_migration::prelude::*;

use crate::tenancy::{Grant, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        for table in [
            "shops",
            "ad_accounts",
            "integrations",
            "integration_secrets",
            "oauth_states",
        ] {
            connection.execute_unprepared(&protect(table, Grant::ReadWrite)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// `unique (account_id, id, shop_id)` lets an order name its store and its integration in one reference.
const UP: &str = "
create table public.shops (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null references public.accounts (id) on delete cascade,
    shop_domain text not null unique check (shop_domain = lower(shop_domain)),
    shopify_shop_id bigint not null,
    name text not null,
    currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
    iana_timezone text not null,
    taxes_included boolean not null default false,
    installed_at timestamptz not null default now(),
    uninstalled_at timestamptz,
    unique (account_id, id)
);

create table public.ad_accounts (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null references public.accounts (id) on delete cascade,
    meta_ad_account_id text not null,
    name text not null,
    currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
    timezone_name text not null,
    status text not null,
    unique (account_id, meta_ad_account_id),
    unique (account_id, id)
);

create table public.integrations (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null references public.accounts (id) on delete cascade,
    type text not null,
    shop_id uuid,
    ad_account_id uuid,
    status text not null default 'connected'
        check (status in ('connected', 'needs_reauth', 'paused', 'disconnected')),
    status_reason text,
    scopes text[] not null default '{}',
    connected_at timestamptz not null default now(),
    unique (account_id, id),
    unique (account_id, shop_id),
    unique (account_id, ad_account_id),
    unique (account_id, id, shop_id),
    foreign key (account_id, shop_id) references public.shops (account_id, id),
    foreign key (account_id, ad_account_id) references public.ad_accounts (account_id, id),
    constraint integrations_one_source check (
        (type = 'shopify' and shop_id is not null and ad_account_id is null)
        or (type = 'meta' and ad_account_id is not null and shop_id is null)
    )
);

create table public.integration_secrets (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null,
    integration_id uuid not null,
    kind text not null,
    ciphertext bytea not null,
    key_id text not null,
    expires_at timestamptz,
    updated_at timestamptz not null default now(),
    unique (integration_id, kind),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index integration_secrets_account on public.integration_secrets (account_id, integration_id);

create table public.oauth_states (
    state_hash bytea primary key,
    account_id uuid not null references public.accounts (id) on delete cascade,
    user_id uuid,
    provider text not null check (provider in ('shopify', 'meta')),
    shop_domain text,
    redirect_to text,
    browser_hash bytea,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    foreign key (account_id, user_id) references public.users (account_id, id) on delete cascade
);
create index oauth_states_account on public.oauth_states (account_id, user_id);
create index oauth_states_expiry on public.oauth_states (expires_at);
";

const DOWN: &str = "
drop table public.oauth_states;
drop table public.integration_secrets;
drop table public.integrations;
drop table public.ad_accounts;
drop table public.shops;
";
