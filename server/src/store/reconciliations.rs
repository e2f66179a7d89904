//! `daily_reconciliations`, and the questions to `fact_orders` that holding a store's books against its own takes.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::FromRow;

use super::{StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, ShopifyOrderId};
use crate::domain::period::DateRange;
use crate::domain::window::Window;

/// What is held of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct HeldOrder {
    /// Which.
    pub id: ShopifyOrderId,
    /// The version.
    pub updated_at: DateTime<Utc>,
    /// Whether it is a test order.
    pub is_test: bool,
    /// Whether it counts as deleted.
    pub is_deleted: bool,
    /// Net sales of its whole life.
    pub revenue_net: Decimal,
    /// Total sales of its whole life.
    pub total_sales: Decimal,
}

impl HeldOrder {
    /// Whether it is in the numbers.
    pub fn counts(&self) -> bool {
        !self.is_test && !self.is_deleted
    }
}

/// A day that was held against the store.
#[derive(Debug, Clone, Copy)]
pub struct NewReconciliation {
    /// The local day.
    pub date: NaiveDate,
    /// The moments of it that were counted.
    pub processed: Window,
    /// How many orders the store counts.
    pub orders_at_shopify: u64,
    /// How many orders were put right.
    pub repaired: u64,
    /// Net and total sales of the store's own report.
    pub reported: Option<(Decimal, Decimal)>,
}

/// A day of a store as it was last held against the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub struct ReconciliationRow {
    /// The store.
    pub integration_id: IntegrationId,
    /// The local day.
    pub date: NaiveDate,
    /// When.
    pub reconciled_at: DateTime<Utc>,
    /// How many orders the store counts.
    pub orders_at_shopify: i64,
    /// How many are here.
    pub orders_here: i64,
    /// The store's count minus ours.
    pub drift: i64,
    /// How many orders were put right.
    pub repaired: i64,
    /// Net sales of the store's own report, where it could be read.
    pub net_sales_at_shopify: Option<Decimal>,
    /// The report minus our net sales.
    pub net_sales_drift: Option<Decimal>,
    /// Total sales of the store's own report, where it could be read.
    pub total_sales_at_shopify: Option<Decimal>,
    /// The report minus our total sales.
    pub total_sales_drift: Option<Decimal>,
}

/// Reconciled days of stores, and how many stores a day waits for.
#[derive(Debug, Clone, Default)]
pub struct ReconciledDays {
    /// By day, then store, with whether the store is still linked.
    pub days: Vec<(ReconciliationRow, bool)>,
    /// How many stores are linked.
    pub live_stores: usize,
}

#[derive(FromRow)]
struct StoreDay {
    #[sqlx(flatten)]
    day: ReconciliationRow,
    is_live: bool,
    live_stores: i64,
}

/// What [`HeldOrder`] is read from.
macro_rules! held_orders {
    ($condition:literal) => {
        concat!(
            "select shopify_order_id as id, order_updated_at as updated_at, is_test,
                    deleted_at is not null as is_deleted, revenue_net, total_sales
               from fact_orders where account_id = $1 and integration_id = $2 and ",
            $condition
        )
    };
}

/// The columns of [`ReconciliationRow`].
macro_rules! reconciliation_columns {
    ($of:literal) => {
        concat!(
            $of,
            "integration_id, ",
            $of,
            "date, reconciled_at, orders_at_shopify, orders_here, drift, repaired, net_sales_at_shopify,
             net_sales_drift, total_sales_at_shopify, total_sales_drift"
        )
    };
}

impl TenantDb {
    /// What is held of these orders, as far as anything is.
    pub async fn held_orders(
        &self,
        integration_id: IntegrationId,
        ids: &[ShopifyOrderId],
    ) -> Result<Vec<HeldOrder>, StoreError> {
        Ok(sqlx::query_as(held_orders!("shopify_order_id = any($3)"))
            .bind(self.account_id())
            .bind(integration_id)
            .bind(ids)
            .fetch_all(&mut *self.connection().await)
            .await?)
    }

    /// Every order that is held to have been processed in a window, tests and deleted ones too.
    pub async fn orders_processed_in(
        &self,
        integration_id: IntegrationId,
        window: Window,
    ) -> Result<Vec<HeldOrder>, StoreError> {
        Ok(sqlx::query_as(held_orders!("processed_at >= $3 and processed_at < $4"))
            .bind(self.account_id())
            .bind(integration_id)
            .bind(window.from)
            .bind(window.to)
            .fetch_all(&mut *self.connection().await)
            .await?)
    }

