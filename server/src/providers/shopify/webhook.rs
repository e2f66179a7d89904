//! A delivery proves that Shopify sent it, and is read.
//!
//! The signature covers the body alone: topic and store stand in headers that anybody who has seen one delivery could
//! change. So the topic is that of the address, and the store counts only as far as it is linked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use reqwest::header::HeaderMap;
use subtle::{Choice, ConstantTimeEq};

use super::Shopify;
use super::oauth::is_shop_domain;
use crate::domain::webhook::{Delivery, Topic, WebhookPayload};
use crate::providers::contract::{DeliveryRefused, DeliverySource};

const SIGNATURE: &str = "x-shopify-hmac-sha256";
const TOPIC: &str = "x-shopify-topic";
const SHOP_DOMAIN: &str = "x-shopify-shop-domain";
const WEBHOOK_ID: &str = "x-shopify-webhook-id";
const EVENT_ID: &str = "x-shopify-event-id";
const TRIGGERED_AT: &str = "x-shopify-triggered-at";

/// Longest id that is taken. Shopify's own are UUIDs.
const MAX_ID: usize = 255;

impl DeliverySource for Shopify {
    fn read_delivery(&self, headers: &HeaderMap, topic: &str, body: &[u8]) -> Result<Delivery, DeliveryRefused> {
        use DeliveryRefused::{Malformed, NotGenuine, UnknownTopic};
        if !self.has_signed(headers, body) {
            return Err(NotGenuine);
        }
        let topic: Topic = topic.parse().map_err(|_| UnknownTopic)?;
        if text(headers, TOPIC).is_some_and(|named| named != topic.as_str()) {
            return Err(Malformed(
                "X-Shopify-Topic names another topic than the address; correct the subscription.",
            ));
        }
        let shop_domain = text(headers, SHOP_DOMAIN)
            .map(str::to_ascii_lowercase)
            .filter(|domain| is_shop_domain(domain))
            .ok_or(Malformed(
                "X-Shopify-Shop-Domain must name a store as name.myshopify.com.",
            ))?;
        let webhook_id = id(headers, WEBHOOK_ID).ok_or(Malformed("X-Shopify-Webhook-Id is missing or too long."))?;
        Ok(Delivery {
            shop_domain,
            topic,
            webhook_id,
            event_id: id(headers, EVENT_ID),
            triggered_at: text(headers, TRIGGERED_AT)
                .and_then(|moment| DateTime::parse_from_rfc3339(moment).ok())
                .map(|moment| moment.with_timezone(&Utc)),
            payload: payload(body).ok_or(Malformed("The body is not a JSON object as Shopify sends it."))?,
        })
    }
}

impl Shopify {
    /// Whether one of the app's secrets signed the body. Every secret is tried, in the same time.
    fn has_signed(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        let Some(given) = text(headers, SIGNATURE).and_then(|given| STANDARD.decode(given).ok()) else {
            return false;
        };
        self.signatures(body)
            .fold(Choice::from(0), |matches, expected| matches | expected.ct_eq(&given))
            .into()
    }
}

/// What may be kept of a body; none where it is no JSON object, or has something else where an id or a time belongs.
/// Why is not told: the parser's own words quote what they trip over, and that may be somebody's name.
fn payload(body: &[u8]) -> Option<WebhookPayload> {
    let is_object = body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let payload: WebhookPayload = is_object.then(|| serde_json::from_slice(body).ok()).flatten()?;
    // PostgreSQL has no text with this character.
    let texts = [&payload.admin_graphql_api_id, &payload.status];
    let is_storable = texts.into_iter().flatten().all(|text| !text.contains('\0'));
    is_storable.then_some(payload)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let value = headers.get(name)?.to_str().ok()?.trim();
    (!value.is_empty()).then_some(value)
}

fn id(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = text(headers, name)?;
    (value.len() <= MAX_ID).then(|| value.to_owned())
}
