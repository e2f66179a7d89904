//! The program as it is installed: its commands, its exit codes, and what it does when the database goes away.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::support::database::TestDatabase;
use crate::support::world::{API_SECRET, ENCRYPTION_KEY, JWT_SECRET, client};

/// The settings that every server of these tests has.
pub(crate) fn settings(database: &TestDatabase) -> BTreeMap<&'static str, String> {
    let key = base64::engine::general_purpose::STANDARD.encode(ENCRYPTION_KEY);
    BTreeMap::from([
        ("DATABASE_URL", database.url("api")),
        ("WORKER_DATABASE_URL", database.url("worker")),
        ("MIGRATION_DATABASE_URL", database.url("owner")),
        ("LISTEN_ADDR", "127.0.0.1:0".to_owned()),
        ("JWT_SECRET", JWT_SECRET.to_owned()),
        ("ENCRYPTION_KEYS", format!("k1:{key}")),
        ("SHOPIFY_API_KEY", "key".to_owned()),
        ("SHOPIFY_API_SECRET", API_SECRET.to_owned()),
    ])
}

pub(crate) fn command(arguments: &[&str], settings: &BTreeMap<&'static str, String>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_server"));
    command.args(arguments).env_clear().envs(settings);
    // PostgreSQL's programs are found on the usual paths.
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

async fn run(arguments: &'static [&'static str], settings: &BTreeMap<&'static str, String>) -> Output {
    let mut command = command(arguments, settings);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process that ends with the test.
pub(crate) struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// The first line of a pipe that holds `needle`, from there on.
    async fn wait_for(pipe: impl Read + Send + 'static, needle: &'static str) -> String {
        let found = tokio::task::spawn_blocking(move || {
            let mut lines = BufReader::new(pipe).lines();
            let found = lines.by_ref().map_while(Result::ok).find(|line| line.contains(needle));
            // The pipe is read to its end, or the process would block on a full one.
            std::thread::spawn(move || lines.for_each(drop));
            found
        });
        let found = tokio::time::timeout(Duration::from_secs(60), found).await;
        let line = found.expect("the process says nothing for a minute").unwrap();
        let line = line.unwrap_or_else(|| panic!("the process ended without saying `{needle}`"));
        line[line.find(needle).unwrap() + needle.len()..].to_owned()
    }

    /// `server serve`, and its address.
    pub(crate) async fn serve(settings: &BTreeMap<&'static str, String>) -> (Self, String) {
        let mut child = command(&["serve"], settings).stderr(Stdio::piped()).spawn().unwrap();
        let log = child.stderr.take().unwrap();
        let running = Self(child);
        let address = Self::wait_for(log, "listening on ").await;
        (running, address)
    }
}

#[tokio::test]
async fn every_missing_setting_is_named_on_a_line_of_its_own() {
    let nothing = run(&["serve"], &BTreeMap::new()).await;
    assert_eq!(nothing.status.code(), Some(2));
    let said = text(&nothing.stderr);
    for name in [
        "DATABASE_URL",
        "JWT_SECRET",
        "ENCRYPTION_KEYS",
        "SHOPIFY_API_KEY",
        "SHOPIFY_API_SECRET",
    ] {
        assert_eq!(
            said.lines().filter(|line| line.starts_with(name)).count(),
            1,
            "{name} in:\n{said}"
        );
    }
    let unknown = run(&["dance"], &BTreeMap::new()).await;
    assert_eq!(unknown.status.code(), Some(2));
}

#[tokio::test]
async fn a_role_that_policies_do_not_bind_can_not_serve() {
    let database = TestDatabase::new().await;
    let mut settings = settings(&database);
    settings.insert("DATABASE_URL", database.url("owner"));
    let refused = run(&["serve"], &settings).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(
        text(&refused.stderr).contains("row-level security"),
        "{}",
        text(&refused.stderr)
    );
    let empty = TestDatabase::empty().await;
    settings.insert("DATABASE_URL", empty.url("api"));
    let unmigrated = run(&["serve"], &settings).await;
    assert_eq!(unmigrated.status.code(), Some(1));
    assert!(
        text(&unmigrated.stderr).contains("server migrate up"),
        "{}",
        text(&unmigrated.stderr)
    );
}

