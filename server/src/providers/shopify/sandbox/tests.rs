//! The sandbox against its own promises: books that agree, a history that does not depend on when it is opened, and
//! the ways of Shopify that a client must meet.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_graphql::Variables;
use async_graphql::parser::parse_query;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use base64::Engine;
use chrono::{DateTime, Days, NaiveDate, TimeZone, Utc};
use hmac::Mac;
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::cost::{Bucket, Prices};
use super::hand::{CancelRequest, EditRequest, LedgerRow, LineQuantity, NewLine, NewOrder, RefundRequest};
use super::order::{LineKind, Order, Reason, SaleKind};
use super::search::{Filter, Kind, Relation, Search, Term};
use super::seed::Calendar;
use super::shops::{self, Profile};
use super::{DeliveryState, Fault, FaultKind, Sandbox, SandboxConfig, ShopChange, Target, oauth, schema, token};

const SCOPES: &str = "read_orders,read_all_orders,read_products,read_customers";
const AURORA: &str = "aurora-goods.myshopify.com";

/// A sandbox at 13:30 in New York on 2026-11-22, and the hand that moves its clock.
struct Stage {
    sandbox: Sandbox,
    clock: Arc<AtomicI64>,
    config: SandboxConfig,
}

impl Stage {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut SandboxConfig)) -> Self {
        let start = Utc
            .with_ymd_and_hms(2026, 11, 22, 18, 30, 0)
            .single()
            .expect("a time that exists");
        let clock = Arc::new(AtomicI64::new(start.timestamp()));
        let time = Arc::clone(&clock);
        let clock_of = move || DateTime::from_timestamp(time.load(Ordering::SeqCst), 0).unwrap_or_default();
        let mut config = SandboxConfig::new("key", "hush".to_owned(), Arc::new(clock_of));
        config.history_days = 12;
        change(&mut config);
        Self {
            sandbox: Sandbox::new(config.clone()),
            clock,
            config,
        }
    }

    fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.sandbox
            .router()
            .oneshot(request)
            .await
            .expect("the router always answers")
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::post(path)
            .header("content-type", "application/json")
            .header("x-shopify-access-token", token)
            .body(Body::from(body.to_string()))
            .expect("a valid request");
        let response = self.send(request).await;
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .expect("a whole body");
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn code(&self, scopes: &str) -> String {
        let path = format!(
            "/{AURORA}/admin/oauth/authorize?client_id=key&scope={scopes}&state=s1&redirect_uri=http%3A%2F%2Fapp.test%2Fback%3Fa%3D1"
        );
        let response = self
            .send(Request::get(path).body(Body::empty()).expect("a valid request"))
            .await;
        assert_eq!(response.status(), StatusCode::FOUND);
        let target = response.headers()["location"].to_str().expect("an address").to_owned();
        let target = url::Url::parse(&target).expect("an address");
        target
            .query_pairs()
            .find(|(key, _)| key == "code")
            .expect("a code")
            .1
            .into_owned()
    }

    async fn exchange(&self, fields: Value) -> (StatusCode, Value) {
        let mut body = json!({ "client_id": "key", "client_secret": "hush" });
        for (key, value) in fields.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        self.post(&format!("/{AURORA}/admin/oauth/access_token"), "", body)
            .await
    }

    async fn token(&self, scopes: &str) -> String {
        let code = self.code(scopes).await;
        let (_, pair) = self.exchange(json!({ "code": code, "expiring": "1" })).await;
        text(&pair["access_token"])
    }

    async fn graphql(&self, token: &str, query: &str, variables: Value) -> (StatusCode, Value) {
        let path = format!("/{AURORA}/admin/api/2026-10/graphql.json");
        self.post(&path, token, json!({ "query": query, "variables": variables }))
            .await
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn history(profile: &'static Profile, days: u64) -> Vec<Order> {
    let last = NaiveDate::from_ymd_opt(2026, 11, 22).expect("a date that exists");
    let first = last - Days::new(days);
    let mut calendar = Calendar::new(profile, first);
    first
        .iter_days()
        .take(days as usize + 1)
        .flat_map(|day| calendar.write(day))
        .collect()
}

#[test]
fn the_books_of_every_order_agree() {
    let end = DateTime::<Utc>::MAX_UTC;
    for profile in &shops::ALL {
        let unit = profile.currency.minor(1);
        for order in history(profile, 90) {
            let name = format!("{} {}", profile.domain, order.name());
            let last = order.entries.iter().map(|entry| entry.recorded_at).collect::<Vec<_>>();
            assert!(last.is_sorted(), "{name}: records run forward");
            for entry in &order.entries {
                let seen = order.updated_at(entry.recorded_at);
                for agreement in order.agreements(entry.recorded_at) {
                    assert!(
                        agreement.happened_at <= seen,
                        "{name}: nothing is known before it happened"
                    );
                }
            }
            for (agreement, sale) in order.sales(end) {
                let amounts = sale.amounts;
                for amount in [
                    amounts.total,
                    amounts.tax,
                    amounts.discount_before_taxes,
                    amounts.discount_after_taxes,
                ] {
                    assert_eq!(
                        amount,
                        profile.currency.round(amount),
                        "{name}: whole units of the currency"
                    );
                }
                if agreement.reason == Reason::Order && sale.kind == SaleKind::Product {
                    let line = &order.lines[sale.line.expect("goods have a line")];
                    let listed = line.unit_price * Decimal::from(sale.quantity.expect("goods have units"));
                    assert_eq!(
                        order.listed(amounts) + order.listed_discount(amounts),
                        listed,
                        "{name}: price − discount is what was charged"
                    );
                    let expected = (amounts.total - amounts.tax) * order.terms.tax_rate;
                    assert!((expected - amounts.tax).abs() <= unit, "{name}: the tax is the rate's");
                }
            }
            for (index, line) in order.lines.iter().enumerate() {
                let (units, amounts) = order.left_of_line(index).expect("the line is there");
                assert!(
                    units >= 0 && amounts.total >= Decimal::ZERO,
                    "{name}: no line is worth less than nothing"
                );
                assert!(
                    units > 0 || amounts.total.is_zero(),
                    "{name}: what is gone is worth nothing"
                );
                assert!(line.added_at >= order.created_at);
            }
            let kinds = order.sum(end, |_, sale| {
                matches!(sale.kind, SaleKind::Product | SaleKind::GiftCard | SaleKind::Tip)
            });
            let charges = order.sum(end, |_, sale| {
                !matches!(sale.kind, SaleKind::Product | SaleKind::GiftCard | SaleKind::Tip)
            });
            assert_eq!(
                kinds.total + charges.total,
                order.worth(end).total,
                "{name}: the parts make the whole"
            );
            let reversed = order.sum(end, |agreement, _| !agreement.reason.is_sale());
            assert_eq!(order.sold(end).total + reversed.total, order.worth(end).total);
            assert!(
                order.repaid(end) <= order.received(end),
                "{name}: no more goes back than came in"
            );
            if order.cancelled(end).is_some() {
                assert_eq!(
                    order.paid(end),
                    Decimal::ZERO,
                    "{name}: a cancelled order keeps no money"
                );
            }
        }
    }
}

#[test]
fn every_store_has_all_that_a_reader_must_meet() {
    let now = Utc
        .with_ymd_and_hms(2026, 11, 22, 23, 0, 0)
        .single()
        .expect("a time that exists");
    for profile in &shops::ALL {
        let orders: Vec<_> = history(profile, 90)
            .into_iter()
            .filter(|order| order.is_there(now))
            .collect();
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut note = |what: &'static str, holds: bool| *seen.entry(what).or_default() += usize::from(holds);
        for order in &orders {
            let sales = || order.sales(now);
            let kind = |kind: SaleKind| sales().any(|(_, sale)| sale.kind == kind);
            let reversals: Vec<_> = order
                .agreements(now)
                .filter(|agreement| !agreement.reason.is_sale())
                .collect();
            note(
                "line or order discount",
                sales().any(|(_, sale)| !sale.amounts.discount_before_taxes.is_zero()),
            );
            note("discount code", !order.discount_codes.is_empty());
            note("shipping", kind(SaleKind::Shipping));
            note("tax", !order.worth(now).tax.is_zero());
            note("duty", kind(SaleKind::Duty));
            note("additional fee", kind(SaleKind::AdditionalFee));
            note("tip", kind(SaleKind::Tip));
            note("gift card", kind(SaleKind::GiftCard));
            note("adjustment", kind(SaleKind::Adjustment));
            note("return fee", kind(SaleKind::Fee));
            note("foreign buyer", order.terms.presentment != order.terms.currency);
            let edits = || sales().filter(|(agreement, _)| agreement.reason == Reason::OrderEdit);
            note(
                "edit that adds",
                edits().any(|(_, sale)| sale.amounts.total > Decimal::ZERO),
            );
            note(
                "edit that takes away",
                edits().any(|(_, sale)| sale.quantity < Some(0) && sale.quantity.is_some()),
            );
            note("edit that reprices", edits().any(|(_, sale)| sale.quantity.is_none()));
            note(
                "partial refund",
                !reversals.is_empty() && order.worth(now).total > Decimal::ZERO,
            );
            note("several refunds", reversals.len() > 1);
            note(
                "return",
                reversals.iter().any(|agreement| agreement.reason == Reason::Return),
            );
            note(
                "refund days later",
                reversals
                    .iter()
                    .any(|agreement| (agreement.happened_at - order.processed_at).num_days() > 3),
            );
            note(
                "refunded shipping",
                reversals
                    .iter()
                    .flat_map(|agreement| &agreement.sales)
                    .any(|sale| sale.kind == SaleKind::Shipping),
            );
            note("cancelled", order.cancelled(now).is_some());
            note("test", order.test);
            note(
                "unpaid",
                order.received(now).is_zero() && !order.sold(now).total.is_zero(),
            );
            note("guest", order.customer.is_none() && !order.test);
            note(
                "new customer",
                order
                    .customer
                    .as_ref()
                    .is_some_and(|customer| customer.order_index == 1),
            );
            note(
                "returning",
                order.customer.as_ref().is_some_and(|customer| customer.order_index > 1),
            );
            note(
                "journey not ready",
                order.journey.as_ref().is_some_and(|journey| journey.ready_at.is_none()),
            );
            let products: HashSet<_> = profile.products(now).iter().map(|product| product.id).collect();
            note(
                "deleted product",
                order
                    .lines
                    .iter()
                    .any(|line| line.product.is_some_and(|id| !products.contains(&id))),
            );
            note(
                "custom line",
                order
                    .lines
                    .iter()
                    .any(|line| line.product.is_none() && line.kind == LineKind::Goods),
            );
            note("late record", order.created_at > order.processed_at);
            note("more than 10 agreements", order.agreements(now).count() > 10);
            note(
                "more than 20 sales at once",
                order.agreements(now).any(|it| it.sales.len() > 20),
            );
            note("more than 50 sales", sales().count() > 50);
            let midnight = |at: DateTime<Utc>| {
                let start = profile.day_start(profile.local_date(at));
                let end = profile.day_start(profile.local_date(at) + Days::new(1));
                (at - start).num_seconds() <= 2 || (end - at).num_seconds() <= 2
            };
            note("sale at midnight", midnight(order.processed_at));
            note(
                "refund at midnight",
                reversals.iter().any(|agreement| midnight(agreement.happened_at)),
            );
        }
        for (what, count) in seen {
            assert!(count > 0, "{} has no {what}", profile.domain);
        }
    }
}

#[test]
fn orders_lie_on_both_sides_of_a_change_of_the_clock() {
    for (index, date) in [(0, (2026, 11, 1)), (1, (2026, 10, 25))] {
        let profile = &shops::ALL[index];
        let date = NaiveDate::from_ymd_opt(date.0, date.1, date.2).expect("a date that exists");
        let change = profile.clock_change(date).expect("the clock changes on this day");
        let orders = history(profile, 90);
        let near = |seconds: i64| {
            orders
                .iter()
                .any(|order| (order.processed_at - change).num_seconds() == seconds)
        };
        assert!(near(-1) && near(0) && near(-1_800) && near(1_800), "{}", profile.domain);
        assert_eq!(
            (profile.day_start(date + Days::new(1)) - profile.day_start(date)).num_hours(),
            25
        );
    }
}

#[test]
fn a_day_is_the_same_whenever_the_store_is_opened() {
    for profile in &shops::ALL {
        let long: HashMap<_, _> = history(profile, 60)
            .into_iter()
            .map(|order| (order.id, format!("{order:?}")))
            .collect();
        let short = history(profile, 20);
        assert!(short.len() > 100);
        for order in short {
            assert_eq!(
                long.get(&order.id),
                Some(&format!("{order:?}")),
                "{} {}",
                profile.domain,
                order.name()
            );
        }
        assert_eq!(long.len(), history(profile, 60).len(), "ids are unique");
    }
}

#[test]
fn daily_volume_follows_the_week() {
    let profile = &shops::ALL[0];
    let mut by_day: BTreeMap<NaiveDate, usize> = BTreeMap::new();
    for order in history(profile, 90) {
        *by_day.entry(profile.local_date(order.processed_at)).or_default() += 1;
    }
    assert_eq!(by_day.len(), 91);
    let typical = by_day.values().filter(|count| (20..=55).contains(*count)).count();
    assert!(typical > 85, "{by_day:?}");
}

#[test]
fn connections_cost_what_was_measured() {
    let prices = Prices::read(&schema::build().sdl()).expect("the schema prints valid SDL");
    let price = |query: &str, variables: Value| {
        let document = parse_query(query).expect("a valid document");
        let (_, operation) = document.operations.iter().next().expect("an operation");
        prices.price(&document, &operation.node, &Variables::from_json(variables), None)
    };
    for (first, points) in [
        (1, 3.0),
        (3, 4.0),
        (5, 5.0),
        (10, 6.0),
        (20, 7.0),
        (50, 9.0),
        (100, 11.0),
        (200, 12.0),
        (250, 13.0),
    ] {
        let query = "query($first: Int!) { products(first: $first) { nodes { id } } }";
        assert_eq!(price(query, json!({ "first": first })), points, "first: {first}");
        let query =
            format!("{{ products(first: {first}) {{ edges {{ cursor node {{ id }} }} pageInfo {{ endCursor }} }} }}");
        assert_eq!(price(&query, json!({})), points, "edges, first: {first}");
    }
    let query = "query($n: Int = 50) { order(id: \"gid://shopify/Order/1\") { agreements(first: $n) { nodes { id
        sales(first: 50) { nodes { id totalAmount { shopMoney { amount } } ... on ProductSale { lineItem { id } } } } } } } }";
    assert_eq!(price(query, json!({})), 122.0);
    assert_eq!(price("{ ordersCount { count } }", json!({})), 10.0);
    assert_eq!(price("{ shop { name plan { shopifyPlus } } }", json!({})), 2.0);
}

