//! The history that a store is born with, written a day at a time.
//!
//! A day's orders are a pure function of the store and the local date: starting the process on another day, or with a
//! longer past, changes neither ids nor content. Each order is written with its whole life, which the clock then plays:
//! payments, edits, refunds weeks later. [`Calendar`] holds the only thing that reaches across days: who bought before.
//!
//! Chance brings the ordinary variety. What a reader of orders must meet for certain is put on fixed days: orders
//! within seconds of midnight, orders around a change of the clock, a bulk order with dozens of lines, and an order
//! that is edited more often than a page holds.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Datelike, Days, Duration, NaiveDate, NaiveTime, Utc};
use rust_decimal::Decimal;

use super::dice::Dice;
use super::money::Terms;
use super::order::{
    CancelReason, Change, Charges, Customer, EVER, Edit, Item, Journey, LineKind, Opening, Order, Reversal, Visit,
};
use super::shops::{Product, Profile, Variant};

/// A returning buyer's last order is at most so many days after the first.
const LIFETIME: i64 = 75;

/// When orders come and who places them, day by day.
pub(crate) struct Calendar {
    profile: &'static Profile,
    days: BTreeMap<NaiveDate, Vec<Arrival>>,
    /// Orders so far by each buyer with an account.
    visits: HashMap<u64, i32>,
    next_number: u64,
}

/// An order that is to be: its time and its buyer.
#[derive(Clone, Debug)]
struct Arrival {
    at: DateTime<Utc>,
    number: u64,
    test: bool,
    buyer: Option<Customer>,
}

/// Who places an order, before it is known how often they did.
enum Buyer {
    Guest,
    New,
    /// The day and the place in that day of their first order.
    Returning(NaiveDate, usize),
}

impl Calendar {
    /// A calendar whose history begins on `first`: it knows the buyers of the weeks before.
    pub(crate) fn new(profile: &'static Profile, first: NaiveDate) -> Self {
        let start = first - Duration::days(LIFETIME);
        // Order numbers count from the store's opening.
        let mut next_number = 1_001;
        let mut day = NaiveDate::from_ymd_opt(2025, 1, 1).unwrap_or_default();
        while day < start {
            next_number += u64::try_from(volume(profile, day)).unwrap_or(0);
            day = day + Days::new(1);
        }
        let mut calendar = Self {
            profile,
            days: BTreeMap::new(),
            visits: HashMap::new(),
            next_number,
        };
        for day in start.iter_days().take_while(|day| *day < first) {
            calendar.plan(day);
        }
        calendar
    }

    /// The orders of the next day. Days must be asked for one after the other.
    pub(crate) fn write(&mut self, date: NaiveDate) -> Vec<Order> {
        self.plan(date);
        let profile = self.profile;
        self.days
            .get(&date)
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(slot, arrival)| write_order(profile, date, slot, arrival))
            .collect()
    }

    fn plan(&mut self, date: NaiveDate) {
        let mut arrivals = Vec::new();
        for (slot, at) in arrival_times(self.profile, date).into_iter().enumerate() {
            let test = is_test(self.profile, date, slot);
            let buyer = if test {
                Buyer::Guest
            } else {
                resolve(self.profile, date, slot)
            };
            let customer = match buyer {
                Buyer::Guest => None,
                Buyer::New => Some((customer_id(self.profile, date, slot), at)),
                Buyer::Returning(day, first) => self
                    .days
                    .get(&day)
                    .and_then(|arrivals| arrivals.get(first))
                    .map(|arrival| (customer_id(self.profile, day, first), arrival.at)),
            };
            let buyer = customer.map(|(id, since)| {
                let visits = self.visits.entry(id).or_default();
                *visits += 1;
                Customer {
                    id,
                    since,
                    order_index: *visits,
                }
            });
            arrivals.push(Arrival {
                at,
                number: self.next_number,
                test,
                buyer,
            });
            self.next_number += 1;
        }
        self.days.insert(date, arrivals);
    }
}

