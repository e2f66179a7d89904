//! Ranges of local days: presets, the period to compare with, and buckets of days, weeks and months.

use chrono::{Datelike, Days, Months, NaiveDate};

/// The longest range a question may span, in days: two years.
pub const MAX_DAYS: i64 = 731;

/// Local days from `from` to `to`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DateRange {
    from: NaiveDate,
    to: NaiveDate,
}

/// Why two dates make no range. The text is fit for the caller's eyes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRange {
    /// The end lies before the start.
    #[error("the range ends on {to}, before it starts on {from}; swap the two dates")]
    Backwards {
        /// First day asked for.
        from: NaiveDate,
        /// Last day asked for.
        to: NaiveDate,
    },
    /// Longer than [`MAX_DAYS`].
    #[error("the range has {0} days; ask for at most {MAX_DAYS} at once")]
    TooLong(i64),
    /// A year that no store has orders in.
    #[error("{0} is not between 2000-01-01 and 2100-12-31")]
    OutOfCalendar(NaiveDate),
}

/// A named range, relative to today in the account's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Preset {
    /// Today so far.
    Today,
    /// The day before today.
    Yesterday,
    /// Today and the six days before it.
    Last7Days,
    /// Today and the 29 days before it.
    Last30Days,
    /// Today and the 89 days before it.
    Last90Days,
    /// The first of this month to today.
    MonthToDate,
    /// The whole of the month before this one.
    LastMonth,
    /// The first of January to today.
    YearToDate,
}

/// How many days share one point of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Granularity {
    /// One point a day.
    #[default]
    Day,
    /// One point an ISO week, Monday to Sunday.
    Week,
    /// One point a calendar month.
    Month,
}

/// Which range a number is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// As many days, immediately before.
    PreviousPeriod,
    /// The same dates a year earlier.
    PreviousYear,
    /// 52 weeks earlier, so that weekdays meet weekdays.
    PreviousYearWeekday,
    /// Any other range.
    Custom(DateRange),
}

impl DateRange {
    /// Checks order and length.
    pub fn new(from: NaiveDate, to: NaiveDate) -> Result<Self, BadRange> {
        for date in [from, to] {
            if !(2000..=2100).contains(&date.year()) {
                return Err(BadRange::OutOfCalendar(date));
            }
        }
        let days = (to - from).num_days() + 1;
        if days < 1 {
            Err(BadRange::Backwards { from, to })
        } else if days > MAX_DAYS {
            Err(BadRange::TooLong(days))
        } else {
            Ok(Self { from, to })
        }
    }

    /// The range that `preset` means on the day `today`.
    pub fn of(preset: Preset, today: NaiveDate) -> Self {
        let back = |days| today - Days::new(days);
        let (from, to) = match preset {
            Preset::Today => (today, today),
            Preset::Yesterday => (back(1), back(1)),
            Preset::Last7Days => (back(6), today),
            Preset::Last30Days => (back(29), today),
            Preset::Last90Days => (back(89), today),
            Preset::MonthToDate => (first_of_month(today), today),
            Preset::LastMonth => {
                let this_month = first_of_month(today);
                (this_month - Months::new(1), this_month - Days::new(1))
            }
            Preset::YearToDate => (first_of_month(today) - Months::new(today.month0()), today),
        };
        Self { from, to }
    }

    /// First day.
    pub fn from(&self) -> NaiveDate {
        self.from
    }

    /// Last day.
    pub fn to(&self) -> NaiveDate {
        self.to
    }

    /// How many days there are; at least 1.
    pub fn len(&self) -> usize {
        ((self.to - self.from).num_days() + 1) as usize
    }

    /// Never: a range has at least one day.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Every day in order.
    pub fn days(&self) -> impl Iterator<Item = NaiveDate> + use<> {
        self.from.iter_days().take(self.len())
    }

    /// Whether `date` is one of the days.
    pub fn contains(&self, date: NaiveDate) -> bool {
        (self.from..=self.to).contains(&date)
    }

    /// The range that `comparison` sets against this one.
    pub fn compared(&self, comparison: Comparison) -> Self {
        let back = |days| Self {
            from: self.from - Days::new(days),
            to: self.to - Days::new(days),
        };
        match comparison {
            Comparison::PreviousPeriod => back(self.len() as u64),
            Comparison::PreviousYear => Self {
                from: self.from - Months::new(12),
                to: self.to - Months::new(12),
            },
            Comparison::PreviousYearWeekday => back(52 * 7),
            Comparison::Custom(range) => range,
        }
    }

    /// The range cut into days, ISO weeks or months, in order; the first and the last bucket may be partial.
    pub fn buckets(&self, granularity: Granularity) -> Vec<DateRange> {
        let mut buckets: Vec<DateRange> = Vec::new();
        for day in self.days() {
            match buckets.last_mut() {
                Some(bucket) if granularity.start(bucket.from) == granularity.start(day) => bucket.to = day,
                _ => buckets.push(DateRange { from: day, to: day }),
            }
        }
        buckets
    }
}

