//! A store's whole history, so that every day back to its first one is known.
//!
//! ```text
//! start ─▶ prepare ─▶ read ────┐        one file, which the provider prepares
//!   │         └────────┤        ├▶ cover: days become known, the latest first
//!   └▶ slices ◀────────┘ ───────┘        or else stretches of time, the latest first
//! ```
//!
//! Where the run stands is kept with every transaction, so that it goes on there after a crash, a wait or a stop.
//!
//! The file shows each order as it was when the file was begun, or later. What changes meanwhile is brought by the
//! other jobs, which read everything since their watermark, and a record of the file replaces only older ones. No day is
//! covered before the whole file is in.
//!
//! A row of an order's ledger on some day means that the order changed on that day or later. So when all orders are in
//! that changed since a day began, that day is known, whatever their own dates: slices are of the last change.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Stopped;
use super::orders::{VISIBILITY_LAG, unreadable_note};
use super::page::{Page, rebuild_days, rebuild_presets};
use super::pages::Pages;
use super::shop::Shop;
use crate::app::App;
use crate::domain::clock::{first_whole_day, local_date, start_of_day};
use crate::domain::ids::WebhookStatus;
use crate::domain::webhook::Topic;
use crate::providers::contract::{
    ChangedCountQuery, ExtentQuery, HiddenHistory, HistoryError, HistoryFile, HistoryState, HistoryStateQuery, Meter,
    OrderPage, ProviderError, PulledOrder, StartHistory, Started,
};
use crate::queue::Run;
use crate::store::{Progress, Replaces, TenantDb};
use crate::telemetry;

/// Files asked for before the history is read in slices.
const MOST_FILES: u32 = 3;
/// How often a provider that prepares other files for us is asked again.
const MOST_BUSY: u32 = 5;
/// How often a file may break off at the same place.
const MOST_STUCK: u32 = 3;
/// A file older than this may be gone.
const LONGEST: TimeDelta = TimeDelta::days(6);
/// The first and the longest pause before looking at a file again.
const LOOK: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));
/// Days of the first slice, and of the longest.
const SLICE_DAYS: (u64, u64) = (30, 480);
/// A slice with more orders is made shorter, one with fewer makes the next one longer.
const SLICE_ORDERS: (u64, u64) = (1_000, 15_000);
/// Days that become known in one transaction.
const COVERED_AT_ONCE: u64 = 100;

/// Brings every order there is. Answers a sentence where there is something to tell.
pub async fn backfill_orders(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    let mut shop = Shop::open(app, run).await?;
    let mut backfill = Backfill::open(app, run, &shop).await?;
    loop {
        if stop.is_cancelled() {
            return Err(Stopped::Asked);
        }
        match backfill.state.step.clone() {
            Step::Start => backfill.start(&mut shop).await?,
            Step::Prepare { operation, looks } => backfill.look(&mut shop, operation, looks).await?,
            Step::Read(reading) => backfill.read(&mut shop, reading, stop).await?,
            Step::Slices(slice) => backfill.slice(&mut shop, slice, stop).await?,
            Step::Cover => {
                if backfill.cover().await? {
                    return Ok(backfill.note());
                }
            }
        }
    }
}

/// Where a backfill stands; kept in `sync_cursors.resume`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    /// When it began. All changes before are in when it is through.
    began_at: DateTime<Utc>,
    /// Whether a part of the history was hidden then.
    hidden: bool,
    /// When the store was opened.
    opened_at: DateTime<Utc>,
    /// About how many orders there are.
    orders: u64,
    /// Files that were asked for.
    files: u32,
    /// How often the provider had no room for one.
    busy: u32,
    step: Step,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// A file is to be asked for.
    Start,
    /// It is being prepared, and was looked at so often.
    Prepare { operation: String, looks: u32 },
    /// It is being read.
    Read(Reading),
    /// It is not to be had.
    Slices(Slice),
    /// Everything is in.
    Cover,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Reading {
    operation: String,
    /// The byte at which the next order begins.
    offset: u64,
    /// Orders before it.
    orders: u64,
    /// How often it has broken off since the last order that came in.
    stuck: u32,
}