#[test]
fn a_bucket_empties_and_fills() {
    let start = Instant::now();
    let mut bucket = Bucket::new(100.0, 50.0, start);
    assert!(bucket.take(80.0, start));
    assert!(!bucket.take(30.0, start));
    assert!(bucket.take(30.0, start + Duration::from_millis(300)));
    bucket.give_back(500.0, start + Duration::from_secs(1));
    assert_eq!(bucket.status()["currentlyAvailable"], json!(100.0));
}

#[test]
fn filters_are_read_as_shopify_reads_them() {
    let fields = [
        ("updated_at", Kind::Time),
        ("test", Kind::Flag),
        ("status", Kind::OneOf(&["open"])),
    ];
    let read = |text: &str| Search::read(text, &fields);
    let term = |relation, value: &str, quoted| {
        Filter::Term(Term {
            field: "updated_at".to_owned(),
            relation,
            value: value.to_owned(),
            quoted,
        })
    };
    let window = read("updated_at:>='2026-11-01T00:00:00Z' AND updated_at:<'2026-11-02T00:00:00Z'");
    assert_eq!(
        window.filter,
        Filter::All(vec![
            term(Relation::AtLeast, "2026-11-01T00:00:00Z", true),
            term(Relation::Below, "2026-11-02T00:00:00Z", true),
        ])
    );
    assert!(window.warnings.is_empty());
    let unknown = read("nonsense:1 test:true");
    assert_eq!(unknown.warnings[0]["code"], "invalid_field");
    assert!(matches!(&unknown.filter, Filter::All(parts) if parts.len() == 1));
    assert_eq!(read("status:any").warnings[0]["code"], "invalid_value");
    assert_eq!(read("updated_at:>'soon'").warnings[0]["code"], "invalid_value");
    assert!(matches!(
        read("-test:true OR (test:false status:open)").filter,
        Filter::Any(_)
    ));
}

