//! Why: any number of workers look at the schedules, and each slot of a schedule must become one run, also when the
//! run of a slot is over before the next worker looks.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// `append_error`: a run remembers its last failures, not all of them.
const UP: &str = "
alter table public.sync_runs add column slot timestamptz;
create unique index sync_runs_one_per_slot on public.sync_runs (integration_id, job_type, slot);

create function public.append_error(p_history jsonb, p_attempt int, p_code text, p_message text, p_keep int)
    returns jsonb
    language sql stable
    as $$
        select jsonb_agg(kept.entry order by kept.position)
        from (
            select entry, position
            from jsonb_array_elements(p_history || jsonb_build_object(
                     'at', clock_timestamp(), 'attempt', p_attempt, 'code', p_code, 'message', p_message))
                 with ordinality as entries (entry, position)
            order by position desc
            limit p_keep
        ) kept
    $$;
";

const DOWN: &str = "
drop function public.append_error(jsonb, int, text, text, int);
drop index public.sync_runs_one_per_slot;
alter table public.sync_runs drop column slot;
";
