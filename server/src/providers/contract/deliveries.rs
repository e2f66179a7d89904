//! What a provider tells unasked: how a delivery proves where it comes from, and what it says.

use reqwest::header::HeaderMap;

use crate::domain::webhook::Delivery;

/// Why a delivery is not taken. The first that applies; nothing of a body is looked at before its signature was right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryRefused {
    /// None of the app's secrets signed it.
    #[error("The signature is missing or wrong.")]
    NotGenuine,
    /// It is about something that nobody listens to.
    #[error("Nobody listens to this topic.")]
    UnknownTopic,
    /// It lacks something, or can't be read. A sentence without anything of its content.
    #[error("{0}")]
    Malformed(&'static str),
}

/// Where deliveries come from.
pub trait DeliverySource: Send + Sync {
    /// Checks a delivery that was posted to the address of `topic`, and keeps what may be stored of it; no network. The
    /// body is as it was sent, byte for byte.
    fn read_delivery(&self, headers: &HeaderMap, topic: &str, body: &[u8]) -> Result<Delivery, DeliveryRefused>;
}
