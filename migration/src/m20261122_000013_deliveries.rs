//! Why: a delivery is stored before the account is known to whoever takes it, many at once and within milliseconds, and
//! it wakes a job in the same statement; one that came while its job was running must wake it afterwards.
//!
//! Which topic wakes which job is told by the caller: the words belong to the program, the mechanism stands here.

use sea_orm_migration::prelude::*;

use crate::system::{SystemFunction, create_functions, drop_functions};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        create_functions(connection, FUNCTIONS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        drop_functions(connection, FUNCTIONS).await?;
        connection.execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// `..._waiting` has what waits for a job, and nothing where nothing does; `..._settled` what will be cleared away.
const UP: &str = "
create index shopify_webhooks_raw_waiting
    on public.shopify_webhooks_raw (account_id, integration_id, topic, received_at) where status = 'received';
create index shopify_webhooks_raw_settled
    on public.shopify_webhooks_raw (received_at) where status <> 'received';

grant select (id, account_id, integration_id, shop_domain, topic, webhook_id, received_at, status),
    insert (account_id, integration_id, shop_domain, topic, webhook_id, event_id, triggered_at, payload, status,
            processed_at),
    delete on public.shopify_webhooks_raw to system;
create policy system_select on public.shopify_webhooks_raw for select to system using (true);
create policy system_insert on public.shopify_webhooks_raw for insert to system with check (true);
create policy system_delete on public.shopify_webhooks_raw for delete to system using (true);

grant insert (account_id, integration_id, job_type, trigger, status, scheduled_at) on public.sync_runs to system;
create policy system_insert on public.sync_runs for insert to system with check (true);
";

const DOWN: &str = "
drop policy system_insert on public.sync_runs;
revoke insert (account_id, integration_id, job_type, trigger, status, scheduled_at) on public.sync_runs from system;
drop policy system_delete on public.shopify_webhooks_raw;
drop policy system_insert on public.shopify_webhooks_raw;
drop policy system_select on public.shopify_webhooks_raw;
revoke all on public.shopify_webhooks_raw from system;
drop index public.shopify_webhooks_raw_settled;
drop index public.shopify_webhooks_raw_waiting;
";

const FUNCTIONS: &[SystemFunction] = &[
    // Two batches may hold the same deliveries in another order: rows are added in the order of their keys, deliveries
    // before runs, so that neither waits for the other for ever. A run that stands is looked for and not locked: its
    // worker holds the row while it writes a page.
    SystemFunction {
        signature: "accept_deliveries(text[], text[], text[], text[], timestamptz[], jsonb[], text[], boolean[], boolean[])",
        callers: "api",
        purpose: "Stores deliveries of stores, each once, and wakes the runs that they concern; answers what became of each.",
        definition: "accept_deliveries(p_shop_domains text[], p_topics text[], p_webhook_ids text[],
                                       p_event_ids text[], p_triggered_at timestamptz[], p_payloads jsonb[],
                                       p_jobs text[], p_need_connection boolean[], p_only_hurry boolean[])
            returns table (place bigint, outcome text)
            language plpgsql volatile
            as $$
            begin
                return query
                with given as (
                    select g.*, s.account_id, i.id as integration_id, i.status as link_status,
                           exists (
                               select from public.sync_runs r
                               where r.integration_id = i.id and r.job_type = g.job
                                 and r.status in ('queued', 'running')
                           ) as has_run
                    from unnest(p_shop_domains, p_topics, p_webhook_ids, p_event_ids, p_triggered_at, p_payloads,
                                p_jobs, p_need_connection, p_only_hurry) with ordinality
                        as g (shop_domain, topic, webhook_id, event_id, triggered_at, payload,
                              job, needs_connection, only_hurries, place)
                    left join public.shops s on s.shop_domain = g.shop_domain
                    left join public.integrations i on i.account_id = s.account_id and i.shop_id = s.id
                ),
                added as (
                    insert into public.shopify_webhooks_raw as known
                        (account_id, integration_id, shop_domain, topic, webhook_id, event_id, triggered_at, payload,
                         status, processed_at)
                    select g.account_id, g.integration_id, g.shop_domain, g.topic, g.webhook_id, g.event_id,
                           g.triggered_at, g.payload,
                           case when g.only_hurries and not g.has_run then 'ignored' else 'received' end,
                           case when g.only_hurries and not g.has_run then now() end
                    from given g
                    where g.integration_id is not null
                    order by g.shop_domain, g.topic, g.webhook_id, g.place
                    on conflict (shop_domain, topic, webhook_id) do nothing
                    returning known.shop_domain, known.topic, known.webhook_id
                ),
                told as (
                    select g.*, a.webhook_id is not null as is_new,
                           row_number() over (partition by g.shop_domain, g.topic, g.webhook_id order by g.place) as nth
                    from given g
                    left join added a using (shop_domain, topic, webhook_id)
                ),
                woken as (
                    insert into public.sync_runs (account_id, integration_id, job_type, trigger, status, scheduled_at)
                    select distinct t.account_id, t.integration_id, t.job, 'webhook', 'queued', now()
                    from told t
                    where t.is_new and not t.has_run and not t.only_hurries
                      and (t.link_status = 'connected' or not t.needs_connection)
                    order by t.integration_id, t.job
                    on conflict (integration_id, job_type) where status in ('queued', 'running') do nothing
                )
                select t.place,
                       case
                           when t.integration_id is null then 'unknown_shop'
                           when t.is_new and t.nth = 1 then 'accepted'
                           else 'duplicate'
                       end
                from told t;

                if true = any (p_only_hurry) then
                    update public.sync_runs r
                    set scheduled_at = now()
                    from unnest(p_shop_domains, p_jobs, p_only_hurry) as g (shop_domain, job, only_hurries)
                    join public.shops s on s.shop_domain = g.shop_domain
                    join public.integrations i on i.account_id = s.account_id and i.shop_id = s.id
                    where g.only_hurries and r.integration_id = i.id and r.job_type = g.job
                      and r.status = 'queued' and r.scheduled_at > now();
                end if;
            end
            $$",
    },
    // The recursion steps from one link and topic to the next, so that a hundred thousand deliveries of one store cost
    // as much as one, and none cost nothing. A run that began after the newest delivery has had its chance: what it left
    // undone is tried again after an hour, not at once for ever. A delivery may become visible up to ten seconds (the
    // longest statement of the web side) after its time of receipt, so a run that succeeded within these did not
    // necessarily see it.
    SystemFunction {
        signature: "wake_for_deliveries(text[], text[], boolean[])",
        callers: "worker",
        purpose: "Queues a run for each link and job that has deliveries waiting and no run; answers how many.",
        definition: "wake_for_deliveries(p_topics text[], p_jobs text[], p_need_connection boolean[])
            returns bigint
            language sql volatile
            as $$
                with recursive pair as (
                    (
                        select d.account_id, d.integration_id, d.topic
                        from public.shopify_webhooks_raw d
                        where d.status = 'received'
                        order by d.account_id, d.integration_id, d.topic
                        limit 1
                    )
                    union all
                    select next.account_id, next.integration_id, next.topic
                    from pair
                    cross join lateral (
                        select d.account_id, d.integration_id, d.topic
                        from public.shopify_webhooks_raw d
                        where d.status = 'received'
                          and (d.account_id, d.integration_id, d.topic)
                              > (pair.account_id, pair.integration_id, pair.topic)
                        order by d.account_id, d.integration_id, d.topic
                        limit 1
                    ) next
                ),
                waiting as (
                    select pair.account_id, pair.integration_id, g.job, g.needs_connection,
                           max(newest.received_at) as received_at
                    from pair
                    join unnest(p_topics, p_jobs, p_need_connection) as g (topic, job, needs_connection) using (topic)
                    cross join lateral (
                        select d.received_at
                        from public.shopify_webhooks_raw d
                        where d.status = 'received' and d.account_id = pair.account_id
                          and d.integration_id = pair.integration_id and d.topic = pair.topic
                        order by d.received_at desc
                        limit 1
                    ) newest
                    group by pair.account_id, pair.integration_id, g.job, g.needs_connection
                ),
                woken as (
                    insert into public.sync_runs (account_id, integration_id, job_type, trigger, status, scheduled_at)
                    select w.account_id, w.integration_id, w.job, 'webhook', 'queued', now()
                    from waiting w
                    join public.integrations i on i.account_id = w.account_id and i.id = w.integration_id
                    where (i.status = 'connected' or not w.needs_connection)
                      and not exists (
                          select from public.sync_runs r
                          where r.integration_id = w.integration_id and r.job_type = w.job
                            and r.status in ('queued', 'running')
                      )
                      and not exists (
                          select from public.sync_runs r
                          where r.account_id = w.account_id and r.integration_id = w.integration_id
                            and r.job_type = w.job and r.created_at > now() - interval '1 hour'
                            and r.started_at > w.received_at
                                + case when r.status = 'succeeded' then interval '10 seconds' else interval '0' end
                      )
                    order by w.integration_id, w.job
                    on conflict (integration_id, job_type) where status in ('queued', 'running') do nothing
                    returning 1
                )
                select count(*) from woken
            $$",
    },
    SystemFunction {
        signature: "delete_old_deliveries(interval, int)",
        callers: "worker",
        purpose: "Clears away deliveries that were dealt with and came longer ago than this, so many at most; answers how many.",
        definition: "delete_old_deliveries(p_older_than interval, p_limit int)
            returns bigint
            language sql volatile
            as $$
                with old as (
                    select d.id
                    from public.shopify_webhooks_raw d
                    where d.status <> 'received' and d.received_at < now() - p_older_than
                    order by d.received_at
                    limit p_limit
                ),
                gone as (
                    delete from public.shopify_webhooks_raw d using old where d.id = old.id returning 1
                )
                select count(*) from gone
            $$",
    },
];