/// A stretch of time, the orders that changed last in which are read.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Slice {
    /// Its end; none where everything until now is in it.
    before: Option<DateTime<Utc>>,
    /// Its length.
    days: u64,
    /// Its begin, once that is decided.
    from: Option<DateTime<Utc>>,
    /// Up to where it has been read.
    read_to: Option<DateTime<Utc>>,
}

struct Backfill<'a> {
    app: &'a App,
    run: &'a Run,
    timezone: chrono_tz::Tz,
    meter: Meter,
    /// What the store does not show.
    hidden: Option<HiddenHistory>,
    /// Deliveries until then are dealt with by the next look, by the database's clock.
    told_until: DateTime<Utc>,
    state: State,
    progress: Progress,
    /// The file, if this attempt has seen that it is ready.
    file: Option<HistoryFile>,
}

impl<'a> Backfill<'a> {
    /// Goes on with what the run, or one before it, left unfinished.
    async fn open(app: &'a App, run: &'a Run, shop: &Shop<'_>) -> Result<Self, Stopped> {
        let now = app.clock.now();
        let db = app.database.read(&run.tenant).await?;
        let told_until = db.now().await?;
        let scopes = db.granted_scopes(run.integration_id).await?;
        let cursor = db.order_cursor(run.integration_id, &run.job_type).await?;
        drop(db);
        let hidden = shop.source().hidden_history(&scopes, now);
        let kept = cursor
            .resume
            .and_then(|resume| serde_json::from_value::<State>(resume.0).ok())
            // What is shown now may not have been shown then.
            .filter(|kept| kept.hidden == hidden.is_some() && now - kept.began_at < LONGEST);
        Ok(Self {
            app,
            run,
            timezone: shop.access().timezone,
            meter: shop.meter(),
            state: kept.unwrap_or(State {
                began_at: now,
                hidden: hidden.is_some(),
                opened_at: now,
                orders: 0,
                files: 0,
                busy: 0,
                step: Step::Start,
            }),
            hidden,
            told_until,
            progress: serde_json::from_value(run.progress.clone()).unwrap_or_default(),
            file: None,
        })
    }

    async fn start(&mut self, shop: &mut Shop<'_>) -> Result<(), Stopped> {
        let extent = shop.ask(&ExtentQuery).await?;
        self.state.opened_at = extent.opened_at;
        self.state.orders = extent.orders;
        if self.run.window_from.is_none() {
            let db = self.app.database.write(&self.run.tenant).await?;
            db.set_run_window(self.run, extent.opened_at, self.state.began_at)
                .await?;
            db.commit().await?;
        }
        match shop.ask(&StartHistory).await? {
            Started::Preparing(operation) => {
                info!(orders = extent.orders, "the history is being prepared as a file");
                self.state.files += 1;
                self.state.step = Step::Prepare { operation, looks: 0 };
                self.save(true).await
            }
            Started::Busy(why) => {
                self.state.busy += 1;
                if self.state.busy > MOST_BUSY {
                    return self.begin_slices(&why).await;
                }
                self.save(false).await?;
                Err(Stopped::Wait {
                    after: LOOK.1 * self.state.busy,
                    message: format!("{why}. It will be asked again."),
                })
            }
            Started::Refused(why) => self.begin_slices(&why).await,
        }
    }

    async fn look(&mut self, shop: &mut Shop<'_>, operation: String, looks: u32) -> Result<(), Stopped> {
        let query = HistoryStateQuery { operation: &operation };
        match shop.ask(&query).await? {
            HistoryState::Preparing { orders } => {
                self.state.step = Step::Prepare {
                    operation,
                    looks: looks + 1,
                };
                self.save(false).await?;
                let grown = LOOK.0.mul_f64(1.5_f64.powi(looks.min(16) as i32));
                Err(Stopped::Wait {
                    after: grown.min(LOOK.1),
                    message: format!(
                        "Shopify is preparing {} of about {} orders.",
                        grouped(orders),
                        grouped(self.state.orders.max(orders))
                    ),
                })
            }
            HistoryState::Ready(file) => {
                self.file = Some(file);
                self.state.step = Step::Read(Reading {
                    operation,
                    offset: 0,
                    orders: 0,
                    stuck: 0,
                });
                self.save(true).await
            }
            HistoryState::Failed(why) => self.without_file(&why).await,
        }
    }

