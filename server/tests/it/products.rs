//! Products and customers as they came, and the numbers of products, end to end.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use server::providers::shopify::sandbox::{
    EditRequest, Fault, FaultKind, LineQuantity, NewLine, NewOrder, RefundRequest,
};

use crate::support::oracle::{self, Product, ProductName};
use crate::support::world::{AURORA, BERLIN, KYOTO, User, World};

/// The days that the fill makes known.
const FILL: u64 = 7;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn money(value: &Value) -> Decimal {
    Decimal::from_str(value.as_str().unwrap_or_else(|| panic!("{value} is no decimal"))).unwrap()
}

/// Asks for jobs of the account's first store and waits for them.
async fn run(world: &World, user: &User, jobs: &[&str]) {
    let links = world.ask(user, "{ integrations { id } }").await;
    let input = json!({ "input": { "integrationId": links["integrations"][0]["id"], "jobs": jobs } });
    let mutation = "mutation ($input: ManualSyncInput!) { manualSync(input: $input) { userErrors { message } } }";
    let asked = world.ask_with(user, mutation, input).await;
    assert_eq!(asked["manualSync"]["userErrors"], json!([]));
    world.work().await;
}

async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&world.fixture.owner).await.unwrap()
}

/// What the newest run of a job says of itself: its status, how many records it read, its error.
async fn last_run(world: &World, job: &str) -> (String, i64, Option<String>) {
    sqlx::query_as(
        "select status, coalesce((progress ->> 'records')::bigint, 0), error_message from sync_runs
          where job_type = $1 order by created_at desc limit 1",
    )
    .bind(job)
    .fetch_one(&world.fixture.owner)
    .await
    .unwrap()
}

const LIST: &str = "query ($from: Date!, $to: Date!, $sort: ProductSort, $first: Int, $after: String) {
    products(range: {from: $from, to: $to}, sort: $sort, first: $first, after: $after) {
        nodes { productId title vendor productType status units unitsReturned grossSales discounts refunds revenueNet
                orders }
        pageInfo { hasNextPage endCursor } totalCount isPartial currencyCode range { from to }
    }
}";

/// Every product of these days, read in pages of `first`.
async fn list(world: &World, user: &User, (from, to): (NaiveDate, NaiveDate), sort: Value, first: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut after = Value::Null;
    loop {
        let variables = json!({ "from": from, "to": to, "sort": sort, "first": first, "after": after });
        let data = world.ask_with(user, LIST, variables).await;
        let page = &data["products"];
        let nodes = page["nodes"].as_array().unwrap();
        assert!(nodes.len() <= first);
        all.extend(nodes.iter().cloned());
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            assert_eq!(page["totalCount"], json!(all.len()));
            return all;
        }
        assert_eq!(nodes.len(), first);
    }
}

fn largest_first() -> Value {
    json!({ "by": "REVENUE_NET", "direction": "DESC" })
}

fn by_name(nodes: &[Value]) -> BTreeMap<ProductName, Product> {
    let named = nodes.iter().map(|node| {
        let id: Option<u64> = node["productId"].as_str().map(|id| id.parse().unwrap());
        let title = node["title"].as_str().map(str::to_owned);
        let product = Product {
            orders: node["orders"].as_i64().unwrap(),
            units: node["units"].as_i64().unwrap(),
            units_returned: node["unitsReturned"].as_i64().unwrap(),
            gross_sales: money(&node["grossSales"]),
            discounts: money(&node["discounts"]),
            refunds: money(&node["refunds"]),
        };
        assert_eq!(
            money(&node["revenueNet"]),
            product.gross_sales - product.discounts - product.refunds
        );
        ((id, title.filter(|_| id.is_none())), product)
    });
    let by_name: BTreeMap<_, _> = named.collect();
    assert_eq!(by_name.len(), nodes.len(), "a product is listed twice");
    by_name
}

/// The known days.
fn known(world: &World, timezone: Tz) -> (NaiveDate, NaiveDate) {
    let today = world.today(timezone);
    (today - Days::new(FILL), today)
}

