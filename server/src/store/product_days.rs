//! What products moved by day: rows of an order, and the cells that are summed over them. Both are written with the
//! order's days and by the same rules: see [`facts`](super::facts).

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{StoreError, TenantDb};
use crate::domain::fact::{OrderFact, ProductSums};
use crate::domain::ids::{IntegrationId, ShopifyProductId};

/// The product of a line that none stands behind: a key has no nulls.
pub(super) const NO_PRODUCT: ShopifyProductId = ShopifyProductId(0);

impl TenantDb {
    /// Writes the product days of these orders, of which there are none in the table.
    pub(super) async fn add_product_days(
        &self,
        integration_id: IntegrationId,
        facts: &[&OrderFact],
    ) -> Result<(), StoreError> {
        let rows = || {
            facts
                .iter()
                .flat_map(|fact| fact.product_days.iter().map(move |day| (fact.id, day)))
        };
        let count = |of: fn(&ProductSums) -> i64| Vec::from_iter(rows().map(|(_, day)| of(&day.sums) as i32));
        let money = |of: fn(&ProductSums) -> Decimal| Vec::from_iter(rows().map(|(_, day)| of(&day.sums)));
        sqlx::query(
            "insert into fact_product_days
                    (account_id, integration_id, shop_id, currency, order_date, shopify_order_id, date,
                     shopify_product_id, title, units, units_returned, gross_sales, discounts, refunds, revenue_net)
             select $1, $2, known.shop_id, known.currency, known.order_date, page.*
               from unnest($3::bigint[], $4::date[], $5::bigint[], $6::text[], $7::int[], $8::int[], $9::numeric[],
                           $10::numeric[], $11::numeric[], $12::numeric[])
                    as page (id, date, product_id, title, units, units_returned, gross_sales, discounts, refunds,
                             revenue_net)
               join fact_orders known
                 on known.account_id = $1 and known.integration_id = $2 and known.shopify_order_id = page.id
              where known.deleted_at is null",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(Vec::from_iter(rows().map(|(order, _)| order.0)))
        .bind(Vec::from_iter(rows().map(|(_, day)| day.date)))
        .bind(Vec::from_iter(
            rows().map(|(_, day)| day.product_id.unwrap_or(NO_PRODUCT).0),
        ))
        .bind(Vec::from_iter(
            rows().map(|(_, day)| day.title.as_deref().unwrap_or_default()),
        ))
        .bind(count(|sums| sums.units))
        .bind(count(|sums| sums.units_returned))
        .bind(money(|sums| sums.gross_sales))
        .bind(money(|sums| sums.discounts))
        .bind(money(|sums| sums.refunds))
        .bind(money(ProductSums::revenue_net))
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }

    /// Recomputes a store's product cells of these days from its facts, and writes those that are not as they were.
    /// Days before the first covered day have none, and neither has a product without facts.
    pub(super) async fn rebuild_product_cells(
        &self,
        integration_id: IntegrationId,
        days: &[NaiveDate],
    ) -> Result<(), StoreError> {
        sqlx::query(
            "with fresh as (
                 select f.date, f.shopify_product_id, f.title, f.currency,
                        count(*) filter (where f.units > 0 and f.date = f.order_date) as orders,
                        sum(f.units) as units, sum(f.units_returned) as units_returned,
                        sum(f.gross_sales) as gross_sales, sum(f.discounts) as discounts, sum(f.refunds) as refunds,
                        sum(f.revenue_net) as revenue_net
                   from fact_product_days f
                   join sync_cursors covered
                     on covered.account_id = $1 and covered.integration_id = $2 and covered.backfilled_from <= f.date
                  where f.account_id = $1 and f.integration_id = $2 and f.date = any($3)
                  group by f.date, f.shopify_product_id, f.title, f.currency),
             gone as (
                 delete from daily_product_metrics cell
                  where cell.account_id = $1 and cell.integration_id = $2 and cell.date = any($3)
                    and not exists (
                        select from fresh
                         where fresh.date = cell.date and fresh.shopify_product_id = cell.shopify_product_id
                           and fresh.title = cell.title))
             insert into daily_product_metrics as cell
                    (account_id, integration_id, date, shopify_product_id, title, currency, orders, units,
                     units_returned, gross_sales, discounts, refunds, revenue_net, computed_at)
             select $1, $2, fresh.*, clock_timestamp() from fresh
             on conflict (integration_id, date, shopify_product_id, title) do update
                set currency = excluded.currency, orders = excluded.orders, units = excluded.units,
                    units_returned = excluded.units_returned, gross_sales = excluded.gross_sales,
                    discounts = excluded.discounts, refunds = excluded.refunds, revenue_net = excluded.revenue_net,
                    computed_at = excluded.computed_at
              where (cell.currency, cell.orders, cell.units, cell.units_returned, cell.gross_sales, cell.discounts,
                     cell.refunds)
                    is distinct from
                    (excluded.currency, excluded.orders, excluded.units, excluded.units_returned,
                     excluded.gross_sales, excluded.discounts, excluded.refunds)",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(days)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }
}
