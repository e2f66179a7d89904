//! How fast each store may be asked, and how much at once. One [`Paces`] serves all jobs of a process, so jobs of the
//! same store share its bucket.
//!
//! Questions of a store wait in line. The first one waits until the bucket can pay it and looks again whenever an answer
//! brings news. What a question will cost is what its document cost the last time at that size. Points of questions on
//! their way count as gone until their answers say otherwise: whether the store had taken them when it spoke can't be
//! known. Other processes may draw from the same bucket, so a question can still be turned away; then it waits longer.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::wire::{Cost, ThrottleStatus};

/// Added to every wait, so that it does not end a moment too early.
const MARGIN: Duration = Duration::from_millis(50);
/// Points per second of the smallest plan: what is assumed while a store has not said.
const LEAST_RATE: f64 = 100.0;
/// The most that a single question may cost at any store.
const DEAREST: f64 = 1_000.0;
/// What a question that asks for no list is taken to cost while that is not known.
const PLAIN: f64 = 100.0;
/// How often a store that has not answered yet is thought of again.
const LOOK: Duration = Duration::from_millis(100);
/// After so many pages of the size that works, one between it and the refused size is tried.
const GROW_AFTER: u32 = 20;
/// After this time a refused size is tried again: documents stay, but Shopify's prices may change.
const FORGET_AFTER: Duration = Duration::from_secs(3600);

/// The buckets of all stores that this process has asked.
#[derive(Debug, Default)]
pub(in crate::providers::shopify) struct Paces(Mutex<HashMap<String, Arc<Pace>>>);