/// The id of the first of the places reserved on a day for orders that a hand places.
pub(crate) fn handmade_order_id(profile: &Profile, date: NaiveDate) -> u64 {
    order_id(profile, date, 0) + 90_000
}

fn ordinal(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce())
}

fn order_id(profile: &Profile, date: NaiveDate, slot: usize) -> u64 {
    let day = u64::try_from(ordinal(date)).unwrap_or(0);
    let slot = u64::try_from(slot).unwrap_or(0);
    5_000_000_000_000 + profile.number * 100_000_000_000 + day * 100_000 + slot * 613
}

fn customer_id(profile: &Profile, date: NaiveDate, slot: usize) -> u64 {
    let day = u64::try_from(ordinal(date)).unwrap_or(0);
    7_000_000_000_000 + profile.number * 100_000_000_000 + day * 1_000 + u64::try_from(slot).unwrap_or(0)
}

/// How many orders come on a day.
fn volume(profile: &Profile, date: NaiveDate) -> usize {
    let (low, high) = profile.daily_orders;
    let mut dice = Dice::new(profile.domain, "volume", &[ordinal(date)]);
    let pull = (profile.pull(date) + dice.between(-20, 20)).max(0);
    usize::try_from(low + (high - low) * pull / 100).unwrap_or(0)
}

/// When they come: the fixed ones first, then people's habits.
fn arrival_times(profile: &Profile, date: NaiveDate) -> Vec<DateTime<Utc>> {
    let midnight = profile.day_start(date);
    let next_midnight = profile.day_start(date + Days::new(1));
    let mut times = match ordinal(date) % 6 {
        0 => vec![midnight],
        2 => vec![midnight + Duration::seconds(2)],
        5 => vec![
            next_midnight - Duration::seconds(2),
            next_midnight - Duration::seconds(1),
        ],
        _ => Vec::new(),
    };
    if let Some(change) = profile.clock_change(date) {
        times.extend([-3_600, -1_800, -1, 0, 1_800, 3_600].map(|seconds| change + Duration::seconds(seconds)));
    }
    let volume = volume(profile, date);
    let mut dice = Dice::new(profile.domain, "arrivals", &[ordinal(date)]);
    // From midnight: quiet nights, a peak at lunch and a higher one in the evening.
    let hours = [
        6, 4, 2, 1, 1, 2, 5, 10, 16, 22, 26, 28, 32, 30, 26, 24, 25, 28, 34, 42, 46, 40, 26, 13,
    ];
    while times.len() < volume {
        let hour = u32::try_from(dice.weighted(&hours)).unwrap_or(0);
        let minute = u32::try_from(dice.between(0, 59)).unwrap_or(0);
        let second = u32::try_from(dice.between(0, 59)).unwrap_or(0);
        let time = NaiveTime::from_hms_opt(hour, minute, second).unwrap_or_default();
        times.push(profile.instant(date, time, dice.chance(500)));
    }
    times.truncate(volume);
    times.sort_unstable();
    times
}

fn is_test(profile: &Profile, date: NaiveDate, slot: usize) -> bool {
    role(date, slot) == Role::Ordinary && Dice::new(profile.domain, "test", &[ordinal(date), slot as i64]).chance(9)
}

/// Whether a place in a day is a new buyer's: decided without looking at other days.
fn is_new(profile: &Profile, date: NaiveDate, slot: usize) -> bool {
    !is_test(profile, date, slot)
        && Dice::new(profile.domain, "buyer", &[ordinal(date), slot as i64]).between(0, 99) < 52
}

fn resolve(profile: &Profile, date: NaiveDate, slot: usize) -> Buyer {
    let mut dice = Dice::new(profile.domain, "buyer", &[ordinal(date), slot as i64]);
    match dice.between(0, 99) {
        ..52 => return Buyer::New,
        52..64 => return Buyer::Guest,
        _ => {}
    }
    for _ in 0..6 {
        // The smaller of two: buyers rather come back soon.
        let days = dice.between(1, LIFETIME).min(dice.between(1, LIFETIME));
        let day = date - Duration::days(days);
        let last = i64::try_from(volume(profile, day)).unwrap_or(0) - 1;
        let first = usize::try_from(dice.between(0, last.max(0))).unwrap_or(0);
        if is_new(profile, day, first) {
            return Buyer::Returning(day, first);
        }
    }
    Buyer::Guest
}