#[test]
fn a_timestamp_without_quotes_loses_its_time() {
    let shop = &shops::ALL[0];
    let at = shop.day_start(NaiveDate::from_ymd_opt(2026, 11, 10).expect("a date")) + chrono::Duration::hours(3);
    let admits = |text: &str| {
        let search = Search::read(text, &[("updated_at", Kind::Time)]);
        search.filter.admits(shop, &|_| super::search::Content::Time(at))
    };
    assert!(!admits("updated_at:>='2026-11-10T20:00:00Z'"));
    assert!(admits("updated_at:>=2026-11-10T20:00:00Z"));
    assert!(!admits("updated_at:>2026-11-10T00:00:00Z"));
    assert!(admits("updated_at:<=2026-11-10"));
    assert!(admits("updated_at:2026-11-10"));
}

#[test]
fn callbacks_are_sealed_as_shopify_seals_them() {
    let secret = SecretString::from("hush".to_owned());
    let mut parameters = vec![
        ("timestamp", "1337178173"),
        ("shop", "some-shop.myshopify.com"),
        ("hmac", "ignored"),
        ("code", "0907a61c0c8d55e99db179b68161bc00"),
    ];
    assert_eq!(
        oauth::seal(&secret, parameters.iter().copied()),
        "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20"
    );
    parameters.push(("state", "0.6784241404160823"));
    assert_eq!(
        oauth::seal(&secret, parameters.into_iter()),
        "700e2dadb827fcc8609e9d5ce208b2e9cdaab9df07390d2cbca10d7c328fc4bf"
    );
}

