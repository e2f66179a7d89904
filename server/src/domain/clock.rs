//! The time of day as a parameter: production passes the system's clock, a test passes the moment it wants.

use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

/// Where "now" comes from. Leases and schedules inside SQL use the database's clock instead.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>);

impl Clock {
    /// The machine's own clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the system's clock enters the program"
    )]
    pub fn system() -> Self {
        Self(Arc::new(Utc::now))
    }

    /// A clock that shows what `now` answers.
    pub fn from_fn(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// A clock that always shows `at`.
    pub fn fixed(at: DateTime<Utc>) -> Self {
        Self::from_fn(move || at)
    }

    /// The current moment.
    pub fn now(&self) -> DateTime<Utc> {
        (self.0)()
    }

    /// The current calendar day in `timezone`.
    pub fn today(&self, timezone: Tz) -> NaiveDate {
        local_date(self.now(), timezone)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

/// The calendar day on which `at` falls in `timezone`.
pub fn local_date(at: DateTime<Utc>, timezone: Tz) -> NaiveDate {
    at.with_timezone(&timezone).date_naive()
}

/// The first local day that lies wholly after `from`.
pub fn first_whole_day(from: DateTime<Utc>, timezone: Tz) -> NaiveDate {
    let day = local_date(from, timezone);
    if start_of_day(day, timezone) == from {
        day
    } else {
        day + Days::new(1)
    }
}

/// The moment at which `date` begins in `timezone`. Where midnight does not exist because of a clock change, the day
/// begins at the first moment after the gap.
pub fn start_of_day(date: NaiveDate, timezone: Tz) -> DateTime<Utc> {
    use chrono::{LocalResult, NaiveTime, TimeDelta, TimeZone};
    let mut local = date.and_time(NaiveTime::MIN);
    loop {
        match timezone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return at.with_timezone(&Utc),
            LocalResult::None => local += TimeDelta::minutes(15),
        }
    }
}
