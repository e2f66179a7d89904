//! A store's products and customers, in the sequence of their last change. They are kept as they came; no number is
//! made of them.
//!
//! The watermark moves with every page, so it is also where an interrupted run goes on.

use std::cmp::Reverse;

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Stopped;
use super::orders::VISIBILITY_LAG;
use super::page::digest;
use super::shop::Shop;
use crate::app::App;
use crate::domain::ids::WebhookStatus;
use crate::domain::record::RecordKind;
use crate::domain::webhook::Topic;
use crate::providers::contract::{PulledRecord, RecordPage, RecordQuery};
use crate::queue::Run;
use crate::store::{Progress, RawRecord, RejectedRecord};

/// Records asked for at once: they are small. The provider takes fewer where a page would cost too much.
const PAGE: u32 = 250;

/// How many records are read off one list before a new one is begun at the last change seen: Shopify's lists end after
/// 25,000, without a word.
const LONGEST_LIST: u64 = 20_000;

/// Brings every record of a kind that changed since the last time. Answers a sentence where there is something to tell.
pub async fn sync_records(
    app: &App,
    run: &Run,
    kind: RecordKind,
    stop: &CancellationToken,
) -> Result<Option<String>, Stopped> {
    let mut plan = Plan::make(app, run, kind).await?;
    let mut shop = Shop::open(app, run).await?;
    let mut page = shop.ask(&plan.query).await?;
    loop {
        let batch = Batch::of(&page);
        let further = plan.follow(&batch);
        let next = plan.next_query(&page)?;
        if stop.is_cancelled() && next.is_some() {
            plan.write(app, run, &batch, further).await?;
            return Err(Stopped::Asked);
        }
        let Some(next) = next else {
            plan.finish(app, run, &batch, further).await?;
            return Ok(plan.note());
        };
        // While this page is written, the next one is on its way.
        let (written, fetched) = tokio::join!(plan.write(app, run, &batch, further), shop.ask(&next));
        written?;
        page = fetched?;
        plan.query = next;
    }
}

/// A page, sorted into records that could be read and records that could not.
struct Batch<'a> {
    records: Vec<RawRecord<'a>>,
    rejects: Vec<(String, &'a str, &'a RawValue)>,
    asked_at: DateTime<Utc>,
}

impl<'a> Batch<'a> {
    fn of(page: &'a RecordPage) -> Self {
        let mut batch = Self {
            records: Vec::with_capacity(page.records.len()),
            rejects: Vec::new(),
            asked_at: page.asked_at,
        };
        for record in &page.records {
            match record {
                PulledRecord::Read {
                    id,
                    created_at,
                    updated_at,
                    payload,
                } => batch.records.push(RawRecord {
                    id: *id,
                    created_at: *created_at,
                    updated_at: *updated_at,
                    payload,
                }),
                PulledRecord::Unreadable {
                    external_id,
                    payload,
                    reason,
                } => {
                    let id = external_id.clone().unwrap_or_else(|| digest(payload.get()));
                    warn!(record = id, reason, "record could not be read; kept aside");
                    batch.rejects.push((id, reason, payload));
                }
            }
        }
        batch
    }

    /// Each record once, in its latest version.
    fn latest(&self) -> Vec<RawRecord<'a>> {
        let mut records = self.records.clone();
        records.sort_by_key(|record| (record.id, Reverse(record.updated_at)));
        records.dedup_by_key(|record| record.id);
        records
    }
}

/// What a run does, and how far it has come.
struct Plan {
    /// What is asked at the moment.
    query: RecordQuery,
    /// The first change that counts for this attempt.
    updated_from: DateTime<Utc>,
    /// When the run first started: the watermark never gets closer to it than [`VISIBILITY_LAG`].
    started_at: DateTime<Utc>,
    /// The database's time before the first question: what the store told by then is in the answers.
    told_until: DateTime<Utc>,
    /// The latest change seen so far.
    seen_through: DateTime<Utc>,
    /// Whether records came in the sequence of their changes; if not, only a finished run proves anything.
    in_sequence: bool,
    /// Records that the list in hand has given so far.
    listed: u64,
    progress: Progress,
}

