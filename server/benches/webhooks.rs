//! How fast deliveries are taken, beside PostgreSQL's own pace: `server serve` as it is installed, asked by 32 connections
//! that are kept alive, and `pgbench` with the bare INSERT of a delivery in a transaction of one account. Both commit to
//! disk. They take turns on the same database, so that what disturbs the machine disturbs both.
//!
//! The senders share the machine's cores with the server and are as lean as can be: bodies are signed beforehand, and
//! answers are looked at no further than their length.

#![expect(clippy::unwrap_used, reason = "a measurement that fails says so by a panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use server::config::DatabaseConfig;
use server::domain::webhook::WebhookPayload;
use server::embedded::{Cluster, ClusterOptions, OWNER};
use server::store::migrate_up;
use sha2::Sha256;
use sqlx::PgPool;
use uuid::Uuid;

const ROUNDS: usize = 3;
const SECONDS: u64 = 6;
const CONNECTIONS: usize = 32;
const BODIES: usize = 200;
const BODY_BYTES: usize = 6_600;
const SHOPS: usize = 20;
const PGBENCH_CLIENTS: usize = 10;
const DATABASE: &str = "bench";
const SECRET: &str = "the app's secret";
/// Clock ticks of `/proc/<pid>/stat` in a second; the same on every Linux.
const TICKS: f64 = 100.0;

fn main() {
    // `cargo test --benches` only wants to know whether it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let home = tempfile::tempdir().unwrap();
    let options = ClusterOptions {
        ephemeral: true,
        more_bin_dirs: vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("../.data/postgresql/bin")],
        ..ClusterOptions::new(home.path().join("cluster"))
    };
    let cluster = Cluster::start(&options).unwrap_or_else(|error| panic!("{error}"));
    let owner = cluster.url(OWNER, DATABASE);
    let (pool, account, links) = runtime.block_on(async {
        cluster.create_database(DATABASE, None).await.unwrap();
        migrate_up(&DatabaseConfig::at(owner.clone())).await.unwrap();
        let pool = PgPool::connect(&owner).await.unwrap();
        let (account, links) = connect_stores(&pool).await;
        (pool, account, links)
    });
    let shops: Vec<String> = links.iter().map(|(shop, _)| shop.clone()).collect();
    let bodies = bodies();
    let kept: WebhookPayload = serde_json::from_slice(&bodies[0]).unwrap();
    let scripts = [
        ("pgbench, whole body", String::from_utf8(bodies[0].clone()).unwrap()),
        ("pgbench, kept part", serde_json::to_string(&kept).unwrap()),
    ]
    .map(|(name, payload)| (name, pgbench_script(home.path(), name, account, &links[0]), payload));
    let pgbench = pgbench_program(&runtime, &pool);

    let server = Server::start(&cluster);
    let signed: Arc<Vec<Vec<u8>>> = Arc::new(bodies.iter().map(|body| request_end(body)).collect());
    let shops = Arc::new(shops);
    println!(
        "{CONNECTIONS} connections, {BODIES} bodies of {} bytes on average, {SHOPS} stores, {SECONDS} s a round",
        bodies.iter().map(Vec::len).sum::<usize>() / bodies.len()
    );
    server.send(&shops, &signed, Duration::from_secs(2));
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        let counted = || count(&runtime, &pool);
        let before = counted();
        let sent = server.send(&shops, &signed, Duration::from_secs(SECONDS));
        assert_eq!(
            counted() - before,
            sent.acknowledged,
            "an acknowledged delivery is not there"
        );
        let paces = scripts
            .each_ref()
            .map(|(_, script, payload)| bare_insert(&pgbench, &cluster, script, payload));
        println!(
            "round {round}: {:6.0} deliveries/s, p50 {:.1} ms, p99 {:.1} ms, {:.0} µs of the server's CPU each",
            sent.pace,
            sent.p50.as_secs_f64() * 1e3,
            sent.p99.as_secs_f64() * 1e3,
            sent.cpu.as_secs_f64() * 1e6
        );
        for ((name, ..), pace) in scripts.iter().zip(paces) {
            println!(
                "         {pace:6.0} transactions/s ({name}); ratio {:.2}",
                sent.pace / pace
            );
        }
        rounds.push((sent, paces));
    }
    println!("\n| beside | median ratio of deliveries/s to transactions/s |\n|---|---|");
    for (place, (name, ..)) in scripts.iter().enumerate() {
        let ratios = rounds.iter().map(|(sent, paces)| sent.pace / paces[place]);
        println!(
            "| {name}, {PGBENCH_CLIENTS} clients | {:.2} |",
            median(ratios.collect())
        );
    }
    let paces = rounds.iter().map(|(sent, _)| sent.pace).collect();
    println!("\nmedian: {:.0} deliveries/s", median(paces));
    drop(server);
    cluster.stop().unwrap();
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One account with connected stores: its id, and each store's domain and link.
async fn connect_stores(pool: &PgPool) -> (Uuid, Vec<(String, Uuid)>) {
    let account: Uuid = sqlx::query_scalar(
        "insert into accounts (name, currency, timezone) values ('Bench', 'USD', 'UTC') returning id",
    )
    .fetch_one(pool)
    .await
    .unwrap();
    let links = sqlx::query_as(
        "with shop as (
             insert into shops (account_id, shop_domain, shopify_shop_id, name, currency, iana_timezone)
             select $1, 'store-' || place || '.myshopify.com', place, 'A store', 'USD', 'UTC'
               from generate_series(1, $2) place
             returning id, shop_domain),
         link as (
             insert into integrations (account_id, type, shop_id) select $1, 'shopify', id from shop
             returning id, shop_id)
         select shop.shop_domain, link.id from shop join link on link.shop_id = shop.id",
    )
    .bind(account)
    .bind(SHOPS as i32)
    .fetch_all(pool)
    .await
    .unwrap();
    (account, links)
}

