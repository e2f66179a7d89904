//! What the questions of a run cost at its provider.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::throttle::Throttle;

/// Goes along with every question of a run and counts. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Option<Throttle>>>);

impl Meter {
    /// Goes on from what an earlier attempt of the run counted.
    pub fn from_reading(reading: Option<Throttle>) -> Self {
        Self(Arc::new(Mutex::new(reading)))
    }

    /// What has been counted so far; none where nobody has said anything yet.
    pub fn reading(&self) -> Option<Throttle> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A question waited for its points.
    pub fn waited(&self, span: Duration) {
        self.count(|throttle| throttle.waited_ms += u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    }

    /// A question was turned away.
    pub fn throttled(&self) {
        self.count(|throttle| throttle.throttled += 1);
    }

    /// The provider said how its bucket is: points in it, points it holds, points a second.
    pub fn bucket(&self, available: f64, maximum: f64, restore_rate: f64) {
        self.count(|throttle| {
            throttle.available = available.max(0.0) as u64;
            throttle.maximum = maximum.max(0.0) as u64;
            throttle.restore_rate = restore_rate.max(0.0) as u64;
        });
    }

    fn count(&self, change: impl FnOnce(&mut Throttle)) {
        change(
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get_or_insert_default(),
        );
    }
}
