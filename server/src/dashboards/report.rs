//! A report: sums by bucket and in total, and the numbers that are made of them.

use chrono::TimeDelta;
use chrono_tz::Tz;
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;

use super::coverage::{Coverage, Freshness};
use super::metrics::{Change, Metric, NullReason, RESTATED_DAYS, Sums, Unit};
use super::{Plan, Scope};
use crate::domain::ids::ProviderKind;
use crate::domain::money::CurrencyCode;
use crate::domain::period::{DateRange, Granularity};
use crate::store::{DayRows, RefundDating};

/// The answer to a dashboard's question.
#[derive(Debug, Clone)]
pub struct Report {
    /// The days asked for.
    pub range: DateRange,
    /// The days they are compared with.
    pub compared: Option<DateRange>,
    /// How many days share a point.
    pub granularity: Granularity,
    /// In which the stores' days are, as far as one zone can say that of several stores.
    pub timezone: Tz,
    /// Of every amount.
    pub currency: CurrencyCode,
    /// On which day reversals are booked.
    pub refund_dating: RefundDating,
    /// Each connected source.
    pub freshness: Vec<Freshness>,
    /// One per bucket of the range, in order.
    pub points: Vec<Point>,
    /// Whether some number will still move because Meta restates its recent days.
    pub is_provisional: bool,
    total: Sums,
    previous: Sums,
    shopify: Standing,
    meta: Standing,
}

/// A day, week or month.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// The days, as far as the range has them.
    pub days: DateRange,
    /// Whether some of these days is not known to every link of every connected source.
    pub is_partial: bool,
    /// Whether Meta may still restate some of these days.
    pub is_provisional: bool,
    sums: Sums,
}

/// A metric over the range.
#[derive(Debug, Clone, Copy)]
pub struct Kpi {
    /// Which metric.
    pub metric: Metric,
    /// The number over the known days, or why there is none.
    pub value: Result<Decimal, NullReason>,
    /// The number to compare with; none where not all of its days are known.
    pub previous: Option<Decimal>,
    /// From `previous` to `value`.
    pub change: Option<Change>,
    /// Whether some day of the range is not known to every link that the number needs.
    pub is_partial: bool,
}

/// What holds for all numbers of a source.
#[derive(Debug, Clone, Copy)]
struct Standing {
    is_connected: bool,
    has_other_currency: bool,
    covers_range: bool,
    covers_compared: bool,
}

pub(super) fn build(plan: Plan, scope: Scope, rows: DayRows) -> Report {
    let Scope {
        shopify,
        meta,
        currency,
        timezone,
        refund_dating,
    } = &scope;
    let provisional_from = plan.today - TimeDelta::days(RESTATED_DAYS - 1);
    let mut total = Sums::default();
    let mut rows_left = rows.days.iter().peekable();
    let mut points = Vec::new();
    for days in plan.range.buckets(plan.granularity) {
        let mut sums = Sums::default();
        let mut is_provisional = false;
        for day in days.days() {
            let (sales, ads) = rows_left
                .next_if(|row| row.date == day)
                .map_or_else(Default::default, |row| (row.sales, row.ads));
            let sales = shopify.covers(day).then_some(sales);
            let ads = meta.covers(day).then_some(ads);
            is_provisional |= ads.is_some() && day >= provisional_from;
            sums.add(sales, ads);
            total.add(sales, ads);
        }
        points.push(Point {
            days,
            is_partial: [shopify, meta]
                .iter()
                .any(|source| source.is_connected() && !source.wholly_covers(days)),
            is_provisional,
            sums,
        });
    }
    let mut previous = Sums::default();
    if plan.compared.is_some() {
        previous.add(Some(rows.compared.0), Some(rows.compared.1));
    }
    Report {
        range: plan.range,
        compared: plan.compared,
        granularity: plan.granularity,
        timezone: *timezone,
        currency: *currency,
        refund_dating: *refund_dating,
        freshness: [shopify, meta]
            .iter()
            .filter_map(|source| source.freshness(plan.range))
            .collect(),
        is_provisional: points.iter().any(|point| point.is_provisional),
        points,
        total,
        previous,
        shopify: Standing::of(shopify, &plan, *currency),
        meta: Standing::of(meta, &plan, *currency),
    }
}

impl Report {
    /// A metric over the whole range.
    pub fn kpi(&self, metric: Metric) -> Kpi {
        let value = self.value(metric, &self.total);
        let previous = self
            .every_source(metric, |source| source.covers_compared)
            .then(|| self.value(metric, &self.previous).ok())
            .flatten();
        let change = previous
            .zip(value.ok())
            .map(|(previous, value)| Change::between(previous, value));
        Kpi {
            metric,
            value,
            previous,
            change,
            is_partial: !self.every_source(metric, |source| source.covers_range),
        }
    }

