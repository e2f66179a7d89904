//! Why: pulling data is work that must survive a crash, never run twice at once, and be told to the user afterwards.
//!
//! `sync_runs` is the queue and the log in one: a finished run stays as the record of what happened. `sync_cursors`
//! is how far each integration has come; `sync_rejects` keeps a record that could not be read until it can.

use sea_orm_migration::prelude::*;

use crate::tenancy::{Grant, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        for table in ["sync_runs", "sync_cursors", "sync_rejects"] {
            connection.execute_unprepared(&protect(table, Grant::ReadWrite)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// `sync_runs_one_active`: an integration has at most one unfinished run of a job, so waking it twice is one run.
/// `sync_runs_queued`: lets a claim step from account to account without reading the queue.
const UP: &str = r#"
create table public.sync_runs (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null,
    integration_id uuid not null,
    job_type text not null,
    status text not null default 'queued'
        check (status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    trigger text not null check (trigger in ('manual', 'schedule', 'webhook', 'connect')),
    scheduled_at timestamptz not null default now(),
    started_at timestamptz,
    finished_at timestamptz,
    attempt int not null default 0,
    max_attempts int not null default 12 check (max_attempts > 0),
    snoozes int not null default 0,
    run_token uuid,
    lease_expires_at timestamptz,
    cancel_requested_at timestamptz,
    window_from timestamptz,
    window_to timestamptz,
    progress jsonb not null default '{"pages": 0, "records": 0}',
    error_code text,
    error_message text,
    error_history jsonb not null default '[]',
    created_at timestamptz not null default now(),
    unique (account_id, id),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade,
    constraint sync_runs_running_is_leased check (
        status <> 'running' or (run_token is not null and lease_expires_at is not null and started_at is not null)
    ),
    constraint sync_runs_finished_has_time check (
        (status in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)
    )
);
create unique index sync_runs_one_active on public.sync_runs (integration_id, job_type)
    where status in ('queued', 'running');
create index sync_runs_queued on public.sync_runs (account_id, scheduled_at) where status = 'queued';
create index sync_runs_leases on public.sync_runs (lease_expires_at) include (account_id) where status = 'running';
create index sync_runs_list on public.sync_runs (account_id, created_at desc, id desc);
create index sync_runs_integration on public.sync_runs (account_id, integration_id, created_at desc);
create index sync_runs_succeeded on public.sync_runs (account_id, integration_id, finished_at desc)
    where status = 'succeeded';

create table public.sync_cursors (
    integration_id uuid primary key,
    account_id uuid not null,
    last_synced_order_updated_at timestamptz,
    last_synced_product_updated_at timestamptz,
    last_synced_customer_updated_at timestamptz,
    orders_synced_through timestamptz,
    insights_synced_through date,
    backfilled_from date,
    resume jsonb not null default '{}',
    updated_at timestamptz not null default now(),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index sync_cursors_account on public.sync_cursors (account_id, integration_id);

create table public.sync_rejects (
    id uuid primary key default gen_random_uuid(),
    account_id uuid not null,
    integration_id uuid not null,
    run_id uuid,
    kind text not null,
    external_id text not null,
    reason text not null,
    payload jsonb,
    payload_text text,
    rejected_at timestamptz not null default now(),
    unique (integration_id, kind, external_id),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade,
    foreign key (account_id, run_id) references public.sync_runs (account_id, id) on delete set null (run_id)
);
create index sync_rejects_account on public.sync_rejects (account_id, integration_id, rejected_at desc);
create index sync_rejects_run on public.sync_rejects (account_id, run_id);
"#;

const DOWN: &str = "
drop table public.sync_rejects;
drop table public.sync_cursors;
drop table public.sync_runs;
";