/// What an order is made to show.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Role {
    Ordinary,
    /// Dozens of lines, then an edit, then everything back: long ledger pages.
    Bulk,
    /// A dozen agreements.
    Indecisive,
    /// A refund within seconds of midnight.
    MidnightRefund,
}

fn role(date: NaiveDate, slot: usize) -> Role {
    match (ordinal(date) % 30, slot) {
        (7, 3) => Role::Bulk,
        (17, 3) => Role::Indecisive,
        (3 | 13 | 23, 4) => Role::MidnightRefund,
        _ => Role::Ordinary,
    }
}

fn write_order(profile: &'static Profile, date: NaiveDate, slot: usize, arrival: &Arrival) -> Order {
    let mut dice = Dice::new(profile.domain, "order", &[ordinal(date), slot as i64]);
    let role = role(date, slot);
    let terms = terms(profile, &mut dice);
    let items = basket(profile, date, arrival.at, role, &mut dice);
    let source = *dice.pick(&[
        "web",
        "web",
        "web",
        "web",
        "web",
        "web",
        "web",
        "web",
        "pos",
        "shopify_draft_order",
        "3890849",
    ]);
    // A till that was offline tells the store later, sometimes on the next day.
    let late = if source == "pos" && dice.chance(350) {
        dice.between(600, 36_000)
    } else {
        0
    };
    let (charges, code) = charges(profile, &terms, &items, source, &mut dice);
    let authorized = role == Role::Ordinary && dice.chance(30);
    let opening = Opening {
        id: order_id(profile, date, slot),
        number: arrival.number,
        test: arrival.test,
        processed_at: arrival.at,
        created_at: arrival.at + Duration::seconds(late),
        terms,
        source_name: source.to_owned(),
        customer: arrival.buyer.clone(),
        journey: (source != "pos").then(|| journey(arrival.at, &mut dice)),
        discount_codes: code.into_iter().map(str::to_owned).collect(),
        authorized,
    };
    let mut order = Order::place(opening, items, charges);
    live(profile, role, &mut order, &mut dice);
    order
}

fn terms(profile: &Profile, dice: &mut Dice) -> Terms {
    let weights: Vec<_> = profile.tax_rates.iter().map(|(_, weight)| *weight).collect();
    let (rate, _) = profile.tax_rates[dice.weighted(&weights)];
    let foreign = dice.chance(60);
    let (currency, presentment_rate) = *dice.pick(profile.presentment);
    Terms {
        currency: profile.currency,
        taxes_included: profile.taxes_included,
        tax_rate: Decimal::new(rate, 4),
        presentment: if foreign { currency } else { profile.currency },
        presentment_rate: if foreign {
            Decimal::new(presentment_rate, 4)
        } else {
            Decimal::ONE
        },
    }
}