/// The list of the known days equals the books, and adds up to what the dashboard says.
async fn assert_books_agree(world: &World, user: &User, shop: &str, timezone: Tz) -> BTreeMap<ProductName, Product> {
    let (from, to) = known(world, timezone);
    let listed = by_name(&list(world, user, (from, to), largest_first(), 7).await);
    let books = oracle::products(&world.sandbox.ledger(shop).unwrap(), timezone, from..=to);
    for name in listed.keys().chain(books.keys()) {
        assert_eq!(listed.get(name), books.get(name), "{shop} {name:?}");
    }
    let query = "query ($from: Date!, $to: Date!) { shopifyDashboard(range: {from: $from, to: $to}) { kpis {
        units { value } grossSales { value } discounts { value } refunds { value } revenueNet { value } } } }";
    let data = world.ask_with(user, query, json!({ "from": from, "to": to })).await;
    let kpi = |key: &str| money(&data["shopifyDashboard"]["kpis"][key]["value"]);
    let sum = |of: fn(&Product) -> Decimal| listed.values().map(of).sum::<Decimal>();
    assert_eq!(sum(|product| product.units.into()), kpi("units"), "{shop}");
    assert_eq!(sum(|product| product.gross_sales), kpi("grossSales"), "{shop}");
    assert_eq!(sum(|product| product.discounts), kpi("discounts"), "{shop}");
    assert_eq!(sum(|product| product.refunds), kpi("refunds"), "{shop}");
    let net = |product: &Product| product.gross_sales - product.discounts - product.refunds;
    assert_eq!(sum(net), kpi("revenueNet"), "{shop}");
    listed
}

#[tokio::test]
async fn products_equal_the_stores_books_and_add_up_to_its_numbers() {
    // Tax on top, tax inside, and a currency without decimals; clocks changed on 25 October and 1 November.
    for (now, shop, currency, timezone) in [
        ("2026-11-03T15:20:00Z", AURORA, "USD", chrono_tz::America::New_York),
        ("2026-10-28T21:40:00Z", BERLIN, "EUR", chrono_tz::Europe::Berlin),
        ("2026-11-20T14:59:30Z", KYOTO, "JPY", chrono_tz::Asia::Tokyo),
    ] {
        let world = World::at(at(now)).await;
        let user = world.user("Acme", currency, timezone.name()).await;
        assert!(world.connect(&user, shop).await.status().is_success());
        // A line typed in by hand, an edit, a gift card, and a refund of another amount than the goods are worth.
        let line = |title: &str, gift_card| NewLine {
            title: title.to_owned(),
            price: Decimal::from(40),
            quantity: 3,
            discount: Decimal::from(4),
            gift_card,
        };
        let order = NewOrder {
            lines: vec![line("Engraving: \"for you\"", false), line("A gift card", true)],
            tip: Decimal::from(5),
            shipping: Some(Decimal::from(7)),
            ..NewOrder::default()
        };
        let order = world.sandbox.create_order(shop, order).unwrap().id;
        let edit = EditRequest {
            add: vec![line("Wrapping", false)],
            ..EditRequest::default()
        };
        world.sandbox.edit_order(shop, order, edit).unwrap();
        let refund = RefundRequest {
            lines: vec![LineQuantity { line: 0, quantity: 2 }],
            adjustment: Decimal::from(3),
            ..RefundRequest::default()
        };
        world.sandbox.refund_order(shop, order, refund).unwrap();
        world.work().await;
        run(&world, &user, &["SHOPIFY_PRODUCTS"]).await;
        let listed = assert_books_agree(&world, &user, shop, timezone).await;
        assert!(listed.len() > 20, "{shop}: {} products show nothing", listed.len());
        let typed = &listed[&(None, Some("Engraving: \"for you\"".to_owned()))];
        assert_eq!((typed.orders, typed.units, typed.units_returned), (1, 3, 2));
        assert_eq!(
            listed[&(None, Some("Wrapping".to_owned()))].units,
            0,
            "it was added later"
        );
        assert!(
            !listed[&(None, None)].refunds.is_zero(),
            "the difference belongs to no product"
        );
        assert!(!listed.contains_key(&(None, Some("A gift card".to_owned()))));
        assert!(
            listed
                .values()
                .any(|product| !product.refunds.is_zero() && product.units_returned > 0)
        );

        // A replay makes the same from what is stored.
        for damage in [
            "delete from fact_product_days where shopify_order_id % 2 = 0",
            "update fact_product_days set gross_sales = gross_sales + 1",
            "insert into daily_product_metrics (account_id, integration_id, date, shopify_product_id, title, currency)
             select account_id, integration_id, date, 42, 'never sold', currency from daily_shopify_metrics",
        ] {
            sqlx::query(damage).execute(&world.fixture.owner).await.unwrap();
        }
        run(&world, &user, &["SHOPIFY_REPLAY"]).await;
        assert_eq!(assert_books_agree(&world, &user, shop, timezone).await, listed);
    }
}

