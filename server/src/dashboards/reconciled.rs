//! How the stores' days stand against the stores' own counts. A store that was unlinked is not waited for.

use chrono::{DateTime, Utc};

use super::DashboardError;
use crate::domain::ids::IntegrationId;
use crate::domain::period::DateRange;
use crate::store::{ReconciledDays, ReconciliationRow, TenantDb};

/// The days of a range that were held against their stores.
#[derive(Debug, Clone, Default)]
pub struct Reconciled(ReconciledDays);

/// What the reconciliations of several days and stores say together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When the one that is longest ago was made.
    pub reconciled_at: DateTime<Utc>,
    /// By how many orders the stores' counts are above ours.
    pub drift: i64,
}

/// Reads the reconciliations of one store, or of all.
pub async fn reconciled(
    db: &TenantDb,
    store: Option<IntegrationId>,
    range: DateRange,
) -> Result<Reconciled, DashboardError> {
    Ok(Reconciled(db.reconciled_days(store, range).await?))
}

impl Reconciled {
    /// Day by day and store by store.
    pub fn days(&self) -> impl Iterator<Item = &ReconciliationRow> {
        self.0.days.iter().map(|(day, _)| day)
    }

    /// These days together; none where one of them was never held against one of the linked stores.
    pub fn over(&self, days: DateRange) -> Option<Standing> {
        let rows = &self.0.days;
        let begin = rows.partition_point(|(row, _)| row.date < days.from());
        let end = rows.partition_point(|(row, _)| row.date <= days.to());
        let waited_for = || {
            rows[begin..end]
                .iter()
                .filter(|(_, is_live)| *is_live)
                .map(|(row, _)| row)
        };
        if waited_for().count() != days.len() * self.0.live_stores {
            return None;
        }
        let reconciled_at = waited_for().map(|row| row.reconciled_at).min()?;
        Some(Standing {
            reconciled_at,
            drift: waited_for().map(|row| row.drift).sum(),
        })
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use uuid::Uuid;

    use super::*;

    fn date(text: &str) -> NaiveDate {
        text.parse().expect("a date")
    }

    fn range(from: &str, to: &str) -> DateRange {
        DateRange::new(date(from), date(to)).expect("a range")
    }

    fn day(store: u128, on: &str, at: &str, drift: i64) -> ReconciliationRow {
        ReconciliationRow {
            integration_id: IntegrationId(Uuid::from_u128(store)),
            date: date(on),
            reconciled_at: at.parse().expect("a moment"),
            orders_at_shopify: 10 + drift,
            orders_here: 10,
            drift,
            repaired: 0,
            net_sales_at_shopify: None,
            net_sales_drift: None,
            total_sales_at_shopify: None,
            total_sales_drift: None,
        }
    }

    #[test]
    fn days_are_reconciled_when_every_linked_store_has_each_of_them() {
        let reconciled = Reconciled(ReconciledDays {
            live_stores: 2,
            days: vec![
                (day(1, "2026-11-18", "2026-11-19T02:00:00Z", 1), true),
                (day(2, "2026-11-18", "2026-11-19T03:00:00Z", -3), true),
                // A store that is linked no more: it is not waited for, and does not count.
                (day(3, "2026-11-18", "2026-11-01T00:00:00Z", 50), false),
                (day(1, "2026-11-19", "2026-11-20T02:00:00Z", 0), true),
                (day(3, "2026-11-19", "2026-11-01T00:00:00Z", 50), false),
            ],
        });
        let first = Standing {
            reconciled_at: "2026-11-19T02:00:00Z".parse().expect("a moment"),
            drift: -2,
        };
        assert_eq!(reconciled.over(range("2026-11-18", "2026-11-18")), Some(first));
        for (from, to) in [
            ("2026-11-19", "2026-11-19"),
            ("2026-11-18", "2026-11-19"),
            ("2026-11-17", "2026-11-18"),
            ("2026-11-20", "2026-11-20"),
        ] {
            assert_eq!(reconciled.over(range(from, to)), None, "{from}..{to}");
        }
        assert_eq!(reconciled.days().count(), 5);
        assert_eq!(Reconciled::default().over(range("2026-11-18", "2026-11-18")), None);
    }
}
