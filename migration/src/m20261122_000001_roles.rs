//! Why: the web side and the worker must connect as roles that cannot pass row-level security, whatever a query says.
//!
//! | role | may |
//! |---|---|
//! | `api` | log in; read and write the rows of the account set in the transaction |
//! | `worker` | log in; call the system functions; become `api` inside a run (`set local role api`) |
//! | `system` | not log in; owns the functions that look across accounts |
//!
//! Roles belong to the whole cluster, so several databases may get here at once: what is missing is looked up, done
//! and looked up again, and losing a race only means another look. The same list of statements is what an
//! administrator is told to run where the migrating user may not.
//!
//! The migrating user is made a member of `system` to hand the functions over. Where the server can tell the two apart
//! (from PostgreSQL 16) it may become `system` without having its rights all the time.

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

/// The grants on schema `public` do two things: they are needed where the administrator closed the schema, and they
/// make this database count as a user of the roles, so that a `down` in another one leaves the roles alone.
const UP: &str = r"
do $roles$
declare
    missing text[];
    statement text;
    unsafe_role text;
    tries int := 0;
begin
    if current_setting('server_version_num')::int < 150000 then
        raise exception 'PostgreSQL 15 or newer is needed; this server is version %.', current_setting('server_version');
    end if;
    if current_user in ('api', 'worker', 'system') then
        raise exception 'Migrations must run as the role that owns the tables, not as %.', current_user;
    end if;

    loop
        select coalesce(array_agg(step.sql order by step.place), '{}') into missing
        from (
            select 1 as place, format('create role %I %s', r.name, r.attributes) as sql
            from (values
                ('api', 'login nosuperuser nobypassrls nocreatedb nocreaterole'),
                ('worker', 'login noinherit nosuperuser nobypassrls nocreatedb nocreaterole'),
                ('system', 'nologin nosuperuser nobypassrls nocreatedb nocreaterole')
            ) r (name, attributes)
            where not exists (select from pg_catalog.pg_roles p where p.rolname = r.name)
            union all
            select 2, 'grant api to worker'
            where not exists (
                select from pg_catalog.pg_auth_members m
                join pg_catalog.pg_roles granted on granted.oid = m.roleid and granted.rolname = 'api'
                join pg_catalog.pg_roles member on member.oid = m.member and member.rolname = 'worker'
            )
            union all
            select 3, format('alter role %I set %s = %L', s.role, s.name, s.value)
            from (values
                ('api', 'statement_timeout', '10s'),
                ('api', 'idle_in_transaction_session_timeout', '15s'),
                ('worker', 'statement_timeout', '60s'),
                ('worker', 'idle_in_transaction_session_timeout', '60s')
            ) s (role, name, value)
            where not exists (
                select from pg_catalog.pg_db_role_setting d
                join pg_catalog.pg_roles p on p.oid = d.setrole and p.rolname = s.role
                cross join lateral unnest(d.setconfig) c
                where d.setdatabase = 0 and split_part(c, '=', 1) = s.name
            )
            union all
            select 4, format(
                'grant system to %I%s', current_user,
                case when current_setting('server_version_num')::int >= 160000 then ' with inherit false, set true' end)
            where not exists (
                select from pg_catalog.pg_roles p
                where p.rolname = 'system'
                  and pg_catalog.pg_has_role(
                      current_user, p.oid,
                      case when current_setting('server_version_num')::int >= 160000 then 'SET' else 'MEMBER' end)
            )
            and not (select rolsuper from pg_catalog.pg_roles where rolname = current_user)
        ) step;

        exit when missing = '{}';

        begin
            foreach statement in array missing loop
                execute statement;
            end loop;
        exception
            when insufficient_privilege then
                raise exception using
                    errcode = 'insufficient_privilege',
                    message = format(
                        E'%s may not create the database roles. Let an administrator run this once:\n%s;\nThen migrate again.',
                        current_user, array_to_string(missing, E';\n')),
                    detail = sqlerrm;
            when duplicate_object or unique_violation or undefined_object or internal_error or deadlock_detected then
                -- Another database of the cluster was making the same roles. Look again at what is left to do.
                tries := tries + 1;
                if tries >= 100 then
                    raise;
                end if;
                perform pg_sleep(0.05);
        end;
    end loop;

    select string_agg(format('alter role %I nosuperuser nobypassrls;', rolname), ' ') into unsafe_role
    from pg_catalog.pg_roles
    where rolname in ('api', 'worker', 'system') and (rolsuper or rolbypassrls);
    if unsafe_role is not null then
        raise exception 'A role of the server passes row-level security. Let an administrator run: %', unsafe_role;
    end if;
end
$roles$;

revoke create on schema public from public;
grant usage on schema public to api, worker, system;
";

/// Roles that another database still uses, or that this user may not drop, stay: they hold nothing of this one.
const DOWN: &str = r"
revoke usage on schema public from api, worker, system;

do $roles$
declare role_name text;
begin
    foreach role_name in array array['worker', 'api', 'system'] loop
        begin
            execute format('drop role if exists %I', role_name);
        exception
            when dependent_objects_still_exist or insufficient_privilege or object_in_use or internal_error then
                raise notice 'Role % stays: %', role_name, sqlerrm;
        end;
    end loop;
end
$roles$;
";