/// A document, and how many members of its list it asks for; 0 where it has none.
pub(super) type Question = (&'static str, u32);

/// One store's line and what is known of its bucket.
#[derive(Debug, Default)]
struct Pace {
    /// Held by the first in line; fair to those who wait.
    line: tokio::sync::Mutex<()>,
    bucket: Mutex<Bucket>,
    news: Notify,
}

/// The right to put a question. Its points are spoken for until it is settled; one that is dropped has spent them.
#[derive(Debug)]
pub(super) struct Turn {
    pace: Arc<Pace>,
    question: Question,
    ticket: u64,
    settled: bool,
    /// How long the question waited.
    pub(super) waited: Duration,
}

impl Paces {
    /// Waits until `question` may be put to `shop`. An error is how long that would take, when it is longer than
    /// `patience`.
    pub(super) async fn turn(&self, shop: &str, question: Question, patience: Duration) -> Result<Turn, Duration> {
        let pace = self.of(shop);
        let began = Instant::now();
        let first = pace.line.lock().await;
        loop {
            let news = pace.news.notified();
            let wait = pace.bucket().wait(question, Instant::now());
            if wait.is_zero() {
                break;
            }
            if wait > patience {
                return Err(wait);
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = news => {}
            }
        }
        let now = Instant::now();
        let ticket = pace.bucket().take(question, now);
        drop(first);
        Ok(Turn {
            ticket,
            question,
            settled: false,
            waited: now - began,
            pace,
        })
    }

    /// Nobody asks `shop` anything before this span is over.
    pub(super) fn pause(&self, shop: &str, span: Duration) {
        let pace = self.of(shop);
        pace.bucket().pause(Instant::now() + span);
    }

    /// The size of the next page of `document`: `most`, or what is known to work.
    pub(super) fn page_size(&self, shop: &str, document: &'static str, most: u32) -> u32 {
        let pace = self.of(shop);
        pace.bucket().size(document).next(most, Instant::now())
    }

    /// A page of this size came.
    pub(super) fn page_worked(&self, shop: &str, document: &'static str, size: u32) {
        self.of(shop).bucket().size(document).worked(size);
    }

    /// A page of this size was refused.
    pub(super) fn page_too_large(&self, shop: &str, document: &'static str, size: u32) {
        let pace = self.of(shop);
        pace.bucket().size(document).refused(size, Instant::now());
    }

    fn of(&self, shop: &str) -> Arc<Pace> {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match paces.get(shop) {
            Some(pace) => Arc::clone(pace),
            None => Arc::clone(paces.entry(shop.to_owned()).or_default()),
        }
    }
}

impl Pace {
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// Notes what the answer said about the bucket and the question's cost; none where it said nothing.
    pub(super) fn settle(mut self, cost: Option<Cost>) {
        self.end(cost);
    }

    fn end(&mut self, cost: Option<Cost>) {
        self.settled = true;
        self.pace
            .bucket()
            .settle(self.ticket, self.question, cost, Instant::now());
        self.pace.news.notify_waiters();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.settled {
            self.end(None);
        }
    }
}

/// What is known of one store's bucket, as of `at`.
#[derive(Debug, Default)]
struct Bucket {
    /// None before the first answer.
    known: Option<Level>,
    /// Points of questions on their way, by ticket.
    on_their_way: BTreeMap<u64, f64>,
    /// Given out so far.
    tickets: u64,
    /// The latest question whose answer is known.
    newest: u64,
    paused_until: Option<Instant>,
    /// What each document cost at each size.
    costs: BTreeMap<Question, f64>,
    sizes: HashMap<&'static str, PageSize>,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    available: f64,
    maximum: f64,
    restore_rate: f64,
    at: Instant,
}

impl Bucket {
    /// How long the question has to wait as things stand.
    fn wait(&self, question: Question, now: Instant) -> Duration {
        let pause = self
            .paused_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now));
        let Some(level) = self.known else {
            // One question goes ahead: its answer tells how much there is for the others.
            return if self.on_their_way.is_empty() {
                pause
            } else {
                pause.max(LOOK)
            };
        };
        let spoken_for: f64 = self.on_their_way.values().sum();
        // What the bucket can never hold is asked for when it is full, and refused for good.
        let cost = self.cost(question).min(level.maximum);
        pause.max(wait_for(cost + spoken_for - level.refilled(now), level.restore_rate))
    }

    fn take(&mut self, question: Question, now: Instant) -> u64 {
        if let Some(level) = &mut self.known {
            *level = Level {
                available: level.refilled(now),
                at: now,
                ..*level
            };
        }
        self.tickets += 1;
        self.on_their_way.insert(self.tickets, self.cost(question));
        self.tickets
    }

    fn settle(&mut self, ticket: u64, question: Question, cost: Option<Cost>, now: Instant) {
        let spent = self.on_their_way.remove(&ticket).unwrap_or(0.0);
        if let Some(cost) = cost {
            self.costs.insert(question, cost.requested_query_cost);
        }
        match (cost.and_then(|cost| cost.throttle_status), &mut self.known) {
            (Some(status), known) => {
                // The answer to an older question may be older than what is known: it may lower that, but not raise it.
                let at_most = match known {
                    Some(level) if ticket < self.newest => level.refilled(now),
                    _ => f64::INFINITY,
                };
                self.newest = self.newest.max(ticket);
                *known = Some(Level::said(status, at_most, now));
            }
            // Nothing was said: the points are gone.
            (None, Some(level)) => level.available = level.refilled_at(now) - spent,
            (None, None) => {}
        }
    }

    fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    /// What the document cost the last time at this size. At a smaller size than a known one it can't be more than there;
    /// at a larger one it may be anything.
    fn cost(&self, (document, size): Question) -> f64 {
        match self.costs.range((document, size)..=(document, u32::MAX)).next() {
            Some((_, cost)) => *cost,
            None if size == 0 => PLAIN,
            None => DEAREST,
        }
    }

    fn size(&mut self, document: &'static str) -> &mut PageSize {
        self.sizes.entry(document).or_default()
    }
}

impl Level {
    fn said(status: ThrottleStatus, at_most: f64, now: Instant) -> Self {
        Self {
            available: status.currently_available.min(at_most),
            maximum: status.maximum_available,
            restore_rate: if status.restore_rate > 0.0 {
                status.restore_rate
            } else {
                LEAST_RATE
            },
            at: now,
        }
    }

    fn refilled(&self, now: Instant) -> f64 {
        let restored = now.saturating_duration_since(self.at).as_secs_f64() * self.restore_rate;
        (self.available + restored).min(self.maximum)
    }

    /// As [`refilled`](Self::refilled), and from now on.
    fn refilled_at(&mut self, now: Instant) -> f64 {
        let refilled = self.refilled(now);
        self.at = now;
        refilled
    }
}

/// Which size of a document's pages a store takes.
#[derive(Debug, Default)]
struct PageSize {
    /// The largest that is taken to work.
    works: u32,
    /// The smallest that was refused, and when.
    refused: Option<(u32, Instant)>,
    /// Pages of the working size since a larger one was last tried.
    good: u32,
}