impl Granularity {
    /// The first day of the bucket that `date` falls in.
    fn start(self, date: NaiveDate) -> NaiveDate {
        match self {
            Self::Day => date,
            Self::Week => date - Days::new(date.weekday().num_days_from_monday().into()),
            Self::Month => first_of_month(date),
        }
    }
}

fn first_of_month(date: NaiveDate) -> NaiveDate {
    date - Days::new(date.day0().into())
}

#[cfg(test)]
mod tests {
    use chrono::Weekday;
    use proptest::prelude::*;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date literal")
    }

    fn range(from: &str, to: &str) -> DateRange {
        DateRange::new(date(from), date(to)).expect("a range literal")
    }

    #[test]
    fn a_preset_is_relative_to_today() {
        for (preset, today, from, to) in [
            (Preset::Today, "2026-11-22", "2026-11-22", "2026-11-22"),
            (Preset::Yesterday, "2026-03-01", "2026-02-28", "2026-02-28"),
            (Preset::Yesterday, "2028-03-01", "2028-02-29", "2028-02-29"),
            (Preset::Last7Days, "2026-11-22", "2026-11-16", "2026-11-22"),
            (Preset::Last30Days, "2026-11-22", "2026-10-24", "2026-11-22"),
            (Preset::Last90Days, "2026-11-22", "2026-08-25", "2026-11-22"),
            (Preset::MonthToDate, "2026-11-22", "2026-11-01", "2026-11-22"),
            (Preset::MonthToDate, "2026-11-01", "2026-11-01", "2026-11-01"),
            (Preset::LastMonth, "2026-03-31", "2026-02-01", "2026-02-28"),
            (Preset::LastMonth, "2027-01-15", "2026-12-01", "2026-12-31"),
            (Preset::YearToDate, "2026-11-22", "2026-01-01", "2026-11-22"),
            (Preset::YearToDate, "2026-01-01", "2026-01-01", "2026-01-01"),
        ] {
            assert_eq!(
                DateRange::of(preset, date(today)),
                range(from, to),
                "{preset:?} on {today}"
            );
        }
    }

    #[test]
    fn a_comparison_looks_back() {
        let compared = |from, to, comparison| range(from, to).compared(comparison);
        for (from, to, comparison, expected) in [
            (
                "2026-11-16",
                "2026-11-22",
                Comparison::PreviousPeriod,
                ("2026-11-09", "2026-11-15"),
            ),
            (
                "2026-03-01",
                "2026-03-31",
                Comparison::PreviousPeriod,
                ("2026-01-29", "2026-02-28"),
            ),
            (
                "2026-11-22",
                "2026-11-22",
                Comparison::PreviousPeriod,
                ("2026-11-21", "2026-11-21"),
            ),
            (
                "2026-11-01",
                "2026-11-30",
                Comparison::PreviousYear,
                ("2025-11-01", "2025-11-30"),
            ),
            // The 29th of February has the 28th before it.
            (
                "2028-02-29",
                "2028-02-29",
                Comparison::PreviousYear,
                ("2027-02-28", "2027-02-28"),
            ),
            (
                "2028-02-01",
                "2028-02-29",
                Comparison::PreviousYear,
                ("2027-02-01", "2027-02-28"),
            ),
            (
                "2029-02-01",
                "2029-03-01",
                Comparison::PreviousYear,
                ("2028-02-01", "2028-03-01"),
            ),
            (
                "2026-11-27",
                "2026-11-27",
                Comparison::PreviousYearWeekday,
                ("2025-11-28", "2025-11-28"),
            ),
            (
                "2026-11-01",
                "2026-11-30",
                Comparison::Custom(range("2024-01-01", "2024-01-07")),
                ("2024-01-01", "2024-01-07"),
            ),
        ] {
            assert_eq!(
                compared(from, to, comparison),
                range(expected.0, expected.1),
                "{from}..{to} {comparison:?}"
            );
        }
    }

    #[test]
    fn buckets_begin_on_mondays_and_firsts_and_end_where_the_range_does() {
        for (from, to, granularity, expected) in [
            (
                "2026-11-22",
                "2026-11-22",
                Granularity::Day,
                vec![("2026-11-22", "2026-11-22")],
            ),
            (
                "2026-11-22",
                "2026-11-22",
                Granularity::Week,
                vec![("2026-11-22", "2026-11-22")],
            ),
            (
                "2026-11-19",
                "2026-12-01",
                Granularity::Week,
                vec![
                    ("2026-11-19", "2026-11-22"),
                    ("2026-11-23", "2026-11-29"),
                    ("2026-11-30", "2026-12-01"),
                ],
            ),
            // One ISO week across the turn of the year.
            (
                "2026-12-28",
                "2027-01-03",
                Granularity::Week,
                vec![("2026-12-28", "2027-01-03")],
            ),
            (
                "2026-12-28",
                "2027-02-01",
                Granularity::Month,
                vec![
                    ("2026-12-28", "2026-12-31"),
                    ("2027-01-01", "2027-01-31"),
                    ("2027-02-01", "2027-02-01"),
                ],
            ),
            // The same month of two years is two months.
            (
                "2025-11-30",
                "2025-12-01",
                Granularity::Month,
                vec![("2025-11-30", "2025-11-30"), ("2025-12-01", "2025-12-01")],
            ),
        ] {
            let expected: Vec<DateRange> = expected.into_iter().map(|(from, to)| range(from, to)).collect();
            assert_eq!(
                range(from, to).buckets(granularity),
                expected,
                "{from}..{to} {granularity:?}"
            );
        }
        assert_eq!(range("2024-11-01", "2025-11-30").buckets(Granularity::Month).len(), 13);
    }

    #[test]
    fn dates_that_make_no_range_are_refused() {
        let new = |from, to| DateRange::new(date(from), date(to));
        assert!(matches!(
            new("2026-11-22", "2026-11-21"),
            Err(BadRange::Backwards { .. })
        ));
        assert_eq!(new("2024-01-01", "2026-01-01"), Err(BadRange::TooLong(732)));
        assert_eq!(new("2024-01-01", "2025-12-31").map(|range| range.len()), Ok(731));
        assert_eq!(
            new("1999-12-31", "2000-01-01"),
            Err(BadRange::OutOfCalendar(date("1999-12-31")))
        );
        assert_eq!(
            new("2100-12-31", "2101-01-01"),
            Err(BadRange::OutOfCalendar(date("2101-01-01")))
        );
    }

    prop_compose! {
        fn any_range()(start in 0..36_500_i64, days in 1..=MAX_DAYS) -> DateRange {
            let from = date("2000-01-01") + chrono::TimeDelta::days(start);
            let to = (from + chrono::TimeDelta::days(days - 1)).min(date("2100-12-31"));
            DateRange::new(from, to).expect("within the calendar and not too long")
        }
    }

    fn any_granularity() -> impl Strategy<Value = Granularity> {
        prop_oneof![
            Just(Granularity::Day),
            Just(Granularity::Week),
            Just(Granularity::Month)
        ]
    }

    proptest! {
        #[test]
        fn buckets_hold_every_day_once_and_in_order(range in any_range(), granularity in any_granularity()) {
            let buckets = range.buckets(granularity);
            let days: Vec<NaiveDate> = buckets.iter().flat_map(DateRange::days).collect();
            prop_assert!(days.iter().copied().eq(range.days()));
            for bucket in &buckets {
                prop_assert_eq!(granularity.start(bucket.from()), granularity.start(bucket.to()));
            }
            // Only the first bucket may begin late.
            for bucket in buckets.iter().skip(1) {
                match granularity {
                    Granularity::Day => prop_assert_eq!(bucket.len(), 1),
                    Granularity::Week => prop_assert_eq!(bucket.from().weekday(), Weekday::Mon),
                    Granularity::Month => prop_assert_eq!(bucket.from().day(), 1),
                }
            }
        }

        #[test]
        fn the_previous_period_is_as_long_and_ends_the_day_before(range in any_range()) {
            let previous = range.compared(Comparison::PreviousPeriod);
            prop_assert_eq!(previous.len(), range.len());
            prop_assert_eq!(previous.to().succ_opt(), Some(range.from()));
        }

        #[test]
        fn weekdays_meet_weekdays(range in any_range()) {
            let previous = range.compared(Comparison::PreviousYearWeekday);
            prop_assert_eq!(previous.len(), range.len());
            prop_assert_eq!(previous.from().weekday(), range.from().weekday());
        }

        #[test]
        fn a_year_back_loses_or_gains_a_leap_day_at_most(range in any_range()) {
            let previous = range.compared(Comparison::PreviousYear);
            prop_assert!(previous.len().abs_diff(range.len()) <= 1);
            prop_assert_eq!(previous.from().month(), range.from().month());
            prop_assert_eq!(previous.to().month(), range.to().month());
        }

        #[test]
        fn a_preset_never_reaches_into_the_future(days in 0..36_000_i64) {
            let today = date("2001-01-01") + chrono::TimeDelta::days(days);
            for preset in [
                Preset::Today, Preset::Yesterday, Preset::Last7Days, Preset::Last30Days, Preset::Last90Days,
                Preset::MonthToDate, Preset::LastMonth, Preset::YearToDate,
            ] {
                let range = DateRange::of(preset, today);
                prop_assert!(range.from() <= range.to() && range.to() <= today);
                prop_assert!(DateRange::new(range.from(), range.to()).is_ok());
            }
        }
    }
}
