//! How fast each store may be asked: what its bucket held when it last said so, and what each question cost.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::wire::Cost;

/// Added to every wait, so that it does not end a moment too early.
const MARGIN: Duration = Duration::from_millis(200);
/// Points per second of the smallest plan: what is assumed while a store has not said.
const LEAST_RATE: f64 = 100.0;

/// The buckets of all stores that this process has asked.
#[derive(Debug, Default)]
pub(in crate::providers::shopify) struct Paces(Mutex<HashMap<String, Pace>>);

/// One store's bucket.
#[derive(Debug)]
struct Pace {
    /// Points in it at `at`, less those of questions on their way.
    available: f64,
    maximum: f64,
    restore_rate: f64,
    at: Instant,
    /// What each document cost the last time.
    costs: HashMap<&'static str, f64>,
}

impl Paces {
    /// How long to wait before `operation` is put to `shop`. Takes its points out of the bucket, unless the wait is
    /// longer than `patience`.
    pub(super) fn reserve(&self, shop: &str, operation: &'static str, patience: Duration, now: Instant) -> Duration {
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pace) = paces.get_mut(shop) else {
            return Duration::ZERO;
        };
        let Some(cost) = pace.costs.get(operation).copied() else {
            return Duration::ZERO;
        };
        pace.refill(now);
        let wait = wait(cost - pace.available, pace.restore_rate);
        if wait <= patience {
            pace.available -= cost;
        }
        wait
    }

    /// Notes what an answer said about the bucket and the question's cost.
    pub(super) fn note(&self, shop: &str, operation: &'static str, cost: Cost, now: Instant) {
        let Some(status) = cost.throttle_status else {
            return;
        };
        let mut paces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pace = paces.entry(shop.to_owned()).or_insert_with(|| Pace {
            available: 0.0,
            maximum: 0.0,
            restore_rate: LEAST_RATE,
            at: now,
            costs: HashMap::new(),
        });
        pace.available = status.currently_available;
        pace.maximum = status.maximum_available;
        pace.restore_rate = status.restore_rate;
        pace.at = now;
        pace.costs.insert(operation, cost.requested_query_cost);
    }
}

impl Pace {
    fn refill(&mut self, now: Instant) {
        let restored = now.saturating_duration_since(self.at).as_secs_f64() * self.restore_rate;
        self.available = (self.available + restored).min(self.maximum);
        self.at = now;
    }
}

/// How long a throttled question must wait.
pub(super) fn wait_for(cost: Cost) -> Duration {
    match cost.throttle_status {
        Some(status) => wait(
            cost.requested_query_cost - status.currently_available,
            status.restore_rate,
        )
        .max(MARGIN),
        None => super::UNSAID_WAIT,
    }
}

fn wait(missing: f64, restore_rate: f64) -> Duration {
    if missing <= 0.0 {
        return Duration::ZERO;
    }
    let rate = if restore_rate > 0.0 { restore_rate } else { LEAST_RATE };
    Duration::try_from_secs_f64(missing / rate).unwrap_or(Duration::MAX / 2) + MARGIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::shopify::wire::ThrottleStatus;

    const SHOP: &str = "a.myshopify.com";
    const PATIENCE: Duration = Duration::from_secs(10);

    fn reserve(paces: &Paces, now: Instant) -> Duration {
        paces.reserve(SHOP, "A", PATIENCE, now)
    }

    fn cost(requested: f64, available: f64) -> Cost {
        Cost {
            requested_query_cost: requested,
            throttle_status: Some(ThrottleStatus {
                maximum_available: 2000.0,
                currently_available: available,
                restore_rate: 100.0,
            }),
        }
    }

    #[test]
    fn the_first_question_does_not_wait() {
        assert_eq!(reserve(&Paces::default(), Instant::now()), Duration::ZERO);
    }

    #[test]
    fn a_question_waits_until_the_bucket_can_pay_it() {
        let (paces, now) = (Paces::default(), Instant::now());
        paces.note(SHOP, "A", cost(590.0, 90.0), now);
        assert_eq!(paces.reserve("b.myshopify.com", "A", PATIENCE, now), Duration::ZERO);
        assert_eq!(reserve(&paces, now), Duration::from_secs(5) + MARGIN);
        // The points of the one that waits are spoken for.
        let later = now + Duration::from_secs(5);
        assert_eq!(reserve(&paces, later), Duration::from_millis(5900) + MARGIN);
    }

    #[test]
    fn a_question_that_will_not_wait_takes_no_points() {
        let (paces, now) = (Paces::default(), Instant::now());
        paces.note(SHOP, "A", cost(1500.0, 0.0), now);
        assert_eq!(reserve(&paces, now), Duration::from_secs(15) + MARGIN);
        assert_eq!(reserve(&paces, now), Duration::from_secs(15) + MARGIN);
    }

    #[test]
    fn the_bucket_refills_to_its_brim_and_no_further() {
        let (paces, now) = (Paces::default(), Instant::now());
        paces.note(SHOP, "A", cost(1500.0, 0.0), now);
        let later = now + Duration::from_secs(3600);
        assert_eq!(reserve(&paces, later), Duration::ZERO);
        assert_eq!(reserve(&paces, later), Duration::from_secs(10) + MARGIN);
    }

    #[test]
    fn a_throttle_waits_for_what_is_missing() {
        assert_eq!(wait_for(cost(500.0, 100.0)), Duration::from_secs(4) + MARGIN);
        assert_eq!(wait_for(cost(100.0, 500.0)), MARGIN);
    }
}