impl Plan {
    async fn make(app: &App, run: &Run, kind: RecordKind) -> Result<Self, Stopped> {
        let now = app.clock.now();
        let db = app.database.write(&run.tenant).await?;
        let cursor = db.record_cursor(run.integration_id, kind).await?;
        let watermark = cursor.watermark.unwrap_or(DateTime::UNIX_EPOCH);
        let started_at = match run.window_to {
            Some(started) => started,
            None => {
                db.set_run_window(run, watermark, now).await?;
                now
            }
        };
        db.commit().await?;
        let progress = serde_json::from_value(run.progress.clone()).unwrap_or_default();
        info!(%kind, %watermark, "reading records");
        Ok(Self::new(kind, watermark, started_at, cursor.read_at, progress))
    }

    fn new(
        kind: RecordKind,
        watermark: DateTime<Utc>,
        started_at: DateTime<Utc>,
        told_until: DateTime<Utc>,
        progress: Progress,
    ) -> Self {
        // The store knows whole seconds.
        let updated_from = watermark.trunc_subsecs(0);
        Self {
            query: RecordQuery {
                kind,
                updated_from,
                after: None,
                page_size: PAGE,
            },
            updated_from,
            started_at,
            told_until,
            seen_through: updated_from,
            in_sequence: true,
            listed: 0,
            progress,
        }
    }

    /// Follows the sequence of changes; answers whether it got further than before.
    fn follow(&mut self, batch: &Batch<'_>) -> bool {
        let before = self.seen_through;
        for record in &batch.records {
            self.in_sequence &= record.updated_at >= self.seen_through;
            self.seen_through = self.seen_through.max(record.updated_at);
        }
        let read = (batch.records.len() + batch.rejects.len()) as u64;
        self.listed += read;
        self.progress.pages += 1;
        self.progress.records += batch.records.len() as u64;
        self.progress.unreadable += batch.rejects.len() as u64;
        self.in_sequence && self.seen_through > before
    }

    /// The question after this page; none after the last one.
    fn next_query(&mut self, page: &RecordPage) -> Result<Option<RecordQuery>, Stopped> {
        let Some(after) = &page.next else {
            return Ok(None);
        };
        let again = RecordQuery {
            page_size: page.page_size,
            ..self.query.clone()
        };
        if self.query.after.as_ref() == Some(after) {
            return Err(Stopped::Broken(
                "The store answers the same page again and again; the sync stops here and will be tried again."
                    .to_owned(),
            ));
        }
        if self.listed >= LONGEST_LIST && self.in_sequence && self.seen_through > self.query.updated_from {
            self.listed = 0;
            return Ok(Some(RecordQuery {
                updated_from: self.seen_through.trunc_subsecs(0),
                after: None,
                ..again
            }));
        }
        Ok(Some(RecordQuery {
            after: Some(after.clone()),
            ..again
        }))
    }

    /// One page, one transaction.
    async fn write(&mut self, app: &App, run: &Run, batch: &Batch<'_>, further: bool) -> Result<(), Stopped> {
        let watermark = if self.in_sequence {
            self.reached()
        } else {
            self.updated_from
        };
        self.commit(app, run, batch, further, watermark, &[]).await
    }

    /// The last page: every change is known that had become visible, and what the store told of them is dealt with.
    async fn finish(&mut self, app: &App, run: &Run, batch: &Batch<'_>, further: bool) -> Result<(), Stopped> {
        let topics = match self.query.kind {
            RecordKind::Product => [Topic::ProductsCreate, Topic::ProductsUpdate],
            RecordKind::Customer => [Topic::CustomersCreate, Topic::CustomersUpdate],
        };
        self.commit(app, run, batch, further, self.reached(), &topics).await
    }

    async fn commit(
        &mut self,
        app: &App,
        run: &Run,
        batch: &Batch<'_>,
        further: bool,
        watermark: DateTime<Utc>,
        settled: &[Topic],
    ) -> Result<(), Stopped> {
        let kind = self.query.kind;
        self.progress.message = Some(format!(
            "The {} changed until {} are in.",
            kind.plural(),
            self.seen_through.format("%F %T UTC")
        ));
        let records = batch.latest();
        let rejects = Vec::from_iter(batch.rejects.iter().map(|(id, reason, payload)| RejectedRecord {
            kind: kind.as_str(),
            external_id: id,
            reason,
            payload,
        }));
        let readable = Vec::from_iter(records.iter().map(|record| record.id.to_string()));

        let db = app.database.write(&run.tenant).await?;
        db.fence_run(run, &self.progress, further).await?;
        db.serialise_account().await?;
        db.keep_raw_records(run.integration_id, kind, &records, batch.asked_at)
            .await?;
        if !rejects.is_empty() {
            db.keep_rejects(run.integration_id, run.id, &rejects).await?;
        }
        db.settle_rejects(run.integration_id, kind.as_str(), &readable).await?;
        db.advance_record_cursor(run.integration_id, kind, watermark).await?;
        if !settled.is_empty() {
            db.settle_deliveries(run.integration_id, settled, self.told_until, WebhookStatus::Processed)
                .await?;
        }
        db.commit().await?;
        info!(
            pages = self.progress.pages,
            records = self.progress.records,
            "page written"
        );
        Ok(())
    }

