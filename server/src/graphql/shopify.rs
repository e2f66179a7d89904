//! The dashboard of the stores.

use async_graphql::{Context, ID, Object};

use super::context::{May, app, reading};
use super::error::ApiError;
use super::kpi::{RefundDating, ShopifyKpis, ShopifyValues, SourceFreshness};
use super::node::NodeKey;
use super::period::{BucketSize, Comparison, DateRangeInput, Days, compare_to};
use super::scalars::Date;
use crate::access::Action;
use crate::dashboards::{self, Point, Report};
use crate::domain::money::CurrencyCode;

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
        Ok(ShopifyDashboard(report))
    }
}

pub(super) struct ShopifyDashboard(Report);

/// The stores: all of them, or one. Amounts are in `currencyCode`, days in `timezone`.
#[Object]
impl ShopifyDashboard {
    /// The numbers over the whole range.
    async fn kpis(&self) -> ShopifyKpis<'_> {
        ShopifyKpis(&self.0)
    }

    /// One point for each day, week or month of the range, none left out.
    async fn series(&self) -> Vec<ShopifyPoint<'_>> {
        self.0.points.iter().map(|point| ShopifyPoint(&self.0, point)).collect()
    }

    /// How fresh the numbers are; empty where no store is connected.
    async fn freshness(&self) -> Vec<SourceFreshness> {
        self.0.freshness.iter().map(Into::into).collect()
    }

    /// The days that were asked for.
    async fn range(&self) -> Days {
        self.0.range.into()
    }

    /// The days they are compared with.
    async fn compared_range(&self) -> Option<Days> {
        self.0.compared.map(Into::into)
    }

    /// How many days share a point of the series.
    async fn granularity(&self) -> BucketSize {
        self.0.granularity.into()
    }

    /// On which day reversals are booked.
    async fn refund_dating(&self) -> RefundDating {
        self.0.refund_dating.into()
    }

    /// The time zone of the one store that was asked for, else of the account, by its IANA name. A store's orders count
    /// on its own days.
    async fn timezone(&self) -> &str {
        self.0.timezone.name()
    }

    /// The currency of every amount.
    async fn currency_code(&self) -> CurrencyCode {
        self.0.currency
    }
}

pub(super) struct ShopifyPoint<'a>(&'a Report, &'a Point);

/// A day, week or month of the stores. A value is null where no day of it is known and where a quotient has no value;
/// on a known day without sales, sums and counts are 0.
#[Object]
impl ShopifyPoint<'_> {
    /// The first day, as far as the range has it.
    async fn date(&self) -> Date {
        Date(self.1.days.from())
    }

    /// The last day, as far as the range has it; the same as `date` in a daily series.
    async fn end_date(&self) -> Date {
        Date(self.1.days.to())
    }

    /// Whether some of these days is not known to every store.
    async fn is_partial(&self) -> bool {
        self.1.is_partial
    }

    #[graphql(flatten)]
    async fn values(&self) -> ShopifyValues<'_> {
        ShopifyValues(self.0, self.1)
    }
}
