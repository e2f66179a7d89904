//! A store's orders, in the sequence of their last change.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Stopped;
use super::named::{NAMING_ORDERS, bring_named_orders};
use super::page::{Page, rebuild_days};
use super::repairs::Repairs;
use super::shop::Shop;
use crate::app::App;
use crate::domain::clock::{first_whole_day, local_date, start_of_day};
use crate::domain::fact::OrderFact;
use crate::domain::ids::{RunTrigger, WebhookStatus};
use crate::providers::contract::{OrderPage, OrderQuery, ShopAccess};
use crate::queue::Run;
use crate::store::{OrderCursor, Progress, TenantDb};

/// Orders asked for at once. The provider takes fewer where a page would cost too much.
pub(super) const PAGE: u32 = 50;

/// How many days before today the fill covers.
pub(super) const FILL_DAYS: u64 = 7;

/// A change can become visible in the provider's search a little after its own time stamp. The watermark keeps this
/// distance from the present, so that such an order is still found by the next run.
pub(super) const VISIBILITY_LAG: TimeDelta = TimeDelta::minutes(10);

/// The name of the resume point in `sync_cursors.resume`.
const UPDATED_FROM: &str = "updated_from";

/// What stands beside it in a run of [`Scan::Reconcile`].
const REPAIRS: &str = "repairs";

/// Where a scan begins and what it leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scan {
    /// From the start of the local day seven days ago. Makes these days known; sets the watermark only where it is
    /// empty.
    LastSevenDays,
    /// From the watermark, which moves with every page. Without a watermark, like the fill.
    SinceWatermark,
    /// As [`LastSevenDays`](Self::LastSevenDays), and notes which orders should have been known before. Its resume point
    /// is left to whoever goes on from there.
    Reconcile,
}

/// Brings every order that the scan covers. Answers a sentence where there is something to tell.
pub async fn sync_orders(
    app: &App,
    run: &Run,
    scan: Scan,
    stop: &CancellationToken,
) -> Result<Option<String>, Stopped> {
    let mut shop = Shop::open(app, run).await?;
    Ok(note(&scan_orders(app, run, &mut shop, scan, stop).await?.progress))
}

/// The same, for a run that goes on with the store afterwards.
pub(super) async fn scan_orders(
    app: &App,
    run: &Run,
    shop: &mut Shop<'_>,
    scan: Scan,
    stop: &CancellationToken,
) -> Result<Plan, Stopped> {
    let plan = Plan::make(app, run, scan, shop.access()).await?;
    follow(plan, app, run, shop, stop).await
}

/// Brings the orders that waiting deliveries name, and then all that changed since the watermark. A run that a delivery
/// woke leaves the second part out where the store's known days are in step and less than `fresh_every` old.
pub async fn sync_fresh_orders(
    app: &App,
    run: &Run,
    fresh_every: Duration,
    stop: &CancellationToken,
) -> Result<Option<String>, Stopped> {
    let mut shop = Shop::open(app, run).await?;
    let mut progress: Progress = serde_json::from_value(run.progress.clone()).unwrap_or_default();
    let news = bring_named_orders(app, run, &mut shop, &mut progress, stop).await?;
    if news.is_all_in && !is_scan_due(app, run, fresh_every).await? {
        return Ok(note(&progress));
    }
    let mut plan = Plan::make(app, run, Scan::SinceWatermark, shop.access()).await?;
    plan.progress = progress;
    plan.settles = Some(news.before);
    Ok(note(&follow(plan, app, run, &mut shop, stop).await?.progress))
}

async fn is_scan_due(app: &App, run: &Run, fresh_every: Duration) -> Result<bool, Stopped> {
    if run.trigger != RunTrigger::Webhook {
        return Ok(true);
    }
    let db = app.database.read(&run.tenant).await?;
    let cursor = db.order_cursor(run.integration_id, &run.job_type).await?;
    let age = cursor.orders_synced_through.map(|through| app.clock.now() - through);
    let is_in_step = age.is_some_and(|age| age.to_std().unwrap_or_default() < fresh_every);
    Ok(cursor.backfilled_from.is_none() || !is_in_step)
}

