//! How a run got on with its provider's patience.

use serde::{Deserialize, Serialize};

/// Every store gives this app a bucket of points that each question draws from and that refills by the second. This is
/// what a run has noticed of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Throttle {
    /// How long the run has waited for points, in milliseconds.
    pub waited_ms: u64,
    /// How many of its questions were turned away because the bucket was empty.
    pub throttled: u64,
    /// Points in the bucket when the provider last said so.
    pub available: u64,
    /// Points that the bucket holds when it is full.
    pub maximum: u64,
    /// Points that flow in each second.
    pub restore_rate: u64,
}