fn count(runtime: &tokio::runtime::Runtime, pool: &PgPool) -> u64 {
    let rows: i64 = runtime
        .block_on(sqlx::query_scalar("select count(*) from shopify_webhooks_raw").fetch_one(pool))
        .unwrap();
    rows as u64
}

/// Orders as Shopify sends them, in shape and size.
fn bodies() -> Vec<Vec<u8>> {
    let body = |place: usize| {
        let line = |number: usize| {
            json!({
                "id": 13_000_000_000_000_u64 + (place * 10 + number) as u64,
                "admin_graphql_api_id": format!("gid://shopify/LineItem/{}", place * 10 + number),
                "title": "A thing that somebody buys", "quantity": 1 + number, "price": "19.95", "sku": "SKU-1042",
                "price_set": { "shop_money": { "amount": "19.95", "currency_code": "USD" },
                               "presentment_money": { "amount": "19.95", "currency_code": "USD" } },
                "tax_lines": [{ "title": "State tax", "price": "1.65", "rate": 0.0825 }],
                "discount_allocations": [], "properties": [], "taxable": true, "vendor": "Aurora Goods",
            })
        };
        let mut order = json!({
            "id": 5_512_345_000_000_u64 + place as u64,
            "admin_graphql_api_id": format!("gid://shopify/Order/{}", 5_512_345_000_000_u64 + place as u64),
            "created_at": "2026-11-22T09:59:58-05:00", "updated_at": "2026-11-22T10:00:00-05:00",
            "name": format!("#{}", 1000 + place), "currency": "USD", "financial_status": "paid",
            "email": "buyer@example.com", "total_price": "59.85", "taxes_included": false,
            "customer": { "id": 7_000_000 + place, "first_name": "Some", "last_name": "Body",
                          "default_address": { "city": "Springfield", "zip": "12345", "country": "United States" } },
            "line_items": (0..5).map(line).collect::<Vec<_>>(),
            "note_attributes": [],
        });
        // Bodies differ in length as real ones do.
        let missing = (BODY_BYTES - 1_100 + place * 11).saturating_sub(order.to_string().len());
        order["note"] = json!("x".repeat(missing));
        order.to_string().into_bytes()
    };
    (0..BODIES).map(body).collect()
}

/// What follows the id of a delivery in a request: the last headers, and the body.
fn request_end(body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body);
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let mut end = format!(
        "\r\nX-Shopify-Topic: orders/updated\r\nX-Shopify-Hmac-Sha256: {signature}\r\n\
         X-Shopify-Event-Id: 98880550-7158-44d4-b7cd-2c97c8a091b5\r\n\
         X-Shopify-Triggered-At: 2026-11-22T15:00:00.000Z\r\nX-Shopify-API-Version: 2026-10\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    end.extend_from_slice(body);
    end
}

/// The program as it is installed, serving.
struct Server {
    process: Child,
    address: String,
}

/// What a round of sending showed.
struct Sent {
    acknowledged: u64,
    /// Acknowledged in a second.
    pace: f64,
    p50: Duration,
    p99: Duration,
    /// What the server's process computed for each.
    cpu: Duration,
}

impl Server {
    fn start(cluster: &Cluster) -> Self {
        let key = STANDARD.encode([7; 32]);
        let mut process = Command::new(env!("CARGO_BIN_EXE_server"))
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL", cluster.url("api", DATABASE))
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .env("JWT_SECRET", "a secret that nobody needs here, of good length")
            .env("ENCRYPTION_KEYS", format!("k1:{key}"))
            .env("SHOPIFY_API_KEY", "key")
            .env("SHOPIFY_API_SECRET", SECRET)
            // The line that says where it listens, and none for each request.
            .env("RUST_LOG", "warn,server::commands=info")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        let line = log.by_ref().map_while(Result::ok).find(|line| line.contains("http://"));
        let line = line.expect("the server says where it listens");
        let address = line.split_once("http://").unwrap().1.trim().to_owned();
        thread::spawn(move || log.map_while(Result::ok).for_each(|line| eprintln!("{line}")));
        Self { process, address }
    }

