//! READ: from a question to a report.
//!
//! ```text
//! query ──▶ plan          which days, compared with which, of which links, in which currency
//!       ──▶ rows          one statement: days that have a row, and one sum to compare with
//!       ──▶ report        every day there, unknown days told apart from empty ones, sums by bucket
//!       ──▶ metrics       numbers, each from its sums, or the reason why there is none
//! ```
//!
//! A day is known or it is not. A known day without a row is a day of zeros; an unknown one has no numbers, and no sum
//! pretends to hold it: see [`coverage`]. Nothing here writes, asks a provider or looks at a clock of its own.

mod coverage;
pub mod metrics;
mod products;
mod reconciled;
mod report;

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::domain::clock::Clock;
use crate::domain::ids::{IntegrationId, ProviderKind};
use crate::domain::money::CurrencyCode;
use crate::domain::period::{Comparison, DateRange, Granularity, Preset};
use crate::store::{SourceRow, SourcesRow, StoreError, TenantDb};

pub use crate::store::RefundDating;
use coverage::Coverage;
pub use coverage::Freshness;
pub use products::{Products, ProductsQuery, products};
pub use reconciled::{Reconciled, Standing, reconciled};
pub use report::{Kpi, Point, Report};

/// Days as they are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// These days.
    Dates(DateRange),
    /// Days relative to today in the account's time zone.
    Preset(Preset),
}

/// What to compare with, as it is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareTo {
    /// As many days, immediately before.
    PreviousPeriod,
    /// The same dates a year earlier.
    PreviousYear,
    /// 52 weeks earlier.
    PreviousYearWeekday,
    /// Any other days.
    Custom(Period),
}

/// What the home dashboard is asked for.
#[derive(Debug, Clone, Copy)]
pub struct HomeQuery {
    /// Which days.
    pub period: Period,
    /// How many days share a point of the series.
    pub granularity: Granularity,
    /// What to compare with; nothing is compared without.
    pub compare_to: Option<CompareTo>,
}

/// What the dashboard of the stores is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ShopifyQuery {
    /// Which days.
    pub period: Period,
    /// How many days share a point of the series.
    pub granularity: Granularity,
    /// What to compare with; nothing is compared without.
    pub compare_to: Option<CompareTo>,
    /// One store; all of them without.
    pub integration_id: Option<IntegrationId>,
    /// On which day reversals are booked.
    pub refund_dating: RefundDating,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DashboardError {
    /// The account has no store with this id.
    #[error("there is no such store; `integrations` lists those that are connected")]
    NoSuchStore,
    /// The database did not answer with rows.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The whole account: stores and ads together.
pub async fn home(db: &TenantDb, query: &HomeQuery, clock: &Clock) -> Result<Report, DashboardError> {
    let account = Account::read(db.sources().await?)?;
    let scope = Scope {
        shopify: account.coverage(ProviderKind::Shopify, None)?,
        meta: account.coverage(ProviderKind::Meta, None)?,
        currency: account.currency,
        timezone: account.timezone,
        refund_dating: RefundDating::ProcessedAt,
    };
    let plan = Plan::new(query.period, query.granularity, query.compare_to, account.today(clock));
    let rows = db.summary_days(plan.range, plan.compared).await?;
    Ok(report::build(plan, scope, rows))
}

/// The stores alone: all of them, or one.
pub async fn shopify(db: &TenantDb, query: &ShopifyQuery, clock: &Clock) -> Result<Report, DashboardError> {
    let account = Account::read(db.sources().await?)?;
    let stores = account.stores(query.integration_id);
    if stores.is_empty() && query.integration_id.is_some() {
        return Err(DashboardError::NoSuchStore);
    }
    let coverage = account.coverage(ProviderKind::Shopify, query.integration_id)?;
    let (currency, timezone) = account.books(&coverage, query.integration_id);
    let scope = Scope {
        shopify: coverage,
        meta: Coverage::none(ProviderKind::Meta),
        currency,
        timezone,
        refund_dating: query.refund_dating,
    };
    let plan = Plan::new(query.period, query.granularity, query.compare_to, account.today(clock));
    let rows = db
        .store_days(&stores, query.refund_dating, plan.range, plan.compared)
        .await?;
    Ok(report::build(plan, scope, rows))
}

/// The days that a period means now, in the account's time zone.
pub async fn dates(db: &TenantDb, period: Period, clock: &Clock) -> Result<DateRange, DashboardError> {
    Ok(match period {
        Period::Dates(range) => range,
        Period::Preset(_) => {
            let timezone = coverage::timezone(&db.account().await?.timezone)?;
            period.on(clock.today(timezone))
        }
    })
}

/// The account's row, read.
struct Account {
    currency: CurrencyCode,
    timezone: Tz,
    row: SourcesRow,
}

impl Account {
    fn read(row: SourcesRow) -> Result<Self, StoreError> {
        Ok(Self {
            currency: coverage::currency(&row.currency)?,
            timezone: coverage::timezone(&row.timezone)?,
            row,
        })
    }

    fn today(&self, clock: &Clock) -> NaiveDate {
        clock.today(self.timezone)
    }

    fn stores(&self, only: Option<IntegrationId>) -> Vec<IntegrationId> {
        let stores = self.sources(ProviderKind::Shopify, only);
        stores.map(|source| source.integration_id).collect()
    }

    /// Those stores that keep their books in this currency.
    fn stores_in(&self, currency: CurrencyCode, only: Option<IntegrationId>) -> Vec<IntegrationId> {
        let stores = self.sources(ProviderKind::Shopify, only);
        stores
            .filter(|source| source.currency == currency.as_str())
            .map(|source| source.integration_id)
            .collect()
    }

    /// Currency and days of an answer: a single store has its own, whatever the account's are.
    fn books(&self, coverage: &Coverage, only: Option<IntegrationId>) -> (CurrencyCode, Tz) {
        let single = only.and_then(|_| coverage.books());
        single.unwrap_or((self.currency, self.timezone))
    }

    fn coverage(&self, provider: ProviderKind, only: Option<IntegrationId>) -> Result<Coverage, StoreError> {
        Coverage::read(provider, self.sources(provider, only))
    }

    fn sources(&self, provider: ProviderKind, only: Option<IntegrationId>) -> impl Iterator<Item = &SourceRow> {
        self.row
            .sources
            .iter()
            .filter(move |source| source.provider == provider && only.is_none_or(|only| source.integration_id == only))
    }
}

/// Of which links, in which currency and days, and where reversals go.
struct Scope {
    shopify: Coverage,
    meta: Coverage,
    currency: CurrencyCode,
    timezone: Tz,
    refund_dating: RefundDating,
}

/// Which days.
struct Plan {
    today: NaiveDate,
    range: DateRange,
    compared: Option<DateRange>,
    granularity: Granularity,
}

impl Plan {
    fn new(period: Period, granularity: Granularity, compare_to: Option<CompareTo>, today: NaiveDate) -> Self {
        let range = period.on(today);
        let compared = compare_to.map(|compare_to| {
            range.compared(match compare_to {
                CompareTo::PreviousPeriod => Comparison::PreviousPeriod,
                CompareTo::PreviousYear => Comparison::PreviousYear,
                CompareTo::PreviousYearWeekday => Comparison::PreviousYearWeekday,
                CompareTo::Custom(period) => Comparison::Custom(period.on(today)),
            })
        });
        Self {
            today,
            range,
            compared,
            granularity,
        }
    }
}

impl Period {
    fn on(self, today: NaiveDate) -> DateRange {
        match self {
            Self::Dates(range) => range,
            Self::Preset(preset) => DateRange::of(preset, today),
        }
    }
}
