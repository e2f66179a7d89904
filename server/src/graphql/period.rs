//! Which days: the inputs that all dashboards share.

use async_graphql::{Enum, InputObject, SimpleObject};

use super::error::ApiError;
use super::scalars::Date;
use crate::dashboards::{CompareTo, Period};
use crate::domain::period::{DateRange, Granularity, Preset};

/// Days, both ends included: either `from` and `to`, or a `preset`.
#[derive(InputObject, Clone, Copy)]
pub(super) struct DateRangeInput {
    /// First day.
    from: Option<Date>,
    /// Last day, at most two years (731 days) on.
    to: Option<Date>,
    /// A named range instead of two days.
    preset: Option<RangePreset>,
}

impl DateRangeInput {
    pub(super) fn period(self) -> Result<Period, ApiError> {
        match (self.from, self.to, self.preset) {
            (Some(from), Some(to), None) => DateRange::new(from.0, to.0)
                .map(Period::Dates)
                .map_err(|error| ApiError::BadUserInput(error.to_string())),
            (None, None, Some(preset)) => Ok(Period::Preset(preset.into())),
            _ => Err(ApiError::BadUserInput(
                "a range is either `from` and `to`, or a `preset`".to_owned(),
            )),
        }
    }
}

/// A range relative to today in the account's time zone.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "Preset")]
pub(super) enum RangePreset {
    /// Today so far.
    Today,
    /// The day before today.
    Yesterday,
    /// Today and the six days before it.
    #[graphql(name = "LAST_7_DAYS")]
    Last7Days,
    /// Today and the 29 days before it.
    #[graphql(name = "LAST_30_DAYS")]
    Last30Days,
    /// Today and the 89 days before it.
    #[graphql(name = "LAST_90_DAYS")]
    Last90Days,
    /// The first of this month to today.
    MonthToDate,
    /// The whole of the month before this one.
    LastMonth,
    /// The first of January to today.
    YearToDate,
}

/// How many days share a point of a series.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "Granularity", remote = "Granularity")]
pub(super) enum BucketSize {
    /// One point a day.
    Day,
    /// One point an ISO week, Monday to Sunday.
    Week,
    /// One point a calendar month.
    Month,
}

/// What a range is compared with.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// As many days, immediately before.
    PreviousPeriod,
    /// The same dates a year earlier.
    PreviousYear,
    /// 52 weeks earlier, so that weekdays meet weekdays.
    PreviousYearWeekday,
    /// The days of `compareRange`.
    Custom,
}

pub(super) fn compare_to(
    comparison: Option<Comparison>,
    range: Option<DateRangeInput>,
) -> Result<Option<CompareTo>, ApiError> {
    Ok(match (comparison, range) {
        (None, None) => None,
        (Some(Comparison::PreviousPeriod), None) => Some(CompareTo::PreviousPeriod),
        (Some(Comparison::PreviousYear), None) => Some(CompareTo::PreviousYear),
        (Some(Comparison::PreviousYearWeekday), None) => Some(CompareTo::PreviousYearWeekday),
        (Some(Comparison::Custom), Some(range)) => Some(CompareTo::Custom(range.period()?)),
        _ => {
            return Err(ApiError::BadUserInput(
                "`compareTo: CUSTOM` and `compareRange` go together".to_owned(),
            ));
        }
    })
}

/// Days, both ends included.
#[derive(SimpleObject, Clone, Copy)]
#[graphql(name = "DateRange")]
pub(super) struct Days {
    /// First day.
    from: Date,
    /// Last day.
    to: Date,
}

impl From<DateRange> for Days {
    fn from(range: DateRange) -> Self {
        Self {
            from: Date(range.from()),
            to: Date(range.to()),
        }
    }
}