    /// User and system time of the process so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        let fields: Vec<f64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|field| field.parse().ok())
            .collect();
        // Fields 14 and 15; the first two are cut off with the name, and the state is no number.
        let ticks = fields.get(10).unwrap_or(&0.0) + fields.get(11).unwrap_or(&0.0);
        Duration::from_secs_f64(ticks / TICKS)
    }

    fn send(&self, shops: &Arc<Vec<String>>, signed: &Arc<Vec<Vec<u8>>>, span: Duration) -> Sent {
        let (over, sequence) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let run = Uuid::new_v4().simple().to_string();
        let (cpu, began) = (self.cpu(), Instant::now());
        let senders: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                let (shops, signed, over, sequence) = (shops.clone(), signed.clone(), over.clone(), sequence.clone());
                let (address, run) = (self.address.clone(), run.clone());
                thread::Builder::new()
                    .stack_size(128 * 1024)
                    .spawn(move || send_until(&over, &address, &shops, &signed, &run, &sequence))
                    .unwrap()
            })
            .collect();
        thread::sleep(span);
        over.store(true, Ordering::Relaxed);
        let mut took: Vec<Duration> = Vec::new();
        for sender in senders {
            took.extend(sender.join().unwrap());
        }
        let (elapsed, cpu) = (began.elapsed(), self.cpu() - cpu);
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        Sent {
            acknowledged: took.len() as u64,
            pace: took.len() as f64 / elapsed.as_secs_f64(),
            p50: at(0.5),
            p99: at(0.99),
            cpu: cpu / u32::try_from(took.len()).unwrap(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Posts one delivery after the other, each with an id of its own; how long each took.
fn send_until(
    over: &AtomicBool,
    address: &str,
    shops: &[String],
    signed: &[Vec<u8>],
    run: &str,
    sequence: &AtomicU64,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    let mut took = Vec::new();
    let (mut request, mut answer) = (Vec::with_capacity(2 * BODY_BYTES), [0; 2048]);
    while !over.load(Ordering::Relaxed) {
        let place = sequence.fetch_add(1, Ordering::Relaxed) as usize;
        request.clear();
        write!(
            request,
            "POST /api/webhooks/shopify/orders/updated HTTP/1.1\r\nHost: {address}\r\n\
             X-Shopify-Shop-Domain: {}\r\nX-Shopify-Webhook-Id: {run}-{place}",
            shops[place % shops.len()]
        )
        .unwrap();
        request.extend_from_slice(&signed[place % signed.len()]);
        let began = Instant::now();
        stream.write_all(&request).unwrap();
        // An acknowledgement has no body: it ends with the empty line.
        let mut length = 0;
        while !answer[..length].ends_with(b"\r\n\r\n") {
            let read = stream.read(&mut answer[length..]).unwrap();
            assert!(read > 0, "the server hung up");
            length += read;
        }
        took.push(began.elapsed());
        let said = &answer[..length];
        assert!(said.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(said));
    }
    took
}

/// PostgreSQL's own load generator, from the folder of the server that is running.
fn pgbench_program(runtime: &tokio::runtime::Runtime, pool: &PgPool) -> PathBuf {
    let folder: String = runtime
        .block_on(sqlx::query_scalar("select setting from pg_config where name = 'BINDIR'").fetch_one(pool))
        .unwrap();
    let program = Path::new(&folder).join("pgbench");
    assert!(
        program.exists(),
        "{} is missing; it comes with PostgreSQL's server packages",
        program.display()
    );
    program
}

/// A delivery's INSERT in a transaction of its account, as the web side would do it one by one.
fn pgbench_script(folder: &Path, name: &str, account: Uuid, (shop, link): &(String, Uuid)) -> PathBuf {
    let path = folder.join(format!("{name}.sql"));
    let script = format!(
        "\\set place random(1, 1000000000000000)
begin;
select set_config('app.account_id', '{account}', true);
insert into shopify_webhooks_raw (account_id, integration_id, shop_domain, topic, webhook_id, event_id, payload) values ('{account}', '{link}', '{shop}', 'orders/updated', :place || '-' || :client_id, '98880550-7158-44d4-b7cd-2c97c8a091b5', :payload) on conflict (shop_domain, topic, webhook_id) do nothing;
commit;
"
    );
    std::fs::write(&path, script).unwrap();
    path
}

/// Transactions in a second.
fn bare_insert(program: &Path, cluster: &Cluster, script: &Path, payload: &str) -> f64 {
    let output = Command::new(program)
        .args(["-n", "-M", "prepared", "-j", "2"])
        .args(["-c", &PGBENCH_CLIENTS.to_string(), "-T", &SECONDS.to_string()])
        .arg("-D")
        .arg(format!("payload={payload}"))
        .arg("-f")
        .arg(script)
        .arg(cluster.url("api", DATABASE))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let pace = said
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split_whitespace().next()?.parse().ok());
    pace.unwrap_or_else(|| panic!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}
