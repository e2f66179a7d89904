//! What dashboards are made of: sums by day, and how far each link's data reaches. Read only.
//!
//! Each function is one statement. The range asked for comes back day by day, the range it is compared with as one sum.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::FromRow;

use super::{StoreError, TenantDb};
use crate::domain::fact::{AdSums, SalesSums};
use crate::domain::ids::{IntegrationId, IntegrationStatus, ProviderKind};
use crate::domain::period::DateRange;

/// The account's own currency and time zone, and its links.
#[derive(Debug, Clone)]
pub struct SourcesRow {
    /// ISO 4217.
    pub currency: String,
    /// IANA name.
    pub timezone: String,
    /// Every link, the earliest first.
    pub sources: Vec<SourceRow>,
}

/// A link and how far its data reaches.
#[derive(Debug, Clone)]
pub struct SourceRow {
    /// The link.
    pub integration_id: IntegrationId,
    /// To whom.
    pub provider: ProviderKind,
    /// How it is doing.
    pub status: IntegrationStatus,
    /// ISO 4217, the currency of the store or ad account.
    pub currency: String,
    /// IANA name, the time zone of its days.
    pub timezone: String,
    /// The first day that is known as a whole.
    pub backfilled_from: Option<NaiveDate>,
    /// Every change of an order until then is in the tables.
    pub orders_synced_through: Option<DateTime<Utc>>,
    /// The last day whose ad insights are in the tables.
    pub insights_synced_through: Option<NaiveDate>,
    /// When a run of any job last succeeded.
    pub last_synced_at: Option<DateTime<Utc>>,
}

/// What moved on a day.
#[derive(Debug, Clone, Copy)]
pub struct DayRow {
    /// The local day.
    pub date: NaiveDate,
    /// The stores' part.
    pub sales: SalesSums,
    /// The ad accounts' part.
    pub ads: AdSums,
}

/// Days of one range, and the sum of another.
#[derive(Debug, Clone, Default)]
pub struct DayRows {
    /// Only days that have a row, in order.
    pub days: Vec<DayRow>,
    /// All zero where nothing was compared.
    pub compared: (SalesSums, AdSums),
}

/// On which day a store's reversals are booked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RefundDating {
    /// On the day they were processed, as Shopify does.
    #[default]
    ProcessedAt,
    /// On the day of the order that they take back.
    OrderDate,
}

/// One row per link, with the account's columns beside it; one row without a link for an account that has none.
#[derive(FromRow)]
struct AccountSourceRow {
    account_currency: String,
    account_timezone: String,
    integration_id: Option<IntegrationId>,
    provider: Option<ProviderKind>,
    status: Option<IntegrationStatus>,
    currency: Option<String>,
    timezone: Option<String>,
    backfilled_from: Option<NaiveDate>,
    orders_synced_through: Option<DateTime<Utc>>,
    insights_synced_through: Option<NaiveDate>,
    last_synced_at: Option<DateTime<Utc>>,
}

impl AccountSourceRow {
    fn source(self) -> Option<SourceRow> {
        Some(SourceRow {
            integration_id: self.integration_id?,
            provider: self.provider?,
            status: self.status?,
            currency: self.currency?,
            timezone: self.timezone?,
            backfilled_from: self.backfilled_from,
            orders_synced_through: self.orders_synced_through,
            insights_synced_through: self.insights_synced_through,
            last_synced_at: self.last_synced_at,
        })
    }
}

/// A day of the range, or without a date the sum of the range it is compared with.
#[derive(FromRow)]
struct SumRow {
    date: Option<NaiveDate>,
    #[sqlx(flatten)]
    sales: SalesColumns,
    #[sqlx(flatten)]
    ads: AdColumns,
}

/// As [`SumRow`], of stores alone.
#[derive(FromRow)]
struct SalesRow {
    date: Option<NaiveDate>,
    #[sqlx(flatten)]
    sales: SalesColumns,
}