    /// A metric at one point of the series.
    pub fn value_at(&self, point: &Point, metric: Metric) -> Option<Decimal> {
        self.value(metric, &point.sums).ok()
    }

    /// A count at one point of the series.
    pub fn count_at(&self, point: &Point, metric: Metric) -> Option<i64> {
        self.value_at(point, metric).and_then(|count| count.to_i64())
    }

    fn value(&self, metric: Metric, sums: &Sums) -> Result<Decimal, NullReason> {
        if !self.every_source(metric, |source| source.is_connected) {
            Err(NullReason::NotConnected)
        } else if holds_money(metric) && !self.every_source(metric, |source| !source.has_other_currency) {
            Err(NullReason::CurrencyMismatch)
        } else {
            metric.value(sums)
        }
    }

    fn every_source(&self, metric: Metric, holds: impl Fn(&Standing) -> bool) -> bool {
        metric.definition().sources.iter().all(|source| match source {
            ProviderKind::Shopify => holds(&self.shopify),
            ProviderKind::Meta => holds(&self.meta),
        })
    }
}

impl Standing {
    fn of(coverage: &Coverage, plan: &Plan, currency: CurrencyCode) -> Self {
        Self {
            is_connected: coverage.is_connected(),
            has_other_currency: coverage.differs_from(currency),
            covers_range: coverage.wholly_covers(plan.range),
            covers_compared: plan.compared.is_some_and(|compared| coverage.wholly_covers(compared)),
        }
    }
}

