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
            Preset::YearToDate => (
                first_of_month(today) - Months::new(today.month0()),
                today,
            ),
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