#[derive(FromRow)]
struct SalesColumns {
    orders: i64,
    units: i64,
    gross_sales: Decimal,
    discounts: Decimal,
    refunds: Decimal,
    shipping: Decimal,
    taxes: Decimal,
    duties_and_fees: Decimal,
    order_value: Decimal,
    new_customer_orders: i64,
    returning_customer_orders: i64,
    guest_orders: i64,
}

#[derive(FromRow)]
struct AdColumns {
    meta_spend: Decimal,
    meta_ad_spend: Decimal,
    meta_impressions: i64,
    meta_clicks: i64,
    meta_purchases: i64,
    meta_purchase_value: Decimal,
}

impl From<SalesColumns> for SalesSums {
    fn from(row: SalesColumns) -> Self {
        Self {
            orders: row.orders,
            units: row.units,
            gross_sales: row.gross_sales,
            discounts: row.discounts,
            refunds: row.refunds,
            shipping: row.shipping,
            taxes: row.taxes,
            duties_and_fees: row.duties_and_fees,
            order_value: row.order_value,
            new_customer_orders: row.new_customer_orders,
            returning_customer_orders: row.returning_customer_orders,
            guest_orders: row.guest_orders,
        }
    }
}

impl From<AdColumns> for AdSums {
    fn from(row: AdColumns) -> Self {
        Self {
            spend: row.meta_spend,
            ad_spend: row.meta_ad_spend,
            impressions: row.meta_impressions,
            clicks: row.meta_clicks,
            purchases: row.meta_purchases,
            purchase_value: row.meta_purchase_value,
        }
    }
}

impl DayRows {
    fn collect(rows: impl Iterator<Item = (Option<NaiveDate>, SalesSums, AdSums)>) -> Self {
        let mut collected = Self::default();
        for (date, sales, ads) in rows {
            match date {
                Some(date) => collected.days.push(DayRow { date, sales, ads }),
                None => collected.compared = (sales, ads),
            }
        }
        collected
    }
}

/// The columns of [`SalesColumns`], summed.
macro_rules! sales_sums {
    () => {
        "coalesce(sum(orders), 0)::bigint as orders, coalesce(sum(units), 0)::bigint as units,
         coalesce(sum(gross_sales), 0) as gross_sales, coalesce(sum(discounts), 0) as discounts,
         coalesce(sum(refunds), 0) as refunds, coalesce(sum(shipping), 0) as shipping,
         coalesce(sum(taxes), 0) as taxes, coalesce(sum(duties_and_fees), 0) as duties_and_fees,
         coalesce(sum(order_value), 0) as order_value,
         coalesce(sum(new_customer_orders), 0)::bigint as new_customer_orders,
         coalesce(sum(returning_customer_orders), 0)::bigint as returning_customer_orders,
         coalesce(sum(guest_orders), 0)::bigint as guest_orders"
    };
}

/// Days of a table of store sums in `$3..$4`, and the sum of `$5..$6`, of the links `$2`.
macro_rules! sales_by {
    ($table:literal, $date:literal) => {
        concat!(
            "select ",
            $date,
            " as date, ",
            sales_sums!(),
            " from ",
            $table,
            " where account_id = $1 and integration_id = any($2) and ",
            $date,
            " between $3 and $4 group by ",
            $date,
            " union all select null, ",
            sales_sums!(),
            " from ",
            $table,
            " where account_id = $1 and integration_id = any($2) and ",
            $date,
            " between $5 and $6 order by 1"
        )
    };
}

