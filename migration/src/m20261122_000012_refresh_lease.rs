//! Why: a refresh token is traded for a new one at each use, so of all processes only one may renew a link's tokens at
//! a time, without holding a transaction open while it asks the provider.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared(
                "
                alter table public.integrations add column refresh_lease_until timestamptz;
                comment on column public.integrations.refresh_lease_until is
                    'Until when one process has the right to renew the tokens; null when nobody does.';
                ",
            )
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("alter table public.integrations drop column refresh_lease_until")
            .await?;
        Ok(())
    }
}