/// Whether another currency would falsify it: everything but counts, and the rate that is made of counts.
fn holds_money(metric: Metric) -> bool {
    metric.definition().unit != Unit::Count && metric != Metric::Ctr
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboards::coverage::tests::{ad_account, coverage, date, range, store};
    use crate::domain::fact::{AdSums, SalesSums};
    use crate::store::{DayRow, SourceRow};

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal literal")
    }

    fn sales(orders: i64, gross: &str) -> SalesSums {
        SalesSums {
            orders,
            gross_sales: decimal(gross),
            order_value: decimal(gross),
            ..SalesSums::default()
        }
    }

    fn spend(amount: &str) -> AdSums {
        AdSums {
            spend: decimal(amount),
            ..AdSums::default()
        }
    }

    fn day(on: &str, sales: SalesSums, ads: AdSums) -> DayRow {
        DayRow {
            date: date(on),
            sales,
            ads,
        }
    }

    /// A report for 2026-03-10, seen that day at noon in New York.
    fn report(stores: &[SourceRow], ads: &[SourceRow], plan: Plan, rows: DayRows) -> Report {
        let scope = Scope {
            shopify: coverage(stores),
            meta: coverage(ads),
            currency: "USD".parse().expect("a currency"),
            timezone: chrono_tz::America::New_York,
            refund_dating: RefundDating::ProcessedAt,
        };
        build(plan, scope, rows)
    }

    fn plan(from: &str, to: &str, granularity: Granularity) -> Plan {
        Plan {
            today: date("2026-03-10"),
            range: range(from, to),
            compared: None,
            granularity,
        }
    }

    const NOON: &str = "2026-03-10T16:00:00Z";

    #[test]
    fn every_day_has_a_point_and_unknown_days_have_no_numbers() {
        let rows = DayRows {
            days: vec![
                day("2026-03-05", sales(9, "900"), AdSums::default()),
                day("2026-03-08", sales(2, "50"), AdSums::default()),
            ],
            ..DayRows::default()
        };
        let report = report(
            &[store(Some("2026-03-07"), Some(NOON))],
            &[],
            plan("2026-03-05", "2026-03-10", Granularity::Day),
            rows,
        );
        let orders: Vec<_> = report
            .points
            .iter()
            .map(|point| report.count_at(point, Metric::Orders))
            .collect();
        assert_eq!(orders, [None, None, Some(0), Some(2), Some(0), Some(0)]);
        let aov: Vec<_> = report
            .points
            .iter()
            .map(|point| report.value_at(point, Metric::Aov))
            .collect();
        assert_eq!(aov, [None, None, None, Some(decimal("25")), None, None]);

        let kpi = report.kpi(Metric::Orders);
        assert_eq!(kpi.value, Ok(decimal("2")));
        assert!(kpi.is_partial);
        assert!(report.points[0].is_partial);
        assert!(!report.points[2].is_partial);
        assert!(!report.freshness[0].is_complete);
    }

    #[test]
    fn without_a_link_or_a_known_day_the_reason_says_so() {
        let nothing = report(
            &[],
            &[],
            plan("2026-03-05", "2026-03-10", Granularity::Day),
            DayRows::default(),
        );
        assert_eq!(nothing.kpi(Metric::RevenueNet).value, Err(NullReason::NotConnected));
        assert!(nothing.freshness.is_empty());

        let unsynced = report(
            &[store(None, None)],
            &[],
            plan("2026-03-05", "2026-03-10", Granularity::Day),
            DayRows::default(),
        );
        assert_eq!(unsynced.kpi(Metric::RevenueNet).value, Err(NullReason::NotSynced));
        assert_eq!(unsynced.kpi(Metric::Mer).value, Err(NullReason::NotConnected));
    }

    #[test]
    fn a_blended_number_is_made_only_of_days_that_both_sources_know() {
        let rows = DayRows {
            days: vec![
                day("2026-03-08", sales(1, "1000"), AdSums::default()),
                day("2026-03-09", sales(1, "300"), spend("100")),
            ],
            ..DayRows::default()
        };
        let report = report(
            &[store(Some("2026-03-01"), Some(NOON))],
            &[ad_account("2026-03-09", "2026-03-09")],
            plan("2026-03-08", "2026-03-09", Granularity::Day),
            rows,
        );
        let mer = report.kpi(Metric::Mer);
        assert_eq!(mer.value, Ok(decimal("3")));
        assert!(mer.is_partial);
        assert_eq!(report.kpi(Metric::RevenueNet).value, Ok(decimal("1300")));
        assert!(!report.kpi(Metric::RevenueNet).is_partial);
    }

    #[test]
    fn another_currency_takes_amounts_away_but_not_counts() {
        let euros = SourceRow {
            currency: "EUR".to_owned(),
            ..ad_account("2026-03-01", "2026-03-09")
        };
        let rows = DayRows {
            days: vec![day("2026-03-09", sales(2, "300"), spend("100"))],
            ..DayRows::default()
        };
        let report = report(
            &[store(Some("2026-03-01"), Some(NOON))],
            &[euros],
            plan("2026-03-09", "2026-03-09", Granularity::Day),
            rows,
        );
        assert_eq!(report.kpi(Metric::Mer).value, Err(NullReason::CurrencyMismatch));
        assert_eq!(report.kpi(Metric::MetaSpend).value, Err(NullReason::CurrencyMismatch));
        assert_eq!(report.kpi(Metric::MetaPurchases).value, Ok(Decimal::ZERO));
        assert_eq!(report.kpi(Metric::RevenueNet).value, Ok(decimal("300")));
    }

    #[test]
    fn nothing_is_compared_with_days_that_are_not_all_known() {
        let compared = |from: &str| {
            let rows = DayRows {
                days: vec![day("2026-03-09", sales(3, "300"), AdSums::default())],
                compared: (sales(2, "200"), AdSums::default()),
            };
            let plan = Plan {
                compared: Some(range("2026-03-05", "2026-03-06")),
                ..plan("2026-03-08", "2026-03-09", Granularity::Day)
            };
            report(&[store(Some(from), Some(NOON))], &[], plan, rows).kpi(Metric::Orders)
        };
        let known = compared("2026-03-05");
        assert_eq!(known.previous, Some(decimal("2")));
        assert_eq!(
            known.change,
            Some(Change {
                absolute: decimal("1"),
                percent: Some(decimal("50")),
            })
        );
        let unknown = compared("2026-03-06");
        assert_eq!(unknown.previous, None);
        assert_eq!(unknown.change, None);
        assert_eq!(unknown.value, Ok(decimal("3")));
    }

    #[test]
    fn recent_ad_days_are_provisional_for_four_weeks() {
        let provisional = |from: &str, to: &str, ads: &[SourceRow]| {
            report(
                &[store(Some("2026-01-01"), Some(NOON))],
                ads,
                plan(from, to, Granularity::Day),
                DayRows::default(),
            )
            .is_provisional
        };
        let ads = [ad_account("2026-01-01", "2026-03-09")];
        assert!(provisional("2026-02-11", "2026-02-11", &ads));
        assert!(!provisional("2026-02-10", "2026-02-10", &ads));
        assert!(!provisional("2026-03-10", "2026-03-10", &ads));
        assert!(!provisional("2026-03-09", "2026-03-09", &[]));
    }

    #[test]
    fn buckets_add_up_to_the_total() {
        let days: Vec<DayRow> = range("2026-02-10", "2026-03-09")
            .days()
            .map(|date| DayRow {
                date,
                sales: sales(1, "10.0001"),
                ads: AdSums::default(),
            })
            .collect();
        for granularity in [Granularity::Day, Granularity::Week, Granularity::Month] {
            let rows = DayRows {
                days: days.clone(),
                ..DayRows::default()
            };
            let report = report(
                &[store(Some("2026-01-01"), Some(NOON))],
                &[],
                plan("2026-02-10", "2026-03-09", granularity),
                rows,
            );
            let sum: Decimal = report
                .points
                .iter()
                .filter_map(|point| report.value_at(point, Metric::GrossSales))
                .sum();
            assert_eq!(report.kpi(Metric::GrossSales).value, Ok(sum));
            assert_eq!(sum, decimal("280.0028"));
            assert!(!report.kpi(Metric::GrossSales).is_partial);
        }
    }
}
