//! Which days are known: how far the data of a source's links reaches.
//!
//! A link covers the days from the first one it was filled from to the last one that had begun when it was last in
//! step. A source covers a day when one of its links does, and wholly covers it when all do that are not disconnected:
//! a link that was ended is not waited for.

use std::ops::RangeInclusive;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::domain::clock::{local_date, start_of_day};
use crate::domain::ids::{IntegrationStatus, ProviderKind};
use crate::domain::money::CurrencyCode;
use crate::domain::period::DateRange;
use crate::store::{SourceRow, StoreError};

/// All links to one kind of provider.
#[derive(Debug, Clone)]
pub(super) struct Coverage {
    provider: ProviderKind,
    links: Vec<Link>,
}

#[derive(Debug, Clone)]
struct Link {
    currency: CurrencyCode,
    timezone: Tz,
    /// Days with data; the last one may still be going on.
    days: Option<RangeInclusive<NaiveDate>>,
    /// The last day that can't change any more by what has not been read yet.
    whole_through: Option<NaiveDate>,
    data_through: Option<DateTime<Utc>>,
    last_synced_at: Option<DateTime<Utc>>,
    is_live: bool,
}

/// How fresh the numbers of a source are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// The source.
    pub source: ProviderKind,
    /// The first known day of the link that reaches back farthest.
    pub covered_from: Option<NaiveDate>,
    /// Until when everything is known, of the link that is farthest behind.
    pub data_through: Option<DateTime<Utc>>,
    /// When a run last succeeded, of the link where that is longest ago.
    pub last_synced_at: Option<DateTime<Utc>>,
    /// Whether every day of the range is known to its end, by every link.
    pub is_complete: bool,
}

impl Coverage {
    /// Of a source that is not connected.
    pub(super) fn none(provider: ProviderKind) -> Self {
        Self {
            provider,
            links: Vec::new(),
        }
    }

    pub(super) fn read<'a>(
        provider: ProviderKind,
        rows: impl Iterator<Item = &'a SourceRow>,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            provider,
            links: rows.map(Link::read).collect::<Result<_, _>>()?,
        })
    }

    /// Currency and time zone of the first link.
    pub(super) fn books(&self) -> Option<(CurrencyCode, Tz)> {
        self.links.first().map(|link| (link.currency, link.timezone))
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.links.is_empty()
    }

    /// Whether some link keeps its books in another currency.
    pub(super) fn differs_from(&self, currency: CurrencyCode) -> bool {
        self.links.iter().any(|link| link.currency != currency)
    }

    pub(super) fn covers(&self, day: NaiveDate) -> bool {
        self.links.iter().any(|link| link.covers(day))
    }

    /// From the first to the last day of the range that some link knows; none where none is known.
    pub(super) fn known_part(&self, range: DateRange) -> Option<DateRange> {
        let mut known = range.days().filter(|day| self.covers(*day));
        let first = known.next()?;
        DateRange::new(first, known.last().unwrap_or(first)).ok()
    }

    pub(super) fn wholly_covers(&self, range: DateRange) -> bool {
        let waited_for = self.links.iter().filter(|link| link.is_live);
        range.days().all(|day| self.covers(day))
            && waited_for
                .clone()
                .all(|link| link.covers(range.from()) && link.covers(range.to()))
    }

    /// None for a source that is not connected.
    pub(super) fn freshness(&self, range: DateRange) -> Option<Freshness> {
        if !self.is_connected() {
            return None;
        }
        let has_live = self.links.iter().any(|link| link.is_live);
        let counted = || self.links.iter().filter(|link| link.is_live || !has_live);
        Some(Freshness {
            source: self.provider,
            covered_from: self
                .links
                .iter()
                .filter_map(|link| link.days.as_ref().map(|days| *days.start()))
                .min(),
            // `None` is less than any moment: a link that was never in step holds the source back.
            data_through: counted().map(|link| link.data_through).min().flatten(),
            last_synced_at: counted().map(|link| link.last_synced_at).min().flatten(),
            is_complete: self.wholly_covers(range) && counted().all(|link| link.whole_through >= Some(range.to())),
        })
    }
}

impl Link {
    fn read(row: &SourceRow) -> Result<Self, StoreError> {
        let timezone = timezone(&row.timezone)?;
        let (last_day, whole_through, data_through) = match row.provider {
            ProviderKind::Shopify => {
                let begun = row.orders_synced_through.map(|at| local_date(at, timezone));
                (begun, begun.map(|day| day - Days::new(1)), row.orders_synced_through)
            }
            ProviderKind::Meta => {
                let last = row.insights_synced_through;
                (last, last, last.map(|day| start_of_day(day + Days::new(1), timezone)))
            }
        };
        Ok(Self {
            currency: currency(&row.currency)?,
            timezone,
            days: row.backfilled_from.zip(last_day).map(|(first, last)| first..=last),
            whole_through,
            data_through,
            last_synced_at: row.last_synced_at,
            is_live: row.status != IntegrationStatus::Disconnected,
        })
    }

    fn covers(&self, day: NaiveDate) -> bool {
        self.days.as_ref().is_some_and(|days| days.contains(&day))
    }
}

pub(super) fn currency(code: &str) -> Result<CurrencyCode, StoreError> {
    code.parse()
        .map_err(|error: crate::domain::money::NotACurrency| StoreError::Broken(error.to_string()))
}

