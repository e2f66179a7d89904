//! What a store tells the apps that listen to it.
//!
//! ```text
//! by hand, by time ─▶ notice: what is new since the last look ─▶ announce: one delivery for each subscription
//!                                                                    └─▶ deliver: sent, signed, and sent again
//! ```
//!
//! `bodies` writes the payloads, in the shape of the older REST API and with contact data in them as the real ones have
//! it: all of it made up, and the same for everybody.

mod bodies;
mod deliver;

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Sandbox;
use super::hand::SandboxError;
use super::order::{Change, Order, Reason};
use super::schema::WebhookSubscriptionTopic as Topic;
use super::shops::Profile;
use super::state::{Settings, Store};

/// Deliveries that are remembered, the latest.
const REMEMBERED: usize = 2_000;

/// Topics that come because of the app's registration and not by subscription.
const COMPLIANCE: [&str; 3] = ["customers/data_request", "customers/redact", "shop/redact"];

/// A delivery as `GET /{shop}/_sandbox/deliveries` shows it.
#[derive(Clone, Debug, Serialize)]
pub struct DeliveryRecord {
    /// `X-Shopify-Webhook-Id`: the same at every attempt.
    pub webhook_id: String,
    /// `X-Shopify-Event-Id`: the same for all that one change set off.
    pub event_id: String,
    /// `orders/create`, …
    pub topic: String,
    /// Where it goes.
    pub uri: String,
    /// When the change happened.
    pub triggered_at: DateTime<Utc>,
    /// What is sent.
    pub body: Value,
    /// How it went so far, attempt by attempt.
    pub attempts: Vec<Attempt>,
    /// Where it stands.
    pub state: DeliveryState,
}

/// One time that a delivery was sent.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// The answer's status; none where there was no answer.
    pub status: Option<u16>,
    /// Why there was none.
    pub error: Option<&'static str>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// To be sent, or to be sent again.
    Waiting,
    /// Accepted with a 2xx.
    Delivered,
    /// Never accepted, not even at the last attempt.
    GivenUp,
}

/// A webhook to be sent by hand.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookRequest {
    /// `customers/redact`, …: one of the topics of privacy law, or one that can be subscribed to.
    pub topic: String,
    /// Where to send it. Without: a topic of privacy law to [`super::SandboxConfig::compliance_uri`], any other to its
    /// subscriptions.
    pub uri: Option<String>,
    /// The customer of a topic of privacy law.
    pub customer_id: Option<u64>,
    /// The orders of a topic of privacy law.
    pub order_ids: Vec<u64>,
    /// The body; one that suits a topic of privacy law if not given.
    pub payload: Option<Value>,
    /// When it is said to have happened; now if not given.
    pub triggered_at: Option<DateTime<Utc>>,
}

/// Something to be sent, and sent again until it is accepted.
#[derive(Clone, Debug)]
struct Delivery {
    webhook_id: String,
    event_id: String,
    topic: String,
    uri: String,
    name: Option<String>,
    triggered_at: DateTime<Utc>,
    body: Vec<u8>,
    /// The subscription, and how often it had got something through by then; none for what is sent by hand.
    subscription: Option<(u64, u64)>,
}

/// Where a delivery is to go.
struct Address {
    uri: String,
    name: Option<String>,
    include_fields: Vec<String>,
    subscription: Option<(u64, u64)>,
}

/// What a store remembers of what it has told.
pub(crate) struct Post {
    shop: &'static str,
    opened_at: DateTime<Utc>,
    /// The last look; none where something was changed by hand since.
    looked_at: Option<DateTime<Utc>>,
    /// How many entries of an order have been told; those before the store was opened, where it is not here.
    told: HashMap<u64, usize>,
    /// The products that were there at the last look, with their last change.
    products: HashMap<u64, DateTime<Utc>>,
    issued: u64,
    waiting: Vec<Delivery>,
    log: VecDeque<DeliveryRecord>,
}

impl Post {
    /// Nothing that happened until now is told any more.
    pub(crate) fn new(profile: &'static Profile, now: DateTime<Utc>) -> Self {
        Self {
            shop: profile.domain,
            opened_at: now,
            looked_at: None,
            told: HashMap::new(),
            products: changes_of_products(profile, now),
            issued: 0,
            waiting: Vec::new(),
            log: VecDeque::new(),
        }
    }

    /// An order is about to be changed by hand: `before`, or placed.
    pub(crate) fn expect_change(&mut self, id: u64, before: Option<&Order>) {
        let told = before.map_or(0, |order| self.told(order));
        self.told.insert(id, told);
        self.looked_at = None;
    }

    fn told(&self, order: &Order) -> usize {
        let told = self.told.get(&order.id).copied();
        told.unwrap_or_else(|| recorded(order, self.opened_at))
    }