#[tokio::test]
async fn a_later_refund_counts_on_its_own_day() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let timezone = chrono_tz::America::New_York;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let now = world.time.now();
    let row = world.sandbox.ledger(AURORA).unwrap().into_iter().find(|row| {
        let age = now - row.processed_at;
        row.line_type == "PRODUCT"
            && row.reason == "ORDER"
            && row.product_id.is_some()
            && !row.test
            && age > TimeDelta::days(3)
            && age < TimeDelta::days(5)
    });
    let row = row.unwrap();
    let (today, placed) = (
        world.today(timezone),
        row.happened_at.with_timezone(&timezone).date_naive(),
    );
    let name = (row.product_id, None);
    let before = list(&world, &user, (placed, placed), largest_first(), 100).await;
    let today_before = by_name(&list(&world, &user, (today, today), largest_first(), 100).await);
    world.time.pass(TimeDelta::minutes(30));
    world
        .sandbox
        .refund_order(AURORA, row.order_id, RefundRequest::default())
        .unwrap();
    world.sync(&user).await;
    assert_books_agree(&world, &user, AURORA, timezone).await;
    assert_eq!(
        list(&world, &user, (placed, placed), largest_first(), 100).await,
        before,
        "a past day moved"
    );
    let today_after = by_name(&list(&world, &user, (today, today), largest_first(), 100).await);
    let refunds = |products: &BTreeMap<ProductName, Product>| products.get(&name).cloned().unwrap_or_default().refunds;
    assert!(refunds(&today_after) > refunds(&today_before));
}

#[tokio::test]
async fn pages_hold_every_product_once_also_where_values_are_equal() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let days = known(&world, chrono_tz::America::New_York);
    for by in [
        "REVENUE_NET",
        "GROSS_SALES",
        "DISCOUNTS",
        "REFUNDS",
        "UNITS",
        "UNITS_RETURNED",
        "ORDERS",
    ] {
        let sorted = async |direction: &str, first| {
            list(&world, &user, days, json!({ "by": by, "direction": direction }), first).await
        };
        let largest_first = sorted("DESC", 2).await;
        let mut smallest_first = sorted("ASC", 250).await;
        smallest_first.reverse();
        assert_eq!(largest_first, smallest_first, "{by}");
        by_name(&largest_first);
    }
    let units = list(&world, &user, days, json!({ "by": "UNITS_RETURNED" }), 3).await;
    let values: Vec<i64> = units
        .iter()
        .map(|node| node["unitsReturned"].as_i64().unwrap())
        .collect();
    assert!(values.is_sorted_by(|a, b| a >= b));
    assert!(
        values.iter().collect::<BTreeSet<_>>().len() < values.len(),
        "no two values are equal"
    );

    let (from, to) = days;
    let page = world
        .ask_with(&user, LIST, json!({ "from": from, "to": to, "first": 1 }))
        .await;
    let cursor = page["products"]["pageInfo"]["endCursor"].as_str().unwrap();
    for arguments in [
        format!("after: \"{cursor}\", sort: {{by: UNITS}}"),
        format!("after: \"{cursor}\", sort: {{by: REVENUE_NET, direction: ASC}}"),
        "after: \"x\"".to_owned(),
        "first: 0".to_owned(),
        "first: 251".to_owned(),
    ] {
        let query = format!("{{ products(range: {{preset: TODAY}}, {arguments}) {{ totalCount }} }}");
        let answer = world.post(&user.bearer, &json!({ "query": query })).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT",
            "{arguments}"
        );
    }
}

