//! A stretch of time between two moments.

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::clock::start_of_day;

/// A stretch of time. Its end is not in it, so that the windows of two days have no moment in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment after it.
    pub to: DateTime<Utc>,
}

impl Window {
    /// The local day `date` in `timezone`: 23 or 25 hours where a clock changes.
    pub fn of_day(date: NaiveDate, timezone: Tz) -> Self {
        Self {
            from: start_of_day(date, timezone),
            to: start_of_day(date + Days::new(1), timezone),
        }
    }

    /// As much of it as lies before `end`; none where nothing does.
    pub fn before(self, end: DateTime<Utc>) -> Option<Self> {
        let to = self.to.min(end);
        (to > self.from).then_some(Self { from: self.from, to })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    #[test]
    fn a_day_is_as_long_as_its_clock_says() {
        use chrono_tz::{America::New_York, Asia::Tokyo, Europe::Berlin};
        for (date, timezone, from, to, hours) in [
            ("2026-11-20", Tokyo, "2026-11-19T15:00:00Z", "2026-11-20T15:00:00Z", 24),
            ("2026-10-25", Berlin, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 25),
            ("2026-03-29", Berlin, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 23),
            (
                "2026-11-01",
                New_York,
                "2026-11-01T04:00:00Z",
                "2026-11-02T05:00:00Z",
                25,
            ),
            (
                "2026-03-08",
                New_York,
                "2026-03-08T05:00:00Z",
                "2026-03-09T04:00:00Z",
                23,
            ),
        ] {
            let date: NaiveDate = date.parse().expect("a date");
            let day = Window::of_day(date, timezone);
            assert_eq!((day.from, day.to), (at(from), at(to)), "{date}");
            assert_eq!((day.to - day.from).num_hours(), hours, "{date}");
            // The next day begins where this one ends.
            assert_eq!(Window::of_day(date + Days::new(1), timezone).from, day.to, "{date}");
        }
    }

    #[test]
    fn what_lies_before_a_moment_may_be_all_or_nothing() {
        let window = Window {
            from: at("2026-11-20T05:00:00Z"),
            to: at("2026-11-21T05:00:00Z"),
        };
        let end = |text| window.before(at(text)).map(|part| part.to);
        assert_eq!(end("2026-11-22T00:00:00Z"), Some(window.to));
        assert_eq!(end("2026-11-20T06:00:00Z"), Some(at("2026-11-20T06:00:00Z")));
        assert_eq!(end("2026-11-20T05:00:00Z"), None);
    }
}