fn basket(profile: &Profile, date: NaiveDate, at: DateTime<Utc>, role: Role, dice: &mut Dice) -> Vec<Item> {
    if role == Role::Bulk {
        let goods = profile.catalogue.len() - 1;
        return (0..26)
            .map(|index| {
                let product = profile.catalogue_product(index % goods, at);
                let variant = product.variants.last().or(product.variants.first()).cloned();
                item(&product, variant.as_ref(), i32::try_from(1 + index % 3).unwrap_or(1))
            })
            .collect();
    }
    let lines = 1 + dice.weighted(&[50, 28, 14, 8]);
    let mut items = Vec::new();
    for _ in 0..lines {
        let product = if dice.chance(60) {
            profile.monthly_product(date, at)
        } else if dice.chance(15) {
            profile.catalogue_product(profile.catalogue.len() - 1, at)
        } else {
            let last = i64::try_from(profile.catalogue.len()).unwrap_or(2) - 2;
            // The smaller of two: the first of the catalogue sell best.
            let index = dice.between(0, last).min(dice.between(0, last));
            profile.catalogue_product(usize::try_from(index).unwrap_or(0), at)
        };
        let variant = dice.pick(&product.variants).clone();
        let quantity = if product.is_gift_card() {
            1
        } else {
            1 + dice.weighted(&[72, 20, 8])
        };
        let mut item = item(&product, Some(&variant), i32::try_from(quantity).unwrap_or(1));
        if item.kind == LineKind::Goods && dice.chance(130) {
            let percent = *dice.pick(&[10, 15, 20, 25, 50]);
            let listed = item.unit_price * Decimal::from(item.quantity);
            item.discount = profile.currency.round(listed * Decimal::new(percent, 2));
        }
        items.push(item);
    }
    if dice.chance(15) {
        // A line that staff typed in: no product stands behind it.
        items.push(Item {
            kind: LineKind::Goods,
            title: "Gift wrapping".to_owned(),
            variant_title: None,
            vendor: None,
            sku: None,
            product: None,
            variant: None,
            unit_price: profile
                .currency
                .round(profile.currency.minor(profile.shipping.0) / Decimal::TWO),
            quantity: 1,
            discount: Decimal::ZERO,
            taxed: true,
        });
    }
    if dice.chance(40) {
        let worth: Decimal = items
            .iter()
            .map(|item| item.unit_price * Decimal::from(item.quantity))
            .sum();
        items.push(Item {
            kind: LineKind::Tip,
            title: "Tip".to_owned(),
            variant_title: None,
            vendor: None,
            sku: None,
            product: None,
            variant: None,
            unit_price: profile.currency.round(worth * Decimal::new(10, 2)),
            quantity: 1,
            discount: Decimal::ZERO,
            taxed: false,
        });
    }
    items
}

/// A product as an item of an order.
pub(crate) fn item(product: &Product, variant: Option<&Variant>, quantity: i32) -> Item {
    let gift_card = product.is_gift_card();
    Item {
        kind: if gift_card { LineKind::GiftCard } else { LineKind::Goods },
        title: product.title.clone(),
        variant_title: variant
            .filter(|_| product.variants.len() > 1)
            .map(|variant| variant.title.to_owned()),
        vendor: Some(product.vendor.to_owned()),
        sku: variant.map(|variant| variant.sku.clone()),
        product: Some(product.id),
        variant: variant.map(|variant| variant.id),
        unit_price: variant.map_or(Decimal::ZERO, |variant| variant.price),
        quantity,
        discount: Decimal::ZERO,
        taxed: !gift_card,
    }
}

fn charges(
    profile: &Profile,
    terms: &Terms,
    items: &[Item],
    source: &str,
    dice: &mut Dice,
) -> (Charges, Option<&'static str>) {
    let goods: Decimal = items
        .iter()
        .filter(|item| item.kind == LineKind::Goods)
        .map(|item| item.unit_price * Decimal::from(item.quantity) - item.discount)
        .sum();
    let (order_discount, code) = match dice.between(0, 999) {
        ..70 => (goods * Decimal::new(10, 2), Some("WELCOME10")),
        70..100 => (goods * Decimal::new(15, 2), Some("SEASON15")),
        100..125 => (profile.currency.minor(profile.shipping.0), Some("THANKS")),
        // Everything on the house, as for a replacement.
        125..128 => (goods, Some("REPLACEMENT")),
        _ => (Decimal::ZERO, None),
    };
    let (price, free_from) = profile.shipping;
    let price = profile.currency.minor(price);
    let shipped = source != "pos" && !goods.is_zero();
    let shipping = shipped.then(|| {
        let free = goods >= profile.currency.minor(free_from);
        match (free, dice.chance(500)) {
            (true, true) => (profile.shipping_title.to_owned(), price, price),
            (true, false) => (profile.shipping_title.to_owned(), Decimal::ZERO, Decimal::ZERO),
            (false, express) => {
                let price = if express { price * Decimal::TWO } else { price };
                (profile.shipping_title.to_owned(), price, Decimal::ZERO)
            }
        }
    });
    let abroad = terms.presentment != terms.currency;
    let charges = Charges {
        shipping,
        shipping_taxed: profile.taxes_shipping,
        order_discount,
        duty: if abroad && dice.chance(450) {
            goods * Decimal::new(64, 3)
        } else {
            Decimal::ZERO
        },
        additional_fee: if dice.chance(14) {
            price / Decimal::TWO
        } else {
            Decimal::ZERO
        },
    };
    (charges, code)
}