    async fn read(&mut self, shop: &mut Shop<'_>, reading: Reading, stop: &CancellationToken) -> Result<(), Stopped> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let query = HistoryStateQuery {
                    operation: &reading.operation,
                };
                match shop.ask(&query).await? {
                    HistoryState::Ready(file) => file,
                    HistoryState::Preparing { .. } => {
                        return self.without_file("the file is being prepared again").await;
                    }
                    HistoryState::Failed(why) => return self.without_file(&why).await,
                }
            }
        };
        let (expected, mut read, stuck) = (file.orders, reading.orders, reading.stuck);
        if read < expected || reading.offset == 0 {
            let opened = shop.source().read_history(shop.access(), &file, reading.offset).await;
            let mut parts = match opened {
                Ok(parts) => parts,
                Err(error) => return self.broke_off(reading, error).await,
            };
            let mut at = reading;
            while let Some(part) = parts.next().await {
                let part = match part {
                    Ok(part) => part,
                    Err(error) => return self.broke_off(at, error).await,
                };
                read += part.orders.len() as u64;
                at = Reading {
                    offset: part.resume_at,
                    orders: read,
                    stuck: 0,
                    ..at
                };
                self.state.step = Step::Read(at.clone());
                self.progress.message = Some(format!(
                    "{} of {} orders of the store's history are in.",
                    grouped(read),
                    grouped(expected)
                ));
                self.write(&part.orders, self.state.began_at, Replaces::Older).await?;
                if stop.is_cancelled() {
                    return Err(Stopped::Asked);
                }
            }
            if read != expected {
                // From the beginning: what is missing may be anywhere.
                let again = Reading {
                    offset: 0,
                    orders: 0,
                    stuck,
                    ..at
                };
                let why = format!("the file has {read} orders where {expected} were announced");
                return self.broke_off(again, ProviderError::Retry(why).into()).await;
            }
        }
        self.state.step = Step::Cover;
        self.save(true).await
    }

    /// The file could not be read to its end.
    async fn broke_off(&mut self, at: Reading, error: HistoryError) -> Result<(), Stopped> {
        match error {
            // Orders that lack a part may be in the tables. No day is covered by them, and slices replace them.
            HistoryError::Ungrouped(why) => self.begin_slices(&why).await,
            HistoryError::Gone(why) => self.without_file(&why).await,
            HistoryError::Provider(ProviderError::Retry(why)) => {
                let stuck = at.stuck + 1;
                if stuck > MOST_STUCK {
                    return self.without_file(&why).await;
                }
                self.state.step = Step::Read(Reading { stuck, ..at });
                self.save(false).await?;
                Err(Stopped::Retry(format!(
                    "The store's history could not be read to its end: {why}. It goes on from there."
                )))
            }
            HistoryError::Provider(error) => Err(error.into()),
        }
    }

    /// There will be no such file: another one, or slices.
    async fn without_file(&mut self, why: &str) -> Result<(), Stopped> {
        if self.state.files >= MOST_FILES {
            return self.begin_slices(why).await;
        }
        warn!(why, "the file of the history is not to be had; asking for another one");
        self.state.step = Step::Start;
        self.save(false).await
    }

    async fn begin_slices(&mut self, why: &str) -> Result<(), Stopped> {
        warn!(why, "the history is read in slices");
        let db = self.app.database.read(&self.run.tenant).await?;
        let cursor = db.order_cursor(self.run.integration_id, &self.run.job_type).await?;
        drop(db);
        let covered = cursor.backfilled_from;
        self.state.step = Step::Slices(Slice {
            before: covered.map(|day| start_of_day(day, self.timezone)),
            days: SLICE_DAYS.0,
            from: None,
            read_to: None,
        });
        self.save(true).await
    }

    /// Reads the slice, from where it was left, and goes on to the one before it.
    async fn slice(&mut self, shop: &mut Shop<'_>, slice: Slice, stop: &CancellationToken) -> Result<(), Stopped> {
        let hidden_before = self.hidden.as_ref().map(|hidden| hidden.before);
        let first = hidden_before.map_or(self.state.opened_at, |before| before.max(self.state.opened_at));
        let end = slice.before.unwrap_or(self.state.began_at);
        let Some(from) = slice.from else {
            if slice.before.is_some_and(|before| before <= first) {
                self.state.step = Step::Cover;
                return self.save(true).await;
            }
            self.state.step = Step::Slices(self.measured(shop, slice, end, first).await?);
            return self.save(true).await;
        };
        let mut read_to = slice.read_to.unwrap_or(from).max(from);
        let mut in_sequence = true;
        let mut pages = Pages::of(shop, read_to, slice.before);
        let mut fetched = pages.next().await?;
        while let Some(page) = fetched {
            for order in &page.orders {
                if let PulledOrder::Read { fact, .. } = order {
                    in_sequence &= fact.updated_at >= read_to;
                    read_to = read_to.max(fact.updated_at);
                }
            }
            let read_to = if in_sequence { read_to } else { from };
            self.state.step = Step::Slices(Slice {
                read_to: Some(read_to),
                ..slice.clone()
            });
            self.progress.message = Some(format!(
                "Orders changed from {} on are being read; {} are in.",
                local_date(from, self.timezone),
                grouped(self.progress.records)
            ));
            // While this page is written, the next one is on its way.
            let (written, next) = tokio::join!(self.write_page(&page), pages.next());
            written?;
            if stop.is_cancelled() && !pages.are_over() {
                return Err(Stopped::Asked);
            }
            fetched = next?;
        }
        self.state.step = Step::Slices(Slice {
            before: Some(from),
            days: slice.days,
            from: None,
            read_to: None,
        });
        let first_known = first_whole_day(from, self.timezone).max(first_whole_day(first, self.timezone));
        self.cover_back(first_known, false).await
    }

    /// The slice with a begin, such that it is neither too large nor needlessly small.
    async fn measured(
        &self,
        shop: &mut Shop<'_>,
        slice: Slice,
        end: DateTime<Utc>,
        first: DateTime<Utc>,
    ) -> Result<Slice, Stopped> {
        let mut days = slice.days;
        loop {
            let from = start_of_day(local_date(end, self.timezone) - Days::new(days), self.timezone);
            // Nothing lies before the first one.
            let from = if from <= first { DateTime::UNIX_EPOCH } else { from };
            let count = ChangedCountQuery {
                updated_from: from,
                updated_before: slice.before.unwrap_or(end),
            };
            let orders = shop.ask(&count).await?;
            let (few, many) = SLICE_ORDERS;
            if orders > many && days > 1 {
                days /= 2;
                continue;
            }
            return Ok(Slice {
                from: Some(from),
                days: if orders < few {
                    (days * 2).min(SLICE_DAYS.1)
                } else {
                    days
                },
                ..slice
            });
        }
    }

    async fn write_page(&mut self, page: &OrderPage) -> Result<(), Stopped> {
        self.write(&page.orders, page.asked_at, Replaces::SameOrOlder).await
    }

    /// Some orders, one transaction, and where to go on.
    async fn write(
        &mut self,
        orders: &[PulledOrder],
        fetched_at: DateTime<Utc>,
        replaces: Replaces,
    ) -> Result<(), Stopped> {
        let read = Page::of(orders);
        self.progress.pages += 1;
        self.progress.records += read.rows.len() as u64;
        self.progress.unreadable += read.rejects.len() as u64;
        let db = self.begin(true).await?;
        db.keep_raw_orders(self.run.integration_id, &read.rows, fetched_at, replaces)
            .await?;
        read.keep(self.app, &db, self.run, replaces).await?;
        self.keep_state(&db).await?;
        db.commit().await?;
        telemetry::page_written(&self.run.job_type, read.rows.len());
        Ok(())
    }

    /// Lets more days become known. True when that was the last of them, and with them the backfill is through.
    async fn cover(&mut self) -> Result<bool, Stopped> {
        let db = self.app.database.read(&self.run.tenant).await?;
        let cursor = db.order_cursor(self.run.integration_id, &self.run.job_type).await?;
        let earliest = db.earliest_day(self.run.integration_id).await?;
        drop(db);
        let first = match &self.hidden {
            Some(hidden) => first_whole_day(hidden.before, self.timezone),
            None => {
                let opened = local_date(self.state.opened_at, self.timezone);
                earliest.map_or(opened, |earliest| earliest.min(opened))
            }
        };
        let known = cursor
            .backfilled_from
            .unwrap_or(local_date(self.state.began_at, self.timezone) + Days::new(1));
        let step = (known - Days::new(COVERED_AT_ONCE)).max(first);
        let is_last = step <= first;
        self.cover_back(step, is_last).await?;
        Ok(is_last)
    }

    async fn cover_back(&mut self, day: NaiveDate, is_last: bool) -> Result<(), Stopped> {
        let integration_id = self.run.integration_id;
        let db = self.begin(true).await?;
        let days = db.cover_back(integration_id, day).await?;
        rebuild_days(self.app, &db, self.run, &days).await?;
        if is_last {
            let why = self.hidden.as_ref().map(|hidden| hidden.why.as_str());
            db.note_history_limit(integration_id, why).await?;
            // Where no other job has come through yet, all changes since the beginning are still to be read.
            db.start_order_cursor(integration_id, self.state.began_at - VISIBILITY_LAG)
                .await?;
            db.note_orders_synced_through(integration_id, self.state.began_at)
                .await?;
            rebuild_presets(self.app, &db).await?;
            self.settle(&db).await?;
            db.note_resume(integration_id, &self.run.job_type, None).await?;
        } else {
            self.keep_state(&db).await?;
        }
        db.commit().await?;
        info!(from = %day, "days are known");
        Ok(())
    }

    /// Keeps where the backfill stands.
    async fn save(&mut self, further: bool) -> Result<(), Stopped> {
        self.progress.throttle = self.meter.reading();
        let db = self.app.database.write(&self.run.tenant).await?;
        db.fence_run(self.run, &self.progress, further).await?;
        self.settle(&db).await?;
        self.keep_state(&db).await?;
        db.commit().await?;
        Ok(())
    }

    /// Begins a transaction that writes numbers.
    async fn begin(&mut self, further: bool) -> Result<TenantDb, Stopped> {
        self.progress.throttle = self.meter.reading();
        let db = self.app.database.write(&self.run.tenant).await?;
        db.fence_run(self.run, &self.progress, further).await?;
        db.serialise_account().await?;
        Ok(db)
    }

    async fn keep_state(&self, db: &TenantDb) -> Result<(), Stopped> {
        db.note_resume(self.run.integration_id, &self.run.job_type, Some(&json!(self.state)))
            .await?;
        Ok(())
    }

    /// The provider told that the file is ready: it has been looked at since.
    async fn settle(&self, db: &TenantDb) -> Result<(), Stopped> {
        db.settle_deliveries(
            self.run.integration_id,
            &[Topic::BulkOperationsFinish],
            self.told_until,
            WebhookStatus::Processed,
        )
        .await?;
        Ok(())
    }

    fn note(&self) -> Option<String> {
        let hidden = self.hidden.as_ref().map(|hidden| hidden.why.clone());
        let sentences = Vec::from_iter(hidden.into_iter().chain(unreadable_note(&self.progress)));
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}

/// `1234567` as `1,234,567`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