/// Page by page to the end of the plan.
async fn follow(
    mut plan: Plan,
    app: &App,
    run: &Run,
    shop: &mut Shop<'_>,
    stop: &CancellationToken,
) -> Result<Plan, Stopped> {
    let mut query = plan.first_query();
    let mut page = shop.ask(&query).await?;
    loop {
        let next = page.next.take().map(|after| plan.next_query(after, page.page_size));
        if next.as_ref().is_some_and(|next| next.after == query.after) {
            return Err(Stopped::Broken(
                "The store answers the same page again and again; the sync stops here and will be tried again."
                    .to_owned(),
            ));
        }
        if stop.is_cancelled() && next.is_some() {
            plan.write(app, run, &page).await?;
            return Err(Stopped::Asked);
        }
        let Some(next) = next else {
            plan.write(app, run, &page).await?;
            plan.finish(app, run, page.asked_at).await?;
            return Ok(plan);
        };
        // While this page is written, the next one is on its way.
        let (written, fetched) = tokio::join!(plan.write(app, run, &page), shop.ask(&next));
        written?;
        page = fetched?;
        query = next;
    }
}

/// What a run of the scan does, decided once and kept over restarts.
pub(super) struct Plan {
    scan: Scan,
    job_type: String,
    /// The first change that counts, or the one at which an interrupted run resumes.
    updated_from: DateTime<Utc>,
    /// The first day that is known once the scan is through; none where no day becomes known.
    covers_from: Option<NaiveDate>,
    /// When the run first started: the watermark never gets closer to it than [`VISIBILITY_LAG`].
    started_at: DateTime<Utc>,
    /// The latest change seen so far.
    seen_through: DateTime<Utc>,
    /// Whether pages came in the sequence of their changes; if not, only a finished scan proves anything.
    in_sequence: bool,
    pub(super) progress: Progress,
    /// Deliveries about orders that came until then have nothing more to tell once the scan is through.
    settles: Option<DateTime<Utc>>,
    /// Whose days they are.
    timezone: Tz,
    /// Every change before this moment should be here already; none where that can't be said or is not asked.
    known_through: Option<DateTime<Utc>>,
    /// What should have been here and was not.
    pub(super) repairs: Repairs,
}

impl Plan {
    async fn make(app: &App, run: &Run, scan: Scan, access: &ShopAccess) -> Result<Self, Stopped> {
        let now = app.clock.now();
        let db = app.database.write(&run.tenant).await?;
        let cursor = db.order_cursor(run.integration_id, &run.job_type).await?;
        let (window_from, started_at) = match (run.window_from, run.window_to) {
            (Some(from), Some(started)) => (from, started),
            _ => {
                let from = Self::begin(scan, &cursor, access, now);
                db.set_run_window(run, from, now).await?;
                // What an earlier run of this job left unfinished was for another window.
                db.note_resume(run.integration_id, &run.job_type, None).await?;
                (from, now)
            }
        };
        let resume = run.window_from.and(cursor.resume);
        let resume_from = resume.as_ref().and_then(|resume| resume_point(resume));
        let repairs = resume.as_ref().and_then(|resume| Repairs::read(&resume[REPAIRS]));
        db.commit().await?;

        let updated_from = resume_from.map_or(window_from, |resume| resume.max(window_from));
        let fills = scan != Scan::SinceWatermark || cursor.backfilled_from.is_none();
        info!(%updated_from, fills, "reading orders");
        Ok(Self {
            scan,
            job_type: run.job_type.clone(),
            updated_from,
            covers_from: fills.then(|| first_whole_day(window_from, access.timezone)),
            started_at,
            seen_through: updated_from,
            in_sequence: true,
            progress: serde_json::from_value(run.progress.clone()).unwrap_or_default(),
            settles: None,
            timezone: access.timezone,
            known_through: cursor.last_synced_order_updated_at.filter(|_| scan == Scan::Reconcile),
            repairs: repairs.unwrap_or_default(),
        })
    }

    fn begin(scan: Scan, cursor: &OrderCursor, access: &ShopAccess, now: DateTime<Utc>) -> DateTime<Utc> {
        let fill = start_of_day(local_date(now, access.timezone) - Days::new(FILL_DAYS), access.timezone);
        match (scan, cursor.last_synced_order_updated_at, cursor.backfilled_from) {
            (Scan::SinceWatermark, Some(watermark), Some(_)) => watermark,
            // A watermark without a known day: the first fill has not come through yet.
            (Scan::SinceWatermark, Some(watermark), None) => watermark.min(fill),
            _ => fill,
        }
    }

    fn first_query(&self) -> OrderQuery {
        OrderQuery {
            updated_from: self.updated_from,
            after: None,
            page_size: PAGE,
        }
    }

    fn next_query(&self, after: String, page_size: u32) -> OrderQuery {
        OrderQuery {
            updated_from: self.updated_from,
            after: Some(after),
            page_size,
        }
    }