/// Everything that makes up a schema, as the catalogue tells it.
async fn schema(owner: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "select line from (
             select format('column %s.%s %s %s %s', table_name, column_name, data_type, is_nullable, column_default)
               from information_schema.columns where table_schema in ('public', 'system')
             union all select format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
               from pg_constraint where connamespace in ('public'::regnamespace)
             union all select format('index %s', indexdef) from pg_indexes where schemaname = 'public'
             union all select format('policy %s %s %s %s %s %s', tablename, policyname, roles, cmd, qual, with_check)
               from pg_policies
             union all select format('function %s %s %s', p.oid::regprocedure, p.proowner::regrole, p.prosrc)
               from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname in ('public', 'system')
             union all select format('grant %s %s %s', table_name, grantee, privilege_type)
               from information_schema.table_privileges where table_schema = 'public') as parts (line)
          where line !~ 'seaql_migrations' order by line",
    )
    .fetch_all(owner)
    .await
    .unwrap()
}

#[tokio::test]
async fn up_down_and_up_again_give_the_same_schema() {
    let database = TestDatabase::empty().await;
    let settings = settings(&database);
    let owner = PgPool::connect(&database.url("owner")).await.unwrap();
    let up = run(&["migrate", "up"], &settings).await;
    assert_eq!(up.status.code(), Some(0), "{}", text(&up.stderr));
    let first = schema(&owner).await;
    assert!(first.len() > 500);

    let unsure = run(&["migrate", "down"], &settings).await;
    assert_eq!(
        unsure.status.code(),
        Some(2),
        "everything was thrown away without a --yes"
    );
    let down = run(&["migrate", "down", "--yes"], &settings).await;
    assert_eq!(down.status.code(), Some(0), "{}", text(&down.stderr));
    assert_eq!(schema(&owner).await, Vec::<String>::new());

    assert_eq!(run(&["migrate", "up"], &settings).await.status.code(), Some(0));
    assert_eq!(schema(&owner).await, first);
    let status = run(&["migrate", "status"], &settings).await;
    assert!(text(&status.stdout).lines().all(|line| line.starts_with("applied")));
}

#[tokio::test]
async fn the_printed_schema_is_the_committed_one() {
    let printed = run(&["schema"], &BTreeMap::new()).await;
    let committed = include_str!("../../../schema.graphql");
    assert!(
        text(&printed.stdout) == committed,
        "run `make schema` and commit what it writes"
    );
}

#[tokio::test]
async fn a_seeded_account_is_served_by_token_and_stays_the_same() {
    let database = TestDatabase::new().await;
    let settings = settings(&database);
    const SEED: &[&str] = &[
        "seed",
        "--email",
        "owner@acme.example",
        "--account",
        "Acme",
        "--password",
        "correct horse battery",
    ];
    let first = run(SEED, &settings).await;
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    let again = run(SEED, &settings).await;
    assert_eq!(text(&first.stdout), text(&again.stdout));

    let token = run(
        &["token", "create", "--account", "owner@acme.example", "--role", "viewer"],
        &settings,
    )
    .await;
    let token = text(&token.stdout).trim().to_owned();
    let (_server, address) = Running::serve(&settings).await;
    let client = client();
    let ask = async |bearer: &str| -> (u16, Value) {
        let body = json!({ "query": "{ viewer { role account { name } } }" });
        let answer = client
            .post(format!("{address}/graphql"))
            .bearer_auth(bearer)
            .json(&body);
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    };
    let (status, answer) = ask(&token).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        answer["data"]["viewer"],
        json!({ "role": "VIEWER", "account": { "name": "Acme" } })
    );
    let mut forged = token.clone();
    forged.replace_range(10..11, if &token[10..11] == "a" { "b" } else { "a" });
    let (status, refused) = ask(&forged).await;
    assert_eq!(
        (status, &refused["errors"][0]["extensions"]["code"]),
        (401, &json!("UNAUTHENTICATED"))
    );
}