#[tokio::test]
async fn tokens_rotate_expire_and_outlive_the_process() {
    let mut stage = Stage::new();
    let shop = "{ shop { myshopifyDomain } }";
    let code = stage.code(SCOPES).await;
    let (status, first) = stage.exchange(json!({ "code": code, "expiring": "1" })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&first["expires_in"], &first["scope"]), (&json!(3600), &json!(SCOPES)));
    assert_eq!(stage.exchange(json!({ "code": code })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(
        stage.graphql(&text(&first["access_token"]), shop, json!({})).await.0,
        StatusCode::OK
    );

    let refresh = |token: &Value| json!({ "grant_type": "refresh_token", "refresh_token": token });
    let (_, second) = stage.exchange(refresh(&first["refresh_token"])).await;
    // The answer may have been lost: until the new one is used, the old one works again.
    let (status, third) = stage.exchange(refresh(&first["refresh_token"])).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(stage.exchange(refresh(&third["refresh_token"])).await.0, StatusCode::OK);
    let (status, refusal) = stage.exchange(refresh(&first["refresh_token"])).await;
    assert_eq!(
        (status, &refusal["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_grant"))
    );

    stage.sandbox = Sandbox::new(stage.config.clone());
    let token = text(&second["access_token"]);
    assert_eq!(stage.graphql(&token, shop, json!({})).await.0, StatusCode::OK);
    stage.advance(3_600);
    let (status, refusal) = stage.graphql(&token, shop, json!({})).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(refusal["errors"].is_string());

    let (_, again) = stage.exchange(refresh(&second["refresh_token"])).await;
    stage.sandbox.uninstall(AURORA).expect("the store exists");
    assert_eq!(
        stage.graphql(&text(&again["access_token"]), shop, json!({})).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        stage.exchange(refresh(&again["refresh_token"])).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_permanent_token_is_exchanged_and_dies() {
    let stage = Stage::new();
    let code = stage.code(SCOPES).await;
    let (_, old) = stage.exchange(json!({ "code": code })).await;
    assert!(old.get("refresh_token").is_none());
    let request = json!({
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": old["access_token"],
        "subject_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
        "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
        "expiring": "1",
    });
    let (status, new) = stage.exchange(request.clone()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        stage.exchange(request).await.0,
        StatusCode::OK,
        "the exchange may be repeated"
    );
    let shop = "{ shop { name } }";
    assert_eq!(
        stage.graphql(&text(&old["access_token"]), shop, json!({})).await.0,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        stage.graphql(&text(&new["access_token"]), shop, json!({})).await.0,
        StatusCode::OK
    );

    let strict = Stage::with(|config| config.refuse_permanent_tokens = true);
    let code = strict.code(SCOPES).await;
    let (_, old) = strict.exchange(json!({ "code": code })).await;
    let (status, refusal) = strict.graphql(&text(&old["access_token"]), shop, json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text(&refusal["errors"]).contains("Non-expiring access tokens"));
}

#[tokio::test]
async fn installing_asks_first_where_it_is_wished() {
    let stage = Stage::with(|config| config.ask_consent = true);
    let path = format!("/{AURORA}/admin/oauth/authorize?client_id=key&scope=read_orders&redirect_uri=http://app.test/");
    let get = |path: String| Request::get(path).body(Body::empty()).expect("a valid request");
    let response = stage.send(get(path.clone())).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(
        stage.send(get(format!("{path}&approve=1"))).await.status(),
        StatusCode::FOUND
    );
    let wrong = format!("/{AURORA}/admin/oauth/authorize?client_id=other&redirect_uri=http://app.test/");
    assert_eq!(stage.send(get(wrong)).await.status(), StatusCode::BAD_REQUEST);
    let closed = "/nobody.myshopify.com/admin/oauth/authorize?client_id=key".to_owned();
    assert_eq!(stage.send(get(closed)).await.status(), StatusCode::NOT_FOUND);
}

const PAGE: &str = "query($after: String, $query: String, $first: Int!) {
  orders(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {
    pageInfo { hasNextPage endCursor }
    nodes {
      id name test updatedAt processedAt currencyCode
      totalPriceSet { shopMoney { amount currencyCode } }
      currentTotalPriceSet { shopMoney { amount } presentmentMoney { amount currencyCode } }
      customer { id numberOfOrders }
      customerJourneySummary { ready customerOrderIndex lastVisit { source utmParameters { source campaign } } }
      agreements(first: 10) {
        pageInfo { hasNextPage endCursor }
        nodes {
          __typename id happenedAt reason
          sales(first: 20) {
            pageInfo { hasNextPage }
            nodes { __typename id actionType lineType quantity totalAmount { shopMoney { amount } }
              ... on ProductSale { lineItem { title sku product { id } } } }
          }
        }
      }
    }
  }
}";

#[tokio::test]
async fn paging_visits_every_order_once_and_adds_up_to_the_ledger() {
    let stage = Stage::with(|config| {
        config.bucket_size = 1_000_000.0;
        config.history_days = 8;
    });
    let token = stage.token(SCOPES).await;
    let mut visited = Vec::new();
    let mut after = Value::Null;
    let mut long_orders = 0;
    loop {
        let variables = json!({ "first": 30, "after": after, "query": "updated_at:>='2026-01-01T00:00:00Z'" });
        let (status, answer) = stage.graphql(&token, PAGE, variables).await;
        assert_eq!(status, StatusCode::OK);
        assert!(answer.get("errors").is_none(), "{answer}");
        assert!(answer["extensions"].get("search").is_none());
        let cost = &answer["extensions"]["cost"];
        assert!(
            cost["actualQueryCost"].as_f64() <= cost["requestedQueryCost"].as_f64(),
            "{cost}"
        );
        let page = &answer["data"]["orders"];
        for order in page["nodes"].as_array().expect("a list") {
            long_orders += usize::from(order["agreements"]["pageInfo"]["hasNextPage"] == json!(true));
            visited.push((text(&order["updatedAt"]), order.clone()));
        }
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    assert!(visited.is_sorted_by_key(|(at, _)| at.clone()));
    assert!(long_orders > 0);
    let ids: HashSet<_> = visited.iter().map(|(_, order)| text(&order["id"])).collect();
    assert_eq!(ids.len(), visited.len());

    let ledger = stage.sandbox.ledger(AURORA).expect("the store exists");
    let mut worth: HashMap<String, Decimal> = HashMap::new();
    for row in &ledger {
        *worth
            .entry(format!("gid://shopify/Order/{}", row.order_id))
            .or_default() += row.total_amount;
    }
    assert_eq!(worth.len(), visited.len());
    for (_, order) in &visited {
        let shown: Decimal = text(&order["currentTotalPriceSet"]["shopMoney"]["amount"])
            .parse()
            .expect("a number");
        assert_eq!(worth[&text(&order["id"])], shown, "{}", order["name"]);
    }
}

#[tokio::test]
async fn pages_go_backwards_too_and_refuse_strange_windows() {
    let stage = Stage::new();
    let token = stage.token(SCOPES).await;
    let ask = |arguments: &'static str| {
        let query = format!(
            "{{ orders({arguments}) {{ nodes {{ id }} pageInfo {{ startCursor endCursor hasPreviousPage }} }} }}"
        );
        let (stage, token) = (&stage, &token);
        async move { stage.graphql(token, &query, json!({})).await.1 }
    };
    let newest = ask("first: 3, reverse: true, sortKey: CREATED_AT").await;
    let last = ask("last: 3, sortKey: CREATED_AT").await;
    let mut turned = last["data"]["orders"]["nodes"].as_array().expect("a list").clone();
    turned.reverse();
    assert_eq!(newest["data"]["orders"]["nodes"].as_array(), Some(&turned));
    assert_eq!(last["data"]["orders"]["pageInfo"]["hasPreviousPage"], json!(true));
    for arguments in [
        "sortKey: ID",
        "first: 1, last: 1",
        "first: 251",
        "first: 1, after: \"\"",
    ] {
        let answer = ask(arguments).await;
        assert_eq!(answer["data"], Value::Null, "{arguments}");
        assert!(answer["errors"][0]["message"].is_string(), "{arguments}");
    }
}

#[tokio::test]
async fn a_query_is_throttled_by_what_it_asks_for() {
    let stage = Stage::with(|config| {
        config.bucket_size = 20.0;
        config.restore_rate = 0.0;
    });
    let token = stage.token(SCOPES).await;
    let query = "{ products(first: 250) { nodes { id } } }";
    let (_, first) = stage.graphql(&token, query, json!({})).await;
    let cost = &first["extensions"]["cost"];
    assert_eq!(cost["requestedQueryCost"], json!(13.0));
    assert!(cost["actualQueryCost"].as_f64() < Some(13.0));
    let mut last = first;
    for _ in 0..3 {
        last = stage.graphql(&token, query, json!({})).await.1;
    }
    assert_eq!(last["errors"][0]["extensions"]["code"], "THROTTLED");
    assert!(last.get("data").is_none());
    assert_eq!(last["extensions"]["cost"]["actualQueryCost"], Value::Null);

    let dear =
        "{ orders(first: 250) { nodes { agreements(first: 250) { nodes { sales(first: 250) { nodes { id } } } } } } }";
    let (status, answer) = stage.graphql(&token, dear, json!({})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "MAX_COST_EXCEEDED");
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_said_in_shopifys_words() {
    let stage = Stage::new();
    let token = stage.token("read_products,write_orders").await;
    let (status, answer) = stage
        .graphql(&token, "query Q { orders(first: 1) { nodes { nothing } } }", json!({}))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert!(answer.get("data").is_none());
    let error = &answer["errors"][0];
    assert_eq!(error["message"], "Field 'nothing' doesn't exist on type 'Order'");
    assert_eq!(error["path"], json!(["query Q", "orders", "nodes", "nothing"]));
    assert_eq!(error["extensions"]["code"], "undefinedField");

    // The right to write orders holds the right to read them; customers are out of reach.
    let (_, answer) = stage
        .graphql(
            &token,
            "{ orders(first: 1, query: \"customer_id:>0\") { nodes { id customer { id } } } }",
            json!({}),
        )
        .await;
    assert!(answer["data"]["orders"]["nodes"][0]["id"].is_string(), "{answer}");
    assert_eq!(answer["data"]["orders"]["nodes"][0]["customer"], Value::Null);
    assert_eq!(answer["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    assert_eq!(answer["errors"][0]["path"], json!(["orders", "nodes", 0, "customer"]));
    let (_, answer) = stage
        .graphql(&token, "{ customers(first: 1) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(answer["data"], Value::Null);

    let (_, answer) = stage
        .graphql(
            &token,
            "{ mine: orders(first: 1, query: \"colour:red\") { nodes { id } } }",
            json!({}),
        )
        .await;
    let search = &answer["extensions"]["search"][0];
    assert_eq!(search["path"], json!(["mine"]));
    assert_eq!(search["warnings"][0]["field"], "colour");
    let (_, answer) = stage
        .graphql(
            &token,
            "{ currentAppInstallation { accessScopes { handle } } }",
            json!({}),
        )
        .await;
    let scopes = &answer["data"]["currentAppInstallation"]["accessScopes"];
    assert_eq!(
        scopes,
        &json!([{ "handle": "read_products" }, { "handle": "write_orders" }])
    );
}

#[tokio::test]
async fn trouble_comes_on_request_and_passes() {
    let stage = Stage::new();
    let token = stage.token(SCOPES).await;
    let query = "{ orders(first: 3) { nodes { id name } } }";
    let faults = format!("/{AURORA}/_sandbox/faults");
    let ask = || stage.graphql(&token, query, json!({}));

    let body = json!([{ "fault": "status", "status": 429, "retry_after": 2, "times": 2 }, { "fault": "html" }]);
    assert_eq!(stage.post(&faults, "", body).await.0, StatusCode::NO_CONTENT);
    assert_eq!(ask().await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask().await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask().await, (StatusCode::OK, Value::Null));
    assert!(ask().await.1["data"].is_object());

    let inject = |kind| {
        stage
            .sandbox
            .inject(AURORA, Fault::once(kind))
            .expect("the store exists")
    };
    inject(FaultKind::MalformedJson);
    assert_eq!(ask().await, (StatusCode::OK, Value::Null));
    inject(FaultKind::Throttled);
    assert_eq!(ask().await.1["errors"][0]["message"], "Throttled");
    inject(FaultKind::PartialError);
    let (_, answer) = ask().await;
    assert!(answer["data"].is_object() && answer["errors"].is_array());
    inject(FaultKind::MalformedOrder {
        order_id: None,
        field: None,
    });
    let (_, answer) = ask().await;
    assert!(answer["data"]["orders"]["nodes"][1]["name"].is_object());
    inject(FaultKind::DropConnection);
    let request = Request::post(format!("/{AURORA}/admin/api/2026-10/graphql.json"))
        .header("x-shopify-access-token", &token)
        .body(Body::from(json!({ "query": query }).to_string()))
        .expect("a valid request");
    let response = stage.send(request).await;
    assert!(axum::body::to_bytes(response.into_body(), usize::MAX).await.is_err());

    let fault = Fault {
        kind: FaultKind::Status {
            status: 503,
            retry_after: None,
        },
        times: 1,
        on: Target::Token,
    };
    stage.sandbox.inject(AURORA, fault).expect("the store exists");
    assert_eq!(ask().await.0, StatusCode::OK);
    assert_eq!(stage.exchange(json!({})).await.0, StatusCode::SERVICE_UNAVAILABLE);
    inject(FaultKind::RevokeToken);
    assert_eq!(ask().await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask().await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_hand_changes_orders_and_the_ledger_follows() {
    let stage = Stage::new();
    let token = stage.token(SCOPES).await;
    let line = |price: i64, quantity| NewLine {
        price: price.into(),
        quantity,
        ..NewLine::default()
    };
    let order = NewOrder {
        lines: vec![line(40, 2), line(15, 1)],
        shipping: Some(Decimal::TEN),
        tax_rate: Some(Decimal::new(1, 1)),
        ..NewOrder::default()
    };
    let order = stage
        .sandbox
        .create_order(AURORA, order)
        .expect("an order can be placed");
    assert_eq!(order.current_total, Decimal::new(1155, 1));

    stage.advance(60);
    let refund = RefundRequest {
        lines: vec![LineQuantity { line: 0, quantity: 1 }],
        adjustment: Decimal::from(4),
        ..RefundRequest::default()
    };
    let refunded = stage
        .sandbox
        .refund_order(AURORA, order.id, refund.clone())
        .expect("a unit is left");
    assert_eq!(refunded.current_total, Decimal::new(755, 1));
    assert_eq!((refunded.updated_at - order.updated_at).num_seconds(), 60);
    let too_many = RefundRequest {
        lines: vec![LineQuantity { line: 0, quantity: 2 }],
        ..refund
    };
    assert!(stage.sandbox.refund_order(AURORA, order.id, too_many).is_err());

    let edit = EditRequest {
        unknown: Decimal::TWO,
        add: vec![line(7, 1)],
        ..EditRequest::default()
    };
    stage
        .sandbox
        .edit_order(AURORA, order.id, edit)
        .expect("a line can be added");
    let query = format!(
        "{{ order(id: \"gid://shopify/Order/{}\") {{ edited displayFinancialStatus
           totalPriceSet {{ shopMoney {{ amount }} }} currentTotalPriceSet {{ shopMoney {{ amount }} }}
           refunds(first: 5) {{ id totalRefundedSet {{ shopMoney {{ amount }} }} }}
           lineItems(first: 5) {{ nodes {{ quantity currentQuantity product {{ id }} }} }}
           agreements(first: 5) {{ nodes {{ reason sales(first: 5) {{ nodes {{ __typename }} }} }} }} }} }}",
        order.id
    );
    let (_, answer) = stage.graphql(&token, &query, json!({})).await;
    let shown = &answer["data"]["order"];
    assert_eq!(shown["totalPriceSet"]["shopMoney"]["amount"], "125.2");
    assert_eq!(shown["currentTotalPriceSet"]["shopMoney"]["amount"], "85.2");
    assert_eq!(shown["displayFinancialStatus"], "PARTIALLY_REFUNDED");
    assert_eq!(shown["refunds"][0]["totalRefundedSet"]["shopMoney"]["amount"], "40.0");
    assert_eq!(
        shown["lineItems"]["nodes"][0],
        json!({ "quantity": 2, "currentQuantity": 1, "product": null })
    );
    assert_eq!(
        shown["agreements"]["nodes"][2],
        json!({ "reason": "ORDER_EDIT", "sales": { "nodes": [{ "__typename": "ProductSale" }, { "__typename": "UnknownSale" }] } })
    );

    let cancelled = stage.sandbox.cancel_order(AURORA, order.id, CancelRequest::default());
    assert_eq!(
        cancelled.expect("it can be cancelled once").current_total,
        Decimal::from(6)
    );
    assert!(
        stage
            .sandbox
            .cancel_order(AURORA, order.id, CancelRequest::default())
            .is_err()
    );
    stage.sandbox.delete_order(AURORA, order.id).expect("it can be deleted");
    let (_, answer) = stage.graphql(&token, &query, json!({})).await;
    assert_eq!(answer["data"]["order"], Value::Null);
    let rows: Vec<LedgerRow> = stage.sandbox.ledger(AURORA).expect("the store exists");
    let rows: Vec<_> = rows.into_iter().filter(|row| row.order_id == order.id).collect();
    assert!(rows.iter().all(|row| row.deleted) && rows.len() > 8);
    assert!(stage.sandbox.touch_order(AURORA, order.id).is_err());
}

#[tokio::test]
async fn orders_come_and_change_as_time_goes() {
    let stage = Stage::new();
    let token = stage.token(SCOPES).await;
    let since = "query($q: String) { ordersCount(query: $q) { count precision } }";
    let count = |filter: &'static str| {
        let (stage, token) = (&stage, &token);
        async move {
            let (_, answer) = stage.graphql(token, since, json!({ "q": filter })).await;
            answer["data"]["ordersCount"]["count"].as_i64()
        }
    };
    let created = "created_at:>'2026-11-22T18:30:00Z'";
    let updated = "updated_at:>'2026-11-22T18:30:00Z' created_at:<'2026-11-22T00:00:00Z'";
    assert_eq!((count(created).await, count(updated).await), (Some(0), Some(0)));
    stage.advance(3_000);
    assert!(count(created).await > Some(0));
    assert!(count(updated).await > Some(0));
    assert_eq!(count("status:any test:false id:0").await, Some(0));
}

#[tokio::test]
async fn webhook_subscriptions_are_kept() {
    let stage = Stage::new();
    let token = stage.token("read_orders").await;
    let create = "mutation($topic: WebhookSubscriptionTopic!, $uri: String!) {
        webhookSubscriptionCreate(topic: $topic, webhookSubscription: { uri: $uri }) {
          webhookSubscription { id topic uri } userErrors { field message } } }";
    let ask = |topic: &'static str, uri: &'static str| {
        let (stage, token) = (&stage, &token);
        async move {
            let (_, answer) = stage
                .graphql(token, create, json!({ "topic": topic, "uri": uri }))
                .await;
            answer["data"]["webhookSubscriptionCreate"].clone()
        }
    };
    let made = ask("ORDERS_CREATE", "https://app.test/hook").await;
    assert_eq!(made["webhookSubscription"]["topic"], "ORDERS_CREATE", "{made}");
    let again = ask("ORDERS_CREATE", "https://app.test/hook").await;
    assert_eq!(
        again["userErrors"][0]["message"],
        "Address for this topic has already been taken"
    );
    let plain = ask("ORDERS_PAID", "http://app.test/hook").await;
    assert_eq!(
        plain["userErrors"][0]["message"],
        "Address protocol http:// is not supported"
    );
    assert_eq!(
        ask("PRODUCTS_CREATE", "https://app.test/p").await["webhookSubscription"],
        Value::Null
    );
    let list = "{ webhookSubscriptions(first: 10, topics: [ORDERS_CREATE]) { nodes { id uri } } }";
    let (_, answer) = stage.graphql(&token, list, json!({})).await;
    let nodes = answer["data"]["webhookSubscriptions"]["nodes"]
        .as_array()
        .expect("a list")
        .clone();
    assert_eq!(nodes.len(), 1);
    let delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId } }";
    let (_, answer) = stage.graphql(&token, delete, json!({ "id": nodes[0]["id"] })).await;
    assert_eq!(
        answer["data"]["webhookSubscriptionDelete"]["deletedWebhookSubscriptionId"],
        nodes[0]["id"]
    );
}

#[tokio::test]
async fn older_orders_hide_from_a_token_without_the_right_to_them() {
    let stage = Stage::with(|config| {
        config.hide_older_orders = true;
        config.history_days = 62;
    });
    let all = stage.token("read_orders,read_all_orders").await;
    let few = stage.token("read_orders").await;
    let count = "{ ordersCount(query: \"processed_at:<'2026-09-23T00:00:00Z'\") { count } }";
    let (_, answer) = stage.graphql(&all, count, json!({})).await;
    assert!(answer["data"]["ordersCount"]["count"].as_i64() > Some(0));
    let (_, answer) = stage.graphql(&few, count, json!({})).await;
    assert_eq!(answer["data"]["ordersCount"]["count"], json!(0));
}

#[tokio::test]
async fn versions_fall_forward_and_closed_stores_are_not_found() {
    let stage = Stage::new();
    let token = stage.token(SCOPES).await;
    for (asked, served) in [("2026-10", "2026-10"), ("2024-01", "2026-01")] {
        let request = Request::post(format!("/{AURORA}/admin/api/{asked}/graphql.json"))
            .header("x-shopify-access-token", &token)
            .body(Body::from(
                r#"{"query":"{ shop { id ianaTimezone timezoneOffsetMinutes } }"}"#,
            ))
            .expect("a valid request");
        let response = stage.send(request).await;
        assert_eq!(response.headers()["x-shopify-api-version"], served);
    }
    let (status, answer) = stage
        .post(
            "/nobody.myshopify.com/admin/api/2026-10/graphql.json",
            &token,
            json!({}),
        )
        .await;
    assert_eq!(
        (status, answer),
        (StatusCode::NOT_FOUND, json!({ "errors": "Not Found" }))
    );
}

/// What arrived at a listener: topic, headers by name, body.
type Arrivals = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

/// A listener on this machine that answers with `status` until it is changed.
async fn listener(status: u16) -> (String, Arrivals, Arc<AtomicU16>) {
    let (arrivals, status) = (Arrivals::default(), Arc::new(AtomicU16::new(status)));
    let (kept, answer) = (Arc::clone(&arrivals), Arc::clone(&status));
    let take = move |headers: HeaderMap, body: Bytes| async move {
        kept.lock().expect("nobody panicked").push((headers, body.to_vec()));
        StatusCode::from_u16(answer.load(Ordering::SeqCst)).expect("a status")
    };
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = socket.local_addr().expect("it is bound");
    let router = axum::Router::new().route("/{*topic}", axum::routing::post(take));
    tokio::spawn(async move { axum::serve(socket, router).await });
    (format!("http://{address}"), arrivals, status)
}

impl Stage {
    async fn subscribe(&self, token: &str, topic: &str, uri: &str, fields: &[&str]) -> String {
        let create = "mutation($topic: WebhookSubscriptionTopic!, $it: WebhookSubscriptionInput!) {
            webhookSubscriptionCreate(topic: $topic, webhookSubscription: $it) {
              webhookSubscription { id } userErrors { message } } }";
        let variables = json!({ "topic": topic, "it": { "uri": uri, "includeFields": fields } });
        let (_, answer) = self.graphql(token, create, variables).await;
        text(&answer["data"]["webhookSubscriptionCreate"]["webhookSubscription"]["id"])
    }

    fn topics_delivered(&self) -> Vec<String> {
        let records = self.sandbox.deliveries(AURORA).expect("the store exists").into_iter();
        records.map(|record| record.topic).collect()
    }
}