pub(super) fn timezone(name: &str) -> Result<Tz, StoreError> {
    name.parse()
        .map_err(|_| StoreError::Broken(format!("`{name}` is not the name of a time zone")))
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::IntegrationId;

    pub(crate) fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date literal")
    }

    pub(crate) fn range(from: &str, to: &str) -> DateRange {
        DateRange::new(date(from), date(to)).expect("a range literal")
    }

    pub(crate) fn store(from: Option<&str>, through: Option<&str>) -> SourceRow {
        SourceRow {
            integration_id: IntegrationId(Uuid::from_u128(1)),
            provider: ProviderKind::Shopify,
            status: IntegrationStatus::Connected,
            currency: "USD".to_owned(),
            timezone: "America/New_York".to_owned(),
            backfilled_from: from.map(date),
            orders_synced_through: through.map(|at| at.parse().expect("a moment literal")),
            insights_synced_through: None,
            last_synced_at: through.map(|at| at.parse().expect("a moment literal")),
        }
    }

    pub(crate) fn ad_account(from: &str, through: &str) -> SourceRow {
        SourceRow {
            provider: ProviderKind::Meta,
            backfilled_from: Some(date(from)),
            orders_synced_through: None,
            insights_synced_through: Some(date(through)),
            ..store(None, None)
        }
    }

    pub(crate) fn coverage(rows: &[SourceRow]) -> Coverage {
        let provider = rows.first().map_or(ProviderKind::Shopify, |row| row.provider);
        Coverage::read(provider, rows.iter()).expect("rows that can be read")
    }

    #[test]
    fn a_store_covers_the_days_from_its_fill_to_the_one_that_had_begun() {
        // 03:30 UTC is still the evening of the 9th in New York.
        let coverage = coverage(&[store(Some("2026-03-05"), Some("2026-03-10T03:30:00Z"))]);
        assert!(!coverage.covers(date("2026-03-04")));
        assert!(coverage.covers(date("2026-03-05")));
        assert!(coverage.covers(date("2026-03-09")));
        assert!(!coverage.covers(date("2026-03-10")));
    }

    #[test]
    fn a_store_that_was_never_in_step_covers_nothing() {
        for row in [
            store(None, None),
            store(Some("2026-03-05"), None),
            store(None, Some("2026-03-10T03:30:00Z")),
        ] {
            assert!(!coverage(&[row]).covers(date("2026-03-07")));
        }
    }

    #[test]
    fn a_day_is_complete_once_it_is_over_and_read_to_its_end() {
        let day = range("2026-03-09", "2026-03-09");
        let complete = |through| {
            coverage(&[store(Some("2026-03-01"), Some(through))])
                .freshness(day)
                .expect("a connected source")
                .is_complete
        };
        assert!(!complete("2026-03-10T03:59:59Z"));
        assert!(complete("2026-03-10T04:00:00Z"));
    }

    #[test]
    fn one_store_is_enough_to_cover_a_day_but_not_to_cover_it_wholly() {
        let early = store(Some("2026-01-01"), Some("2026-03-10T12:00:00Z"));
        let late = store(Some("2026-03-05"), Some("2026-03-10T11:00:00Z"));
        let both = coverage(&[early, late]);
        let week = range("2026-03-03", "2026-03-09");
        assert!(both.covers(date("2026-03-03")));
        assert!(!both.wholly_covers(week));
        assert!(both.wholly_covers(range("2026-03-05", "2026-03-09")));

        let freshness = both.freshness(week).expect("a connected source");
        assert_eq!(freshness.covered_from, Some(date("2026-01-01")));
        assert_eq!(freshness.data_through, "2026-03-10T11:00:00Z".parse().ok());
        assert!(!freshness.is_complete);
    }

    #[test]
    fn a_disconnected_store_is_not_waited_for() {
        let ended = SourceRow {
            status: IntegrationStatus::Disconnected,
            ..store(Some("2025-01-01"), Some("2025-06-01T12:00:00Z"))
        };
        let live = store(Some("2026-03-01"), Some("2026-03-10T12:00:00Z"));
        let both = coverage(&[ended, live]);
        assert!(both.wholly_covers(range("2026-03-01", "2026-03-09")));
        assert!(both.covers(date("2025-05-01")));
        let freshness = both
            .freshness(range("2026-03-01", "2026-03-09"))
            .expect("a connected source");
        assert!(freshness.is_complete);
        assert_eq!(freshness.data_through, "2026-03-10T12:00:00Z".parse().ok());
    }

    #[test]
    fn a_store_that_was_never_in_step_holds_the_source_back() {
        let both = coverage(&[
            store(Some("2026-03-01"), Some("2026-03-10T12:00:00Z")),
            store(None, None),
        ]);
        let freshness = both
            .freshness(range("2026-03-01", "2026-03-02"))
            .expect("a connected source");
        assert_eq!(freshness.data_through, None);
        assert!(!freshness.is_complete);
    }

    #[test]
    fn ad_insights_are_known_by_whole_days() {
        let ads = coverage(&[ad_account("2026-02-01", "2026-03-09")]);
        assert!(ads.covers(date("2026-03-09")));
        assert!(!ads.covers(date("2026-03-10")));
        let freshness = ads
            .freshness(range("2026-03-01", "2026-03-09"))
            .expect("a connected source");
        assert!(freshness.is_complete);
        assert_eq!(freshness.data_through, "2026-03-10T04:00:00Z".parse().ok());
    }
}