    /// How many orders were processed in each window; tests and deleted ones are not among them.
    pub async fn count_processed(
        &self,
        integration_id: IntegrationId,
        windows: &[Window],
    ) -> Result<Vec<u64>, StoreError> {
        let counts: Vec<i64> = sqlx::query_scalar(
            "select count(o.shopify_order_id)
               from unnest($3::timestamptz[], $4::timestamptz[]) with ordinality as span (since, until, place)
               left join fact_orders o
                 on o.account_id = $1 and o.integration_id = $2 and not o.is_test and o.deleted_at is null
                and o.processed_at >= span.since and o.processed_at < span.until
              group by span.place order by span.place",
        )
        .bind(self.account_id())
        .bind(integration_id)
        .bind(Vec::from_iter(windows.iter().map(|window| window.from)))
        .bind(Vec::from_iter(windows.iter().map(|window| window.to)))
        .fetch_all(&mut *self.connection().await)
        .await?;
        Ok(counts.into_iter().map(i64::unsigned_abs).collect())
    }

    /// Keeps what a night found of these days, ours counted here and now.
    pub async fn keep_reconciliations(
        &self,
        integration_id: IntegrationId,
        days: &[NewReconciliation],
        at: DateTime<Utc>,
    ) -> Result<Vec<ReconciliationRow>, StoreError> {
        let reported =
            |of: fn((Decimal, Decimal)) -> Decimal| Vec::from_iter(days.iter().map(|day| day.reported.map(of)));
        let mut kept: Vec<ReconciliationRow> = sqlx::query_as(concat!(
            "insert into daily_reconciliations
                    (account_id, integration_id, date, reconciled_at, orders_at_shopify, orders_here, drift, repaired,
                     net_sales_at_shopify, net_sales_drift, total_sales_at_shopify, total_sales_drift)
             select $1, $2, day.date, $3, day.counted, here.orders, day.counted - here.orders, day.repaired,
                    day.net_sales, day.net_sales - coalesce(cell.revenue_net, 0),
                    day.total_sales, day.total_sales - coalesce(cell.total_sales, 0)
               from unnest($4::date[], $5::timestamptz[], $6::timestamptz[], $7::bigint[], $8::bigint[],
                           $9::numeric[], $10::numeric[])
                    as day (date, since, until, counted, repaired, net_sales, total_sales)
              cross join lateral (
                    select count(*) as orders from fact_orders o
                     where o.account_id = $1 and o.integration_id = $2 and not o.is_test and o.deleted_at is null
                       and o.processed_at >= day.since and o.processed_at < day.until) here
               left join daily_shopify_metrics cell
                 on cell.account_id = $1 and cell.integration_id = $2 and cell.date = day.date
              order by day.date
             on conflict (integration_id, date) do update
                set reconciled_at = excluded.reconciled_at, orders_at_shopify = excluded.orders_at_shopify,
                    orders_here = excluded.orders_here, drift = excluded.drift, repaired = excluded.repaired,
                    net_sales_at_shopify = excluded.net_sales_at_shopify,
                    net_sales_drift = excluded.net_sales_drift,
                    total_sales_at_shopify = excluded.total_sales_at_shopify,
                    total_sales_drift = excluded.total_sales_drift
             returning ",
            reconciliation_columns!("")
        ))
        .bind(self.account_id())
        .bind(integration_id)
        .bind(at)
        .bind(Vec::from_iter(days.iter().map(|day| day.date)))
        .bind(Vec::from_iter(days.iter().map(|day| day.processed.from)))
        .bind(Vec::from_iter(days.iter().map(|day| day.processed.to)))
        .bind(Vec::from_iter(
            days.iter().map(|day| day.orders_at_shopify.cast_signed()),
        ))
        .bind(Vec::from_iter(days.iter().map(|day| day.repaired.cast_signed())))
        .bind(reported(|(net_sales, _)| net_sales))
        .bind(reported(|(_, total_sales)| total_sales))
        .fetch_all(&mut *self.connection().await)
        .await?;
        kept.sort_unstable_by_key(|row| row.date);
        Ok(kept)
    }

    /// The days of a range that were held against their store, of one store or of all.
    pub async fn reconciled_days(
        &self,
        only: Option<IntegrationId>,
        range: DateRange,
    ) -> Result<ReconciledDays, StoreError> {
        let rows: Vec<StoreDay> = sqlx::query_as(concat!(
            "with stores as (
                 select id, status <> 'disconnected' as is_live from integrations
                  where account_id = $1 and type = 'shopify' and ($2::uuid is null or id = $2))
             select ",
            reconciliation_columns!("day."),
            ", store.is_live, (select count(*) from stores where is_live) as live_stores
               from stores store
               join daily_reconciliations day on day.account_id = $1 and day.integration_id = store.id
              where day.date between $3 and $4
              order by day.date, day.integration_id"
        ))
        .bind(self.account_id())
        .bind(only)
        .bind(range.from())
        .bind(range.to())
        .fetch_all(&mut *self.connection().await)
        .await?;
        Ok(ReconciledDays {
            live_stores: rows.first().map_or(0, |row| row.live_stores as usize),
            days: rows.into_iter().map(|row| (row.day, row.is_live)).collect(),
        })
    }
}