fn journey(at: DateTime<Utc>, dice: &mut Dice) -> Journey {
    let last = at - Duration::minutes(dice.between(3, 55));
    let first = last - Duration::hours(dice.between(0, 200));
    Journey {
        ready_at: (!dice.chance(30)).then(|| at + Duration::minutes(dice.between(12, 45))),
        first: visit(first, dice),
        last: visit(last, dice),
    }
}

fn visit(at: DateTime<Utc>, dice: &mut Dice) -> Visit {
    let tagged = |source, referrer, medium, campaign, content, term| Visit {
        at,
        source,
        referrer,
        utm: Some([Some(source), Some(medium), Some(campaign), content, term]),
    };
    match dice.weighted(&[26, 20, 16, 18, 12, 8]) {
        0 => Visit {
            at,
            source: "direct",
            referrer: None,
            utm: None,
        },
        1 => {
            let ad = *dice.pick(&["carousel-a", "video-b", "static-c"]);
            let campaign = *dice.pick(&["prospecting", "retargeting", "catalogue"]);
            tagged(
                "facebook",
                Some("https://m.facebook.com/"),
                "paid_social",
                campaign,
                Some(ad),
                None,
            )
        }
        2 => {
            let ad = *dice.pick(&["reel-1", "story-2"]);
            tagged(
                "instagram",
                Some("https://l.instagram.com/"),
                "paid_social",
                "prospecting",
                Some(ad),
                None,
            )
        }
        3 => Visit {
            at,
            source: "Google",
            referrer: Some("https://www.google.com/"),
            utm: None,
        },
        4 => tagged(
            "google",
            Some("https://www.google.com/"),
            "cpc",
            "brand",
            None,
            Some("store name"),
        ),
        _ => tagged("newsletter", None, "email", "weekly", None, None),
    }
}

/// A step in an order's life, still to be taken.
enum Step {
    Pay,
    Fulfil(bool),
    Edit(EditKind),
    Refund(RefundKind),
    Cancel(CancelReason),
    Touch,
    Close,
}

#[derive(Clone, Copy)]
enum EditKind {
    Add,
    OneMore,
    OneLess,
    Remove,
    Markdown,
}

#[derive(Clone, Copy)]
enum RefundKind {
    OneUnit,
    Everything,
    Goodwill,
    RestockingFee,
    ReturnFee,
    ShippingOnly,
    Returned,
}

/// Writes what becomes of the order.
fn live(profile: &Profile, role: Role, order: &mut Order, dice: &mut Dice) {
    let mut steps = plan_life(profile, role, order, dice);
    steps.sort_by_key(|(at, _)| *at);
    for (at, step) in steps {
        let recorded_at = at + Duration::seconds(dice.between(0, 3));
        match step {
            Step::Pay => {
                let due = order.worth(EVER).total - order.paid(EVER);
                if due > Decimal::ZERO {
                    order.record(recorded_at, Change::Paid(due));
                }
            }
            Step::Fulfil(whole) => order.record(recorded_at, Change::Fulfilled(whole)),
            Step::Touch => order.record(recorded_at, Change::Touched),
            Step::Close => order.record(recorded_at, Change::Closed),
            // What an order can't bear any more, for an earlier step has taken it, does not happen.
            Step::Edit(kind) => {
                let edit = edit(profile, order, kind, at, dice);
                let _unbearable = order.edit(at, recorded_at, edit);
            }
            Step::Refund(kind) => {
                let reversal = reversal(profile, order, kind, dice);
                let _unbearable = order.reverse(at, recorded_at, reversal);
            }
            Step::Cancel(reason) => {
                let _unbearable = order.cancel(at, recorded_at, reason);
            }
        }
    }
}

