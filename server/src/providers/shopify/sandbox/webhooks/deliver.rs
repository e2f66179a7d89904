//! Sending: signed, with little patience for each attempt, and again and again until it is accepted.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use hmac::Mac;
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::super::token::keyed;
use super::super::{Inner, Sandbox, shops};
use super::{Attempt, Delivery, DeliveryState};

/// How long a connection may take to stand.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long an attempt may take in all.
const TIMEOUT: Duration = Duration::from_secs(5);
/// How often a delivery is sent again before it is given up.
const RETRIES: u32 = 8;
/// Attempts under way at once.
const AT_ONCE: usize = 16;
/// The version that payloads are written in.
const API_VERSION: &str = "2026-10";

impl Sandbox {
    /// Delivers webhooks, without end: run it in a task of its own beside the server of [`Sandbox::router`]. Without it
    /// nothing is sent.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub async fn deliver(self) -> Result<Infallible, reqwest::Error> {
        // Somebody may have chosen the cryptography before; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .build()?;
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let mut under_way = JoinSet::new();
        loop {
            for (shop, delivery) in self.inner.waiting() {
                let (inner, client, slots) = (Arc::clone(&self.inner), client.clone(), Arc::clone(&slots));
                under_way.spawn(async move { inner.send(shop, delivery, &client, &slots).await });
            }
            while under_way.try_join_next().is_some() {}
            tokio::select! {
                () = self.inner.news.notified() => {}
                () = tokio::time::sleep(self.inner.config.look_every) => {}
            }
        }
    }

    /// Waits until everything that happened by now has been accepted or given up, while [`Sandbox::deliver`] works.
    pub async fn quiet(&self) {
        while self.inner.is_waiting() {
            self.inner.news.notify_one();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Inner {
    /// Looks at every store that was ever asked for, and takes what is to be sent.
    fn waiting(&self) -> Vec<(&'static shops::Profile, Delivery)> {
        let now = self.now();
        let mut found = Vec::new();
        for shop in self.opened() {
            self.with_store(shop, now, |store| {
                store.notice(now);
                found.extend(store.post.waiting.drain(..).map(|delivery| (shop, delivery)));
            });
        }
        found
    }

    fn is_waiting(&self) -> bool {
        let now = self.now();
        self.opened().into_iter().any(|shop| {
            self.with_store(shop, now, |store| {
                store.notice(now);
                let mut log = store.post.log.iter();
                log.any(|record| record.state == DeliveryState::Waiting)
            })
        })
    }

    async fn send(&self, shop: &'static shops::Profile, delivery: Delivery, client: &Client, slots: &Semaphore) {
        for attempt in 0..=RETRIES {
            if attempt > 0 {
                tokio::time::sleep(self.config.retry_pause * 2_u32.pow(attempt - 1)).await;
            }
            let Ok(slot) = slots.acquire().await else {
                return;
            };
            let answer = self.signed(client, shop, &delivery).send().await;
            drop(slot);
            let outcome = match answer {
                Ok(answer) => Attempt {
                    status: Some(answer.status().as_u16()),
                    error: None,
                },
                Err(error) => Attempt {
                    status: None,
                    error: Some(if error.is_timeout() {
                        "no answer in time"
                    } else {
                        "no connection"
                    }),
                },
            };
            let accepted = outcome.status.is_some_and(|status| (200..300).contains(&status));
            let state = match (accepted, attempt) {
                (true, _) => DeliveryState::Delivered,
                (false, RETRIES) => DeliveryState::GivenUp,
                (false, _) => DeliveryState::Waiting,
            };
            self.note(shop, &delivery, outcome, state);
            if state != DeliveryState::Waiting {
                return;
            }
        }
    }

    fn signed(&self, client: &Client, shop: &shops::Profile, delivery: &Delivery) -> RequestBuilder {
        let mut mac = keyed(&self.config.api_secret);
        mac.update(&delivery.body);
        let triggered_at = delivery.triggered_at.to_rfc3339_opts(SecondsFormat::Nanos, true);
        let request = client
            .post(&delivery.uri)
            .header("content-type", "application/json")
            .header("x-shopify-topic", &delivery.topic)
            .header("x-shopify-hmac-sha256", STANDARD.encode(mac.finalize().into_bytes()))
            .header("x-shopify-shop-domain", shop.domain)
            .header("x-shopify-api-version", API_VERSION)
            .header("x-shopify-webhook-id", &delivery.webhook_id)
            .header("x-shopify-event-id", &delivery.event_id)
            .header("x-shopify-triggered-at", triggered_at)
            .body(delivery.body.clone());
        match &delivery.name {
            Some(name) => request.header("x-shopify-name", name),
            None => request,
        }
    }

    /// Notes how an attempt went. A subscription that got nothing through while a delivery was tried again and again
    /// is removed.
    fn note(&self, shop: &'static shops::Profile, delivery: &Delivery, outcome: Attempt, state: DeliveryState) {
        self.with_store(shop, self.now(), |store| {
            let mut log = store.post.log.iter_mut().rev();
            if let Some(record) = log.find(|record| record.webhook_id == delivery.webhook_id) {
                record.attempts.push(outcome);
                record.state = state;
            }
            let Some((id, accepted)) = delivery.subscription else {
                return;
            };
            match state {
                DeliveryState::Waiting => {}
                DeliveryState::Delivered => {
                    let mut subscriptions = store.subscriptions.iter_mut();
                    if let Some(subscription) = subscriptions.find(|it| it.id == id) {
                        subscription.accepted += 1;
                    }
                }
                DeliveryState::GivenUp => {
                    store.subscriptions.retain(|it| it.id != id || it.accepted > accepted);
                }
            }
        });
    }
}
