//! What the sandbox remembers: one [`Store`] for each shop, and the shelf of orders that requests read from.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Days, Duration, NaiveDate, Utc};

use super::bulk::Operation;
use super::cost::Bucket;
use super::faults::{Fault, Target};
use super::order::Order;
use super::seed::Calendar;
use super::shops::Profile;

/// A shop's memory.
pub(crate) struct Store {
    pub(crate) profile: &'static Profile,
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
    /// Bulk operations, in the order of creation.
    pub(crate) operations: Vec<Operation>,
    pub(crate) tally: Tally,
}

/// What a shop was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Questions with a price that were put, those that were turned away included.
    pub questions: u64,
    /// Questions that were turned away because the bucket was empty.
    pub throttled: u64,
    /// Bulk operations that were begun.
    pub operations: usize,
    /// Downloads of their files, by the byte that each began with.
    pub downloads: Vec<u64>,
}

/// Orders in the order of writing. A request keeps the shelf that it started with.
#[derive(Clone, Default)]
pub(crate) struct Shelf {
    pub(crate) orders: Vec<Arc<Order>>,
    places: HashMap<u64, usize>,
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
}

impl Shelf {
    /// The order with this id, deleted or not.
    pub(crate) fn order(&self, id: u64) -> Option<&Arc<Order>> {
        self.orders.get(*self.places.get(&id)?)
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
        Self {
            profile,
            calendar: Calendar::new(profile, first),
            next_day: first,
            shelf: Arc::default(),
            handmade: 0,
            bucket,
            faults: VecDeque::new(),
            subscriptions: Vec::new(),
            next_subscription: 1,
            operations: Vec::new(),
            tally: Tally::default(),
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

    /// Puts a new or changed order on the shelf. Every change by hand passes here, so this is where a delivery of
    /// webhooks to [`Store::subscriptions`] starts from.
    pub(crate) fn put(&mut self, order: Order) {
        Arc::make_mut(&mut self.shelf).put(order);
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