#[tokio::test]
async fn days_that_are_not_synced_are_said_to_be_missing() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let (from, to) = known(&world, chrono_tz::America::New_York);
    let ask = async |from: NaiveDate, to: NaiveDate| {
        world
            .ask_with(&user, LIST, json!({ "from": from, "to": to, "first": 250 }))
            .await["products"]
            .clone()
    };
    let whole = ask(from, to).await;
    assert_eq!(
        (&whole["isPartial"], &whole["currencyCode"]),
        (&json!(false), &json!("USD"))
    );
    let wider = ask(from - Days::new(30), to + Days::new(3)).await;
    assert_eq!(wider["isPartial"], json!(true));
    assert_eq!(wider["nodes"], whole["nodes"]);
    let unknown = ask(from - Days::new(30), from - Days::new(1)).await;
    assert_eq!(unknown["isPartial"], json!(true));
    assert_eq!((&unknown["nodes"], &unknown["totalCount"]), (&json!([]), &json!(0)));
}

#[tokio::test]
async fn another_account_sees_nothing() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    run(&world, &user, &["SHOPIFY_PRODUCTS"]).await;
    let links = world.ask(&user, "{ integrations { id } }").await;
    let query = "query ($id: ID) { products(range: {preset: LAST_7_DAYS}, integrationId: $id) {
        nodes { title } totalCount isPartial freshness { source } } }";
    let body = json!({ "query": query, "variables": { "id": links["integrations"][0]["id"] } });
    let ours = world.post(&user.bearer, &body).await;
    assert!(ours["data"]["products"]["totalCount"].as_i64().unwrap() > 10, "{ours}");

    let other = world.user("Other", "USD", "America/New_York").await;
    let theirs = world.post(&other.bearer, &body).await;
    assert_eq!(theirs["errors"][0]["extensions"]["code"], "NOT_FOUND");
    let all = world.ask(&other, query).await;
    let nothing = json!({ "nodes": [], "totalCount": 0, "isPartial": false, "freshness": [] });
    assert_eq!(all["products"], nothing);
}

#[tokio::test]
async fn products_and_customers_are_kept_without_contact_data_and_then_only_what_changed() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let jobs = ["SHOPIFY_PRODUCTS", "SHOPIFY_CUSTOMERS"];
    run(&world, &user, &jobs).await;
    let products = count(&world, "select count(*) from shopify_products_raw").await;
    let customers = count(&world, "select count(*) from shopify_customers_raw").await;
    assert_eq!(products, 26);
    assert!(customers > 500, "{customers} customers fit on a page");
    assert_eq!(last_run(&world, "shopify_customers").await.1, customers);
    for (table, fields) in [
        (
            "shopify_products_raw",
            "createdAt featuredMedia handle id legacyResourceId productType status title totalInventory updatedAt vendor",
        ),
        (
            "shopify_customers_raw",
            "amountSpent createdAt id legacyResourceId numberOfOrders state updatedAt",
        ),
    ] {
        let sql = format!(
            "select string_agg(distinct key, ' ' order by key), bool_or(t::text ~ '[^\\s\"]@[^\\s\"]')
               from {table} t, jsonb_object_keys(payload) key"
        );
        let found: (String, bool) = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_one(&world.fixture.owner)
            .await
            .unwrap();
        assert_eq!(found, (fields.to_owned(), false), "{table}");
    }

    // Nothing changed: at most what changed in the last minutes before is read again.
    let versions = "select md5(string_agg(payload::text, ',' order by shopify_customer_id)) from shopify_customers_raw";
    let before: String = sqlx::query_scalar(versions)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    run(&world, &user, &jobs).await;
    let after: String = sqlx::query_scalar(versions)
        .fetch_one(&world.fixture.owner)
        .await
        .unwrap();
    assert_eq!(before, after);
    for job in ["shopify_products", "shopify_customers"] {
        let (status, records, _) = last_run(&world, job).await;
        assert_eq!(status, "succeeded");
        assert!(records < 20, "{job} read {records} records once more");
    }

    // A product gets another name: it is read, and its line in the list stays one.
    let days = known(&world, chrono_tz::America::New_York);
    let first = list(&world, &user, days, largest_first(), 250).await;
    let sold = first.iter().find(|node| node["productId"].is_string()).unwrap();
    let id: u64 = sold["productId"].as_str().unwrap().parse().unwrap();
    world.time.pass(TimeDelta::hours(1));
    world.sandbox.rename_product(AURORA, id, "Another name").unwrap();
    run(&world, &user, &jobs).await;
    let renamed = list(&world, &user, days, largest_first(), 250).await;
    let of_product: Vec<&Value> = renamed
        .iter()
        .filter(|node| node["productId"] == sold["productId"])
        .collect();
    let mut expected = sold.clone();
    expected["title"] = json!("Another name");
    assert_eq!(of_product, [&expected]);
    assert!(last_run(&world, "shopify_products").await.1 < products);
    assert_eq!(
        count(&world, "select count(*) from shopify_products_raw").await,
        products
    );
}

