//! A store's last days held against the store's own books, and put right.
//!
//! ```text
//! scan     what changed in the last seven days, as the fill does it
//! count    each day's orders at the store and here
//! list     the orders of a day whose counts differ
//! read     by their ids those that are missing, outdated, deleted there, or deleted here and not there
//! count    once more: what differs still is the drift
//! report   the store's own sales report beside our sums, where it may be read
//! ```
//!
//! A list can be behind; what it lacks is asked for by id before it counts as deleted. The report repairs nothing: a
//! difference is kept beside our numbers, never in them.

use std::collections::{HashMap, HashSet};

use chrono::{Days, NaiveDate, SubsecRound};
use rust_decimal::Decimal;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Stopped;
use super::orders::{FILL_DAYS, Scan, VISIBILITY_LAG, scan_orders, unreadable_note};
use super::page::{Page, rebuild_days};
use super::repairs::Repairs;
use super::shop::{NamedOrders, Shop};
use crate::app::App;
use crate::domain::clock::local_date;
use crate::domain::ids::ShopifyOrderId;
use crate::domain::window::Window;
use crate::providers::contract::{
    ListedOrder, OrderCountQuery, OrderListQuery, OrdersById, ReportedDay, SalesReportQuery,
};
use crate::queue::Run;
use crate::store::{HeldOrder, NewReconciliation, Progress, ReconciliationRow, Replaces};

/// Orders that are read again in one transaction.
const DOUBTS_AT_ONCE: usize = 50;

/// The scope without which a store does not show its own report.
const READ_REPORTS: &str = "read_reports";

/// Re-reads what changed in the last seven days, then holds each of them against the store. Answers a sentence for each
/// thing that was not as it should have been.
pub async fn reconcile_orders(app: &App, run: &Run, stop: &CancellationToken) -> Result<Option<String>, Stopped> {
    let mut shop = Shop::open(app, run).await?;
    let scanned = scan_orders(app, run, &mut shop, Scan::Reconcile, stop).await?;
    let mut audit = Audit {
        app,
        run,
        shop,
        unread: unreadable_note(&scanned.progress),
        progress: scanned.progress,
        repairs: scanned.repairs,
    };
    let mut days = audit.counted_days(stop).await?;
    audit.repair(&mut days, stop).await?;
    let (report, unreported) = audit.report().await?;
    let kept = audit.keep(&days, report.as_ref()).await?;
    Ok(audit.note(&kept, unreported))
}

/// A run that has read what changed and now looks at days.
struct Audit<'a> {
    app: &'a App,
    run: &'a Run,
    shop: Shop<'a>,
    /// What the scan says of orders that could not be read.
    unread: Option<String>,
    progress: Progress,
    repairs: Repairs,
}

/// A day and the store's count of it.
#[derive(Debug, Clone, Copy)]
struct CountedDay {
    date: NaiveDate,
    window: Window,
    at_store: u64,
    /// Whether the window is the whole day.
    is_over: bool,
}