fn plan_life(profile: &Profile, role: Role, order: &Order, dice: &mut Dice) -> Vec<(DateTime<Utc>, Step)> {
    let start = order.created_at;
    let minutes = |count: i64| start + Duration::minutes(count);
    let mut steps = Vec::new();
    match role {
        Role::Bulk => {
            steps.push((start, Step::Pay));
            steps.push((minutes(95), Step::Edit(EditKind::Add)));
            steps.push((minutes(96), Step::Edit(EditKind::OneMore)));
            steps.push((minutes(120), Step::Pay));
            steps.push((minutes(2_000), Step::Fulfil(true)));
            steps.push((minutes(9_000), Step::Refund(RefundKind::OneUnit)));
            steps.push((minutes(10_500), Step::Refund(RefundKind::Everything)));
            return steps;
        }
        Role::Indecisive => {
            steps.push((start, Step::Pay));
            let kinds = [
                EditKind::Add,
                EditKind::OneMore,
                EditKind::OneLess,
                EditKind::Add,
                EditKind::Markdown,
            ];
            for (turn, kind) in kinds.into_iter().cycle().take(11).enumerate() {
                steps.push((minutes(30 + i64::try_from(turn).unwrap_or(0) * 140), Step::Edit(kind)));
            }
            steps.push((minutes(1_800), Step::Pay));
            steps.push((minutes(2_500), Step::Fulfil(true)));
            steps.push((minutes(4_500), Step::Refund(RefundKind::OneUnit)));
            steps.push((minutes(7_500), Step::Refund(RefundKind::OneUnit)));
            return steps;
        }
        Role::MidnightRefund => {
            steps.push((start, Step::Pay));
            let day = profile.local_date(start) + Days::new(5);
            let midnight = profile.day_start(day);
            let seconds = if dice.chance(500) { -1 } else { 1 };
            steps.push((midnight + Duration::seconds(seconds), Step::Refund(RefundKind::OneUnit)));
            return steps;
        }
        Role::Ordinary => {}
    }
    match dice.between(0, 99) {
        // Bank transfers come after days, or never.
        ..4 => steps.push((minutes(dice.between(1_440, 7_200)), Step::Pay)),
        4 | 5 => {}
        _ if order.authorized => steps.push((minutes(dice.between(600, 2_880)), Step::Pay)),
        _ => steps.push((start, Step::Pay)),
    }
    if dice.chance(32) {
        let reasons = [
            CancelReason::Customer,
            CancelReason::Customer,
            CancelReason::Inventory,
            CancelReason::Fraud,
            CancelReason::Declined,
        ];
        steps.push((minutes(dice.between(8, 2_880)), Step::Cancel(*dice.pick(&reasons))));
        return steps;
    }
    let sent = dice.between(480, 4_320);
    if dice.chance(60) {
        steps.push((minutes(sent), Step::Fulfil(false)));
        steps.push((minutes(sent + dice.between(600, 3_000)), Step::Fulfil(true)));
    } else {
        steps.push((minutes(sent), Step::Fulfil(true)));
    }
    if dice.chance(45) {
        let kinds = [
            EditKind::Add,
            EditKind::OneMore,
            EditKind::OneLess,
            EditKind::Remove,
            EditKind::Markdown,
        ];
        let at = dice.between(10, 470);
        steps.push((minutes(at), Step::Edit(*dice.pick(&kinds))));
        if dice.chance(800) {
            steps.push((minutes(at + dice.between(1, 300)), Step::Pay));
        }
    }
    if dice.chance(105) {
        let kinds = [
            RefundKind::OneUnit,
            RefundKind::OneUnit,
            RefundKind::OneUnit,
            RefundKind::Everything,
            RefundKind::Everything,
            RefundKind::Everything,
            RefundKind::Returned,
            RefundKind::Returned,
            RefundKind::RestockingFee,
            RefundKind::ReturnFee,
            RefundKind::Goodwill,
            RefundKind::ShippingOnly,
        ];
        let mut at = sent + dice.between(600, 30_000);
        for _ in 0..1 + dice.weighted(&[70, 22, 8]) {
            steps.push((minutes(at), Step::Refund(*dice.pick(&kinds))));
            at += dice.between(30, 9_000);
        }
    }
    if dice.chance(100) {
        steps.push((minutes(dice.between(100, 40_000)), Step::Touch));
    }
    if dice.chance(700) {
        steps.push((minutes(sent + dice.between(4_400, 8_000)), Step::Close));
    }
    steps
}

