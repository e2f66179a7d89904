//! Why: what a store deleted must not come back with a late page, and whom a store asks to forget must stay forgotten
//! whatever is written later.
//!
//! A tombstone is the moment of a deletion; versions until then are not taken in. Of a forgotten customer only a hash
//! of the id is kept, to know it by. A forgotten store leaves a shell, because runs and the audit log point at it.

use sea_orm_migration::prelude::*;

use crate::tenancy::{Grant, protect};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        for table in ["shopify_tombstones", "shopify_redactions"] {
            connection.execute_unprepared(&protect(table, Grant::ReadWrite)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

/// `redaction_hash`: null where there is no customer.
/// `redacted_order`: an order's payload without its customer and the visits before it. What stands in the customer's
/// place, and the order's number among the customer's, keep a new or returning customer's order from turning into a
/// guest's. Twice gives the same as once.
const UP: &str = r#"
create table public.shopify_tombstones (
    account_id uuid not null,
    integration_id uuid not null,
    kind text not null check (kind in ('order', 'product', 'customer')),
    shopify_id bigint not null,
    deleted_at timestamptz not null,
    primary key (integration_id, kind, shopify_id),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index shopify_tombstones_account on public.shopify_tombstones (account_id, integration_id);

create table public.shopify_redactions (
    account_id uuid not null,
    integration_id uuid not null,
    customer_hash bytea not null,
    redacted_at timestamptz not null default now(),
    primary key (integration_id, customer_hash),
    foreign key (account_id, integration_id) references public.integrations (account_id, id) on delete cascade
);
create index shopify_redactions_account on public.shopify_redactions (account_id, integration_id);

alter table public.shops add column redacted_at timestamptz;
comment on column public.shops.redacted_at is 'Since when nothing is left of the store but this row.';

create function public.redaction_hash(p_integration_id uuid, p_customer_id text)
    returns bytea
    language sql immutable strict parallel safe
    as $$ select sha256(convert_to(p_integration_id::text || '/' || p_customer_id, 'UTF8')) $$;

create function public.redacted_order(p_payload jsonb)
    returns jsonb
    language sql immutable strict parallel safe
    as $$
        select case when jsonb_typeof(p_payload) <> 'object' then p_payload else p_payload
            || case when jsonb_typeof(p_payload -> 'customer') = 'object'
                    then '{"customer": {"id": "gid://shopify/Customer/0"}}'::jsonb else '{}'::jsonb end
            || case when jsonb_typeof(p_payload -> 'customerJourneySummary') = 'object'
                    then jsonb_build_object('customerJourneySummary', jsonb_build_object(
                             'ready', p_payload #> '{customerJourneySummary,ready}',
                             'customerOrderIndex', p_payload #> '{customerJourneySummary,customerOrderIndex}',
                             'lastVisit', null))
                    else '{}'::jsonb end
        end
    $$;
"#;

const DOWN: &str = "
drop function public.redacted_order(jsonb);
drop function public.redaction_hash(uuid, text);
alter table public.shops drop column redacted_at;
drop table public.shopify_redactions;
drop table public.shopify_tombstones;
";