impl Audit<'_> {
    /// The covered days of the last seven, and today so far, as the store counts them.
    async fn counted_days(&mut self, stop: &CancellationToken) -> Result<Vec<CountedDay>, Stopped> {
        let db = self.app.database.read(&self.run.tenant).await?;
        let cursor = db.order_cursor(self.run.integration_id, &self.run.job_type).await?;
        drop(db);
        let timezone = self.shop.access().timezone;
        let now = self.app.clock.now();
        // The store's search is a little behind the store: the last minutes are left to the next night.
        let end = (now - VISIBILITY_LAG).trunc_subsecs(0);
        let first = local_date(now, timezone) - Days::new(FILL_DAYS);
        let mut days = Vec::new();
        for date in first.iter_days().take(FILL_DAYS as usize + 1) {
            let whole = Window::of_day(date, timezone);
            let is_covered = cursor.backfilled_from.is_some_and(|covered| covered <= date);
            let Some(window) = whole.before(end).filter(|_| is_covered) else {
                continue;
            };
            if stop.is_cancelled() {
                return Err(Stopped::Asked);
            }
            let at_store = self.shop.ask(&OrderCountQuery { processed: window }).await?;
            days.push(CountedDay {
                date,
                window,
                at_store,
                is_over: window == whole,
            });
        }
        Ok(days)
    }

    /// Puts right the days whose counts differ, and counts them once more at the store.
    async fn repair(&mut self, days: &mut [CountedDay], stop: &CancellationToken) -> Result<(), Stopped> {
        let db = self.app.database.read(&self.run.tenant).await?;
        let windows = Vec::from_iter(days.iter().map(|day| day.window));
        let here = db.count_processed(self.run.integration_id, &windows).await?;
        drop(db);
        for (day, here) in days.iter_mut().zip(here) {
            if day.at_store == here {
                continue;
            }
            info!(date = %day.date, at_store = day.at_store, here, "the store counts another number of orders");
            self.repair_day(*day, stop).await?;
            day.at_store = self.shop.ask(&OrderCountQuery { processed: day.window }).await?;
        }
        Ok(())
    }

    async fn repair_day(&mut self, day: CountedDay, stop: &CancellationToken) -> Result<(), Stopped> {
        let listed = self.list(day.window).await?;
        let db = self.app.database.read(&self.run.tenant).await?;
        let held = db.orders_processed_in(self.run.integration_id, day.window).await?;
        drop(db);
        for ids in doubtful(&listed, &held).chunks(DOUBTS_AT_ONCE) {
            if stop.is_cancelled() {
                return Err(Stopped::Asked);
            }
            let read = self.shop.ask(&NamedOrders(ids)).await?;
            self.write(day.date, &read).await?;
        }
        Ok(())
    }

    /// Every order of a window that the store lists.
    async fn list(&mut self, processed: Window) -> Result<Vec<ListedOrder>, Stopped> {
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = self.shop.ask(&OrderListQuery { processed, after }).await?;
            listed.extend(page.orders);
            after = page.next;
            if after.is_none() {
                return Ok(listed);
            }
        }
    }

    /// Orders of a day that were read by their ids: one transaction.
    async fn write(&mut self, date: NaiveDate, read: &OrdersById) -> Result<(), Stopped> {
        let Self {
            app,
            run,
            shop,
            progress,
            repairs,
            ..
        } = self;
        let page = Page::of(&read.orders);
        progress.pages += 1;
        progress.records += page.rows.len() as u64;
        progress.message = Some(format!("The orders of {date} are held against the store's."));

        let db = app.database.write(&run.tenant).await?;
        db.fence_run(run, progress, false).await?;
        db.serialise_account().await?;
        let held = db.held_orders(run.integration_id, &page.ids()).await?;
        repairs.note_read(&page.facts(), &held, shop.access().timezone);
        db.unbury_orders(run.integration_id, &page.ids(), read.asked_at).await?;
        db.keep_raw_orders(run.integration_id, &page.rows, read.asked_at, Replaces::SameOrOlder)
            .await?;
        page.keep(app, &db, run, Replaces::SameOrOlder).await?;
        let mut left = Vec::new();
        let gone = db.held_orders(run.integration_id, &read.missing).await?;
        for order in gone.iter().filter(|order| order.counts()) {
            if let Some(days) = db.delete_order(run.integration_id, order.id, read.asked_at).await? {
                left.extend(days);
                repairs.note_gone(date);
            }
        }
        left.sort_unstable();
        left.dedup();
        rebuild_days(app, &db, run, &left).await?;
        db.commit().await?;
        Ok(())
    }

    /// The store's own report, where it may be read; or a sentence where it should have been and could not. It is an
    /// addition: without it a night is good.
    async fn report(&mut self) -> Result<(Option<Report>, Option<String>), Stopped> {
        let db = self.app.database.read(&self.run.tenant).await?;
        let links = db.integrations().await?;
        drop(db);
        let link = links.iter().find(|link| link.id == self.run.integration_id);
        if !link.is_some_and(|link| link.scopes.iter().any(|scope| scope == READ_REPORTS)) {
            info!("the store's own report is not compared: {READ_REPORTS} is not granted");
            return Ok((None, None));
        }
        match self.shop.ask(&SalesReportQuery { days: FILL_DAYS }).await {
            Ok(days) => Ok((Some(days.into_iter().map(|day| (day.date, day)).collect()), None)),
            Err(Stopped::Later { why, .. } | Stopped::Retry(why) | Stopped::Denied(why) | Stopped::Broken(why)) => {
                warn!(why, "the store's own report can't be compared");
                let why = why.trim_end_matches('.');
                Ok((
                    None,
                    Some(format!("The store's own sales report could not be compared: {why}.")),
                ))
            }
            Err(stopped) => Err(stopped),
        }
    }

    /// Makes the cells of these days once more from their facts, and keeps what was found.
    async fn keep(&mut self, days: &[CountedDay], report: Option<&Report>) -> Result<Vec<ReconciliationRow>, Stopped> {
        let Self { app, run, .. } = self;
        let rows = Vec::from_iter(days.iter().map(|day| NewReconciliation {
            date: day.date,
            processed: day.window,
            orders_at_shopify: day.at_store,
            repaired: self.repairs.of(day.date),
            reported: report.filter(|_| day.is_over).map(|report| {
                let day = report.get(&day.date);
                day.map_or_else(Default::default, |day| (day.net_sales, day.total_sales))
            }),
        }));
        let dates = Vec::from_iter(days.iter().map(|day| day.date));
        let db = app.database.write(&run.tenant).await?;
        db.fence_run(run, &self.progress, false).await?;
        db.serialise_account().await?;
        rebuild_days(app, &db, run, &dates).await?;
        let kept = db
            .keep_reconciliations(run.integration_id, &rows, app.clock.now())
            .await?;
        db.note_resume(run.integration_id, &run.job_type, None).await?;
        db.commit().await?;
        for row in kept.iter().filter(|row| row.repaired > 0 || differs(row)) {
            warn!(
                date = %row.date,
                at_store = row.orders_at_shopify,
                here = row.orders_here,
                drift = row.drift,
                repaired = row.repaired,
                net_sales_drift = ?row.net_sales_drift,
                total_sales_drift = ?row.total_sales_drift,
                "a day was not as the store has it"
            );
        }
        Ok(kept)
    }

    /// A sentence for each thing that was put right and each that could not be.
    fn note(&self, kept: &[ReconciliationRow], unreported: Option<String>) -> Option<String> {
        let mut sentences = self.repairs.sentences();
        for row in kept.iter().filter(|row| row.drift != 0) {
            sentences.push(format!(
                "The store counts {} orders on {}; here are {}.",
                row.orders_at_shopify, row.date, row.orders_here
            ));
        }
        for row in kept {
            let sums = [("net", row.net_sales_drift), ("total", row.total_sales_drift)];
            for (kind, drift) in sums {
                if let Some(drift) = drift.filter(|drift| !drift.is_zero()) {
                    sentences.push(format!(
                        "The store's own report has {} {} {kind} sales on {}.",
                        drift.abs().normalize(),
                        if drift.is_sign_negative() { "less" } else { "more" },
                        row.date
                    ));
                }
            }
        }
        sentences.extend(unreported);
        sentences.extend(self.unread.clone());
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}

