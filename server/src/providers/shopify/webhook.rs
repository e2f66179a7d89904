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
        let mut payload = payload(body).ok_or(Malformed("The body is not a JSON object as Shopify sends it."))?;
        if !topic.is_compliance() {
            // Whose order it is, the store is asked: it may want the customer forgotten by then.
            payload.customer = None;
        }
        let webhook_id = id(headers, WEBHOOK_ID).ok_or(Malformed("X-Shopify-Webhook-Id is missing or too long."))?;
        Ok(Delivery {
            shop_domain,
            topic,
            webhook_id,
            event_id: id(headers, EVENT_ID),
            triggered_at: text(headers, TRIGGERED_AT)
                .and_then(|moment| DateTime::parse_from_rfc3339(moment).ok())
                .map(|moment| moment.with_timezone(&Utc)),
            payload,
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

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::super::tests::{config, shopify};
    use super::*;

    const BODY: &[u8] =
        br#"{"id": 820982911946154508, "admin_graphql_api_id": "gid://shopify/Order/820982911946154508"}"#;

    fn app(secrets: &[&str]) -> Shopify {
        let mut config = config("https://{shop}");
        config.api_secrets = secrets.iter().map(|secret| (*secret).into()).collect();
        shopify(config, DateTime::UNIX_EPOCH)
    }

    /// What Shopify sends along with a body, signed with `secret`.
    fn headers(secret: &str, body: &[u8]) -> HeaderMap {
        let signature = app(&[secret]).signatures(body).next().expect("one secret");
        let mut headers = HeaderMap::new();
        for (name, value) in [
            (SIGNATURE, &*STANDARD.encode(signature)),
            (TOPIC, "orders/create"),
            (SHOP_DOMAIN, "A-Store.myshopify.com"),
            (WEBHOOK_ID, "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043"),
            (EVENT_ID, "98880550-7158-44d4-b7cd-2c97c8a091b5"),
            (TRIGGERED_AT, "2026-11-22T10:00:00.123456789-05:00"),
        ] {
            headers.insert(HeaderName::from_static(name), value.parse().expect("a value"));
        }
        headers
    }

    fn read(app: &Shopify, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, DeliveryRefused> {
        app.read_delivery(headers, "orders/create", body)
    }

    #[test]
    fn a_genuine_delivery_is_read() {
        let delivery = read(&app(&["hush"]), &headers("hush", BODY), BODY).expect("it is genuine");
        assert_eq!(
            delivery,
            Delivery {
                shop_domain: "a-store.myshopify.com".to_owned(),
                topic: Topic::OrdersCreate,
                webhook_id: "b54557e4-bdd9-4b37-8a5f-bf7d70bcd043".to_owned(),
                event_id: Some("98880550-7158-44d4-b7cd-2c97c8a091b5".to_owned()),
                triggered_at: "2026-11-22T15:00:00.123456789Z".parse().ok(),
                payload: WebhookPayload {
                    id: Some(820_982_911_946_154_508),
                    admin_graphql_api_id: Some("gid://shopify/Order/820982911946154508".to_owned()),
                    ..Default::default()
                },
            }
        );
    }

    #[test]
    fn each_of_the_apps_secrets_signs_and_no_other() {
        for (secrets, signed_with, is_genuine) in [
            (&["new", "old"][..], "new", true),
            (&["new", "old"], "old", true),
            (&["new"], "old", false),
            (&["new"], "", false),
            (&[], "new", false),
            (&[], "", false),
        ] {
            let answer = read(&app(secrets), &headers(signed_with, BODY), BODY);
            assert_eq!(answer.is_ok(), is_genuine, "{secrets:?} {signed_with}");
            assert!(is_genuine || answer == Err(DeliveryRefused::NotGenuine));
        }
    }

    #[test]
    fn a_signature_is_for_these_bytes_alone_and_comes_before_everything_else() {
        let app = app(&["hush"]);
        let right = headers("hush", BODY);
        let mut changed = BODY.to_vec();
        changed[8] ^= 1;
        assert_eq!(read(&app, &right, &changed), Err(DeliveryRefused::NotGenuine));
        assert_eq!(
            read(&app, &right, &[BODY, b"\n"].concat()),
            Err(DeliveryRefused::NotGenuine)
        );
        let hex: String = app
            .signatures(BODY)
            .flatten()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        for wrong in [
            "",
            "AAAA",
            "not base64!",
            &hex,
            &right[SIGNATURE].to_str().expect("text")[..43],
        ] {
            let mut headers = right.clone();
            headers.insert(SIGNATURE, wrong.parse().expect("a value"));
            assert_eq!(read(&app, &headers, BODY), Err(DeliveryRefused::NotGenuine), "{wrong}");
        }
        assert_eq!(read(&app, &HeaderMap::new(), b"[]"), Err(DeliveryRefused::NotGenuine));
        assert_eq!(
            app.read_delivery(&HeaderMap::new(), "orders/never", BODY),
            Err(DeliveryRefused::NotGenuine)
        );
        assert_eq!(
            app.read_delivery(&right, "orders/never", BODY),
            Err(DeliveryRefused::UnknownTopic)
        );
    }

    #[test]
    fn headers_that_lack_or_contradict_are_refused_and_optional_ones_are_not_needed() {
        let app = app(&["hush"]);
        for (name, value, is_taken) in [
            (TOPIC, "orders/updated", false),
            (TOPIC, "", true),
            (SHOP_DOMAIN, "", false),
            (SHOP_DOMAIN, "a-store.example.com", false),
            (SHOP_DOMAIN, "a-store.myshopify.com.example.com", false),
            (SHOP_DOMAIN, "a store.myshopify.com", false),
            (WEBHOOK_ID, "", false),
            (WEBHOOK_ID, &"7".repeat(MAX_ID + 1), false),
            (EVENT_ID, "", true),
            (EVENT_ID, &"7".repeat(MAX_ID + 1), true),
            (TRIGGERED_AT, "", true),
            (TRIGGERED_AT, "yesterday", true),
            (TRIGGERED_AT, "+262142-12-31T23:59:59Z", true),
        ] {
            let mut headers = headers("hush", BODY);
            headers.insert(name, HeaderValue::from_str(value).expect("a value"));
            match read(&app, &headers, BODY) {
                Ok(delivery) => {
                    assert!(is_taken, "{name}: {value}");
                    assert_eq!(delivery.event_id.is_none(), name == EVENT_ID);
                    assert_eq!(delivery.triggered_at.is_none(), name == TRIGGERED_AT);
                }
                Err(refused) => {
                    assert!(!is_taken, "{name}: {value}");
                    assert!(matches!(refused, DeliveryRefused::Malformed(_)), "{name}: {value}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_object_with_ids_where_ids_belong_is_refused_without_a_word_of_it() {
        let app = app(&["hush"]);
        for body in [
            "",
            "   ",
            "canary",
            "\"canary\"",
            "[]",
            "[7]",
            "null",
            "{",
            "{\"id\": 7",
            "{\"id\": 7}}",
            "{\"id\": \"canary@example.com\"}",
            "{\"updated_at\": \"canary\"}",
            "{\"status\": \"\\u0000\"}",
            "{\"id\": 7, \"note\": \"\u{1}\"}",
        ] {
            let answer = read(&app, &headers("hush", body.as_bytes()), body.as_bytes());
            let Err(refused @ DeliveryRefused::Malformed(_)) = answer else {
                panic!("{body}: {answer:?}");
            };
            assert!(!format!("{refused} {refused:?}").contains("canary"), "{body}");
        }
        for body in ["{}", " \r\n\t{\"id\": null}", "{\"other\": [{\"deep\": \"\\u0000\"}]}"] {
            assert!(
                read(&app, &headers("hush", body.as_bytes()), body.as_bytes()).is_ok(),
                "{body}"
            );
        }
    }
}
