//! Why: the account is the tenant; every other row hangs on one, and people sign in to it.

use sea_orm_migration::prelude::*;

use crate::tenancy::{Grant, protect, protect_by};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        connection
            .execute_unprepared(&protect_by("accounts", "id", Grant::ReadWrite))
            .await?;
        connection
            .execute_unprepared(&protect("users", Grant::ReadWrite))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

const UP: &str = "
create table public.accounts (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    currency char(3) not null check (currency ~ '^[A-Z]{3}$'),
    timezone text not null,
    attribution_window_days int not null default 28 check (attribution_window_days > 0),
    created_at timestamptz not null default now()
);

create table public.users (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null references public.accounts (id) on delete cascade,
    email text not null,
    name text not null,
    role text not null check (role in ('owner', 'admin', 'analyst', 'viewer')),
    password_hash text,
    auth_subject text unique,
    created_at timestamptz not null default now(),
    unique (account_id, id)
);
create unique index users_email on public.users (lower(email));
";

const DOWN: &str = "
drop table public.users;
drop table public.accounts;
";
