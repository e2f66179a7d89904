//! The client and the grant against small servers that answer one thing each.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;
use crate::domain::record::RecordKind;
use crate::providers::contract::{PulledOrder, PulledRecord, Subject};

const SHOP: &str = "a-store.myshopify.com";
const TOKEN: &str = "canary-access-token";

pub(super) fn config(base_url: &str) -> ShopifyConfig {
    ShopifyConfig {
        api_key: "key".to_owned(),
        api_secrets: vec!["hush".into()],
        scopes: "read_orders,read_products".to_owned(),
        api_version: "2026-10".to_owned(),
        base_url: base_url.to_owned(),
    }
}

pub(super) fn shopify(config: ShopifyConfig, now: DateTime<Utc>) -> Shopify {
    Shopify::new(config, Http::new().expect("a client"), Clock::fixed(now))
}

fn now() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().expect("a moment")
}

/// A store that answers from a list, in turn, and remembers what it was asked.
#[derive(Clone, Default)]
struct Store {
    answers: Arc<Mutex<VecDeque<Response>>>,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Store {
    fn will_answer(&self, status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> &Self {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(body.into()).expect("a response");
        self.answers.lock().expect("not poisoned").push_back(response);
        self
    }

    fn will_say(&self, body: &Value) -> &Self {
        self.will_answer(200, &[], body.to_string())
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().expect("not poisoned").clone()
    }

    /// Opens the store; what it is asked goes through the whole client.
    async fn open(&self) -> Shopify {
        async fn answer(State(store): State<Store>, request: Request) -> Response {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
            let mut asked: Value = serde_json::from_slice(&body).expect("JSON");
            asked["path"] = json!(head.uri.path());
            asked["token"] = json!(
                head.headers
                    .get("x-shopify-access-token")
                    .and_then(|token| token.to_str().ok())
            );
            store.asked.lock().expect("not poisoned").push(asked);
            let next = store.answers.lock().expect("not poisoned").pop_front();
            next.unwrap_or_else(|| Response::builder().status(599).body(Body::empty()).expect("a response"))
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        shopify(config(&format!("http://{address}/{{shop}}")), now())
    }
}

fn access() -> ShopAccess {
    ShopAccess {
        domain: SHOP.to_owned(),
        access_token: TOKEN.into(),
        timezone: Tz::UTC,
        currency: "EUR".parse().expect("a currency"),
    }
}

fn query(after: Option<&str>) -> OrderQuery {
    OrderQuery {
        updated_from: now() - TimeDelta::days(7),
        after: after.map(str::to_owned),
        page_size: 50,
    }
}

fn connection(nodes: Value, next: Option<&str>) -> Value {
    json!({"nodes": nodes, "pageInfo": {"hasNextPage": next.is_some(), "endCursor": next}})
}

fn sale(amount: &str) -> Value {
    let money = |amount: &str| json!({"shopMoney": {"amount": amount, "currencyCode": "EUR"}});
    json!({
        "__typename": "ProductSale", "id": "gid://shopify/ProductSale/1", "actionType": "ORDER", "lineType": "PRODUCT",
        "quantity": 1, "totalAmount": money(amount), "totalTaxAmount": money("0.0"),
        "totalDiscountAmountBeforeTaxes": money("0.0"),
        "lineItem": {"id": "gid://shopify/LineItem/1", "title": "A shirt", "sku": "S", "product": null},
    })
}

fn agreement(id: u32, sales: Value) -> Value {
    json!({
        "__typename": "OrderAgreement", "id": format!("gid://shopify/OrderAgreement/{id}"),
        "happenedAt": "2026-11-21T10:00:00Z", "reason": "ORDER", "sales": sales,
    })
}

fn order(id: u32, agreements: Value) -> Value {
    json!({
        "id": format!("gid://shopify/Order/{id}"), "legacyResourceId": id.to_string(), "name": format!("#{id}"),
        "createdAt": "2026-11-21T10:00:00Z", "updatedAt": "2026-11-21T10:00:00Z",
        "processedAt": "2026-11-21T10:00:00Z", "cancelledAt": null, "test": false, "currencyCode": "EUR",
        "taxesIncluded": true, "displayFinancialStatus": null, "displayFulfillmentStatus": "UNFULFILLED",
        "sourceName": null, "customer": null, "customerJourneySummary": null, "agreements": agreements,
    })
}

fn small_order(id: u32) -> Value {
    let sales = connection(json!([sale("10.0")]), None);
    order(id, connection(json!([agreement(1, sales)]), None))
}

fn page(nodes: Value, next: Option<&str>) -> Value {
    json!({"data": {"orders": connection(nodes, next)}})
}

fn with_cost(mut body: Value, requested: f64, available: f64) -> Value {
    body["extensions"]["cost"] = json!({
        "requestedQueryCost": requested,
        "actualQueryCost": null,
        "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": available, "restoreRate": 100.0},
    });
    body
}

fn error(code: &str, message: &str) -> Value {
    json!({"message": message, "extensions": {"code": code}})
}

/// What a store's one answer leads to.
async fn refused(store: &Store) -> ProviderError {
    let error = store
        .open()
        .await
        .orders(&access(), &query(None))
        .await
        .expect_err("this answer is a refusal");
    assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
    error
}

#[tokio::test]
async fn a_page_is_asked_for_by_its_last_change_and_read_order_by_order() {
    let store = Store::default();
    let mut broken = small_order(2);
    broken["processedAt"] = json!("nonsense");
    store.will_say(&page(json!([small_order(1), broken, null, small_order(3)]), Some("c1")));
    let page = store
        .open()
        .await
        .orders(&access(), &query(Some("c0")))
        .await
        .expect("a page");

    let asked = &store.asked()[0];
    assert_eq!(asked["path"], format!("/{SHOP}/admin/api/2026-10/graphql.json"));
    assert_eq!(asked["token"], TOKEN);
    assert_eq!(asked["operationName"], "OrdersPage");
    assert_eq!(
        asked["variables"],
        json!({"first": 50, "after": "c0", "query": "updated_at:>='2026-11-15T12:00:00Z'"})
    );
    assert_eq!(page.next.as_deref(), Some("c1"));
    assert_eq!((page.asked_at, page.page_size), (now(), 50));
    let read: Vec<Result<i64, Option<String>>> = page
        .orders
        .into_iter()
        .map(|order| match order {
            PulledOrder::Read { fact, payload } => {
                assert!(payload.get().contains("gid://shopify/ProductSale/1"));
                Ok(fact.id.0)
            }
            PulledOrder::Unreadable {
                external_id, reason, ..
            } => {
                assert!(reason.contains("shape"), "{reason}");
                Err(external_id)
            }
        })
        .collect();
    assert_eq!(read, [Ok(1), Err(Some("2".to_owned())), Err(None), Ok(3)]);
}

fn nodes(nodes: Value) -> Value {
    json!({"data": {"nodes": nodes}})
}

fn ids(range: std::ops::RangeInclusive<i64>) -> Vec<ShopifyOrderId> {
    range.map(ShopifyOrderId).collect()
}

#[tokio::test]
async fn named_orders_are_read_one_by_one_and_those_that_are_gone_are_told() {
    let store = Store::default();
    let mut spoilt = nodes(json!([small_order(1), null, small_order(3)]));
    spoilt["errors"] = json!([{"message": "Internal error", "path": ["nodes", 2, "customer"]}]);
    store.will_say(&spoilt);
    let found = store
        .open()
        .await
        .orders_by_id(&access(), &ids(1..=3))
        .await
        .expect("orders");
    assert_eq!(
        store.asked()[0]["variables"],
        json!({"ids": ["gid://shopify/Order/1", "gid://shopify/Order/2", "gid://shopify/Order/3"]})
    );
    let [
        PulledOrder::Read { fact, .. },
        PulledOrder::Unreadable {
            external_id, reason, ..
        },
    ] = found.orders.as_slice()
    else {
        panic!("one good and one spoilt order expected: {:?}", found.orders);
    };
    assert_eq!((fact.id.0, external_id.as_deref()), (1, Some("3")));
    assert!(reason.contains("customer"), "{reason}");
    assert_eq!(found.missing, ids(2..=2));
    assert_eq!(found.asked_at, now());
}

#[tokio::test]
async fn many_named_orders_are_asked_for_in_questions_that_can_be_paid() {
    let answer = |range: std::ops::RangeInclusive<u32>| nodes(range.map(small_order).collect());
    let store = Store::default();
    let costly = json!({"errors": [error("MAX_COST_EXCEEDED", "Query cost is 1723, which exceeds the limit")]});
    store
        .will_say(&costly)
        .will_say(&answer(1..=5))
        .will_say(&answer(6..=10))
        .will_say(&answer(11..=12));
    let found = store
        .open()
        .await
        .orders_by_id(&access(), &ids(1..=12))
        .await
        .expect("orders");
    let sizes = Vec::from_iter(
        store
            .asked()
            .iter()
            .map(|asked| asked["variables"]["ids"].as_array().map(Vec::len)),
    );
    assert_eq!(sizes, [Some(10), Some(5), Some(5), Some(2)]);
    assert_eq!((found.orders.len(), found.missing.len()), (12, 0));

    // An answer that leaves orders out can't be told from one that has lost them.
    let store = Store::default();
    store.will_say(&answer(1..=1));
    let refused = store.open().await.orders_by_id(&access(), &ids(1..=2)).await;
    assert!(matches!(refused, Err(ProviderError::Broken(_))), "{refused:?}");
}

#[tokio::test]
async fn a_ledger_that_does_not_fit_is_completed() {
    let sales = |amounts: &[&str], next| connection(amounts.iter().map(|amount| sale(amount)).collect(), next);
    let nested =
        |agreements: Value| json!({"data": {"order": {"id": "gid://shopify/Order/1", "agreements": agreements}}});
    let store = Store::default();
    let first = json!([
        agreement(1, sales(&["1.0"], None)),
        agreement(2, sales(&["2.0"], Some("s2")))
    ]);
    store
        .will_say(&page(json!([order(1, connection(first, Some("a2")))]), None))
        .will_say(&nested(connection(
            json!([agreement(3, sales(&["4.0"], Some("s3")))]),
            Some("a3"),
        )))
        .will_say(&nested(connection(json!([agreement(4, sales(&["8.0"], None))]), None)))
        // The second agreement: the cursor before it, then two more pages of sales.
        .will_say(&nested(json!({"pageInfo": {"hasNextPage": true, "endCursor": "a1"}})))
        .will_say(&nested(json!({"nodes": [agreement(2, sales(&["16.0"], Some("s4")))]})))
        .will_say(&nested(json!({"nodes": [agreement(2, sales(&["32.0"], None))]})))
        // The third one.
        .will_say(&nested(json!({"pageInfo": {"hasNextPage": true, "endCursor": "a2"}})))
        .will_say(&nested(json!({"nodes": [agreement(3, sales(&["64.0"], None))]})));
    let page = store
        .open()
        .await
        .orders(&access(), &query(None))
        .await
        .expect("a page");
    let [PulledOrder::Read { payload, fact }] = page.orders.as_slice() else {
        panic!("one readable order expected: {:?}", page.orders);
    };
    assert_eq!(fact.totals.gross_sales, 127.into());
    assert_eq!(
        normalise::replay(payload, Tz::UTC, access().currency).as_ref(),
        Ok(&**fact)
    );
    let variables: Vec<Value> = store.asked()[1..]
        .iter()
        .map(|asked| asked["variables"].clone())
        .collect();
    let id = "gid://shopify/Order/1";
    assert_eq!(
        variables,
        [
            json!({"id": id, "after": "a2"}),
            json!({"id": id, "after": "a3"}),
            json!({"id": id, "first": 1, "after": null}),
            json!({"id": id, "after": "a1", "salesAfter": "s2"}),
            json!({"id": id, "after": "a1", "salesAfter": "s4"}),
            json!({"id": id, "first": 2, "after": null}),
            json!({"id": id, "after": "a2", "salesAfter": "s3"}),
        ]
    );
}

#[tokio::test]
async fn an_order_whose_ledger_can_not_be_completed_is_unreadable_alone() {
    let endless = order(1, connection(json!([]), Some("a0")));
    let again = json!({"data": {"order": {"agreements": connection(json!([]), Some("a0"))}}});
    let gone = json!({"data": {"order": null}});
    for (answer, expected) in [(again, "same page again"), (gone, "deleted while it was read")] {
        let store = Store::default();
        store
            .will_say(&page(json!([endless, small_order(2)]), None))
            .will_say(&answer);
        let page = store
            .open()
            .await
            .orders(&access(), &query(None))
            .await
            .expect("a page");
        let [
            PulledOrder::Unreadable {
                external_id, reason, ..
            },
            PulledOrder::Read { .. },
        ] = page.orders.as_slice()
        else {
            panic!("one unreadable order expected: {:?}", page.orders);
        };
        assert_eq!(external_id.as_deref(), Some("1"));
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn a_page_that_costs_too_much_is_halved_until_it_does_not() {
    let store = Store::default();
    let costly = json!({"errors": [error("MAX_COST_EXCEEDED", "Query cost is 1723, which exceeds the limit")]});
    store
        .will_say(&costly)
        .will_say(&costly)
        .will_say(&page(json!([small_order(1)]), None));
    let page = store
        .open()
        .await
        .orders(&access(), &query(None))
        .await
        .expect("a page");
    assert_eq!(page.page_size, 12);
    let sizes: Vec<Value> = store
        .asked()
        .iter()
        .map(|asked| asked["variables"]["first"].clone())
        .collect();
    assert_eq!(sizes, [json!(50), json!(25), json!(12)]);

    let store = Store::default();
    (0..6).for_each(|_| {
        store.will_say(&costly);
    });
    assert!(matches!(refused(&store).await, ProviderError::Broken(_)));
}

#[tokio::test]
async fn a_short_throttle_is_waited_for_and_a_long_one_passed_on() {
    let throttled = |missing: f64| {
        let body = json!({"errors": [error("THROTTLED", "Throttled")]});
        with_cost(body, 590.0, 590.0 - missing)
    };
    let store = Store::default();
    store
        .will_say(&throttled(10.0))
        .will_answer(429, &[("retry-after", "0.2")], "")
        .will_say(&with_cost(page(json!([]), None), 590.0, 10.0));
    let shopify = store.open().await;
    shopify.orders(&access(), &query(None)).await.expect("it waited");
    assert_eq!(store.asked().len(), 3);

    let store = Store::default();
    store.will_answer(429, &[("retry-after", "120")], "");
    let ProviderError::Later { after, .. } = refused(&store).await else {
        panic!("a long wait belongs to the queue");
    };
    assert_eq!(after, Duration::from_secs(120));

    // A bucket that is known to be too empty is not even asked.
    let store = Store::default();
    store.will_say(&with_cost(page(json!([]), None), 1900.0, 0.0));
    let shopify = store.open().await;
    shopify.orders(&access(), &query(None)).await.expect("the first page");
    let later = shopify
        .orders(&access(), &query(None))
        .await
        .expect_err("the bucket is empty");
    assert!(matches!(later, ProviderError::Later { .. }), "{later:?}");
    assert_eq!(store.asked().len(), 1);
}

#[tokio::test]
async fn every_status_says_what_to_do_next() {
    let token_error = json!({"errors": "[API] Invalid API key or access token"}).to_string();
    let non_expiring = json!({"errors": "[API] Non-expiring access tokens are no longer accepted"}).to_string();
    let unapproved = json!({"errors": "This app is not approved to access the Order object."}).to_string();
    let by_field = json!({"errors": {"scope": "missing"}}).to_string();
    let cases = [
        (302, "", "Broken", "redirect"),
        (400, "{\"errors\":\"no such field\"}", "Broken", "no such field"),
        (401, &token_error, "Reconnect", "connect the store again"),
        (402, "", "Denied", "frozen"),
        (403, &non_expiring, "Reconnect", "connect the store again"),
        (403, &unapproved, "Denied", "protected customer data"),
        (403, &by_field, "Denied", "scope: missing"),
        (404, "", "Denied", "closed"),
        (423, "", "Denied", "locked"),
        (430, "", "Retry", "turned a request"),
        (500, "", "Retry", "status 500"),
        (503, "<html>", "Retry", "status 503"),
    ];
    for (status, body, kind, sentence) in cases {
        let store = Store::default();
        store.will_answer(status, &[("location", "https://evil.example/")], body.to_owned());
        let error = refused(&store).await;
        assert!(format!("{error:?}").starts_with(kind), "{status}: {error:?}");
        assert!(error.to_string().contains(sentence), "{status}: {error}");
    }
    let store = Store::default();
    store.will_answer(503, &[("retry-after", "30")], "");
    assert!(matches!(refused(&store).await, ProviderError::Later { .. }));
}

#[tokio::test]
async fn errors_in_an_answer_are_never_overlooked() {
    let denied = json!({
        "message": "Access denied for customer field.", "path": ["orders", "nodes", 0, "customer"],
        "extensions": {"code": "ACCESS_DENIED", "requiredAccess": "`read_customers` access scope."},
    });
    let warned =
        json!({"search": [{"path": ["orders"], "warnings": [{"field": "updated", "message": "Unknown term"}]}]});
    let with_errors = |errors: Value| json!({"data": page(json!([small_order(1)]), None)["data"], "errors": errors});
    let cases = [
        (
            with_errors(json!([denied])),
            "Denied",
            "`customer`: it takes the `read_customers` access scope",
        ),
        (
            json!({"errors": [error("", "This app is not approved to access the Order object.")]}),
            "Denied",
            "protected customer data",
        ),
        (
            json!({"data": null, "errors": [error("INTERNAL_SERVER_ERROR", "Internal error")]}),
            "Retry",
            "Internal error",
        ),
        (
            json!({"errors": [error("undefinedField", "Field 'x' doesn't exist")]}),
            "Broken",
            "Field 'x'",
        ),
        (with_errors(json!("something is wrong")), "Broken", "something is wrong"),
        (with_errors(json!({"base": ["wrong"]})), "Broken", "base"),
        (with_errors(json!([error("", "no path")])), "Broken", "no path"),
        (
            json!({"data": page(json!([]), None)["data"], "extensions": warned}),
            "Broken",
            "Unknown term",
        ),
        (json!({"data": {"orders": null}}), "Broken", "shape"),
        (json!({}), "Retry", "without data"),
        (page(json!([]), Some("c0")), "", ""),
    ];
    for (body, kind, sentence) in cases {
        let store = Store::default();
        store.will_say(&body);
        if kind.is_empty() {
            let error = store.open().await.orders(&access(), &query(Some("c0"))).await;
            assert!(
                error
                    .expect_err("going in circles")
                    .to_string()
                    .contains("same page again")
            );
            continue;
        }
        let error = refused(&store).await;
        assert!(format!("{error:?}").starts_with(kind), "{body}: {error:?}");
        assert!(error.to_string().contains(sentence), "{body}: {error}");
    }
    for body in ["{\"data\":{\"orders\":{\"nod", "<html>", ""] {
        let store = Store::default();
        store.will_answer(200, &[], body);
        assert!(matches!(refused(&store).await, ProviderError::Retry(_)), "{body}");
    }
}

#[tokio::test]
async fn an_error_inside_one_order_spoils_that_order_alone() {
    let mut body = page(json!([small_order(1), small_order(2)]), None);
    body["errors"] = json!([{
        "message": "Something went wrong", "path": ["orders", "nodes", 1, "customerJourneySummary"],
        "extensions": {"code": "INTERNAL_SERVER_ERROR"},
    }]);
    let store = Store::default();
    store.will_say(&body);
    let page = store
        .open()
        .await
        .orders(&access(), &query(None))
        .await
        .expect("a page");
    let [
        PulledOrder::Read { .. },
        PulledOrder::Unreadable {
            external_id, reason, ..
        },
    ] = page.orders.as_slice()
    else {
        panic!("the second order is spoilt: {:?}", page.orders);
    };
    assert_eq!(external_id.as_deref(), Some("2"));
    assert!(reason.contains("customerJourneySummary"), "{reason}");
}

fn product(id: u32) -> Value {
    json!({
        "id": format!("gid://shopify/Product/{id}"), "legacyResourceId": id.to_string(), "title": "Tea",
        "handle": "tea", "vendor": "A maker", "productType": "Tea", "status": "A_STATUS_OF_NEXT_YEAR",
        "createdAt": "2026-11-01T10:00:00Z", "updatedAt": "2026-11-21T10:00:00Z", "totalInventory": 3,
        "featuredMedia": {"__typename": "AMediumOfNextYear", "preview": {"image": null}},
    })
}

fn customer(id: u32) -> Value {
    json!({
        "id": format!("gid://shopify/Customer/{id}"), "legacyResourceId": id.to_string(),
        "createdAt": "2026-11-01T10:00:00Z", "updatedAt": "2026-11-21T10:00:00Z", "numberOfOrders": "3",
        "amountSpent": {"amount": "12.5", "currencyCode": "EUR"}, "state": "ENABLED",
    })
}

fn record_query(kind: RecordKind) -> RecordQuery {
    RecordQuery {
        kind,
        updated_from: now() - TimeDelta::days(7),
        after: Some("c0".to_owned()),
        page_size: 1000,
    }
}

#[tokio::test]
async fn products_and_customers_are_asked_for_by_their_last_change_in_pages_that_fit() {
    for (kind, record) in [(RecordKind::Product, product(7)), (RecordKind::Customer, customer(7))] {
        let store = Store::default();
        store
            .will_say(&json!({"errors": [error("MAX_COST_EXCEEDED", "Query cost is 1200")]}))
            .will_say(&json!({"data": {kind.plural(): connection(json!([record]), Some("c1"))}}));
        let page = store
            .open()
            .await
            .records(&access(), &record_query(kind))
            .await
            .expect("a page");
        assert_eq!(
            (page.next.as_deref(), page.page_size, page.asked_at),
            (Some("c1"), 125, now())
        );
        let [
            PulledRecord::Read {
                id,
                updated_at,
                payload,
                ..
            },
        ] = page.records.as_slice()
        else {
            panic!("{:?}", page.records);
        };
        assert_eq!(
            (*id, updated_at.to_rfc3339()),
            (7, "2026-11-21T10:00:00+00:00".to_owned())
        );
        assert_eq!(serde_json::from_str::<Value>(payload.get()).expect("JSON"), record);
        let asked = store.asked();
        assert_eq!(asked[0]["variables"]["first"], json!(250));
        assert_eq!(asked[1]["variables"]["first"], json!(125));
        assert_eq!(asked[1]["variables"]["after"], json!("c0"));
        assert_eq!(
            asked[1]["variables"]["query"],
            json!("updated_at:>='2026-11-15T12:00:00Z'")
        );
    }
}

#[tokio::test]
async fn a_product_or_customer_that_can_not_be_read_is_spoilt_alone() {
    let without = |record: Value, field: &str| {
        let mut record = record;
        record[field] = Value::Null;
        record
    };
    let dated = |at: &str| {
        let mut product = product(3);
        product["createdAt"] = json!(at);
        product
    };
    for (kind, records, expected) in [
        (
            RecordKind::Product,
            json!([product(1), without(product(2), "status")]),
            "the product does not have the shape",
        ),
        (
            RecordKind::Product,
            json!([product(1), dated("-9999-01-01T00:00:00Z")]),
            "year -9999",
        ),
        (
            RecordKind::Customer,
            json!([customer(1), without(customer(2), "amountSpent")]),
            "the customer does not have",
        ),
        (
            RecordKind::Customer,
            json!([customer(1), customer(2)]),
            "left out a part of this customer: Oh (state)",
        ),
    ] {
        let mut body = json!({"data": {kind.plural(): connection(records, None)}});
        if expected.contains("Oh") {
            body["errors"] = json!([{"message": "Oh", "path": ["customers", "nodes", 1, "state"]}]);
        }
        let store = Store::default();
        store.will_say(&body);
        let page = store
            .open()
            .await
            .records(&access(), &record_query(kind))
            .await
            .expect("a page");
        let [
            PulledRecord::Read { .. },
            PulledRecord::Unreadable {
                external_id, reason, ..
            },
        ] = page.records.as_slice()
        else {
            panic!("{:?}", page.records);
        };
        assert!(external_id.is_some());
        assert!(reason.contains(expected), "{reason}");
    }
}

#[tokio::test]
async fn a_missing_scope_says_which_one() {
    let denied = json!({"data": null, "errors": [{
        "message": "Access denied for products field.", "path": ["products"],
        "extensions": {"code": "ACCESS_DENIED", "requiredAccess": "`read_products` access scope."},
    }]});
    let store = Store::default();
    store.will_say(&denied);
    let answer = store
        .open()
        .await
        .records(&access(), &record_query(RecordKind::Product))
        .await;
    let error = answer.expect_err("nothing was granted");
    assert!(matches!(error, ProviderError::Denied(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("`products`: it takes the `read_products` access scope"),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_goes_to_stores_of_shopifys_alone() {
    let store = Store::default();
    let shopify = store.open().await;
    for domain in [
        "evil.example",
        "a.myshopify.com.evil.example",
        "a.myshopify.com/..",
        "A.myshopify.com",
        "",
    ] {
        let access = ShopAccess {
            domain: domain.to_owned(),
            ..access()
        };
        let error = shopify.orders(&access, &query(None)).await.expect_err("no store");
        assert!(matches!(error, ProviderError::Broken(_)), "{domain}: {error:?}");
    }
    assert!(store.asked().is_empty());
}

fn callback() -> Callback {
    Callback {
        state: "state".to_owned(),
        code: "canary-code".into(),
        shop_domain: Some(SHOP.to_owned()),
    }
}

fn shop(domain: &str) -> Value {
    json!({"data": {"shop": {
        "id": "gid://shopify/Shop/4711", "name": "A store", "myshopifyDomain": domain, "currencyCode": "EUR",
        "ianaTimezone": "Europe/Berlin", "taxesIncluded": true,
    }}})
}

#[tokio::test]
async fn a_code_becomes_tokens_and_a_profile() {
    let store = Store::default();
    store
        .will_say(&json!({
            "access_token": TOKEN, "scope": "read_orders,read_products", "expires_in": 3600,
            "refresh_token": "canary-refresh", "refresh_token_expires_in": 7_776_000,
        }))
        .will_say(&shop(SHOP));
    let grant = store.open().await.exchange(&callback()).await.expect("a grant");
    assert_eq!(grant.scopes, ["read_orders", "read_products"]);
    assert_eq!(grant.tokens.access_token.expose_secret(), TOKEN);
    assert_eq!(grant.tokens.access_expires_at, Some(now() + TimeDelta::hours(1)));
    let Subject::Shop(profile) = grant.subject;
    assert_eq!(profile.shopify_shop_id, 4711);
    assert_eq!(profile.timezone, Tz::Europe__Berlin);
    let asked = store.asked();
    assert_eq!(asked[0]["path"], format!("/{SHOP}/admin/oauth/access_token"));
    assert_eq!(asked[0]["expiring"], "1");
    assert_eq!(asked[0]["code"], "canary-code");
    assert_eq!(
        (&asked[0]["client_id"], &asked[0]["client_secret"]),
        (&json!("key"), &json!("hush"))
    );
    assert_eq!(asked[1]["token"], TOKEN);
}

#[tokio::test]
async fn a_domain_that_leads_to_another_store_is_refused() {
    let store = Store::default();
    store
        .will_say(&json!({"access_token": TOKEN, "scope": ""}))
        .will_say(&shop("another.myshopify.com"));
    let error = store
        .open()
        .await
        .exchange(&callback())
        .await
        .expect_err("another store");
    assert!(error.to_string().contains("another.myshopify.com"), "{error}");
}

#[tokio::test]
async fn a_refresh_brings_the_next_pair_or_says_why_not() {
    let refresh_token = SecretString::from("canary-refresh");
    let store = Store::default();
    store.will_say(&json!({"access_token": "next", "refresh_token": "next-refresh", "expires_in": 3600}));
    let tokens = store.open().await.refresh(SHOP, &refresh_token).await.expect("a pair");
    assert_eq!(
        tokens.refresh_token.expect("the next one").expose_secret(),
        "next-refresh"
    );
    let asked = &store.asked()[0];
    assert_eq!(
        (&asked["grant_type"], &asked["refresh_token"]),
        (&json!("refresh_token"), &json!("canary-refresh"))
    );

    let cases = [
        (400, "{\"error\":\"invalid_grant\"}", "Reconnect"),
        (400, "{\"error\":\"something\"}", "Broken"),
        (401, "{\"error\":\"invalid_client\"}", "Broken"),
        (404, "", "Denied"),
        (502, "", "Retry"),
        (200, "{\"access_to", "Retry"),
    ];
    for (status, body, kind) in cases {
        let store = Store::default();
        store.will_answer(status, &[], body);
        let error = store.open().await.refresh(SHOP, &refresh_token).await.expect_err(body);
        assert!(format!("{error:?}").starts_with(kind), "{status}: {error:?}");
        assert!(!format!("{error:?}").contains("canary"));
    }
}