/// Carries connections to the database, or does not.
async fn proxy(database: &TestDatabase) -> (String, Arc<AtomicBool>) {
    let url: url::Url = database.url("api").parse().unwrap();
    let socket = format!(
        "{}/.s.PGSQL.5432",
        url.host_str().unwrap().replace("%2F", "/").replace("%2f", "/")
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let up = Arc::new(AtomicBool::new(true));
    let is_up = up.clone();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(carry(client, socket.clone(), is_up.clone()));
        }
    });
    (format!("postgres://api@{address}{}?sslmode=disable", url.path()), up)
}

async fn carry(mut client: TcpStream, socket: String, is_up: Arc<AtomicBool>) {
    let down = async {
        while is_up.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let carried = async {
        let mut server = UnixStream::connect(socket).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    };
    tokio::select! { () = down => {}, () = carried => {} }
}

#[tokio::test]
async fn a_database_that_goes_away_is_said_so_and_its_return_is_noticed() {
    let database = TestDatabase::new().await;
    let (url, up) = proxy(&database).await;
    let mut settings = settings(&database);
    settings.insert("DATABASE_URL", url);
    run(
        &["seed", "--email", "a@b.example", "--password", "correct horse battery"],
        &settings,
    )
    .await;
    let token = run(
        &["token", "create", "--account", "a@b.example", "--role", "viewer"],
        &settings,
    )
    .await;
    let token = text(&token.stdout).trim().to_owned();
    let (_server, address) = Running::serve(&settings).await;
    let client = client();
    let health = async || client.get(format!("{address}/api/health-lite")).send().await.unwrap();
    let ask = async || {
        let body = json!({ "query": "{ viewer { account { name } } }" });
        let request = client
            .post(format!("{address}/graphql"))
            .bearer_auth(&token)
            .json(&body);
        request.send().await.unwrap()
    };
    // Every connection of the pool has been in use.
    futures::future::join_all((0..30).map(|_| ask())).await;
    assert_eq!(health().await.status(), 200);
    assert_eq!(health().await.json::<Value>().await.unwrap(), json!({ "db": "ok" }));

    for _ in 0..2 {
        up.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let asked = Instant::now();
        let (away, refused) = tokio::join!(health(), ask());
        assert!(asked.elapsed() < Duration::from_secs(5));
        assert_eq!(away.status(), 503);
        let status = refused.status();
        let refused: Value = refused.json().await.unwrap();
        assert_eq!(status, 503, "{refused}");
        assert!(refused["errors"][0]["extensions"]["traceId"].is_string(), "{refused}");
        assert!(!refused.to_string().contains("postgres"), "{refused}");

        up.store(true, Ordering::SeqCst);
        assert_eq!(health().await.status(), 200);
        assert_eq!(ask().await.status(), 200);
    }
}

/// A demo in a folder of its own, its first answer, and how it ends.
#[tokio::test]
async fn the_demo_comes_up_answers_and_survives_being_killed() {
    let home = tempfile::tempdir().unwrap();
    let start = async || {
        let port = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        (port, home.path().to_str().unwrap().to_owned())
    };
    let (port, data_dir) = start().await;
    let demo = async || {
        let port = port.to_string();
        let mut child = command(&["demo", "--port", &port, "--data-dir", &data_dir], &BTreeMap::new())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = child.stdout.take().unwrap();
        let running = Running(child);
        let answer = Running::wait_for(said, "  {\"data\"").await;
        (running, answer)
    };
    let (mut first, answer) = demo().await;
    let answer: Value = serde_json::from_str(&format!("{{\"data\"{answer}")).unwrap();
    let orders = answer["data"]["homeDashboard"]["kpis"]["orders"]["value"]
        .as_str()
        .unwrap();
    assert!(orders.parse::<u32>().unwrap() > 50, "{answer}");
    first.0.kill().unwrap();
    first.0.wait().unwrap();

    let (second, _) = demo().await;
    let pid = rustix::process::Pid::from_raw(second.0.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut second = second;
    let ended = tokio::task::spawn_blocking(move || second.0.wait().unwrap())
        .await
        .unwrap();
    assert_eq!(ended.code(), Some(0));
}
