//! What the sandbox remembers: one [`Store`] for each shop, and the shelf of orders that requests read from.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::cost::Bucket;
use super::faults::{Fault, Target};
use super::money::CurrencyCode;
use super::order::Order;
use super::seed::Calendar;
use super::shops::{Product, Profile};
use super::webhooks::Post;

/// A shop's memory.
pub(crate) struct Store {
    pub(crate) profile: &'static Profile,
    pub(crate) settings: Settings,
    calendar: Calendar,
    /// The next day whose orders are not written yet.
    next_day: NaiveDate,
    shelf: Arc<Shelf>,
    handmade: u64,
    pub(crate) bucket: Bucket,
    pub(crate) faults: VecDeque<Fault>,
    /// Where the shop would deliver webhooks, in the order of creation.
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) next_subscription: u64,
    pub(crate) post: Post,
    /// Orders that lists keep back.
    pub(crate) unlisted: HashMap<u64, Unlisted>,
}

/// What a merchant may change of a shop, as it is now. What was sold before keeps the currency that it was sold in.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) currency: CurrencyCode,
    pub(crate) timezone: Tz,
    pub(crate) taxes_included: bool,
    pub(crate) updated_at: DateTime<Utc>,
    /// Scopes that every token lacks, whatever was granted.
    pub(crate) withheld_scopes: Vec<String>,
}

/// What does not find an order although it is there, as a search that is behind.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unlisted {
    /// Lists by the time of the last change.
    FromChanges,
    /// Every list. Counts do find it.
    FromLists,
}

/// Orders in the order of writing, and what a hand changed of the products. A request keeps the shelf that it started
/// with.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    pub(crate) orders: Vec<Arc<Order>>,
    places: HashMap<u64, usize>,
    products: HashMap<u64, ProductChange>,
}

/// What a hand made of a product.
#[derive(Clone, Debug)]
pub(crate) enum ProductChange {
    /// It has another name since.
    Renamed { title: String, at: DateTime<Utc> },
    /// It is gone.
    Deleted,
}

/// A webhook subscription.
#[derive(Clone, Debug)]
pub(crate) struct Subscription {
    pub(crate) id: u64,
    pub(crate) topic: super::schema::WebhookSubscriptionTopic,
    pub(crate) uri: String,
    pub(crate) name: Option<String>,
    pub(crate) filter: Option<String>,
    pub(crate) include_fields: Vec<String>,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// Deliveries that were accepted.
    pub(crate) accepted: u64,
}

impl Shelf {
    /// The order with this id, deleted or not.
    pub(crate) fn order(&self, id: u64) -> Option<&Arc<Order>> {
        self.orders.get(*self.places.get(&id)?)
    }

    /// The products that a shop has now.
    pub(crate) fn products(&self, shop: &Profile, now: DateTime<Utc>) -> Vec<Product> {
        let mut products = shop.products(now);
        products.retain_mut(|product| match self.products.get(&product.id) {
            Some(ProductChange::Deleted) => false,
            Some(ProductChange::Renamed { title, at }) => {
                product.title.clone_from(title);
                product.updated_at = product.updated_at.max(*at);
                true
            }
            None => true,
        });
        products
    }

    fn put(&mut self, order: Order) {
        let order = Arc::new(order);
        match self.places.get(&order.id) {
            Some(place) => self.orders[*place] = order,
            None => {
                self.places.insert(order.id, self.orders.len());
                self.orders.push(order);
            }
        }
    }
}

impl Store {
    /// A shop whose history reaches back so many days from now.
    pub(crate) fn new(profile: &'static Profile, history_days: u32, bucket: Bucket, now: DateTime<Utc>) -> Self {
        let first = profile.local_date(now) - Duration::days(i64::from(history_days));
        let settings = Settings {
            name: profile.name.to_owned(),
            currency: profile.currency,
            timezone: profile.timezone,
            taxes_included: profile.taxes_included,
            updated_at: profile.opened_at(),
            withheld_scopes: Vec::new(),
        };
        Self {
            profile,
            settings,
            calendar: Calendar::new(profile, first),
            next_day: first,
            shelf: Arc::default(),
            handmade: 0,
            bucket,
            faults: VecDeque::new(),
            subscriptions: Vec::new(),
            next_subscription: 1,
            post: Post::new(profile, now),
            unlisted: HashMap::new(),
        }
    }

    /// The orders as they are on the shelf, with every day written up to today.
    pub(crate) fn shelf(&mut self, now: DateTime<Utc>) -> Arc<Shelf> {
        let today = self.profile.local_date(now);
        if self.next_day <= today {
            let shelf = Arc::make_mut(&mut self.shelf);
            while self.next_day <= today {
                self.calendar
                    .write(self.next_day)
                    .into_iter()
                    .for_each(|order| shelf.put(order));
                self.next_day = self.next_day + Days::new(1);
            }
        }
        Arc::clone(&self.shelf)
    }

    /// Puts a new or changed order on the shelf.
    pub(crate) fn put(&mut self, order: Order) {
        let before = self.shelf.order(order.id).map(Arc::as_ref);
        self.post.expect_change(order.id, before);
        Arc::make_mut(&mut self.shelf).put(order);
    }

    /// Changes a product from now on.
    pub(crate) fn change_product(&mut self, id: u64, change: ProductChange) {
        Arc::make_mut(&mut self.shelf).products.insert(id, change);
    }

    /// A count for the orders placed by hand, from 1.
    pub(crate) fn next_handmade(&mut self) -> u64 {
        self.handmade += 1;
        self.handmade
    }

    /// The fault that the next request of this kind meets, used up by one.
    pub(crate) fn next_fault(&mut self, target: Target) -> Option<Fault> {
        let place = self.faults.iter().position(|fault| fault.on == target)?;
        let fault = self.faults[place].clone();
        if fault.times > 1 {
            self.faults[place].times -= 1;
        } else {
            self.faults.remove(place);
        }
        Some(fault)
    }
}