    /// An id that no store gives twice, also not after a restart.
    fn issue(&mut self) -> String {
        self.issued += 1;
        let seed = format!("{}|{}|{}", self.shop, self.opened_at.timestamp(), self.issued);
        Uuid::new_v5(&Uuid::NAMESPACE_URL, seed.as_bytes()).to_string()
    }

    fn add(&mut self, event_id: &str, topic: &str, at: DateTime<Utc>, body: &Value, to: Address) {
        let body = picked(body, &to.include_fields);
        let delivery = Delivery {
            webhook_id: self.issue(),
            event_id: event_id.to_owned(),
            topic: topic.to_owned(),
            uri: to.uri,
            name: to.name,
            triggered_at: at,
            body: body.to_string().into_bytes(),
            subscription: to.subscription,
        };
        if self.log.len() == REMEMBERED {
            self.log.pop_front();
        }
        self.log.push_back(DeliveryRecord {
            webhook_id: delivery.webhook_id.clone(),
            event_id: delivery.event_id.clone(),
            topic: delivery.topic.clone(),
            uri: delivery.uri.clone(),
            triggered_at: at,
            body,
            attempts: Vec::new(),
            state: DeliveryState::Waiting,
        });
        self.waiting.push(delivery);
    }
}

impl Store {
    /// Tells of everything that happened since the last look, in the sequence in which it happened.
    pub(crate) fn notice(&mut self, now: DateTime<Utc>) {
        if self.post.looked_at == Some(now) {
            return;
        }
        let shelf = self.shelf(now);
        let mut news = Vec::new();
        for order in &shelf.orders {
            let (told, known) = (self.post.told(order), recorded(order, now));
            if told < known {
                news.extend(news_of_order(order, told..known, &self.settings));
                self.post.told.insert(order.id, known);
            }
        }
        news.extend(self.news_of_products(now));
        news.sort_by_key(|(at, _)| *at);
        for (at, events) in news {
            self.announce(at, events);
        }
        self.post.looked_at = Some(now);
    }

    /// Writes one delivery for each subscription to what happened. A subscription's filter is kept but not applied.
    pub(crate) fn announce(&mut self, at: DateTime<Utc>, events: Vec<(Topic, Value)>) {
        let event_id = self.post.issue();
        for (topic, body) in events {
            for subscription in self.subscriptions.iter().filter(|it| it.topic == topic) {
                let to = Address {
                    uri: subscription.uri.clone(),
                    name: subscription.name.clone(),
                    include_fields: subscription.include_fields.clone(),
                    subscription: Some((subscription.id, subscription.accepted)),
                };
                self.post.add(&event_id, topic.word(), at, &body, to);
            }
        }
    }

    /// The store's settings were changed.
    pub(crate) fn announce_settings(&mut self, now: DateTime<Utc>) {
        self.notice(now);
        let body = bodies::shop(self.profile, &self.settings);
        self.announce(now, vec![(Topic::ShopUpdate, body)]);
    }

    /// The app was removed: the last that it hears.
    pub(crate) fn announce_uninstallation(&mut self, now: DateTime<Utc>) {
        self.notice(now);
        let body = bodies::shop(self.profile, &self.settings);
        self.announce(now, vec![(Topic::AppUninstalled, body)]);
    }

    fn news_of_products(&mut self, now: DateTime<Utc>) -> Vec<News> {
        let mut news = Vec::new();
        let mut gone = std::mem::replace(&mut self.post.products, changes_of_products(self.profile, now));
        for product in self.profile.products(now) {
            let topic = match gone.remove(&product.id) {
                None => Topic::ProductsCreate,
                Some(before) if before < product.updated_at => Topic::ProductsUpdate,
                Some(_) => continue,
            };
            let body = bodies::product(&product, &self.settings);
            news.push((product.updated_at, vec![(topic, body)]));
        }
        news.extend(
            gone.into_keys()
                .map(|id| (now, vec![(Topic::ProductsDelete, json!({ "id": id }))])),
        );
        news
    }
}

/// When something happened, and what is said about it under each topic.
type News = (DateTime<Utc>, Vec<(Topic, Value)>);

/// How many entries of an order were recorded until then; they stand in the sequence of their recording.
fn recorded(order: &Order, at: DateTime<Utc>) -> usize {
    order.entries.partition_point(|entry| entry.recorded_at <= at)
}