#[tokio::test]
async fn a_subscription_is_changed_in_place_and_only_to_what_can_be_reached() {
    let stage = Stage::with(|config| config.refuse_plain_http = true);
    let token = stage.token(SCOPES).await;
    let id = stage
        .subscribe(&token, "ORDERS_CREATE", "https://app.test/a", &["id"])
        .await;
    let update = "mutation($id: ID!, $it: WebhookSubscriptionInput!) {
        webhookSubscriptionUpdate(id: $id, webhookSubscription: $it) {
          webhookSubscription { id uri includeFields } userErrors { message } } }";
    let ask = async |id: &str, it: Value| {
        let (_, answer) = stage.graphql(&token, update, json!({ "id": id, "it": it })).await;
        answer["data"]["webhookSubscriptionUpdate"].clone()
    };
    let fields = ask(&id, json!({ "includeFields": ["id", "updated_at"] })).await;
    assert_eq!(
        fields["webhookSubscription"],
        json!({ "id": id, "uri": "https://app.test/a", "includeFields": ["id", "updated_at"] })
    );
    for (uri, said) in [
        ("http://127.0.0.1/a", "Address protocol http:// is not supported"),
        (
            "https://aurora-goods.myshopify.com/a",
            "Address cannot be a Shopify or an internal domain",
        ),
        (
            "https://127.0.0.1/a",
            "Address cannot be a Shopify or an internal domain",
        ),
        ("nowhere", "Address is invalid"),
    ] {
        let refused = ask(&id, json!({ "uri": uri })).await;
        assert_eq!(refused["userErrors"][0]["message"], said, "{uri}");
    }
    let unknown = ask("gid://shopify/WebhookSubscription/77", json!({})).await;
    assert_eq!(
        unknown["userErrors"][0]["message"],
        "Webhook subscription does not exist"
    );
}

