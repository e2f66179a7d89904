//! Why: a few questions come before the account is known ("whose token is this?", "which run is next?"), and only
//! these may look across accounts.
//!
//! Each is a function of schema `system`, runs as the role `system`, and answers just what is asked. That role gets the
//! columns its functions read and write, and policies that let it see every row of those tables. Nobody else can name
//! it: it does not log in. Execution is granted function by function.

use sea_orm_migration::prelude::*;

use crate::system::{SystemFunction, create_functions, drop_functions};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(REACH).await?;
        create_functions(connection, FUNCTIONS).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        drop_functions(connection, FUNCTIONS).await?;
        connection.execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// What the role `system` may touch, table by table.
const REACH: &str = "
create schema system;
revoke all on schema system from public;
grant usage on schema system to api, worker;

grant select (id, timezone) on public.accounts to system;
create policy system_select on public.accounts for select to system using (true);

grant select (id, account_id, email, role, password_hash, auth_subject) on public.users to system;
create policy system_select on public.users for select to system using (true);

grant select (id, account_id, shop_domain) on public.shops to system;
create policy system_select on public.shops for select to system using (true);

grant select (id, account_id, shop_id, type, status, connected_at) on public.integrations to system;
create policy system_select on public.integrations for select to system using (true);

grant select (id, account_id, token_hash, role, scopes, expires_at, last_used_at, revoked_at),
    update (last_used_at) on public.api_tokens to system;
create policy system_select on public.api_tokens for select to system using (true);
create policy system_update on public.api_tokens for update to system using (true) with check (true);

grant select, delete on public.oauth_states to system;
create policy system_select on public.oauth_states for select to system using (true);
create policy system_delete on public.oauth_states for delete to system using (true);

grant select,
    update (status, scheduled_at, started_at, finished_at, attempt, run_token, lease_expires_at,
            error_code, error_message, error_history) on public.sync_runs to system;
create policy system_select on public.sync_runs for select to system using (true);
create policy system_update on public.sync_runs for update to system using (true) with check (true);
";

const DOWN: &str = "
drop policy system_update on public.sync_runs;
drop policy system_select on public.sync_runs;
drop policy system_delete on public.oauth_states;
drop policy system_select on public.oauth_states;
drop policy system_update on public.api_tokens;
drop policy system_select on public.api_tokens;
drop policy system_select on public.integrations;
drop policy system_select on public.shops;
drop policy system_select on public.users;
drop policy system_select on public.accounts;
revoke all on public.sync_runs, public.oauth_states, public.api_tokens, public.integrations, public.shops,
    public.users, public.accounts from system;
drop schema system;
";