impl PageSize {
    fn next(&mut self, most: u32, now: Instant) -> u32 {
        let Some((refused, at)) = self.refused else {
            return most;
        };
        if now.saturating_duration_since(at) >= FORGET_AFTER {
            *self = Self::default();
            return most;
        }
        let between = self.works + (refused - self.works) / 2;
        // Near enough is good enough.
        if self.good >= GROW_AFTER && between > self.works + self.works / 16 {
            self.good = 0;
            return between.min(most);
        }
        self.works.min(most)
    }

    fn worked(&mut self, size: u32) {
        if size >= self.works {
            self.works = size;
            self.good += 1;
        }
    }

    fn refused(&mut self, size: u32, now: Instant) {
        // A size that was only taken to work may be refused too.
        if size <= self.works || self.refused.is_none() {
            self.works = (size / 2).max(1);
        }
        self.refused = Some((size.max(self.works + 1), now));
        self.good = 0;
    }
}

/// How long a throttled question must wait before it is put again.
pub(super) fn told(cost: Cost) -> Duration {
    match cost.throttle_status {
        Some(status) => wait_for(
            cost.requested_query_cost - status.currently_available,
            status.restore_rate,
        )
        .max(MARGIN),
        None => super::UNSAID_WAIT,
    }
}

fn wait_for(missing: f64, restore_rate: f64) -> Duration {
    if missing <= 0.0 {
        return Duration::ZERO;
    }
    let rate = if restore_rate > 0.0 { restore_rate } else { LEAST_RATE };
    Duration::try_from_secs_f64(missing / rate).unwrap_or(Duration::MAX / 2) + MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Question = ("OrdersPage", 250);

    fn cost(requested: f64, available: f64) -> Option<Cost> {
        Some(Cost {
            requested_query_cost: requested,
            actual_query_cost: None,
            throttle_status: Some(ThrottleStatus {
                maximum_available: 2000.0,
                currently_available: available,
                restore_rate: 100.0,
            }),
        })
    }

    /// A bucket that was just said to hold so much, by the answer to a page of this cost.
    fn bucket(requested: f64, available: f64, now: Instant) -> Bucket {
        let mut bucket = Bucket::default();
        let ticket = bucket.take(PAGE, now);
        bucket.settle(ticket, PAGE, cost(requested, available), now);
        bucket
    }

    fn seconds(wait: Duration) -> f64 {
        wait.saturating_sub(MARGIN).as_secs_f64()
    }

    #[test]
    fn the_first_question_does_not_wait() {
        assert_eq!(Bucket::default().wait(PAGE, Instant::now()), Duration::ZERO);
    }

    #[test]
    fn a_question_waits_until_the_bucket_can_pay_it() {
        let now = Instant::now();
        let mut bucket = bucket(590.0, 90.0, now);
        assert_eq!(seconds(bucket.wait(PAGE, now)), 5.0);
        let later = now + Duration::from_secs(5);
        assert_eq!(bucket.wait(PAGE, later), Duration::ZERO);
        // The points of the one that is on its way are spoken for.
        bucket.take(PAGE, later);
        assert_eq!(seconds(bucket.wait(PAGE, later)), 5.9);
    }

    #[test]
    fn the_bucket_refills_to_its_brim_and_no_further() {
        let now = Instant::now();
        let mut bucket = bucket(1500.0, 0.0, now);
        let later = now + Duration::from_secs(3600);
        bucket.take(PAGE, later);
        assert_eq!(seconds(bucket.wait(PAGE, later)), 10.0);
    }

    #[test]
    fn an_answer_does_not_give_away_what_others_on_their_way_have_taken() {
        let now = Instant::now();
        let mut bucket = bucket(500.0, 1000.0, now);
        let first = bucket.take(PAGE, now);
        let second = bucket.take(PAGE, now);
        // The store may not have seen the second one yet when it answers the first.
        bucket.settle(first, PAGE, cost(500.0, 500.0), now);
        assert_eq!(seconds(bucket.wait(PAGE, now)), 5.0);
        bucket.settle(second, PAGE, cost(500.0, 0.0), now);
        assert_eq!(seconds(bucket.wait(PAGE, now)), 5.0);
    }

    #[test]
    fn an_older_answer_lowers_what_is_known_but_does_not_raise_it() {
        let now = Instant::now();
        for (older_says, missing) in [(1900.0, 4.0), (50.0, 4.5)] {
            let mut bucket = bucket(500.0, 1000.0, now);
            let older = bucket.take(PAGE, now);
            let newer = bucket.take(PAGE, now);
            bucket.settle(newer, PAGE, cost(500.0, 100.0), now);
            bucket.settle(older, PAGE, cost(500.0, older_says), now);
            assert_eq!(seconds(bucket.wait(PAGE, now)), missing, "{older_says}");
        }
    }

    #[test]
    fn a_question_without_an_answer_has_spent_its_points() {
        let now = Instant::now();
        let mut bucket = bucket(500.0, 500.0, now);
        let lost = bucket.take(PAGE, now);
        bucket.settle(lost, PAGE, None, now);
        assert_eq!(seconds(bucket.wait(PAGE, now)), 5.0);
    }

    #[test]
    fn a_smaller_page_costs_no_more_than_a_larger_one_and_a_larger_one_may_cost_anything() {
        let now = Instant::now();
        let bucket = bucket(600.0, 0.0, now);
        for (question, cost) in [
            (PAGE, 600.0),
            (("OrdersPage", 100), 600.0),
            (("OrdersPage", 251), DEAREST),
            (("Shop", 0), PLAIN),
            (("ProductsPage", 1), DEAREST),
        ] {
            assert_eq!(bucket.cost(question), cost, "{question:?}");
        }
    }

    #[test]
    fn a_pause_holds_for_every_question() {
        let now = Instant::now();
        let mut bucket = bucket(10.0, 2000.0, now);
        bucket.pause(now + Duration::from_secs(3));
        bucket.pause(now + Duration::from_secs(1));
        assert_eq!(bucket.wait(("Shop", 0), now), Duration::from_secs(3));
        assert_eq!(bucket.wait(PAGE, now + Duration::from_secs(3)), Duration::ZERO);
    }

    #[test]
    fn a_throttle_waits_for_what_is_missing() {
        let told = |requested, available| cost(requested, available).map(told);
        assert_eq!(told(500.0, 100.0), Some(Duration::from_secs(4) + MARGIN));
        assert_eq!(told(100.0, 500.0), Some(MARGIN));
    }

    #[test]
    fn a_refused_size_is_halved_remembered_and_approached_again_in_steps() {
        let now = Instant::now();
        let mut size = PageSize::default();
        assert_eq!(size.next(250, now), 250);
        size.refused(250, now);
        assert_eq!(size.next(250, now), 125);
        size.refused(125, now);
        let mut tried = Vec::new();
        for _ in 0..200 {
            let next = size.next(250, now);
            if tried.last() != Some(&next) {
                tried.push(next);
            }
            if next > 100 {
                size.refused(next, now);
            } else {
                size.worked(next);
            }
        }
        assert_eq!(tried, [62, 93, 109, 93, 101, 93]);
        assert_eq!(size.next(50, now), 50);
        // Prices may have changed meanwhile.
        assert_eq!(size.next(250, now + FORGET_AFTER), 250);
    }

    /// Would never end if nobody heard the news: by itself the bucket takes hours to fill.
    #[tokio::test]
    async fn who_waits_hears_of_an_answer_that_brings_points() {
        const SHOP: &str = "a.myshopify.com";
        let slow = |available| {
            Some(Cost {
                requested_query_cost: 500.0,
                actual_query_cost: Some(500.0),
                throttle_status: Some(ThrottleStatus {
                    maximum_available: 2000.0,
                    currently_available: available,
                    restore_rate: 0.01,
                }),
            })
        };
        let paces = Paces::default();
        let patience = Duration::from_secs(1_000_000);
        let first = paces.turn(SHOP, PAGE, patience).await.expect("the first does not wait");
        // The others wait for what it brings.
        assert!(paces.turn(SHOP, PAGE, Duration::ZERO).await.is_err());
        first.settle(slow(500.0));
        let on_its_way = paces.turn(SHOP, PAGE, patience).await.expect("there is enough");
        assert!(paces.turn(SHOP, PAGE, Duration::from_secs(1)).await.is_err());
        assert!(paces.turn("b.myshopify.com", PAGE, Duration::ZERO).await.is_ok());
        let answer = async {
            tokio::task::yield_now().await;
            on_its_way.settle(slow(2000.0));
        };
        let (turn, ()) = tokio::join!(paces.turn(SHOP, PAGE, patience), answer);
        turn.expect("patience enough").settle(slow(0.0));
        assert!(paces.turn(SHOP, PAGE, Duration::from_secs(1)).await.is_err());
    }
}
