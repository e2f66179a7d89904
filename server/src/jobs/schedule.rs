//! Which job is due when. A slot is a moment that every worker computes alike; the database lets one of them have it.

use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use tokio::sync::Mutex;

use crate::app::App;
use crate::config::SyncConfig;
use crate::domain::clock::start_of_day;
use crate::domain::ids::{IntegrationId, IntegrationStatus, RunTrigger};
use crate::domain::job::SyncJob;
use crate::store::{NewRun, StoreError};

/// What runs by itself for every link that is looked at.
enum Schedule {
    /// At even distances; each link at its own offset, so that they do not all start together.
    Every(Duration),
    /// Once a day, at a local time of the account.
    DailyAt(NaiveTime),
}

/// Every schedule there is.
fn schedules(sync: &SyncConfig) -> [(SyncJob, Schedule); 5] {
    [
        (SyncJob::ShopifyFresh, Schedule::Every(sync.fresh_every)),
        (SyncJob::ShopifySetup, Schedule::DailyAt(sync.nightly_at)),
        (SyncJob::ShopifyReconcile, Schedule::DailyAt(sync.nightly_at)),
        (SyncJob::ShopifyProducts, Schedule::DailyAt(sync.nightly_at)),
        (SyncJob::ShopifyCustomers, Schedule::DailyAt(sync.nightly_at)),
    ]
}

/// The slots that this worker has already put to the database: most looks at the schedules find nothing new.
#[derive(Default)]
pub(super) struct Slots(Mutex<HashMap<(IntegrationId, SyncJob), DateTime<Utc>>>);

impl Slots {
    /// Queues the current slot of every schedule of every connected link, where that has not been done.
    pub(super) async fn enqueue_due(&self, app: &App, sync: &SyncConfig) -> Result<(), StoreError> {
        let now = app.clock.now();
        let mut known = self.0.lock().await;
        for link in app.database.system().list_integrations().await? {
            for (job, schedule) in schedules(sync) {
                let slot = match schedule {
                    Schedule::Every(span) => even_slot(now, span, link.integration_id),
                    Schedule::DailyAt(time) => daily_slot(now, time, link.timezone),
                };
                let is_looked_at = match link.status {
                    IntegrationStatus::Connected => true,
                    IntegrationStatus::Paused => job.looks_at_paused(),
                    IntegrationStatus::NeedsReauth | IntegrationStatus::Disconnected => false,
                };
                let due = is_looked_at
                    && job.provider() == link.provider
                    // A slot from before the link was made is none of its own.
                    && slot >= link.connected_at
                    && known.get(&(link.integration_id, job)) != Some(&slot);
                if due {
                    let run = NewRun {
                        integration_id: link.integration_id,
                        job_type: job.as_str(),
                        trigger: RunTrigger::Schedule,
                    };
                    let db = app.database.write(&link.tenant).await?;
                    db.enqueue_slot(&run, slot).await?;
                    db.commit().await?;
                    known.insert((link.integration_id, job), slot);
                }
            }
        }
        Ok(())
    }
}

/// The latest moment of the link's even slots that is not in the future.
fn even_slot(now: DateTime<Utc>, span: Duration, link: IntegrationId) -> DateTime<Utc> {
    let span = (span.as_secs() as i64).max(1);
    let offset = (link.0.as_u128() % span.unsigned_abs() as u128) as i64;
    let since = (now.timestamp() - offset).rem_euclid(span);
    Utc.timestamp_opt(now.timestamp() - since, 0).single().unwrap_or(now)
}

/// The latest local `time` in `timezone` that is not in the future. Where a clock change leaves it out, the first
/// moment after it; where it comes twice, the first.
fn daily_slot(now: DateTime<Utc>, time: NaiveTime, timezone: Tz) -> DateTime<Utc> {
    let today = now.with_timezone(&timezone).date_naive();
    let slot = |date: chrono::NaiveDate| {
        let mut local = date.and_time(time);
        for _ in 0..24 {
            if let Some(at) = timezone.from_local_datetime(&local).earliest() {
                return at.with_timezone(&Utc);
            }
            local += TimeDelta::minutes(15);
        }
        start_of_day(date, timezone)
    };
    let todays = slot(today);
    if todays <= now {
        todays
    } else {
        slot(today - Days::new(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    #[test]
    fn a_daily_slot_is_one_a_day_also_when_the_clocks_change() {
        let berlin = chrono_tz::Europe::Berlin;
        let night = NaiveTime::from_hms_opt(2, 30, 0).expect("a time of day");
        for (now, slot) in [
            ("2026-07-01T00:29:59Z", "2026-06-30T00:30:00Z"),
            ("2026-07-01T00:30:00Z", "2026-07-01T00:30:00Z"),
            // 02:30 does not exist on 29 March 2026: the first quarter of an hour that does.
            ("2026-03-29T12:00:00Z", "2026-03-29T01:00:00Z"),
            // 02:30 comes twice on 25 October 2026: the first.
            ("2026-10-25T12:00:00Z", "2026-10-25T00:30:00Z"),
        ] {
            assert_eq!(daily_slot(at(now), night, berlin), at(slot), "{now}");
        }
    }

    #[test]
    fn even_slots_follow_each_other_without_gap() {
        let link = IntegrationId(uuid::Uuid::from_u128(0x1234_5678_9abc_def0));
        let span = Duration::from_secs(900);
        let first = even_slot(at("2026-11-22T10:00:00Z"), span, link);
        let next = even_slot(first + TimeDelta::seconds(900), span, link);
        assert_eq!(next - first, TimeDelta::seconds(900));
        assert_eq!(even_slot(next - TimeDelta::seconds(1), span, link), first);
    }
}