#[tokio::test]
async fn what_a_store_told_of_products_is_settled_by_reading_them() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    sqlx::query(
        "insert into shopify_webhooks_raw (account_id, integration_id, shop_domain, topic, webhook_id, payload, received_at)
         select account_id, id, 'x', topic, topic || due, '{}', now() + due * interval '1 hour'
           from integrations,
                unnest(array['products/create', 'products/update', 'products/delete', 'customers/update']) topic,
                unnest(array[-1, 1]) due",
    )
    .execute(&world.fixture.owner)
    .await
    .unwrap();
    run(&world, &user, &["SHOPIFY_PRODUCTS"]).await;
    let settled: Vec<String> = sqlx::query_scalar(
        "select webhook_id from shopify_webhooks_raw
              where status = 'processed' and topic in ('products/create', 'products/update') order by 1",
    )
    .fetch_all(&world.fixture.owner)
    .await
    .unwrap();
    assert_eq!(settled, ["products/create-1", "products/update-1"]);
}

#[tokio::test]
async fn an_interrupted_run_goes_on_where_it_was() {
    let now = at("2026-11-20T18:00:00Z");
    let clean = World::at(now).await;
    let user = clean.synced("Acme", "USD", "America/New_York", AURORA).await;
    run(&clean, &user, &["SHOPIFY_CUSTOMERS"]).await;
    let all = last_run(&clean, "shopify_customers").await.1;
    let kept = "select jsonb_agg(payload order by shopify_customer_id) from shopify_customers_raw";
    let expected: Value = sqlx::query_scalar(kept).fetch_one(&clean.fixture.owner).await.unwrap();

    let world = World::at(now).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    // Two pages get through, then the connection breaks; then one more, and the store is away.
    let through = FaultKind::Delay { delay_ms: 1 };
    for kind in [
        through.clone(),
        through.clone(),
        FaultKind::DropConnection,
        through,
        FaultKind::Status {
            status: 500,
            retry_after: None,
        },
    ] {
        world.sandbox.inject(AURORA, Fault::once(kind)).unwrap();
    }
    run(&world, &user, &["SHOPIFY_CUSTOMERS"]).await;
    while last_run(&world, "shopify_customers").await.0 == "queued" {
        sqlx::query("update sync_runs set scheduled_at = now() where status = 'queued'")
            .execute(&world.fixture.owner)
            .await
            .unwrap();
        world.work().await;
    }
    let failures =
        "select jsonb_array_length(error_history)::bigint from sync_runs where job_type = 'shopify_customers'";
    assert_eq!(count(&world, failures).await, 2);
    let (status, records, _) = last_run(&world, "shopify_customers").await;
    assert_eq!(status, "succeeded");
    assert!(records < all + 50, "{records} records were read to have {all}");
    let found: Value = sqlx::query_scalar(kept).fetch_one(&world.fixture.owner).await.unwrap();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_record_that_can_not_be_read_is_kept_aside_until_it_can() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    let fault = FaultKind::MalformedOrder {
        order_id: None,
        field: Some("updatedAt".to_owned()),
    };
    world.sandbox.inject(AURORA, Fault::once(fault)).unwrap();
    run(&world, &user, &["SHOPIFY_PRODUCTS"]).await;
    assert_eq!(
        last_run(&world, "shopify_products").await,
        ("succeeded".to_owned(), 25, None)
    );
    let rejects = "select count(*) from sync_rejects where kind = 'product' and reason like 'the product does not%'";
    assert_eq!(count(&world, rejects).await, 1);
    // As if it had changed.
    sqlx::query("update sync_cursors set last_synced_product_updated_at = null")
        .execute(&world.fixture.owner)
        .await
        .unwrap();
    run(&world, &user, &["SHOPIFY_PRODUCTS"]).await;
    assert_eq!(count(&world, rejects).await, 0);
    assert_eq!(count(&world, "select count(*) from shopify_products_raw").await, 26);
}

