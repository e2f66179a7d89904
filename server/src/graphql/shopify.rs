//! The dashboard of the stores.

use async_graphql::{Context, ID, Object, SimpleObject};
use tokio::sync::OnceCell;

use super::context::{May, app, reading};
use super::error::ApiError;
use super::kpi::{RefundDating, ShopifyKpis, ShopifyValues, SourceFreshness};
use super::node::NodeKey;
use super::period::{BucketSize, Comparison, DateRangeInput, Days, compare_to};
use super::scalars::{Date, DateTime, Decimal};
use crate::access::Action;
use crate::dashboards::{self, Point, Reconciled, Report, Standing};
use crate::domain::ids::IntegrationId;
use crate::domain::money::CurrencyCode;
use crate::store::ReconciliationRow;

#[derive(Default)]
pub(super) struct ShopifyQuery;

#[Object]
impl ShopifyQuery {
    /// The stores: all of them, or one.
    #[graphql(guard = "May(Action::ReadKpis)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn shopify_dashboard(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which days; presets are relative to today in the account's time zone.")]
        range: DateRangeInput,
        #[graphql(desc = "One store; all of them without.")] integration_id: Option<ID>,
        #[graphql(
            desc = "On which day reversals are booked.",
            default_with = "Some(RefundDating::ProcessedAt)"
        )]
        refund_dating: Option<RefundDating>,
        #[graphql(
            desc = "How many days share a point of the series.",
            default_with = "Some(BucketSize::Day)"
        )]
        granularity: Option<BucketSize>,
        #[graphql(desc = "What to compare with; nothing is compared without.")] compare_to: Option<Comparison>,
        #[graphql(desc = "The days to compare with, for `compareTo: CUSTOM`.")] compare_range: Option<DateRangeInput>,
    ) -> Result<ShopifyDashboard, ApiError> {
        let query = dashboards::ShopifyQuery {
            period: range.period()?,
            granularity: granularity.map(Into::into).unwrap_or_default(),
            compare_to: self::compare_to(compare_to, compare_range)?,
            integration_id: integration_id
                .map(|id| NodeKey::integration(&id).ok_or(dashboards::DashboardError::NoSuchStore))
                .transpose()?,
            refund_dating: refund_dating.map(Into::into).unwrap_or_default(),
        };
        let db = reading(context).await?;
        let report = dashboards::shopify(&db, &query, &app(context)?.clock).await?;
        Ok(ShopifyDashboard {
            report,
            store: query.integration_id,
            reconciled: OnceCell::new(),
        })
    }
}

pub(super) struct ShopifyDashboard {
    report: Report,
    /// The one store that was asked for.
    store: Option<IntegrationId>,
    /// Read when the first field asks for it.
    reconciled: OnceCell<Reconciled>,
}

impl ShopifyDashboard {
    async fn reconciled(&self, context: &Context<'_>) -> Result<&Reconciled, ApiError> {
        let read = || async {
            let db = reading(context).await?;
            Ok(dashboards::reconciled(&db, self.store, self.report.range).await?)
        };
        self.reconciled.get_or_try_init(read).await
    }
}

/// The stores: all of them, or one. Amounts are in `currencyCode`, days in `timezone`.
#[Object]
impl ShopifyDashboard {
    /// The numbers over the whole range.
    async fn kpis(&self) -> ShopifyKpis<'_> {
        ShopifyKpis(&self.report)
    }

    /// One point for each day, week or month of the range, none left out.
    async fn series(&self) -> Vec<ShopifyPoint<'_>> {
        let points = self.report.points.iter();
        points.map(|point| ShopifyPoint { dashboard: self, point }).collect()
    }

    /// The days of the range that were held against the store's own count, by day and store. A night does it for the
    /// last seven days and puts right what it can.
    async fn reconciliation(&self, context: &Context<'_>) -> Result<Vec<DayReconciliation>, ApiError> {
        Ok(self.reconciled(context).await?.days().map(Into::into).collect())
    }

    /// How fresh the numbers are; empty where no store is connected.
    async fn freshness(&self) -> Vec<SourceFreshness> {
        self.report.freshness.iter().map(Into::into).collect()
    }

    /// The days that were asked for.
    async fn range(&self) -> Days {
        self.report.range.into()
    }

    /// The days they are compared with.
    async fn compared_range(&self) -> Option<Days> {
        self.report.compared.map(Into::into)
    }

    /// How many days share a point of the series.
    async fn granularity(&self) -> BucketSize {
        self.report.granularity.into()
    }

    /// On which day reversals are booked.
    async fn refund_dating(&self) -> RefundDating {
        self.report.refund_dating.into()
    }

    /// The time zone of the one store that was asked for, else of the account, by its IANA name. A store's orders count
    /// on its own days.
    async fn timezone(&self) -> &str {
        self.report.timezone.name()
    }

    /// The currency of every amount.
    async fn currency_code(&self) -> CurrencyCode {
        self.report.currency
    }
}