#[tokio::test]
async fn changes_are_told_signed_and_filtered() {
    let stage = Stage::new();
    let token = stage.token(SCOPES).await;
    let (uri, arrivals, _) = listener(200).await;
    for (topic, fields) in [
        ("ORDERS_CREATE", &["id", "updated_at", "customer.id"][..]),
        ("ORDERS_UPDATED", &[]),
        ("ORDERS_EDITED", &["order_edit.order_id"]),
        ("ORDERS_CANCELLED", &["id"]),
        ("ORDERS_DELETE", &["id"]),
        ("REFUNDS_CREATE", &["id", "order_id"]),
        ("CUSTOMERS_CREATE", &["id"]),
        ("SHOP_UPDATE", &["id", "updated_at"]),
        ("APP_UNINSTALLED", &["id"]),
    ] {
        stage.subscribe(&token, topic, &format!("{uri}/{topic}"), fields).await;
    }
    tokio::spawn(stage.sandbox.clone().deliver());
    let order = NewOrder {
        customer_id: Some(42),
        ..NewOrder::default()
    };
    let id = stage.sandbox.create_order(AURORA, order).expect("it can be placed").id;
    stage.sandbox.quiet().await;
    stage.sandbox.touch_order(AURORA, id).expect("it is there");
    stage.sandbox.quiet().await;
    let edit = EditRequest {
        add: vec![NewLine::default()],
        ..EditRequest::default()
    };
    stage.sandbox.edit_order(AURORA, id, edit).expect("it can be edited");
    stage.sandbox.quiet().await;
    let refund = RefundRequest {
        lines: vec![LineQuantity { line: 0, quantity: 1 }],
        ..RefundRequest::default()
    };
    stage
        .sandbox
        .refund_order(AURORA, id, refund)
        .expect("it can be refunded");
    stage.sandbox.quiet().await;
    let cancel = CancelRequest::default();
    stage
        .sandbox
        .cancel_order(AURORA, id, cancel)
        .expect("it can be cancelled");
    stage.sandbox.delete_order(AURORA, id).expect("it can be deleted");
    let change = ShopChange {
        timezone: Some("Europe/Berlin".to_owned()),
        ..ShopChange::default()
    };
    stage.sandbox.change_shop(AURORA, change).expect("a time zone");
    stage.sandbox.uninstall(AURORA).expect("the store exists");
    stage.sandbox.quiet().await;

    assert_eq!(
        stage.topics_delivered(),
        [
            "orders/create",
            "customers/create",
            "orders/updated",
            "orders/edited",
            "orders/updated",
            "refunds/create",
            "orders/updated",
            "orders/delete",
            "shop/update",
            "app/uninstalled",
        ],
        "what is cancelled and deleted before anybody looks is deleted"
    );
    let arrivals = arrivals.lock().expect("nobody panicked");
    let header = |headers: &HeaderMap, name: &str| text(&headers[name].to_str().expect("text").into());
    let body = |topic: &str| -> Value {
        let arrived = arrivals
            .iter()
            .find(|(headers, _)| header(headers, "x-shopify-topic") == topic);
        serde_json::from_slice(&arrived.expect(topic).1).expect("JSON")
    };
    assert_eq!(
        body("orders/create"),
        json!({ "id": id, "updated_at": "2026-11-22T13:30:00-05:00", "customer": { "id": 42 } })
    );
    assert_eq!(body("orders/edited"), json!({ "order_edit": { "order_id": id } }));
    assert_eq!(body("refunds/create")["order_id"], json!(id));
    assert_eq!(body("orders/delete"), json!({ "id": id }));
    assert_eq!(
        body("orders/updated")["email"],
        "someone@example.com",
        "without fields, everything"
    );
    assert_eq!(
        body("shop/update"),
        json!({ "id": 1, "updated_at": "2026-11-22T19:30:00+01:00" })
    );
    for (headers, body) in arrivals.iter() {
        let mut mac = token::keyed(&stage.config.api_secret);
        mac.update(body);
        let seal = base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes());
        assert_eq!(header(headers, "x-shopify-hmac-sha256"), seal);
        assert_eq!(header(headers, "x-shopify-shop-domain"), AURORA);
        assert_eq!(
            header(headers, "x-shopify-triggered-at"),
            "2026-11-22T18:30:00.000000000Z"
        );
    }
    let ids: HashSet<_> = arrivals
        .iter()
        .map(|(headers, _)| header(headers, "x-shopify-webhook-id"))
        .collect();
    assert_eq!(ids.len(), arrivals.len());
    let event = |place: usize| header(&arrivals[place].0, "x-shopify-event-id");
    assert_eq!(event(0), event(1), "one change, one event");
}