/// Indices of the lines that hold goods, with the units left.
fn goods_left(order: &Order) -> Vec<(usize, i32)> {
    order
        .lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.kind == LineKind::Goods)
        .filter_map(|(index, _)| Some((index, order.left_of_line(index).ok()?.0)))
        .filter(|(_, units)| *units > 0)
        .collect()
}

fn edit(profile: &Profile, order: &Order, kind: EditKind, at: DateTime<Utc>, dice: &mut Dice) -> Edit {
    let left = goods_left(order);
    let Some((index, units)) = left.last().copied() else {
        return Edit::default();
    };
    match kind {
        EditKind::Add => {
            let last = i64::try_from(profile.catalogue.len()).unwrap_or(2) - 2;
            let product = profile.catalogue_product(usize::try_from(dice.between(0, last)).unwrap_or(0), at);
            let variant = dice.pick(&product.variants).clone();
            Edit {
                add: vec![item(&product, Some(&variant), 1)],
                ..Edit::default()
            }
        }
        EditKind::OneMore => Edit {
            quantities: vec![(index, units + 1)],
            ..Edit::default()
        },
        EditKind::OneLess => Edit {
            quantities: vec![(index, units - 1)],
            ..Edit::default()
        },
        EditKind::Remove => Edit {
            quantities: vec![(index, 0)],
            ..Edit::default()
        },
        EditKind::Markdown => {
            let worth = order
                .left_of_line(index)
                .map(|(_, amounts)| order.listed(amounts))
                .unwrap_or_default();
            let reduction = profile.currency.round(worth * Decimal::new(10, 2));
            Edit {
                discounts: vec![(index, reduction)],
                ..Edit::default()
            }
        }
    }
}

fn reversal(profile: &Profile, order: &Order, kind: RefundKind, dice: &mut Dice) -> Reversal {
    let left = goods_left(order);
    let one = || {
        left.first()
            .map(|(index, _)| (*index, 1))
            .into_iter()
            .collect::<Vec<_>>()
    };
    let worth = |lines: &[(usize, i32)]| -> Decimal {
        lines
            .iter()
            .filter_map(|(index, units)| {
                let (of, amounts) = order.left_of_line(*index).ok()?;
                Some(amounts.part(*units, of, profile.currency).total)
            })
            .sum()
    };
    let tenth = |amount: Decimal| profile.currency.round(amount * Decimal::new(10, 2));
    match kind {
        RefundKind::OneUnit => Reversal {
            lines: one(),
            ..Reversal::default()
        },
        RefundKind::Returned => Reversal {
            lines: one(),
            as_return: true,
            ..Reversal::default()
        },
        RefundKind::Everything => Reversal {
            lines: left,
            shipping: dice.chance(500),
            ..Reversal::default()
        },
        RefundKind::RestockingFee => Reversal {
            adjustment: tenth(worth(&left)),
            lines: left,
            ..Reversal::default()
        },
        RefundKind::ReturnFee => {
            let lines = one();
            Reversal {
                fee: tenth(worth(&lines)),
                lines,
                as_return: true,
                ..Reversal::default()
            }
        }
        RefundKind::Goodwill => Reversal {
            adjustment: if left.is_empty() {
                Decimal::ZERO
            } else {
                -tenth(worth(&left))
            },
            ..Reversal::default()
        },
        RefundKind::ShippingOnly => Reversal {
            shipping: true,
            ..Reversal::default()
        },
    }
}