/// The store's own report, by day. A day without sales need not be in it.
type Report = HashMap<NaiveDate, ReportedDay>;

/// Whether something still differs from the store.
fn differs(row: &ReconciliationRow) -> bool {
    let is_off = |drift: Option<Decimal>| drift.is_some_and(|drift| !drift.is_zero());
    row.drift != 0 || is_off(row.net_sales_drift) || is_off(row.total_sales_drift)
}

/// The orders to be asked for by id: those that are missing, outdated or wrongly held to be deleted or a test, and those
/// that the store does not list.
fn doubtful(listed: &[ListedOrder], held: &[HeldOrder]) -> Vec<ShopifyOrderId> {
    let known: HashMap<ShopifyOrderId, &HeldOrder> = held.iter().map(|order| (order.id, order)).collect();
    let is_right = |order: &ListedOrder| {
        known
            .get(&order.id)
            .is_some_and(|held| held.counts() && held.updated_at >= order.updated_at)
    };
    let there: HashSet<ShopifyOrderId> = listed.iter().map(|order| order.id).collect();
    let wanting = listed.iter().filter(|order| !is_right(order)).map(|order| order.id);
    let unlisted = held
        .iter()
        .filter(|order| order.counts() && !there.contains(&order.id))
        .map(|order| order.id);
    let mut ids = Vec::from_iter(wanting.chain(unlisted));
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    fn held(id: i64, updated_at: &str) -> HeldOrder {
        HeldOrder {
            id: ShopifyOrderId(id),
            updated_at: at(updated_at),
            is_test: false,
            is_deleted: false,
            revenue_net: Decimal::ONE,
            total_sales: Decimal::ONE,
        }
    }

    #[test]
    fn an_order_is_asked_for_where_list_and_table_disagree() {
        let (then, later) = ("2026-11-20T10:00:00Z", "2026-11-20T11:00:00Z");
        let listed = [1, 2, 3, 4, 5, 9].map(|id| ListedOrder {
            id: ShopifyOrderId(id),
            updated_at: at(then),
        });
        let mut deleted = held(4, later);
        deleted.is_deleted = true;
        let mut test = held(5, then);
        test.is_test = true;
        let mut deleted_there_too = held(6, then);
        deleted_there_too.is_deleted = true;
        let tables = [
            held(1, then),
            // Changed since the list was made.
            held(2, later),
            held(3, "2026-11-20T09:59:59Z"),
            deleted,
            test,
            deleted_there_too,
            held(7, then),
        ];
        // 3 is outdated, 4 and 5 do not count here, 7 is not listed, 9 is missing.
        assert_eq!(doubtful(&listed, &tables), [3, 4, 5, 7, 9].map(ShopifyOrderId));
    }
}
