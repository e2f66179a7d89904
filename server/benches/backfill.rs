//! How fast a store's history comes in, beside what PostgreSQL takes for the same rows: `server sync` as it is installed,
//! reading from a store whose answers lie ready, by file and by pages; and a bare COPY of the same orders, facts and days
//! into staging tables with one statement for each table behind it. They take turns on the same database.
//!
//! `cargo bench -p server --bench backfill -- --orders 20000 --rounds 1`

#![expect(clippy::unwrap_used, reason = "a measurement that fails says so by a panic")]

use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::TryStreamExt;
use secrecy::SecretString;
use serde_json::{Value, json};
use server::cipher::{Cipher, TokenKind, TokenPlace};
use server::config::{DatabaseConfig, EncryptionConfig};
use server::domain::ids::{AccountId, IntegrationId};
use server::embedded::{Cluster, ClusterOptions, OWNER};
use server::store::migrate_up;
use sqlx::postgres::PgPoolCopyExt;
use sqlx::{AssertSqlSafe, PgPool};

const DATABASE: &str = "bench";
const SHOP: &str = "bench.myshopify.com";
const KEY: [u8; 32] = [7; 32];
/// Orders of a page.
const PAGE: usize = 250;
/// Days over which the orders are spread.
const DAYS: i64 = 400;
/// How long the store takes for an answer, where that is what is measured.
const LATENCY: Duration = Duration::from_millis(300);
/// Orders of that measurement.
const LATENT_ORDERS: usize = 20_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    // `cargo test --benches` only wants to know whether it builds.
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let option = |name: &str, default: usize| {
        let at = arguments.iter().position(|argument| argument == name);
        at.map_or(default, |at| arguments[at + 1].parse().unwrap())
    };
    let orders = option("--orders", 100_000);
    let rounds = option("--rounds", 3);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let options = ClusterOptions {
        ephemeral: true,
        more_bin_dirs: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../.data/postgresql/bin")],
        ..ClusterOptions::new(home.path().join("cluster"))
    };
    let cluster = Cluster::start(&options).unwrap_or_else(|error| panic!("{error}"));
    runtime.block_on(measure(&cluster, orders, rounds));
    cluster.stop().unwrap();
}

