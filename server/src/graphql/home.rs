//! The home dashboard: the whole account, stores and ads together.

use async_graphql::{Context, Object};

use super::context::{May, app, reading};
use super::error::ApiError;
use super::kpi::{HomeKpis, HomeValues, SourceFreshness};
use super::period::{BucketSize, Comparison, DateRangeInput, Days, compare_to};
use super::scalars::Date;
use crate::access::Action;
use crate::dashboards::{self, Point, Report};
use crate::domain::money::CurrencyCode;

#[derive(Default)]
pub(super) struct HomeQuery;

#[Object]
impl HomeQuery {
    /// The whole account: stores and ads together.
    #[graphql(guard = "May(Action::ReadKpis)")]
    async fn home_dashboard(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which days; presets are relative to today in the account's time zone.")]
        range: DateRangeInput,
        #[graphql(
            desc = "How many days share a point of the series.",
            default_with = "Some(BucketSize::Day)"
        )]
        granularity: Option<BucketSize>,
        #[graphql(desc = "What to compare with; nothing is compared without.")] compare_to: Option<Comparison>,
        #[graphql(desc = "The days to compare with, for `compareTo: CUSTOM`.")] compare_range: Option<DateRangeInput>,
    ) -> Result<HomeDashboard, ApiError> {
        let query = dashboards::HomeQuery {
            period: range.period()?,
            granularity: granularity.map(Into::into).unwrap_or_default(),
            compare_to: self::compare_to(compare_to, compare_range)?,
        };
        let db = reading(context).await?;
        let report = dashboards::home(&db, &query, &app(context)?.clock).await?;
        Ok(HomeDashboard(report))
    }
}

pub(super) struct HomeDashboard(Report);

/// The whole account: stores and ads together. Amounts are in `currencyCode`, days in `timezone`.
#[Object]
impl HomeDashboard {
    /// The numbers over the whole range.
    async fn kpis(&self) -> HomeKpis<'_> {
        HomeKpis(&self.0)
    }

    /// One point for each day, week or month of the range, none left out.
    async fn series(&self) -> Vec<HomePoint<'_>> {
        self.0.points.iter().map(|point| HomePoint(&self.0, point)).collect()
    }

    /// How fresh the numbers are, source by source; a source that is not connected is not listed.
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

    /// The account's time zone, by its IANA name. A store's orders count on its own days, ads on their account's.
    async fn timezone(&self) -> &str {
        self.0.timezone.name()
    }

    /// The currency of every amount.
    async fn currency_code(&self) -> CurrencyCode {
        self.0.currency
    }

    /// Whether some number will still move because Meta restates its last 28 days.
    async fn is_provisional(&self) -> bool {
        self.0.is_provisional
    }
}

pub(super) struct HomePoint<'a>(&'a Report, &'a Point);

/// A day, week or month of the home dashboard. A value is null where no day of it is known and where a quotient has no
/// value; on a known day without sales, sums and counts are 0.
#[Object]
impl HomePoint<'_> {
    /// The first day, as far as the range has it.
    async fn date(&self) -> Date {
        Date(self.1.days.from())
    }

    /// The last day, as far as the range has it; the same as `date` in a daily series.
    async fn end_date(&self) -> Date {
        Date(self.1.days.to())
    }

    /// Whether some of these days is not known to every store and ad account.
    async fn is_partial(&self) -> bool {
        self.1.is_partial
    }

    /// Whether Meta may still restate some of these days.
    async fn is_provisional(&self) -> bool {
        self.1.is_provisional
    }

    #[graphql(flatten)]
    async fn values(&self) -> HomeValues<'_> {
        HomeValues(self.0, self.1)
    }
}
