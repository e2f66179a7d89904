//! Forgetting: `shopify_redactions` says which customers are not written again, and what is here already is taken out.
//!
//! An order keeps its amounts and its place among its customer's orders, so no number changes. The audit log is added
//! to and never changed: nothing that names a customer goes into it.

use chrono::NaiveDate;
use sqlx::AssertSqlSafe;

use super::{ClaimedRun, StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, ShopifyCustomerId};

/// How much is held of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct HeldOfCustomer {
    /// Orders that name the customer.
    pub orders: i64,
    /// Whether the customer's own record is here.
    pub has_record: bool,
}

impl TenantDb {
    /// How much is held of a customer. It is ids and amounts: contact data is never stored.
    pub async fn held_of_customer(
        &self,
        integration_id: IntegrationId,
        customer: ShopifyCustomerId,
    ) -> Result<HeldOfCustomer, StoreError> {
        Ok(sqlx::query_as(
            "select (select count(*) from fact_orders
                      where account_id = $1 and integration_id = $2 and customer_id = $3) as orders,
                    exists (select from shopify_customers_raw
                             where account_id = $1 and integration_id = $2 and shopify_customer_id = $3) as has_record",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(customer)
        .fetch_one(&mut *self.connection().await)
        .await?)
    }

    /// Forgets a customer, now and in whatever is written later. `orders` are ids of orders that were named as the
    /// customer's. Answers how many orders lost their customer.
    pub async fn forget_customer(
        &self,
        integration_id: IntegrationId,
        customer: ShopifyCustomerId,
        orders: &[i64],
    ) -> Result<u64, StoreError> {
        let mut connection = self.connection().await;
        sqlx::query(
            "insert into shopify_redactions (account_id, integration_id, customer_hash)
             values ($1, $2, redaction_hash($2, $3::text))
             on conflict do nothing",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(customer)
        .execute(&mut *connection)
        .await?;
        let found: Vec<i64> = sqlx::query_scalar(
            "update fact_orders
                set customer_id = null, utm_source = null, utm_medium = null, utm_campaign = null, utm_content = null,
                    utm_term = null
              where account_id = $1 and integration_id = $2 and (customer_id = $3 or shopify_order_id = any($4))
             returning shopify_order_id",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(customer)
        .bind(orders)
        .fetch_all(&mut *connection)
        .await?;
        // A payload may stand without its fact; those with one are found by it, without reading every payload.
        sqlx::query(
            "update shopify_orders_raw raw set payload = redacted_order(raw.payload)
              where raw.account_id = $1 and raw.integration_id = $2
                and (raw.shopify_order_id = any($4) or raw.shopify_order_id = any($5)
                     or (not exists (select from fact_orders fact
                                      where fact.account_id = $1 and fact.integration_id = $2
                                        and fact.shopify_order_id = raw.shopify_order_id)
                         and substring(raw.payload #>> '{customer,id}' from '[0-9]+$') = $3::text))",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(customer)
        .bind(orders)
        .bind(&found)
        .execute(&mut *connection)
        .await?;
        for statement in [
            "update sync_rejects set payload = redacted_order(payload)
              where account_id = $1 and integration_id = $2
                and substring(payload #>> '{customer,id}' from '[0-9]+$') = $3::text",
            "delete from sync_rejects
              where account_id = $1 and integration_id = $2 and kind = 'customer' and external_id = $3::text",
            "delete from shopify_customers_raw
              where account_id = $1 and integration_id = $2 and shopify_customer_id = $3",
            "delete from shopify_tombstones
              where account_id = $1 and integration_id = $2 and kind = 'customer' and shopify_id = $3",
            "update shopify_webhooks_raw
                set payload = payload - array['customer', 'orders_requested', 'orders_to_redact']
                    - case when topic like 'customers/%' then array['id', 'admin_graphql_api_id']
                           else array[]::text[] end
              where account_id = $1 and integration_id = $2
                and (payload #>> '{customer,id}' = $3::text
                     or (topic like 'customers/%' and payload ->> 'id' = $3::text))",
        ] {
            sqlx::query(statement)
                .bind(self.account_id())
                .bind(integration_id)
                .bind(customer)
                .execute(&mut *connection)
                .await?;
        }
        Ok(found.len() as u64)
    }

    /// Takes out the runs of a store that is to be forgotten, all but `run`, which keeps no text. To be called before
    /// [`serialise_account`](Self::serialise_account): a page in progress holds its run and waits for that.
    pub async fn forget_runs(&self, run: &ClaimedRun) -> Result<(), StoreError> {
        let mut connection = self.connection().await;
        for statement in [
            "delete from sync_runs where account_id = $1 and integration_id = $2 and id <> $3",
            "update sync_runs
                set progress = progress - 'message', error_code = null, error_message = null, error_history = '[]'
              where account_id = $1 and integration_id = $2 and id = $3",
        ] {
            sqlx::query(statement)
                .bind(self.account_id())
                .bind(run.integration_id)
                .bind(run.id)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }

    /// Forgets a store: every row of every table that belongs to its link goes, but for the run that does it. The link
    /// and the store stay as a shell that says nothing, so that connecting the same store begins anew. Answers the days
    /// whose numbers it was part of; the account's own sums of these days are gone and have to be rebuilt.
    pub async fn forget_store(&self, integration_id: IntegrationId, why: &str) -> Result<Vec<NaiveDate>, StoreError> {
        let mut connection = self.connection().await;
        let days: Vec<NaiveDate> =
            sqlx::query_scalar("select date from daily_shopify_metrics where account_id = $1 and integration_id = $2")
                .bind(self.account_id())
                .bind(integration_id)
                .fetch_all(&mut *connection)
                .await?;
        // From the catalogue, so that a table that is added some day is not left out.
        let tables: Vec<String> = sqlx::query_scalar(
            "select format('%I.%I', n.nspname, c.relname)
               from pg_class c
               join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
               join pg_attribute a on a.attrelid = c.oid and a.attname = 'integration_id' and not a.attisdropped
              where c.relkind in ('r', 'p') and c.relname <> 'sync_runs'
              order by c.relname",
        )
        .fetch_all(&mut *connection)
        .await?;
        for table in tables {
            let sql = format!("delete from {table} where account_id = $1 and integration_id = $2");
            sqlx::query(AssertSqlSafe(sql))
                .bind(self.account_id())
                .bind(integration_id)
                .execute(&mut *connection)
                .await?;
        }
        sqlx::query("delete from daily_summary where account_id = $1 and date = any($2)")
            .bind(self.account_id())
            .bind(&days)
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "delete from oauth_states
              where account_id = $1
                and shop_domain = (select s.shop_domain from shops s
                                     join integrations i on i.account_id = s.account_id and i.shop_id = s.id
                                    where i.account_id = $1 and i.id = $2)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "update shops
                set shop_domain = 'redacted-' || id, shopify_shop_id = 0, name = 'A deleted store',
                    uninstalled_at = coalesce(uninstalled_at, clock_timestamp()), redacted_at = clock_timestamp()
              where account_id = $1
                and id = (select shop_id from integrations where account_id = $1 and id = $2)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "update integrations
                set status = 'disconnected', status_reason = $3, scopes = '{}', refresh_lease_until = null
              where account_id = $1 and id = $2",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(why)
        .execute(&mut *connection)
        .await?;
        Ok(days)
    }
}