/// What these entries of an order are to those who listen. What was recorded at one instant is one event.
fn news_of_order(order: &Order, entries: std::ops::Range<usize>, settings: &Settings) -> Vec<News> {
    let instants = order.entries[entries].chunk_by(|one, next| one.recorded_at == next.recorded_at);
    let news = instants.map(|instant| {
        let at = instant[0].recorded_at;
        if instant.iter().any(|entry| matches!(entry.change, Change::Deleted)) {
            return (at, vec![(Topic::OrdersDelete, json!({ "id": order.id }))]);
        }
        let body = bodies::order(order, at, settings);
        let (mut events, mut is_new, mut is_changed) = (Vec::new(), false, false);
        for entry in instant {
            match &entry.change {
                Change::Agreed(agreement) => match agreement.reason {
                    Reason::Order => {
                        is_new = true;
                        events.push((Topic::OrdersCreate, body.clone()));
                        continue;
                    }
                    Reason::OrderEdit => {
                        events.push((Topic::OrdersEdited, bodies::edit(order, agreement, settings)));
                    }
                    Reason::Refund => {
                        events.push((Topic::RefundsCreate, bodies::refund(order, agreement, settings)));
                    }
                    Reason::Return => {}
                },
                Change::Cancelled(_) => events.push((Topic::OrdersCancelled, body.clone())),
                // Paying is part of the checkout.
                Change::Paid(_) if is_new => continue,
                Change::Paid(_)
                | Change::Repaid(_)
                | Change::Fulfilled(_)
                | Change::Closed
                | Change::Touched
                | Change::Deleted => {}
            }
            is_changed = true;
        }
        if is_changed {
            events.push((Topic::OrdersUpdated, body));
        }
        if let Some(customer) = &order.customer {
            let topic = if is_new && customer.order_index == 1 {
                Topic::CustomersCreate
            } else {
                Topic::CustomersUpdate
            };
            events.push((topic, bodies::customer(customer, at, settings)));
        }
        (at, events)
    });
    news.collect()
}

fn changes_of_products(profile: &Profile, now: DateTime<Utc>) -> HashMap<u64, DateTime<Utc>> {
    let products = profile.products(now).into_iter();
    products.map(|product| (product.id, product.updated_at)).collect()
}

/// The part of a body that a subscription asks for: paths with a period between their steps, through lists as well.
fn picked(body: &Value, fields: &[String]) -> Value {
    if fields.is_empty() {
        return body.clone();
    }
    let paths: Vec<&str> = fields.iter().map(String::as_str).collect();
    pick(body, &paths)
}

fn pick(value: &Value, paths: &[&str]) -> Value {
    match value {
        Value::Array(members) => members.iter().map(|member| pick(member, paths)).collect(),
        Value::Object(fields) => {
            let wanted = fields.iter().filter_map(|(name, value)| {
                let mut further = Vec::new();
                for path in paths {
                    match path.split_once('.') {
                        None if path == name => return Some((name.clone(), value.clone())),
                        Some((first, rest)) if first == name => further.push(rest),
                        _ => {}
                    }
                }
                (!further.is_empty()).then(|| (name.clone(), pick(value, &further)))
            });
            Value::Object(wanted.collect())
        }
        other => other.clone(),
    }
}

impl Sandbox {
    /// Sends a webhook by hand, as many times as there are addresses; answers the ids of the deliveries.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`]; [`SandboxError::Refused`] for a topic that there is not, and for one of privacy
    /// law without an address.
    pub fn send_webhook(&self, shop: &str, request: WebhookRequest) -> Result<Vec<String>, SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        let compliance = COMPLIANCE.contains(&request.topic.as_str());
        let topic = Topic::named(&request.topic);
        if topic.is_none() && !compliance {
            return Err(SandboxError::Refused(format!("There is no topic {}.", request.topic)));
        }
        let uri = request.uri.clone().or_else(|| {
            let base = self.inner.config.compliance_uri.as_ref().filter(|_| compliance)?;
            Some(format!("{base}/{}", request.topic))
        });
        if compliance && uri.is_none() {
            return Err(SandboxError::Refused(
                "A topic of privacy law has no subscription: say `uri`.".to_owned(),
            ));
        }
        let at = request.triggered_at.unwrap_or(now);
        let ids = self.inner.with_store(shop, now, |store| {
            let body = match &request.payload {
                Some(payload) => payload.clone(),
                None if compliance => bodies::privacy(shop, &request),
                None => json!({}),
            };
            let before = store.post.issued;
            match (uri, topic) {
                (Some(uri), _) => {
                    let event_id = store.post.issue();
                    let to = Address {
                        uri,
                        name: None,
                        include_fields: Vec::new(),
                        subscription: None,
                    };
                    store.post.add(&event_id, &request.topic, at, &body, to);
                }
                (None, Some(topic)) => store.announce(at, vec![(topic, body)]),
                (None, None) => {}
            }
            let sent = usize::try_from(store.post.issued - before - 1).unwrap_or(0);
            let log = store.post.log.iter().rev().take(sent);
            log.map(|record| record.webhook_id.clone()).collect()
        });
        self.inner.news.notify_one();
        Ok(ids)
    }

    /// What was delivered or is to be, the earliest first.
    ///
    /// # Errors
    /// [`SandboxError::UnknownShop`].
    pub fn deliveries(&self, shop: &str) -> Result<Vec<DeliveryRecord>, SandboxError> {
        let shop = self.shop(shop)?;
        let now = self.inner.now();
        Ok(self
            .inner
            .with_store(shop, now, |store| store.post.log.iter().cloned().collect()))
    }
}