#[tokio::test]
async fn what_time_brings_is_told_too_and_what_was_before_is_not() {
    let stage = Stage::with(|config| config.look_every = Duration::from_millis(5));
    let token = stage.token(SCOPES).await;
    let (uri, _, _) = listener(200).await;
    for topic in [
        "ORDERS_CREATE",
        "ORDERS_UPDATED",
        "PRODUCTS_CREATE",
        "PRODUCTS_UPDATE",
        "PRODUCTS_DELETE",
    ] {
        stage.subscribe(&token, topic, &format!("{uri}/{topic}"), &["id"]).await;
    }
    tokio::spawn(stage.sandbox.clone().deliver());
    stage.sandbox.quiet().await;
    assert_eq!(stage.topics_delivered(), Vec::<String>::new());
    let before: HashSet<_> = ledger_ids(&stage);
    stage.advance(9 * 24 * 3_600);
    stage.sandbox.quiet().await;
    let created = ledger_ids(&stage).difference(&before).count();
    let delivered = stage.topics_delivered();
    let count = |topic: &str| delivered.iter().filter(|it| *it == topic).count();
    assert!(
        count("orders/create") > 50 && count("orders/create") == created,
        "{created}"
    );
    assert!(count("orders/updated") > 50);
    assert!(count("products/update") > 5);
    assert_eq!(
        (count("products/create"), count("products/delete")),
        (1, 1),
        "the product of the month"
    );
    stage.sandbox.quiet().await;
    assert_eq!(stage.topics_delivered().len(), delivered.len());
}

