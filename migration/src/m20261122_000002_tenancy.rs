//! Why: policies need one answer to "whose rows are these?", the same for this server and for PostgREST's users.
//!
//! `current_account_id()` is `app.account_id` when the transaction set it, else the `account_id` claim of the verified
//! token in `request.jwt.claims`, at the top or under `app_metadata` (both written by the issuer; `user_metadata` is
//! the user's own and is not looked at). A claim that is no UUID counts as none. Nothing set: null, which equals no
//! row's account.

use sea_orm_migration::prelude::*;

use crate::tenancy::withdraw_default_grants;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        connection.execute_unprepared(&withdraw_default_grants(LEDGER)).await?;
        connection
            .execute_unprepared(&format!("grant select on public.{LEDGER} to api, worker"))
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection
            .execute_unprepared(&format!("revoke select on public.{LEDGER} from api, worker"))
            .await?;
        connection
            .execute_unprepared("drop function public.current_account_id()")
            .await?;
        Ok(())
    }
}

/// The list of migrations that ran, kept by the migrator. The server reads it to say "migrate first".
const LEDGER: &str = "seaql_migrations";

/// A text that is no JSON object (what PostgREST never sends) counts as no claims.
const UP: &str = r#"
create function public.current_account_id() returns uuid
language sql stable parallel safe
return coalesce(
    nullif(current_setting('app.account_id', true), '')::uuid,
    (
        select case
            when claim.account ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then claim.account::uuid
        end
        from (
            select coalesce(claims.object ->> 'account_id', claims.object -> 'app_metadata' ->> 'account_id') as account
            from (
                select case
                    when current_setting('request.jwt.claims', true) ~ '^\s*\{'
                    then current_setting('request.jwt.claims', true)::jsonb
                end as object
            ) claims
        ) claim
    )
);

comment on function public.current_account_id() is
    'The account whose rows this transaction may see: app.account_id, else the account_id claim; null sees nothing.';
"#;