const FUNCTIONS: &[SystemFunction] = &[
    SystemFunction {
        signature: "find_account(uuid)",
        callers: "api, worker",
        purpose: "Whether an account named by a verified token exists.",
        definition: "find_account(p_account_id uuid)
            returns table (id uuid)
            language sql stable
            as $$ select a.id from public.accounts a where a.id = p_account_id $$",
    },
    SystemFunction {
        signature: "find_login(text)",
        callers: "api",
        purpose: "The person who signs in with an e-mail address, in any case of letters.",
        definition: "find_login(p_email text)
            returns table (user_id uuid, account_id uuid, role text, password_hash text)
            language sql stable
            as $$
                select u.id, u.account_id, u.role, u.password_hash
                from public.users u
                where lower(u.email) = lower(p_email)
            $$",
    },
    // One subject could be the id of one member and the outside name of another: the id wins.
    SystemFunction {
        signature: "find_member(text, uuid)",
        callers: "api",
        purpose: "The membership of a token subject (user id or outside subject) in an account.",
        definition: "find_member(p_subject text, p_account_id uuid)
            returns table (user_id uuid, account_id uuid, role text)
            language sql stable
            as $$
                select u.id, u.account_id, u.role
                from public.users u
                where u.account_id = p_account_id
                  and (u.id::text = p_subject or u.auth_subject = p_subject)
                order by u.id::text = p_subject desc
                limit 1
            $$",
    },
    // Who asks judges expiry and revocation. The touch is left out where it could fail or wait: in a transaction that
    // may only read, and while another request is touching the same row.
    SystemFunction {
        signature: "find_api_token(bytea)",
        callers: "api",
        purpose: "The API token with a hash; notes its use at most once a minute.",
        definition: "find_api_token(p_token_hash bytea)
            returns table (token_id uuid, account_id uuid, role text, scopes text[],
                           expires_at timestamptz, revoked_at timestamptz)
            language plpgsql volatile
            as $$
            begin
                if current_setting('transaction_read_only') = 'off' then
                    update public.api_tokens t
                    set last_used_at = now()
                    where t.id = (
                        select u.id
                        from public.api_tokens u
                        where u.token_hash = p_token_hash
                          and u.revoked_at is null
                          and (u.expires_at is null or u.expires_at > now())
                          and (u.last_used_at is null or u.last_used_at < now() - interval '1 minute')
                        for no key update skip locked
                    );
                end if;
                return query
                    select t.id, t.account_id, t.role, t.scopes, t.expires_at, t.revoked_at
                    from public.api_tokens t
                    where t.token_hash = p_token_hash;
            end
            $$",
    },
    SystemFunction {
        signature: "take_oauth_state(bytea)",
        callers: "api",
        purpose: "Takes the state of an OAuth flow that comes back: once, and only in time.",
        definition: "take_oauth_state(p_state_hash bytea)
            returns setof public.oauth_states
            language sql volatile
            as $$
                delete from public.oauth_states s
                where s.state_hash = p_state_hash and s.expires_at > now()
                returning s.*
            $$",
    },
    SystemFunction {
        signature: "delete_expired_oauth_states()",
        callers: "worker",
        purpose: "Clears away OAuth flows that nobody finished; answers how many.",
        definition: "delete_expired_oauth_states()
            returns bigint
            language sql volatile
            as $$
                with gone as (
                    delete from public.oauth_states s where s.expires_at <= now() returning 1
                )
                select count(*) from gone
            $$",
    },
    SystemFunction {
        signature: "find_shop(text)",
        callers: "api, worker",
        purpose: "Whose store a domain is, for a webhook or an installation.",
        definition: "find_shop(p_shop_domain text)
            returns table (account_id uuid, integration_id uuid, shop_id uuid, status text)
            language sql stable
            as $$
                select i.account_id, i.id, s.id, i.status
                from public.shops s
                join public.integrations i on i.account_id = s.account_id and i.shop_id = s.id
                where s.shop_domain = lower(p_shop_domain)
            $$",
    },
    SystemFunction {
        signature: "list_integrations()",
        callers: "worker",
        purpose: "Every integration, for the schedules.",
        definition: "list_integrations()
            returns table (account_id uuid, integration_id uuid, type text, status text, connected_at timestamptz,
                           timezone text)
            language sql stable
            as $$
                select i.account_id, i.id, i.type, i.status, i.connected_at, a.timezone
                from public.integrations i
                join public.accounts a on a.id = i.account_id
                order by i.account_id, i.id
            $$",
    },
    // Claims are serialised by the lock, so that two workers cannot both find an account below its limit; the caller
    // commits at once. The recursion is a loose index scan: one probe for each account that has queued runs, so an
    // account with a hundred thousand of them costs as much as an account with one. The clock is read after the lock.
    SystemFunction {
        signature: "claim_run(int, int)",
        callers: "worker",
        purpose: "Gives the caller the next due run, fairest account first, under a lease; none or one row.",
        definition: "claim_run(p_lease_seconds int, p_max_per_account int)
            returns setof public.sync_runs
            language plpgsql volatile
            as $$
            declare
                moment timestamptz;
                candidate record;
            begin
                perform pg_advisory_xact_lock(7316428031925);
                moment := clock_timestamp();
                for candidate in
                    with recursive earliest as (
                        (
                            select r.account_id, r.scheduled_at, r.id
                            from public.sync_runs r
                            where r.status = 'queued'
                            order by r.account_id, r.scheduled_at
                            limit 1
                        )
                        union all
                        select next.account_id, next.scheduled_at, next.id
                        from earliest
                        cross join lateral (
                            select r.account_id, r.scheduled_at, r.id
                            from public.sync_runs r
                            where r.status = 'queued' and r.account_id > earliest.account_id
                            order by r.account_id, r.scheduled_at
                            limit 1
                        ) next
                    ),
                    busy as (
                        select r.account_id, count(*) as running
                        from public.sync_runs r
                        where r.status = 'running'
                        group by r.account_id
                    )
                    select earliest.id
                    from earliest
                    left join busy using (account_id)
                    where earliest.scheduled_at <= moment
                      and coalesce(busy.running, 0) < p_max_per_account
                    order by coalesce(busy.running, 0), earliest.scheduled_at
                loop
                    perform from public.sync_runs r
                    where r.id = candidate.id and r.status = 'queued' and r.scheduled_at <= moment
                    for update skip locked;
                    if found then
                        return query
                            update public.sync_runs r
                            set status = 'running',
                                run_token = gen_random_uuid(),
                                started_at = coalesce(r.started_at, moment),
                                lease_expires_at = moment + make_interval(secs => p_lease_seconds),
                                attempt = r.attempt + 1
                            where r.id = candidate.id
                            returning r.*;
                        return;
                    end if;
                end loop;
            end
            $$",
    },
    SystemFunction {
        signature: "claim_named_run(uuid, int)",
        callers: "worker",
        purpose: "Gives the caller this run under a lease, if it is due; none or one row.",
        definition: "claim_named_run(p_run_id uuid, p_lease_seconds int)
            returns setof public.sync_runs
            language sql volatile
            as $$
                update public.sync_runs r
                set status = 'running',
                    run_token = gen_random_uuid(),
                    started_at = coalesce(r.started_at, clock_timestamp()),
                    lease_expires_at = clock_timestamp() + make_interval(secs => p_lease_seconds),
                    attempt = r.attempt + 1
                where r.id = p_run_id and r.status = 'queued' and r.scheduled_at <= clock_timestamp()
                returning r.*
            $$",
    },
    SystemFunction {
        signature: "is_run_over(uuid)",
        callers: "worker",
        purpose: "Whether a run has ended; null where there is no such run.",
        definition: "is_run_over(p_run_id uuid)
            returns boolean
            language sql stable
            as $$
                select (select r.finished_at is not null from public.sync_runs r where r.id = p_run_id)
            $$",
    },
    // A run whose cancellation was asked for is not started again.
    SystemFunction {
        signature: "reap_runs(int)",
        callers: "worker",
        purpose: "Takes runs back from workers that stopped renewing their lease; answers what became of each.",
        definition: "reap_runs(p_limit int)
            returns table (id uuid, account_id uuid, outcome text)
            language sql volatile
            as $$
                with lost as (
                    select r.id, r.run_token, r.lease_expires_at,
                           case
                               when r.cancel_requested_at is not null then 'cancelled'
                               when r.attempt >= r.max_attempts then 'failed'
                               else 'queued'
                           end as outcome
                    from public.sync_runs r
                    where r.status = 'running' and r.lease_expires_at < clock_timestamp()
                    order by r.lease_expires_at
                    limit p_limit
                    for update skip locked
                )
                update public.sync_runs r
                set status = lost.outcome,
                    run_token = null,
                    lease_expires_at = null,
                    finished_at = case when lost.outcome = 'queued' then null else clock_timestamp() end,
                    error_code = 'lease_expired',
                    error_message = 'The worker stopped answering before the run was done.',
                    error_history = r.error_history || jsonb_build_object(
                        'at', clock_timestamp(),
                        'attempt', r.attempt,
                        'code', 'lease_expired',
                        'message', 'lease expired')
                from lost
                where r.id = lost.id
                  and r.status = 'running'
                  and r.run_token = lost.run_token
                  and r.lease_expires_at = lost.lease_expires_at
                returning r.id, r.account_id, r.status
            $$",
    },
];
