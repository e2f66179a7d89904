//! What makes a table a tenant's table, said once: row-level security, forced, with one policy a command, and grants
//! to the `api` role alone.
//!
//! Some hosts give new tables of schema `public` to their own roles by default privileges (Supabase: `anon` and
//! `authenticated`). Policies know the account but not the user's role, so those grants are taken back: whoever wants
//! a table served by another road grants it on purpose.

/// What the `api` role may do with a table.
#[derive(Clone, Copy)]
pub(crate) enum Grant {
    /// Read and write every row of the account.
    ReadWrite,
    /// Read and add; what is written stays as it was.
    Append,
}

impl Grant {
    const fn privileges(self) -> &'static str {
        match self {
            Self::ReadWrite => "select, insert, update, delete",
            Self::Append => "select, insert",
        }
    }
}

/// The SQL that puts `table` under row-level security by its `account_id` column and gives it to `api`.
pub(crate) fn protect(table: &str, grant: Grant) -> String {
    protect_by(table, "account_id", grant)
}

/// As [`protect`], for the one table whose own key is the account: `accounts` by `id`.
///
/// The call of `current_account_id` stands in a sub-select so that it is evaluated once a statement, not once a row.
pub(crate) fn protect_by(table: &str, column: &str, grant: Grant) -> String {
    let own = format!("{column} = (select public.current_account_id())");
    let privileges = grant.privileges();
    let withdrawn = withdraw_default_grants(table);
    format!(
        "
        {withdrawn}
        alter table public.{table} enable row level security;
        alter table public.{table} force row level security;
        create policy tenant_select on public.{table} for select using ({own});
        create policy tenant_insert on public.{table} for insert with check ({own});
        create policy tenant_update on public.{table} for update using ({own}) with check ({own});
        create policy tenant_delete on public.{table} for delete using ({own});
        grant {privileges} on public.{table} to api;
        "
    )
}

/// The SQL that leaves `table` to its owner alone, whatever the database's default privileges gave away.
pub(crate) fn withdraw_default_grants(table: &str) -> String {
    format!(
        "
        revoke all on public.{table} from public;
        do $withdraw$
        declare grantee text;
        begin
            for grantee in
                select distinct r.rolname
                from pg_catalog.pg_class c
                cross join lateral pg_catalog.aclexplode(c.relacl) a
                join pg_catalog.pg_roles r on r.oid = a.grantee
                where c.oid = 'public.{table}'::regclass and a.grantee <> c.relowner
            loop
                execute format('revoke all on public.{table} from %I', grantee);
            end loop;
        end
        $withdraw$;
        "
    )
}