const SUMMARY_DAYS: &str = concat!(
    "select date, orders, units, gross_sales, discounts, refunds, shipping, taxes, duties_and_fees, order_value,
            new_customer_orders, returning_customer_orders, guest_orders,
            meta_spend, meta_ad_spend, meta_impressions, meta_clicks, meta_purchases, meta_purchase_value
       from daily_summary
      where account_id = $1 and date between $2 and $3
      union all
     select null, ",
    sales_sums!(),
    ",
            coalesce(sum(meta_spend), 0), coalesce(sum(meta_ad_spend), 0),
            coalesce(sum(meta_impressions), 0)::bigint, coalesce(sum(meta_clicks), 0)::bigint,
            coalesce(sum(meta_purchases), 0)::bigint, coalesce(sum(meta_purchase_value), 0)
       from daily_summary
      where account_id = $1 and date between $4 and $5
      order by 1"
);

impl TenantDb {
    /// The account's currency and time zone, and how far the data of each of its links reaches.
    pub async fn sources(&self) -> Result<SourcesRow, StoreError> {
        let rows: Vec<AccountSourceRow> = sqlx::query_as(
            "select a.currency::text as account_currency, a.timezone as account_timezone,
                    i.id as integration_id, i.type as provider, i.status,
                    coalesce(s.currency, m.currency)::text as currency,
                    coalesce(s.iana_timezone, m.timezone_name) as timezone,
                    c.backfilled_from, c.orders_synced_through, c.insights_synced_through,
                    (select max(r.finished_at) from sync_runs r
                      where r.account_id = i.account_id and r.integration_id = i.id and r.status = 'succeeded')
                        as last_synced_at
               from accounts a
               left join integrations i
                 on i.account_id = a.id
                and not exists (select from shops gone
                                 where gone.account_id = i.account_id and gone.id = i.shop_id
                                   and gone.redacted_at is not null)
               left join shops s on s.account_id = i.account_id and s.id = i.shop_id
               left join ad_accounts m on m.account_id = i.account_id and m.id = i.ad_account_id
               left join sync_cursors c on c.account_id = i.account_id and c.integration_id = i.id
              where a.id = $1
              order by i.connected_at, i.id",
        )
        .bind(self.account_id())
        .fetch_all(&mut *self.connection().await)
        .await?;
        let Some(first) = rows.first() else {
            return Err(StoreError::Broken("the account's own row is missing".to_owned()));
        };
        Ok(SourcesRow {
            currency: first.account_currency.clone(),
            timezone: first.account_timezone.clone(),
            sources: rows.into_iter().filter_map(AccountSourceRow::source).collect(),
        })
    }

    /// The whole account by day: stores and ad accounts together.
    pub async fn summary_days(&self, range: DateRange, compared: Option<DateRange>) -> Result<DayRows, StoreError> {
        let rows: Vec<SumRow> = sqlx::query_as(SUMMARY_DAYS)
            .bind(self.account_id())
            .bind(range.from())
            .bind(range.to())
            .bind(compared.map(|range| range.from()))
            .bind(compared.map(|range| range.to()))
            .fetch_all(&mut *self.connection().await)
            .await?;
        Ok(DayRows::collect(
            rows.into_iter().map(|row| (row.date, row.sales.into(), row.ads.into())),
        ))
    }

    /// These stores by day, summed over them.
    pub async fn store_days(
        &self,
        stores: &[IntegrationId],
        dating: RefundDating,
        range: DateRange,
        compared: Option<DateRange>,
    ) -> Result<DayRows, StoreError> {
        let statement = match dating {
            RefundDating::ProcessedAt => sales_by!("daily_shopify_metrics", "date"),
            RefundDating::OrderDate => sales_by!("fact_order_days", "order_date"),
        };
        let rows: Vec<SalesRow> = sqlx::query_as(statement)
            .bind(self.account_id())
            .bind(stores)
            .bind(range.from())
            .bind(range.to())
            .bind(compared.map(|range| range.from()))
            .bind(compared.map(|range| range.to()))
            .fetch_all(&mut *self.connection().await)
            .await?;
        Ok(DayRows::collect(
            rows.into_iter()
                .map(|row| (row.date, row.sales.into(), AdSums::default())),
        ))
    }
}
