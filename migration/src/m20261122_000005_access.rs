//! Why: programs call the API without a person's password, and who changed what must be answerable later.
//!
//! Of a token only the hash is kept, with a prefix to recognise it by. The audit log can be added to and read by the
//! server, not changed.

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
            .execute_unprepared(&protect("api_tokens", Grant::ReadWrite))
            .await?;
        connection
            .execute_unprepared(&protect("audit_log", Grant::Append))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

const UP: &str = "
create table public.api_tokens (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null references public.accounts (id) on delete cascade,
    user_id uuid,
    name text not null,
    prefix text not null,
    token_hash bytea not null unique,
    role text not null check (role in ('owner', 'admin', 'analyst', 'viewer')),
    scopes text[] not null default '{}',
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    last_used_at timestamptz,
    revoked_at timestamptz,
    foreign key (account_id, user_id) references public.users (account_id, id) on delete cascade
);
create index api_tokens_account on public.api_tokens (account_id, user_id);

create table public.audit_log (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null references public.accounts (id) on delete cascade,
    actor_kind text not null check (actor_kind in ('user', 'api_token', 'provider', 'system')),
    actor_id text,
    action text not null,
    target_type text,
    target_id text,
    detail jsonb not null default '{}',
    request_id text,
    created_at timestamptz not null default now()
);
create index audit_log_account on public.audit_log (account_id, created_at desc, id desc);
";

const DOWN: &str = "
drop table public.audit_log;
drop table public.api_tokens;
";