fn ledger_ids(stage: &Stage) -> HashSet<u64> {
    let ledger = stage.sandbox.ledger(AURORA).expect("the store exists").into_iter();
    ledger.map(|row| row.order_id).collect()
}

#[tokio::test]
async fn a_delivery_is_sent_again_until_it_is_accepted_or_its_subscription_ends() {
    let stage = Stage::with(|config| config.retry_pause = Duration::from_micros(200));
    let token = stage.token(SCOPES).await;
    let (uri, arrivals, status) = listener(500).await;
    stage.subscribe(&token, "ORDERS_CREATE", &format!("{uri}/a"), &[]).await;
    tokio::spawn(stage.sandbox.clone().deliver());
    stage
        .sandbox
        .create_order(AURORA, NewOrder::default())
        .expect("it can be placed");
    while arrivals.lock().expect("nobody panicked").len() < 3 {
        tokio::task::yield_now().await;
    }
    status.store(202, Ordering::SeqCst);
    stage.sandbox.quiet().await;
    let sent = std::mem::take(&mut *arrivals.lock().expect("nobody panicked"));
    for (headers, body) in &sent {
        assert_eq!(headers["x-shopify-webhook-id"], sent[0].0["x-shopify-webhook-id"]);
        assert_eq!(body, &sent[0].1);
    }
    let record = stage.sandbox.deliveries(AURORA).expect("the store exists").remove(0);
    assert_eq!(record.state, DeliveryState::Delivered);
    assert_eq!(record.attempts.len(), sent.len());
    assert_eq!(record.attempts[0].status, Some(500));

    status.store(302, Ordering::SeqCst);
    stage
        .sandbox
        .create_order(AURORA, NewOrder::default())
        .expect("it can be placed");
    stage.sandbox.quiet().await;
    assert_eq!(
        arrivals.lock().expect("nobody panicked").len(),
        9,
        "once, and eight times again"
    );
    let list = "{ webhookSubscriptions(first: 10) { nodes { id } } }";
    let (_, answer) = stage.graphql(&token, list, json!({})).await;
    assert_eq!(answer["data"]["webhookSubscriptions"]["nodes"], json!([]));
}

#[tokio::test]
async fn webhooks_of_privacy_law_are_sent_by_hand() {
    let (uri, arrivals, _) = listener(200).await;
    let base = format!("{uri}/webhooks");
    let stage = Stage::with(|config| config.compliance_uri = Some(base));
    tokio::spawn(stage.sandbox.clone().deliver());
    let path = format!("/{AURORA}/_sandbox/webhooks");
    let body = json!({ "topic": "customers/redact", "customer_id": 42, "order_ids": [7] });
    let (status, answer) = stage.post(&path, "", body).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(answer["webhook_ids"].as_array().map(Vec::len), Some(1));
    stage.sandbox.quiet().await;
    let arrived = arrivals.lock().expect("nobody panicked")[0].1.clone();
    let arrived: Value = serde_json::from_slice(&arrived).expect("JSON");
    assert_eq!(arrived["customer"]["id"], json!(42));
    assert_eq!(arrived["orders_to_redact"], json!([7]));
    let unknown = stage.post(&path, "", json!({ "topic": "orders/everything" })).await;
    assert_eq!(unknown.0, StatusCode::UNPROCESSABLE_ENTITY);
    let silent = Stage::new();
    let lost = silent.post(&path, "", json!({ "topic": "shop/redact" })).await;
    assert_eq!(lost.0, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn settings_change_and_scopes_are_withheld() {
    let stage = Stage::new();
    let token = stage.token(SCOPES).await;
    let path = format!("/{AURORA}/_sandbox/shop");
    let change = json!({ "currency": "EUR", "timezone": "Asia/Tokyo", "withheld_scopes": ["read_all_orders"] });
    assert_eq!(stage.post(&path, "", change).await.0, StatusCode::NO_CONTENT);
    let ask = "{ shop { currencyCode ianaTimezone name } currentAppInstallation { accessScopes { handle } } }";
    let (_, answer) = stage.graphql(&token, ask, json!({})).await;
    let shop = json!({ "currencyCode": "EUR", "ianaTimezone": "Asia/Tokyo", "name": "Aurora Goods" });
    assert_eq!(answer["data"]["shop"], shop);
    let scopes = answer["data"]["currentAppInstallation"]["accessScopes"].as_array();
    assert_eq!(scopes.map(Vec::len), Some(3));
    let wrong = stage.post(&path, "", json!({ "timezone": "Moon/Tranquility" })).await;
    assert_eq!(wrong.0, StatusCode::UNPROCESSABLE_ENTITY);
}