    /// One page, one transaction.
    async fn write(&mut self, app: &App, run: &Run, page: &OrderPage) -> Result<(), Stopped> {
        let read = Page::of(&page.orders);
        let further = self.watch(&read.facts());
        self.progress.pages += 1;
        self.progress.records += read.rows.len() as u64;
        self.progress.unreadable += read.rejects.len() as u64;
        self.progress.message = Some(format!(
            "Orders changed until {} are in.",
            self.seen_through.format("%F %T UTC")
        ));

        let db = app.database.write(&run.tenant).await?;
        db.fence_run(run, &self.progress, further).await?;
        db.serialise_account().await?;
        if let Some(known_through) = self.known_through {
            let held = db.held_orders(run.integration_id, &read.ids()).await?;
            self.repairs
                .note_scanned(&read.facts(), &held, known_through, self.timezone);
        }
        db.keep_raw_orders(run.integration_id, &read.rows, page.asked_at)
            .await?;
        read.keep(app, &db, run).await?;
        match self.scan {
            Scan::LastSevenDays | Scan::Reconcile => {
                self.note_resume(&db, run).await?;
            }
            Scan::SinceWatermark if self.covers_from.is_none() => {
                db.advance_order_cursor(run.integration_id, self.proven()).await?;
            }
            // Without a known day the watermark must not run ahead of what a first fill has still to bring.
            Scan::SinceWatermark => {
                self.note_resume(&db, run).await?;
            }
        }
        db.commit().await?;
        info!(
            pages = self.progress.pages,
            records = self.progress.records,
            "page written"
        );
        Ok(())
    }

    /// The scan is through: every change until `asked_at` is known.
    async fn finish(&mut self, app: &App, run: &Run, asked_at: DateTime<Utc>) -> Result<(), Stopped> {
        let watermark = self
            .seen_through
            .min(self.started_at - VISIBILITY_LAG)
            .max(self.updated_from);
        let db = app.database.write(&run.tenant).await?;
        db.fence_run(run, &self.progress, true).await?;
        db.serialise_account().await?;
        if let Some(day) = self.covers_from {
            let days = db.cover_from(run.integration_id, day).await?;
            rebuild_days(app, &db, run, &days).await?;
        }
        match self.scan {
            Scan::LastSevenDays | Scan::Reconcile => db.start_order_cursor(run.integration_id, watermark).await?,
            Scan::SinceWatermark => db.advance_order_cursor(run.integration_id, watermark).await?,
        }
        db.note_orders_synced_through(run.integration_id, asked_at).await?;
        match self.scan {
            Scan::Reconcile => self.note_resume(&db, run).await?,
            _ => db.note_resume(run.integration_id, &self.job_type, None).await?,
        }
        if let Some(before) = self.settles {
            db.settle_deliveries(run.integration_id, &NAMING_ORDERS, before, WebhookStatus::Processed)
                .await?;
        }
        db.commit().await?;
        Ok(())
    }

    async fn note_resume(&self, db: &TenantDb, run: &Run) -> Result<(), Stopped> {
        let mut resume = json!({ UPDATED_FROM: self.proven() });
        if self.scan == Scan::Reconcile {
            resume[REPAIRS] = self.repairs.to_json();
        }
        db.note_resume(run.integration_id, &self.job_type, Some(&resume))
            .await?;
        Ok(())
    }

    /// Follows the sequence of changes; answers whether it got further than before.
    fn watch(&mut self, facts: &[&OrderFact]) -> bool {
        let before = self.seen_through;
        for fact in facts {
            self.in_sequence &= fact.updated_at >= self.seen_through;
            self.seen_through = self.seen_through.max(fact.updated_at);
        }
        self.in_sequence && self.seen_through > before
    }

    /// The moment before which every change has certainly been read.
    fn proven(&self) -> DateTime<Utc> {
        if self.in_sequence {
            self.seen_through
                .min(self.started_at - VISIBILITY_LAG)
                .max(self.updated_from)
        } else {
            self.updated_from
        }
    }
}

/// What there is to tell of a run that is through.
pub(super) fn note(progress: &Progress) -> Option<String> {
    (progress.unreadable > 0).then(|| {
        format!(
            "{} of the orders could not be read and are kept aside with the reason; all others are in.",
            progress.unreadable
        )
    })
}

/// The moment at which an interrupted scan resumes, as [`Plan::note_resume`] wrote it.
fn resume_point(resume: &Value) -> Option<DateTime<Utc>> {
    resume[UPDATED_FROM].as_str()?.parse().ok()
}
