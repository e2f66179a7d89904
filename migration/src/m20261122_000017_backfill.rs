//! Why: reading a store's whole history takes hours, and must neither keep short runs waiting nor be taken for a whole
//! history where the store shows only a part of it.
//!
//! Long runs have a lane of their own. Which jobs are long is said here and nowhere else, so that whoever queues a run
//! need not know.

use sea_orm_migration::prelude::*;

use crate::system::{SystemFunction, create_functions, drop_functions};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        drop_functions(connection, &[WITHOUT_LANES]).await?;
        connection.execute_unprepared(UP).await?;
        create_functions(connection, &[WITH_LANES]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        drop_functions(connection, &[WITH_LANES]).await?;
        connection.execute_unprepared(DOWN).await?;
        create_functions(connection, &[WITHOUT_LANES]).await
    }
}

/// `sync_runs_queued`: lets a claim step from account to account within a lane without reading the queue.
const UP: &str = "
alter table public.sync_runs add column lane text not null
    generated always as (
        case when job_type in ('shopify_backfill', 'shopify_replay') then 'long' else 'short' end
    ) stored;
drop index public.sync_runs_queued;
create index sync_runs_queued on public.sync_runs (lane, account_id, scheduled_at) where status = 'queued';

alter table public.sync_cursors add column history_limit text;
comment on column public.sync_cursors.history_limit is
    'Why no days before backfilled_from can become known, as a sentence; null where nothing is in the way.';
";

const DOWN: &str = "
alter table public.sync_cursors drop column history_limit;
drop index public.sync_runs_queued;
alter table public.sync_runs drop column lane;
create index sync_runs_queued on public.sync_runs (account_id, scheduled_at) where status = 'queued';
";

/// Claims are serialised by the lock, so that two workers cannot both find an account below its limit; the caller commits
/// at once. The recursion is a loose index scan: one probe for each account that has queued runs of the lane, so an
/// account with a hundred thousand of them costs as much as an account with one. The clock is read after the lock.
///
/// Short runs come first, unless a long one has been due for ten minutes: then it takes its turn, so that it starts also
/// where short ones never end. Long runs get half of an account's places, and so never all.
const WITH_LANES: SystemFunction = SystemFunction {
    signature: "claim_run(int, int, boolean)",
    callers: "worker",
    purpose: "Gives the caller the next due run, fairest account first, under a lease; none or one row.",
    definition: "claim_run(p_lease_seconds int, p_max_per_account int, p_takes_long boolean)
        returns setof public.sync_runs
        language plpgsql volatile
        as $$
        declare
            moment timestamptz;
            lanes text[] := array['short'];
            this_lane text;
            candidate record;
        begin
            perform pg_advisory_xact_lock(7316428031925);
            moment := clock_timestamp();
            if p_takes_long then
                if exists (select from public.sync_runs r
                            where r.status = 'queued' and r.lane = 'long'
                              and r.scheduled_at <= moment - interval '10 minutes') then
                    lanes := array['long', 'short'];
                else
                    lanes := array['short', 'long'];
                end if;
            end if;
            foreach this_lane in array lanes loop
                for candidate in
                    with recursive earliest as (
                        (
                            select r.account_id, r.scheduled_at, r.id
                            from public.sync_runs r
                            where r.status = 'queued' and r.lane = this_lane
                            order by r.account_id, r.scheduled_at
                            limit 1
                        )
                        union all
                        select next.account_id, next.scheduled_at, next.id
                        from earliest
                        cross join lateral (
                            select r.account_id, r.scheduled_at, r.id
                            from public.sync_runs r
                            where r.status = 'queued' and r.lane = this_lane and r.account_id > earliest.account_id
                            order by r.account_id, r.scheduled_at
                            limit 1
                        ) next
                    ),
                    busy as (
                        select r.account_id, count(*) as running, count(*) filter (where r.lane = 'long') as long_running
                        from public.sync_runs r
                        where r.status = 'running'
                        group by r.account_id
                    )
                    select earliest.id
                    from earliest
                    left join busy using (account_id)
                    where earliest.scheduled_at <= moment
                      and coalesce(busy.running, 0) < p_max_per_account
                      and (this_lane = 'short'
                           or coalesce(busy.long_running, 0) < greatest(p_max_per_account / 2, 1))
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
            end loop;
        end
        $$",
};

/// As it was before there were lanes.
const WITHOUT_LANES: SystemFunction = SystemFunction {
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
};