async fn measure(cluster: &Cluster, orders: usize, rounds: usize) {
    let owner = cluster.url(OWNER, DATABASE);
    cluster.create_database(DATABASE, None).await.unwrap();
    migrate_up(&DatabaseConfig::at(owner.clone())).await.unwrap();
    let pool = PgPool::connect(&owner).await.unwrap();
    let store = FakeStore::with(orders);
    connect(&pool).await;
    let bench = Bench {
        address: store.serve().await,
        worker: cluster.url("worker", DATABASE),
        pool,
        store,
    };
    let (pages, file) = bench.store.sizes();
    println!("{orders} orders; pages of {pages} MB in all, a file of {file} MB");
    let mut ratios: [Vec<f64>; 2] = Default::default();
    let mut peaks = [0, 0];
    for round in 1..=rounds {
        let by_file = bench.sync(true).await;
        let staged = bench.staged().await;
        let limit = bench.limit(&staged).await;
        let by_pages = bench.sync(false).await;
        let pace = |took: Duration| orders as f64 / took.as_secs_f64();
        println!(
            "round {round}: by file {:6.0} orders/s, {} MB; by pages {:6.0} orders/s, {} MB; COPY {:6.0} orders/s",
            pace(by_file.took),
            by_file.peak,
            pace(by_pages.took),
            by_pages.peak,
            pace(limit)
        );
        for (place, synced) in [&by_file, &by_pages].into_iter().enumerate() {
            ratios[place].push(pace(synced.took) / pace(limit));
            peaks[place] = peaks[place].max(synced.peak);
        }
    }
    bench.store.answer_after(LATENCY, LATENT_ORDERS);
    let slow = bench.sync(false).await;
    let waits = LATENCY.as_secs_f64() * slow.questions as f64;

    println!("\n| | median ratio to COPY and one statement a table | peak memory, MB |\n|---|---|---|");
    for (name, (ratios, peak)) in ["by file", "by pages"].iter().zip(ratios.into_iter().zip(peaks)) {
        println!("| {name} | {:.2} | {peak} |", median(ratios));
    }
    println!(
        "\npages with {} ms for an answer: {:.3} x questions x latency ({} questions, {:.1} s)",
        LATENCY.as_millis(),
        slow.took.as_secs_f64() / waits,
        slow.questions,
        slow.took.as_secs_f64()
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Bench {
    pool: PgPool,
    /// The store's address.
    address: String,
    /// The database's, for the worker.
    worker: String,
    store: Arc<FakeStore>,
}

/// A run that is through.
struct Synced {
    took: Duration,
    /// Megabytes.
    peak: u64,
    questions: usize,
}

impl Bench {
    /// Brings the whole history into empty tables.
    async fn sync(&self, by_file: bool) -> Synced {
        self.empty("fact_orders, fact_order_days, shopify_orders_raw, daily_shopify_metrics, daily_summary, latest_kpis, sync_runs, sync_rejects")
            .await;
        self.execute(
            "update sync_cursors set last_synced_order_updated_at = null, backfilled_from = null, resume = '{}'",
        )
        .await;
        self.execute("checkpoint").await;
        self.store.by_file.store(by_file, Ordering::SeqCst);
        self.store.questions.store(0, Ordering::SeqCst);
        let key = base64::engine::general_purpose::STANDARD.encode(KEY);
        let mut child = Command::new(env!("CARGO_BIN_EXE_server"))
            .args(["sync", "--integration", SHOP, "--job", "shopify_backfill"])
            .env_clear()
            .env("WORKER_DATABASE_URL", &self.worker)
            .env("ENCRYPTION_KEYS", format!("k1:{key}"))
            .env("SHOPIFY_API_KEY", "key")
            .env("SHOPIFY_API_SECRET", "secret")
            .env("SHOPIFY_BASE_URL", format!("{}/{{shop}}", self.address))
            .env(
                "RUST_LOG",
                std::env::var("BENCH_LOG").unwrap_or_else(|_| "error".to_owned()),
            )
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut peak = 0;
        let ended = loop {
            peak = peak.max(peak_memory(child.id()).unwrap_or(0));
            match child.try_wait().unwrap() {
                Some(ended) => break ended,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        assert!(ended.success());
        let (micros, facts, cells): (i64, i64, i64) = sqlx::query_as(
            "select (extract(epoch from finished_at - started_at) * 1000000)::bigint,
                    (select count(*) from fact_orders), (select count(*) from daily_shopify_metrics)
               from sync_runs where status = 'succeeded'",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        assert_eq!(facts as usize, self.store.shown.load(Ordering::SeqCst));
        assert!(cells > 1);
        Synced {
            took: Duration::from_micros(micros as u64),
            peak,
            questions: self.store.questions.load(Ordering::SeqCst),
        }
    }

    /// What a run wrote, as COPY takes it.
    async fn staged(&self) -> Vec<(&'static str, Vec<Bytes>)> {
        let mut staged = Vec::new();
        for table in ["shopify_orders_raw", "fact_orders", "fact_order_days"] {
            let sql = format!("copy {table} to stdout");
            let rows = self.pool.copy_out_raw(&sql).await.unwrap();
            staged.push((table, rows.try_collect().await.unwrap()));
        }
        staged
    }

    /// The same rows and day cells by the shortest way.
    async fn limit(&self, staged: &[(&'static str, Vec<Bytes>)]) -> Duration {
        self.empty("fact_orders, fact_order_days, shopify_orders_raw, daily_shopify_metrics, daily_summary")
            .await;
        self.execute("checkpoint").await;
        let mut connection = self.pool.acquire().await.unwrap();
        let began = Instant::now();
        for (table, rows) in staged {
            // The payload as it comes: text.
            let sql = format!("create temp table staged_{table} (like {table})");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
            let sql = format!("copy staged_{table} from stdin");
            let mut copy = connection.copy_in_raw(&sql).await.unwrap();
            // In chunks, as a stream would come.
            let mut chunk = Vec::new();
            for row in rows {
                chunk.extend_from_slice(row);
                if chunk.len() > 1 << 16 {
                    copy.send(std::mem::take(&mut chunk)).await.unwrap();
                }
            }
            copy.send(chunk).await.unwrap();
            copy.finish().await.unwrap();
        }
        for sql in UPSERTS {
            sqlx::query(*sql).execute(&mut *connection).await.unwrap();
        }
        let took = began.elapsed();
        for (table, _) in staged {
            let sql = format!("drop table staged_{table}");
            sqlx::query(AssertSqlSafe(sql)).execute(&mut *connection).await.unwrap();
        }
        took
    }

    async fn empty(&self, tables: &str) {
        self.execute(&format!("truncate {tables}")).await;
    }

    async fn execute(&self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned()))
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

/// From the staging tables to the tables, each in one transaction of its own.
const UPSERTS: &[&str] = &[
    "insert into shopify_orders_raw as kept select * from staged_shopify_orders_raw
     on conflict (integration_id, shopify_order_id) do update
        set order_updated_at = excluded.order_updated_at, payload = excluded.payload
      where excluded.order_updated_at >= kept.order_updated_at",
    "insert into fact_orders as kept select * from staged_fact_orders
     on conflict (integration_id, shopify_order_id) do update
        set order_updated_at = excluded.order_updated_at, gross_sales = excluded.gross_sales
      where excluded.order_updated_at >= kept.order_updated_at",
    "insert into fact_order_days as kept select * from staged_fact_order_days
     on conflict (integration_id, shopify_order_id, date) do update set gross_sales = excluded.gross_sales",
    "insert into daily_shopify_metrics
            (account_id, integration_id, date, currency, orders, units, gross_sales, discounts, refunds, revenue_net,
             shipping, taxes, duties_and_fees, total_sales, order_value, new_customer_orders,
             returning_customer_orders, guest_orders)
     select account_id, integration_id, date, currency, sum(orders), sum(units), sum(gross_sales), sum(discounts),
            sum(refunds), sum(revenue_net), sum(shipping), sum(taxes), sum(duties_and_fees), sum(total_sales),
            sum(order_value), sum(new_customer_orders), sum(returning_customer_orders), sum(guest_orders)
       from fact_order_days group by account_id, integration_id, date, currency",
    "insert into daily_summary
            (account_id, date, orders, units, gross_sales, discounts, refunds, revenue_net, shipping, taxes,
             duties_and_fees, total_sales, order_value, new_customer_orders, returning_customer_orders, guest_orders)
     select account_id, date, sum(orders), sum(units), sum(gross_sales), sum(discounts), sum(refunds),
            sum(revenue_net), sum(shipping), sum(taxes), sum(duties_and_fees), sum(total_sales), sum(order_value),
            sum(new_customer_orders), sum(returning_customer_orders), sum(guest_orders)
       from daily_shopify_metrics group by account_id, date",
];

/// The most memory that a process has had, in megabytes.
fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// An account with the store linked, and a token for it.
async fn connect(pool: &PgPool) {
    let account: AccountId = sqlx::query_scalar(
        "insert into accounts (name, currency, timezone) values ('Bench', 'USD', 'America/New_York') returning id",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let link: IntegrationId = sqlx::query_scalar(
        "with shop as (
             insert into shops (account_id, shop_domain, shopify_shop_id, name, currency, iana_timezone)
             values ($1, $2, 1, 'A store', 'USD', 'America/New_York') returning id)
         insert into integrations (account_id, type, shop_id, scopes)
         select $1, 'shopify', id, '{read_orders,read_all_orders}' from shop returning id",
    )
    .bind(account)
    .bind(SHOP)
    .fetch_one(pool)
    .await
    .unwrap();
    let cipher = Cipher::new(&EncryptionConfig {
        keys: vec![("k1".to_owned(), KEY)],
    });
    let place = TokenPlace {
        account_id: account,
        integration_id: link,
        kind: TokenKind::Access,
    };
    let token = cipher.seal(&SecretString::from("shpat_bench"), &place).unwrap();
    sqlx::query(
        "insert into integration_secrets (account_id, integration_id, kind, ciphertext, key_id)
         values ($1, $2, 'access_token', $3, 'k1')",
    )
    .bind(account)
    .bind(link)
    .bind(token)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("insert into sync_cursors (account_id, integration_id) values ($1, $2)")
        .bind(account)
        .bind(link)
        .execute(pool)
        .await
        .unwrap();
}

/// A store whose answers lie ready.
struct FakeStore {
    pages: Vec<Bytes>,
    file: Bytes,
    opened_at: DateTime<Utc>,
    by_file: AtomicBool,
    /// Milliseconds.
    latency: AtomicU64,
    /// How many orders there are.
    shown: AtomicUsize,
    questions: AtomicUsize,
    origin: RwLock<String>,
}

impl FakeStore {
    fn with(orders: usize) -> Arc<Self> {
        #[expect(clippy::disallowed_methods, reason = "the server's clock is the machine's")]
        let now = Utc::now();
        let first = now - TimeDelta::days(DAYS);
        let step = TimeDelta::milliseconds(DAYS * 86_400_000 / orders as i64);
        let mut pages = Vec::new();
        let mut file = String::new();
        for page in 0..orders.div_ceil(PAGE) {
            let mut nodes = String::new();
            for number in page * PAGE..((page + 1) * PAGE).min(orders) {
                let order = Order::new(number, first + step * number as i32);
                if !nodes.is_empty() {
                    nodes.push(',');
                }
                nodes.push_str(&order.node());
                order.write_lines(&mut file);
            }
            pages.push(nodes);
        }
        let count = pages.len();
        let pages = pages.into_iter().enumerate().map(|(page, nodes)| {
            let cost = r#""extensions":{"cost":{"requestedQueryCost":930,"actualQueryCost":400,"throttleStatus":{"maximumAvailable":20000,"currentlyAvailable":19000,"restoreRate":1000}}}"#;
            let is_last = page + 1 == count;
            format!(
                r#"{{"data":{{"orders":{{"nodes":[{nodes}],"pageInfo":{{"hasNextPage":{},"endCursor":"{}"}}}}}},{cost}}}"#,
                !is_last,
                page + 1
            )
            .into()
        });
        Arc::new(Self {
            pages: pages.collect(),
            file: file.into(),
            // The store is young, and its orders were brought along: one slice has them all.
            opened_at: now - TimeDelta::days(10),
            by_file: AtomicBool::new(true),
            latency: AtomicU64::new(0),
            shown: AtomicUsize::new(orders),
            questions: AtomicUsize::new(0),
            origin: RwLock::default(),
        })
    }

    /// Megabytes of the pages and of the file.
    fn sizes(&self) -> (usize, usize) {
        let pages: usize = self.pages.iter().map(Bytes::len).sum();
        (pages >> 20, self.file.len() >> 20)
    }

    /// From now on, fewer orders and slower.
    fn answer_after(&self, latency: Duration, orders: usize) {
        self.latency.store(latency.as_millis() as u64, Ordering::SeqCst);
        let orders = orders.min(self.shown.load(Ordering::SeqCst)) / PAGE * PAGE;
        self.shown.store(orders.max(PAGE), Ordering::SeqCst);
    }

    async fn serve(self: &Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        *self.origin.write().unwrap() = origin.clone();
        let router = Router::new()
            .route("/{shop}/admin/api/{version}/graphql.json", post(answer))
            .route("/file", get(download))
            .with_state(Arc::clone(self));
        tokio::spawn(async move { axum::serve(listener, router).await });
        origin
    }

    fn page(&self, after: Option<&str>) -> Bytes {
        let page: usize = after.map_or(0, |after| after.parse().unwrap());
        let shown = self.shown.load(Ordering::SeqCst).div_ceil(PAGE);
        let text = &self.pages[page];
        if page + 1 < shown || shown == self.pages.len() {
            return text.clone();
        }
        let text = std::str::from_utf8(text).unwrap();
        let end = text.rfind(r#""hasNextPage":true"#).unwrap();
        format!("{}\"hasNextPage\":false{}", &text[..end], &text[end + 18..]).into()
    }
}

async fn answer(State(store): State<Arc<FakeStore>>, body: Bytes) -> Response {
    let latency = Duration::from_millis(store.latency.load(Ordering::SeqCst));
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    store.questions.fetch_add(1, Ordering::SeqCst);
    let asked: Value = serde_json::from_slice(&body).unwrap();
    let orders = store.shown.load(Ordering::SeqCst);
    let data = match asked["operationName"].as_str().unwrap() {
        "OrdersPage" => {
            let page = store.page(asked["variables"]["after"].as_str());
            return ([(header::CONTENT_TYPE, "application/json")], page).into_response();
        }
        "Extent" => json!({
            "shop": {"id": "gid://shopify/Shop/1", "createdAt": store.opened_at},
            "ordersCount": {"count": orders},
        }),
        "ChangedCount" => json!({"ordersCount": {"count": 10_000}}),
        "StartHistory" if store.by_file.load(Ordering::SeqCst) => json!({"bulkOperationRunQuery": {
            "bulkOperation": {"id": "gid://shopify/BulkOperation/1"}, "userErrors": [],
        }}),
        "StartHistory" => json!({"bulkOperationRunQuery": {
            "bulkOperation": null, "userErrors": [{"code": "INVALID", "message": "not here"}],
        }}),
        "HistoryState" => json!({"bulkOperation": {
            "id": "gid://shopify/BulkOperation/1", "status": "COMPLETED", "errorCode": null,
            "fileSize": store.file.len().to_string(), "rootObjectCount": orders.to_string(),
            "url": format!("{}/file", store.origin.read().unwrap()),
        }}),
        other => panic!("{other} was not to be asked"),
    };
    axum::Json(json!({ "data": data })).into_response()
}

async fn download(State(store): State<Arc<FakeStore>>, headers: HeaderMap) -> Response {
    if headers.contains_key(header::RANGE) {
        return StatusCode::NOT_IMPLEMENTED.into_response();
    }
    store.file.clone().into_response()
}

/// An order like most: two products and shipping, some with a refund.
struct Order {
    id: usize,
    at: String,
    refunded: bool,
}

const MONEY: fn(&str, &str) -> String =
    |name, amount| format!(r#""{name}":{{"shopMoney":{{"amount":"{amount}","currencyCode":"USD"}}}}"#);
const LAST: &str = r#"],"pageInfo":{"hasNextPage":false,"endCursor":"ZW5k"}}"#;

impl Order {
    fn new(number: usize, at: DateTime<Utc>) -> Self {
        Self {
            id: 5_000_000_000_000 + number,
            at: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            refunded: number.is_multiple_of(20),
        }
    }

    /// Without its agreements and its end.
    fn root(&self) -> String {
        let Self { id, at, .. } = self;
        let number = id % 1_000_000;
        let customer = number % 30_000;
        let index = number / 30_000 + 1;
        format!(
            r##"{{"id":"gid://shopify/Order/{id}","legacyResourceId":"{id}","name":"#{number}","createdAt":"{at}","updatedAt":"{at}","processedAt":"{at}","cancelledAt":null,"test":false,"currencyCode":"USD","taxesIncluded":false,"displayFinancialStatus":"PAID","displayFulfillmentStatus":"FULFILLED","sourceName":"web","customer":{{"id":"gid://shopify/Customer/{customer}"}},"customerJourneySummary":{{"ready":true,"customerOrderIndex":{index},"lastVisit":{{"utmParameters":{{"source":"newsletter","medium":"email","campaign":"autumn-{}","content":null,"term":null}}}}}}"##,
            number % 12
        )
    }

    /// Each agreement without its sales and its end, with its sales without their ends.
    fn ledger(&self) -> Vec<(String, String, Vec<String>)> {
        let Self { id, at, refunded } = self;
        let product = |place: usize, action: &str, quantity: i32, total: &str, tax: &str, discount: &str| {
            let sale = 10 * id + place;
            format!(
                r#"{{"__typename":"ProductSale","id":"gid://shopify/ProductSale/{sale}","actionType":"{action}","lineType":"PRODUCT","quantity":{quantity},{},{},{},"lineItem":{{"id":"gid://shopify/LineItem/{sale}","title":"Stoneware Mug, Oat","sku":"AUR-MUG-{place}","product":{{"id":"gid://shopify/Product/{}"}}}}"#,
                MONEY("totalAmount", total),
                MONEY("totalTaxAmount", tax),
                MONEY("totalDiscountAmountBeforeTaxes", discount),
                8_000_000 + id % 200
            )
        };
        let shipping = format!(
            r#"{{"__typename":"ShippingLineSale","id":"gid://shopify/ShippingLineSale/{}","actionType":"ORDER","lineType":"SHIPPING","quantity":null,{},{},{}"#,
            10 * id + 9,
            MONEY("totalAmount", "7.57"),
            MONEY("totalTaxAmount", "0.62"),
            MONEY("totalDiscountAmountBeforeTaxes", "0.0")
        );
        let agreement = |kind: &str, reason: &str, place: usize| {
            let gid = format!("gid://shopify/{kind}/{}", 10 * id + place);
            let text = format!(r#"{{"__typename":"{kind}","id":"{gid}","happenedAt":"{at}","reason":"{reason}""#);
            (gid, text)
        };
        let (gid, text) = agreement("OrderAgreement", "ORDER", 1);
        let sales = vec![
            product(1, "ORDER", 2, "52.26", "4.26", "0.0"),
            product(2, "ORDER", 1, "88.01", "7.16", "8.05"),
            shipping,
        ];
        let mut ledger = vec![(gid, text, sales)];
        if *refunded {
            let (gid, text) = agreement("RefundAgreement", "REFUND", 2);
            ledger.push((gid, text, vec![product(3, "RETURN", -1, "-26.13", "-2.13", "0.0")]));
        }
        ledger
    }

    fn node(&self) -> String {
        let agreements = self.ledger().into_iter().map(|(_, text, sales)| {
            let sales: Vec<String> = sales.into_iter().map(|sale| sale + "}").collect();
            format!(r#"{text},"sales":{{"nodes":[{}{LAST}}}"#, sales.join(","))
        });
        let agreements: Vec<String> = agreements.collect();
        format!(
            r#"{},"agreements":{{"nodes":[{}{LAST}}}"#,
            self.root(),
            agreements.join(",")
        )
    }

    fn write_lines(&self, file: &mut String) {
        let _ = writeln!(file, "{}}}", self.root());
        for (gid, text, sales) in self.ledger() {
            let _ = writeln!(file, r#"{text},"__parentId":"gid://shopify/Order/{}"}}"#, self.id);
            for sale in sales {
                let _ = writeln!(file, r#"{sale},"__parentId":"{gid}"}}"#);
            }
        }
    }
}
