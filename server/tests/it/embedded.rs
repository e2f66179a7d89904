//! A cluster survives what happens to programs: it is started, stopped, killed, started twice, moved.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::{Duration, Instant};

use server::embedded::{Cluster, ClusterOptions, EmbeddedError, OWNER, Step};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::support::database::{self, TestDatabase};

#[tokio::test]
async fn every_test_has_a_database_of_its_own() {
    let (one, other) = (TestDatabase::new().await, TestDatabase::new().await);
    execute(&one.url(OWNER), "create table only_here (id int)").await;
    assert_eq!(
        number(
            &one.url(OWNER),
            "select count(*) from pg_class where relname = 'only_here'"
        )
        .await,
        1
    );
    assert_eq!(
        number(
            &other.url(OWNER),
            "select count(*) from pg_class where relname = 'only_here'"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn every_role_finds_the_schema_in_a_test_database() {
    let database = TestDatabase::new().await;
    for role in [OWNER, "api", "worker"] {
        assert_eq!(
            number(
                &database.url(role),
                "select count(*) from pg_roles where rolname = current_user"
            )
            .await,
            1
        );
    }
    assert_eq!(number(&database.url("api"), "select count(*) from accounts").await, 0);
}

#[tokio::test]
async fn data_is_there_after_stop_and_start() {
    let home = TestHome::new();
    let cluster = home.start();
    assert!(cluster.create_database("app", None).await.unwrap());
    execute(
        &cluster.url(OWNER, "app"),
        "create table kept as select 42::bigint as answer",
    )
    .await;
    cluster.stop().unwrap();

    let cluster = home.start();
    assert!(
        !cluster.create_database("app", None).await.unwrap(),
        "it exists already"
    );
    assert_eq!(number(&cluster.url(OWNER, "app"), "select answer from kept").await, 42);
    cluster.drop_database("app").await.unwrap();
    assert!(PgConnection::connect(&cluster.url(OWNER, "app")).await.is_err());
}

#[tokio::test]
async fn a_server_speaks_utf8_and_utc_and_only_over_its_socket() {
    let home = TestHome::new();
    let cluster = home.start();
    let url = cluster.url(OWNER, "postgres");
    for (setting, value) in [
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("lc_collate", "C"),
        ("listen_addresses", ""),
        ("max_connections", "200"),
        ("fsync", "off"),
    ] {
        let query = "select count(*) from pg_database where datname = 'postgres' and case $1
            when 'lc_collate' then datcollate else current_setting($1) end = $2";
        let mut connection = PgConnection::connect(&url).await.unwrap();
        let count: i64 = sqlx::query_scalar(query)
            .bind(setting)
            .bind(value)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(count, 1, "{setting} is not {value:?}");
    }
}

#[tokio::test]
async fn a_killed_server_is_started_again_with_its_data() {
    let home = TestHome::new();
    let cluster = Cluster::start(&ClusterOptions {
        durable: true,
        ..home.options()
    })
    .unwrap();
    execute(
        &cluster.url(OWNER, "postgres"),
        "create table kept as select 42::bigint as answer",
    )
    .await;
    kill(home.postmaster().unwrap(), "KILL");
    drop(cluster);

    let cluster = home.start();
    assert_eq!(
        number(&cluster.url(OWNER, "postgres"), "select answer from kept").await,
        42
    );
}

#[test]
fn a_stale_pid_file_is_no_obstacle() {
    let home = TestHome::new();
    let somebody_else = std::process::id().to_string();
    for stale in [
        "999999\n/gone\n",
        &format!("{somebody_else}\n/gone\n"),
        "",
        "not a number",
    ] {
        fs::write(home.data().join("postmaster.pid"), stale).unwrap();
        home.start().stop().unwrap_or_else(|error| panic!("{stale:?}: {error}"));
    }
}

#[test]
fn a_half_made_cluster_is_thrown_away() {
    let options = ClusterOptions {
        ephemeral: false,
        ..database::options("half-made")
    };
    let home = options.data_dir.clone();
    for half_made in ["unfinished-1234", "data"] {
        fs::create_dir_all(home.join(half_made).join("base")).unwrap();
        fs::write(home.join(half_made).join("postgresql.conf"), "this is not").unwrap();
    }
    let cluster = Cluster::start(&options).unwrap();
    let dir = cluster.dir().to_owned();
    assert!(dir.join("data/PG_VERSION").exists());
    assert!(!dir.join("unfinished-1234").exists());
    cluster.stop().unwrap();

    Cluster::erase(&options).unwrap();
    assert!(!dir.join("data").exists());
    fs::remove_dir_all(dir).unwrap();
    let _ = fs::remove_dir_all(home);
}

#[tokio::test]
async fn two_clusters_run_side_by_side() {
    let (home, other_home) = (TestHome::new(), TestHome::new());
    let (cluster, other) = (home.start(), other_home.start());
    execute(&cluster.url(OWNER, "postgres"), "create table only_here (id int)").await;
    assert_ne!(cluster.url(OWNER, "postgres"), other.url(OWNER, "postgres"));
    let query = "select count(*) from pg_class where relname = 'only_here'";
    assert_eq!(number(&other.url(OWNER, "postgres"), query).await, 0);
}

#[tokio::test]
async fn a_deep_folder_is_no_obstacle_to_the_socket() {
    let options = database::options(&"deep-".repeat(20));
    let cluster = Cluster::start(&options).unwrap();
    assert_eq!(number(&cluster.url(OWNER, "postgres"), "select 42::bigint").await, 42);
}

#[test]
fn a_second_program_in_the_same_folder_is_told_who_has_it() {
    let home = TestHome::new();
    let cluster = home.start();
    let refused = Cluster::start(&home.options()).unwrap_err();
    assert!(matches!(refused, EmbeddedError::InUse { .. }));
    let message = refused.to_string();
    assert!(message.contains(&*cluster.dir().to_string_lossy()), "{message}");
    assert!(
        message.contains(&format!("process {}", std::process::id())),
        "{message}"
    );
    assert!(matches!(
        Cluster::erase(&home.options()),
        Err(EmbeddedError::InUse { .. })
    ));
}

#[test]
fn a_folder_without_the_programs_is_named() {
    let home = TestHome::new();
    let options = ClusterOptions {
        bin_dir: Some(PathBuf::from("/nowhere/bin")),
        ..home.options()
    };
    let message = Cluster::start(&options).unwrap_err().to_string();
    assert!(
        message.contains("/nowhere/bin was named") && message.contains("no initdb"),
        "{message}"
    );
}

#[test]
fn a_cluster_of_another_version_is_kept_and_both_versions_are_named() {
    let home = TestHome::new();
    fs::write(home.data().join("PG_VERSION"), "14\n").unwrap();
    let message = Cluster::start(&home.options()).unwrap_err().to_string();
    assert!(
        message.contains("PostgreSQL 14,") && message.contains("--fresh"),
        "{message}"
    );
    assert!(home.data().join("base").exists());
}

#[test]
fn an_ephemeral_cluster_leaves_nothing_in_its_folder() {
    let home = TestHome::new();
    let cluster = Cluster::start(&ClusterOptions {
        ephemeral: true,
        ..home.options()
    })
    .unwrap();
    let dir = cluster.dir().to_owned();
    cluster.stop().unwrap();
    let left = fs::read_dir(dir).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

/// The name of the test below for the process that it starts.
const HOLDER: &str = "embedded::holds_a_cluster_until_it_is_killed";

/// Tells that process where its cluster is.
const HOLDERS_HOME: &str = "EMBEDDED_TEST_HOME";

#[test]
fn a_program_that_is_killed_takes_its_server_along() {
    let home = TestHome::new();
    let mut holder = Holder::start(&home);
    let server = home.wait_for_postmaster();
    holder.kill();
    let begun = Instant::now();
    while is_alive(server) {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "the server outlived its program"
        );
        sleep(Duration::from_millis(10));
    }
    home.start().stop().unwrap();
}

#[test]
fn a_server_that_outlived_its_program_is_stopped_first() {
    let home = TestHome::new();
    let mut holder = Holder::start(&home);
    let server = home.wait_for_postmaster();
    for process in supervisors_of(server) {
        kill(process, "KILL");
    }
    holder.kill();
    assert!(is_alive(server), "without its supervisor nobody ends it");

    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let options = ClusterOptions {
        on_step: Some(Box::new(move |step| seen.lock().unwrap().push(step.clone()))),
        ..home.options()
    };
    let cluster = Cluster::start(&options).unwrap();
    assert!(steps.lock().unwrap().contains(&Step::StoppingLeftover { pid: server }));
    assert!(!is_alive(server));
    assert!(is_alive(home.postmaster().unwrap()));
    cluster.stop().unwrap();
}

/// Not a test of anything: the program that the two tests above kill.
#[test]
#[ignore = "is started by a_program_that_is_killed_takes_its_server_along"]
fn holds_a_cluster_until_it_is_killed() {
    let Some(home) = std::env::var_os(HOLDERS_HOME) else {
        return;
    };
    let options = ClusterOptions {
        data_dir: PathBuf::from(home),
        ephemeral: false,
        ..database::options("unused")
    };
    let _cluster = Cluster::start(&options).unwrap();
    sleep(Duration::from_secs(60));
}

/// This test binary again, with a cluster of its own.
struct Holder(Child);

impl Holder {
    fn start(home: &TestHome) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
        command
            .args([HOLDER, "--exact", "--ignored"])
            .env(HOLDERS_HOME, &home.dir);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().expect("this test's own program can be run"))
    }

    fn kill(&mut self) {
        self.0.kill().expect("it was not waited for yet");
        self.0.wait().expect("it was killed");
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The folder of a cluster that does not run, removed afterwards.
struct TestHome {
    /// Where it really is: root may have had to move it.
    dir: PathBuf,
    /// What this is a copy of, if it is one: removed when no test uses it any more.
    _original: Option<Arc<TestHome>>,
}

impl TestHome {
    /// A copy of one cluster: making one takes longer than all else in most of these tests.
    fn new() -> Self {
        static ORIGINAL: Mutex<Weak<TestHome>> = Mutex::new(Weak::new());
        let mut shared = ORIGINAL.lock().unwrap_or_else(PoisonError::into_inner);
        let original = shared.upgrade().unwrap_or_else(|| Arc::new(Self::make()));
        *shared = Arc::downgrade(&original);
        drop(shared);

        // Beside the original: the account that runs it can reach it there.
        let dir = original.dir.with_file_name(format!("copy-{}", Uuid::new_v4().simple()));
        let copied = Command::new("cp")
            .arg("-Rp")
            .arg(&original.dir)
            .arg(&dir)
            .status()
            .expect("there is a `cp`");
        assert!(copied.success());
        Self {
            dir,
            _original: Some(original),
        }
    }

    fn make() -> Self {
        let options = ClusterOptions {
            ephemeral: false,
            ..database::options("original")
        };
        let cluster = Cluster::start(&options).expect("an empty folder takes a cluster");
        let dir = cluster.dir().to_owned();
        cluster.stop().expect("a healthy server stops");
        Self { dir, _original: None }
    }

    fn options(&self) -> ClusterOptions {
        ClusterOptions {
            data_dir: self.dir.clone(),
            ephemeral: false,
            ..database::options("unused")
        }
    }

    fn start(&self) -> Cluster {
        Cluster::start(&self.options()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    fn postmaster(&self) -> Option<i32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let ready = text.lines().nth(7)?.trim() == "ready";
        text.lines().next()?.parse().ok().filter(|_| ready)
    }

    fn wait_for_postmaster(&self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(pid) = self.postmaster() {
                return pid;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "no server in {}",
                self.dir.display()
            );
            sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.dir);
    }
}

async fn execute(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.expect("the server takes connections");
    sqlx::raw_sql(statement)
        .execute(&mut connection)
        .await
        .expect("the statement is right");
}

async fn number(url: &str, query: &'static str) -> i64 {
    let mut connection = PgConnection::connect(url).await.expect("the server takes connections");
    sqlx::query_scalar(query)
        .fetch_one(&mut connection)
        .await
        .expect("the query is right and finds its rows")
}

fn kill(pid: i32, signal: &str) {
    let sent = Command::new("kill")
        .args(["-s", signal, &pid.to_string()])
        .status()
        .expect("there is a `kill`");
    assert!(sent.success(), "process {pid} is not there to be sent {signal}");
}

/// Whether the process runs: a zombie does not.
fn is_alive(pid: i32) -> bool {
    processes()
        .iter()
        .any(|process| process.pid == pid && !process.is_zombie)
}

/// The process that waits for the server, and the one that waits for the end of the program.
fn supervisors_of(server: i32) -> Vec<i32> {
    let processes = processes();
    let parent = processes
        .iter()
        .find(|process| process.pid == server)
        .expect("the server runs")
        .parent;
    let children = processes
        .iter()
        .filter(|process| process.parent == parent && process.pid != server);
    children.map(|process| process.pid).chain([parent]).collect()
}

struct Process {
    pid: i32,
    parent: i32,
    is_zombie: bool,
}

fn processes() -> Vec<Process> {
    let output = Command::new("ps")
        .args(["-A", "-o", "pid=,ppid=,stat="])
        .output()
        .expect("there is a `ps`");
    let said = String::from_utf8(output.stdout).expect("`ps` prints numbers and letters");
    let lines = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let number = |text: &str| text.parse().expect("a process id is a number");
    lines
        .map(|columns| Process {
            pid: number(columns[0]),
            parent: number(columns[1]),
            is_zombie: columns[2].starts_with('Z'),
        })
        .collect()
}