    /// How far the watermark may go for what has been seen.
    fn reached(&self) -> DateTime<Utc> {
        self.seen_through
            .min(self.started_at - VISIBILITY_LAG)
            .max(self.updated_from)
    }

    fn note(&self) -> Option<String> {
        (self.progress.unreadable > 0).then(|| {
            format!(
                "{} of the {} could not be read and are kept aside with the reason; all others are in.",
                self.progress.unreadable,
                self.query.kind.plural()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a moment")
    }

    fn plan() -> Plan {
        let started = at("2026-11-20T12:00:00Z");
        Plan::new(
            RecordKind::Product,
            at("2026-11-01T00:00:00.5Z"),
            started,
            started,
            Progress::default(),
        )
    }

    fn page(changes: &[&str], next: Option<&str>) -> RecordPage {
        let records = changes.iter().zip(1..).map(|(changed, id)| PulledRecord::Read {
            id,
            created_at: at("2026-01-01T00:00:00Z"),
            updated_at: at(changed),
            payload: to_raw_value("").expect("it is JSON"),
        });
        RecordPage {
            records: records.collect(),
            next: next.map(str::to_owned),
            asked_at: at("2026-11-20T12:00:00Z"),
            page_size: 100,
        }
    }

    #[test]
    fn a_long_list_is_begun_anew_at_the_last_change_seen() {
        for (listed, change, expected) in [
            (19_998, "2026-11-02T03:04:05Z", (None, Some("b"))),
            (19_999, "2026-11-02T03:04:05Z", (Some("2026-11-02T03:04:05Z"), None)),
            // All at the moment at which the list begins: a new one would be the same.
            (19_999, "2026-11-01T00:00:00Z", (None, Some("b"))),
            // Out of sequence: the last change seen proves nothing.
            (19_999, "2026-10-31T00:00:00Z", (None, Some("b"))),
        ] {
            let mut plan = plan();
            plan.listed = listed;
            let page = page(&[change], Some("b"));
            plan.follow(&Batch::of(&page));
            let next = plan.next_query(&page).expect("no circle").expect("there is more");
            let updated_from = expected.0.map_or(at("2026-11-01T00:00:00Z"), at);
            assert_eq!(next.updated_from, updated_from, "{listed} {change}");
            assert_eq!(next.after.as_deref(), expected.1, "{listed} {change}");
            assert_eq!(next.page_size, 100);
        }
    }

    #[test]
    fn a_page_that_repeats_ends_the_run() {
        let mut plan = plan();
        plan.query.after = Some("a".to_owned());
        assert!(matches!(
            plan.next_query(&page(&[], Some("a"))),
            Err(Stopped::Broken(_))
        ));
        assert!(plan.next_query(&page(&[], None)).expect("no circle").is_none());
    }

    #[test]
    fn the_watermark_goes_as_far_as_is_proven() {
        for (changes, in_sequence, reached) in [
            (vec!["2026-11-02T00:00:00Z"], true, "2026-11-02T00:00:00Z"),
            (vec![], true, "2026-11-01T00:00:00Z"),
            // A change may become visible a little later than its own time.
            (vec!["2026-11-20T11:59:00Z"], true, "2026-11-20T11:50:00Z"),
            (
                vec!["2026-11-03T00:00:00Z", "2026-11-02T00:00:00Z"],
                false,
                "2026-11-03T00:00:00Z",
            ),
        ] {
            let mut plan = plan();
            plan.follow(&Batch::of(&page(&changes, None)));
            assert_eq!(plan.in_sequence, in_sequence, "{changes:?}");
            assert_eq!(plan.reached(), at(reached), "{changes:?}");
        }
    }

    #[test]
    fn of_a_record_that_came_twice_the_later_version_is_kept() {
        let mut page = page(&["2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z"], None);
        for record in &mut page.records {
            if let PulledRecord::Read { id, .. } = record {
                *id = 7;
            }
        }
        let versions: Vec<_> = Batch::of(&page)
            .latest()
            .iter()
            .map(|record| record.updated_at)
            .collect();
        assert_eq!(versions, [at("2026-11-03T00:00:00Z")]);
    }
}
