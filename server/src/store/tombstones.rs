//! `shopify_tombstones`: what stores have deleted, and since when.
//!
//! A record is deleted exactly when its tombstone is not older than its version. So a deletion that comes before the
//! record, or twice, or after a newer version, does what it would have done in time.

use chrono::{DateTime, NaiveDate, Utc};

use super::{StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, ShopifyCustomerId, ShopifyOrderId, ShopifyProductId, TombstoneKind};

impl TenantDb {
    /// Deletes an order as of `at`: it stays as a deleted fact, in no number. Answers the days that lost something; none
    /// when a version is known that is newer than the deletion.
    pub async fn delete_order(
        &self,
        integration_id: IntegrationId,
        id: ShopifyOrderId,
        at: DateTime<Utc>,
    ) -> Result<Option<Vec<NaiveDate>>, StoreError> {
        self.bury(integration_id, TombstoneKind::Order, id.0, at).await?;
        let mut connection = self.connection().await;
        let lives: bool = sqlx::query_scalar(
            "select exists (select from fact_orders
                             where account_id = $1 and integration_id = $2 and shopify_order_id = $3
                               and order_updated_at > $4)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(id)
        .bind(at)
        .fetch_one(&mut *connection)
        .await?;
        if lives {
            return Ok(None);
        }
        sqlx::query(
            "update fact_orders set deleted_at = greatest(deleted_at, $4)
              where account_id = $1 and integration_id = $2 and shopify_order_id = $3",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(id)
        .bind(at)
        .execute(&mut *connection)
        .await?;
        let days = sqlx::query_scalar(
            "delete from fact_order_days
              where account_id = $1 and integration_id = $2 and shopify_order_id = $3
             returning date",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(id)
        .fetch_all(&mut *connection)
        .await?;
        Ok(Some(days))
    }

    /// Takes back the deletions of orders that the store still had at `seen_at`: the next version to come is taken in.
    pub async fn unbury_orders(
        &self,
        integration_id: IntegrationId,
        ids: &[ShopifyOrderId],
        seen_at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "delete from shopify_tombstones
              where account_id = $1 and integration_id = $2 and kind = 'order' and shopify_id = any($3)
                and deleted_at <= $4",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(ids)
        .bind(seen_at)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Deletes a product as of `at`, unless a newer version is known.
    pub async fn delete_product(
        &self,
        integration_id: IntegrationId,
        id: ShopifyProductId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.bury(integration_id, TombstoneKind::Product, id.0, at).await?;
        sqlx::query(
            "delete from shopify_products_raw
              where account_id = $1 and integration_id = $2 and shopify_product_id = $3 and product_updated_at <= $4",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(id)
        .bind(at)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Deletes a customer as of `at`, unless a newer version is known. The customer's orders stay.
    pub async fn delete_customer(
        &self,
        integration_id: IntegrationId,
        id: ShopifyCustomerId,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        self.bury(integration_id, TombstoneKind::Customer, id.0, at).await?;
        sqlx::query(
            "delete from shopify_customers_raw
              where account_id = $1 and integration_id = $2 and shopify_customer_id = $3 and customer_updated_at <= $4",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(id)
        .bind(at)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    async fn bury(
        &self,
        integration_id: IntegrationId,
        kind: TombstoneKind,
        shopify_id: i64,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "insert into shopify_tombstones as known (account_id, integration_id, kind, shopify_id, deleted_at)
             values ($1, $2, $3, $4, $5)
             on conflict (integration_id, kind, shopify_id) do update
                set deleted_at = greatest(known.deleted_at, excluded.deleted_at)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(kind)
        .bind(shopify_id)
        .bind(at)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }
}