#[tokio::test]
async fn a_product_that_was_deleted_keeps_its_numbers() {
    let world = World::at(at("2026-11-20T18:00:00Z")).await;
    let timezone = chrono_tz::America::New_York;
    let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
    run(&world, &user, &["SHOPIFY_PRODUCTS"]).await;
    let before = assert_books_agree(&world, &user, AURORA, timezone).await;
    let (name, sold) = before
        .iter()
        .filter(|((id, _), _)| id.is_some())
        .max_by_key(|(_, product)| product.orders)
        .unwrap();
    let id = name.0.unwrap();
    let ledger = world.sandbox.ledger(AURORA).unwrap();
    let mut orders: Vec<u64> = ledger
        .iter()
        .filter(|row| row.product_id == Some(id))
        .map(|row| row.order_id)
        .collect();
    orders.dedup();
    let title = ledger
        .iter()
        .find(|row| row.product_id == Some(id))
        .unwrap()
        .line_title
        .clone();
    world.time.pass(TimeDelta::minutes(30));
    world.sandbox.delete_product(AURORA, id).unwrap();

    // As long as nothing is read again of its orders, nothing moves.
    run(&world, &user, &["SHOPIFY_FRESH", "SHOPIFY_PRODUCTS"]).await;
    let still = by_name(&list(&world, &user, known(&world, timezone), largest_first(), 100).await);
    assert_eq!(still.get(name).map(|product| product.units >= sold.units), Some(true));
    // Once every order was read again, its name is what is left.
    for order in orders {
        let _ = world.sandbox.touch_order(AURORA, order);
    }
    world.sync(&user).await;
    let after = assert_books_agree(&world, &user, AURORA, timezone).await;
    assert!(!after.contains_key(name));
    assert_eq!(after[&(None, title)].units, still[name].units);
}

#[tokio::test]
async fn without_a_scope_the_run_says_so_and_orders_go_on() {
    let now = at("2026-11-20T18:00:00Z");
    for (granted, job, missing) in [
        ("read_orders,read_customers", "SHOPIFY_PRODUCTS", "`read_products`"),
        ("read_orders,read_products", "SHOPIFY_CUSTOMERS", "`read_customers`"),
    ] {
        let world = World::granting(granted, now, |config| config).await;
        let user = world.synced("Acme", "USD", "America/New_York", AURORA).await;
        run(&world, &user, &[job]).await;
        let (status, _, error) = last_run(&world, &job.to_lowercase()).await;
        assert_eq!(status, "failed");
        let error = error.unwrap();
        assert!(
            error.contains(missing) && error.contains("connect the store again"),
            "{error}"
        );
        let data = world.ask(&user, "{ integrations { status } }").await;
        assert_eq!(data["integrations"][0]["status"], json!("CONNECTED"));
        // Orders name their customers, but can do without products.
        if granted.contains("customers") {
            run(&world, &user, &["SHOPIFY_FRESH"]).await;
            assert_eq!(last_run(&world, "shopify_fresh").await.0, "succeeded");
            assert_books_agree(&world, &user, AURORA, chrono_tz::America::New_York).await;
        }
    }
}