/// A day of a store, held against the store's own count.
#[derive(SimpleObject)]
pub(super) struct DayReconciliation {
    /// The store.
    integration_id: ID,
    /// The day, in the store's time zone.
    date: Date,
    /// When it was last held against the store.
    reconciled_at: DateTime,
    /// How many orders the store counts as processed on that day; a day that is not over is counted so far.
    orders_at_shopify: i64,
    /// How many of them are here, after the repair.
    orders: i64,
    /// `ordersAtShopify` − `orders`: 0 where nothing is missing and nothing is too much.
    drift: i64,
    /// How many orders of that day were added, changed or taken out by it.
    repaired: i64,
    /// Net sales in the store's own report; null where the app may not read it, and for a day that was not over.
    net_sales_at_shopify: Option<Decimal>,
    /// `netSalesAtShopify` minus the `revenueNet` of that day.
    net_sales_drift: Option<Decimal>,
}

impl From<&ReconciliationRow> for DayReconciliation {
    fn from(row: &ReconciliationRow) -> Self {
        Self {
            integration_id: NodeKey::Integration(row.integration_id).encode(),
            date: Date(row.date),
            reconciled_at: DateTime(row.reconciled_at),
            orders_at_shopify: row.orders_at_shopify,
            orders: row.orders_here,
            drift: row.drift,
            repaired: row.repaired,
            net_sales_at_shopify: row.net_sales_at_shopify.map(Decimal),
            net_sales_drift: row.net_sales_drift.map(Decimal),
        }
    }
}

pub(super) struct ShopifyPoint<'a> {
    dashboard: &'a ShopifyDashboard,
    point: &'a Point,
}

impl ShopifyPoint<'_> {
    async fn standing(&self, context: &Context<'_>) -> Result<Option<Standing>, ApiError> {
        Ok(self.dashboard.reconciled(context).await?.over(self.point.days))
    }
}

/// A day, week or month of the stores. A value is null where no day of it is known and where a quotient has no value;
/// on a known day without sales, sums and counts are 0.
#[Object]
impl ShopifyPoint<'_> {
    /// The first day, as far as the range has it.
    async fn date(&self) -> Date {
        Date(self.point.days.from())
    }

    /// The last day, as far as the range has it; the same as `date` in a daily series.
    async fn end_date(&self) -> Date {
        Date(self.point.days.to())
    }

    /// Whether some of these days is not known to every store.
    async fn is_partial(&self) -> bool {
        self.point.is_partial
    }

    /// When these days were last held against the stores' own counts, the one that is longest ago; null where one of
    /// them never was, in one of the stores.
    async fn reconciled_at(&self, context: &Context<'_>) -> Result<Option<DateTime>, ApiError> {
        Ok(self
            .standing(context)
            .await?
            .map(|standing| DateTime(standing.reconciled_at)))
    }

    /// By how many orders the stores' own counts of these days are above ours: 0 where they agree, null where
    /// `reconciledAt` is.
    async fn drift(&self, context: &Context<'_>) -> Result<Option<i64>, ApiError> {
        Ok(self.standing(context).await?.map(|standing| standing.drift))
    }

    #[graphql(flatten)]
    async fn values(&self) -> ShopifyValues<'_> {
        ShopifyValues(&self.dashboard.report, self.point)
    }
}
