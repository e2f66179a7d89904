//! What a reconciliation put right, day by day: kept with a run's resume point, told in its note.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::clock::local_date;
use crate::domain::fact::OrderFact;
use crate::domain::ids::ShopifyOrderId;
use crate::store::HeldOrder;

/// By the local day on which the orders were processed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Repairs(BTreeMap<NaiveDate, Repaired>);

/// Orders of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repaired {
    /// They were not here, or held to be deleted.
    missing: u64,
    /// An older version was here, or another one than the store's.
    changed: u64,
    /// The store had deleted them.
    gone: u64,
}

/// How what is held of an order differs from what the store says.
enum Difference {
    Missing,
    Changed,
}

impl Repairs {
    /// Notes the orders of a scan that should have been right before: what changed after `known_through` is merely new.
    pub(super) fn note_scanned(
        &mut self,
        facts: &[&OrderFact],
        held: &[HeldOrder],
        known_through: DateTime<Utc>,
        timezone: Tz,
    ) {
        for fact in facts {
            let held = find(held, fact.id);
            // An order that is held to be deleted is for the day's own list to judge.
            let is_judged = held.is_none_or(|held| !held.is_deleted);
            let is_due = fact.updated_at < known_through || held.is_some_and(|held| held.updated_at >= fact.updated_at);
            if is_judged && is_due {
                self.note(fact, held, timezone);
            }
        }
    }

    /// Notes orders that were read because they differed.
    pub(super) fn note_read(&mut self, facts: &[&OrderFact], held: &[HeldOrder], timezone: Tz) {
        for fact in facts {
            self.note(fact, find(held, fact.id), timezone);
        }
    }

    /// Notes an order of a day that the store has no more.
    pub(super) fn note_gone(&mut self, date: NaiveDate) {
        self.0.entry(date).or_default().gone += 1;
    }

    fn note(&mut self, fact: &OrderFact, held: Option<&HeldOrder>, timezone: Tz) {
        if fact.is_test {
            return;
        }
        let Some(difference) = difference(fact, held) else {
            return;
        };
        let day = self.0.entry(local_date(fact.processed_at, timezone)).or_default();
        match difference {
            Difference::Missing => day.missing += 1,
            Difference::Changed => day.changed += 1,
        }
    }

    /// How many orders of a day were added, changed or taken out.
    pub(super) fn of(&self, date: NaiveDate) -> u64 {
        self.0.get(&date).map_or(0, |day| day.missing + day.changed + day.gone)
    }

    /// One sentence for each day and kind.
    pub(super) fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        for (date, day) in &self.0 {
            for (orders, one, many) in [
                (day.missing, "was missing and is in now", "were missing and are in now"),
                (
                    day.changed,
                    "was not up to date and is now",
                    "were not up to date and are now",
                ),
                (
                    day.gone,
                    "was deleted at the store and is out now",
                    "were deleted at the store and are out now",
                ),
            ] {
                match orders {
                    0 => {}
                    1 => sentences.push(format!("1 order of {date} {one}.")),
                    _ => sentences.push(format!("{orders} orders of {date} {many}.")),
                }
            }
        }
        sentences
    }

    pub(super) fn to_json(&self) -> Value {
        json!(self.0)
    }

    pub(super) fn read(json: &Value) -> Option<Self> {
        BTreeMap::deserialize(json).map(Self).ok()
    }
}

fn find(held: &[HeldOrder], id: ShopifyOrderId) -> Option<&HeldOrder> {
    held.iter().find(|held| held.id == id)
}

/// What the store's version has that the held one has not; none where the held one is right, or newer.
fn difference(fact: &OrderFact, held: Option<&HeldOrder>) -> Option<Difference> {
    let Some(held) = held.filter(|held| !held.is_deleted) else {
        return Some(Difference::Missing);
    };
    let has_other_amounts =
        (held.revenue_net, held.total_sales) != (fact.totals.revenue_net(), fact.totals.total_sales());
    let is_behind = held.updated_at < fact.updated_at || (held.updated_at == fact.updated_at && has_other_amounts);
    is_behind.then_some(Difference::Changed)
}
