//! What an operator types: usage, seeding and tokens, single steps of the schema, the doctor's report.

use std::process::{Command, Output};

use server::store::Database;

use crate::support::database::TestDatabase;

/// The program with no settings but these.
fn server(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_server"))
        .args(arguments)
        .env_clear()
        .envs(settings.iter().copied())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complained(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_usage_ends_with_2_and_help_with_0() {
    for wrong in [
        vec![],
        vec!["nonsense"],
        vec!["serve", "--nonsense"],
        vec!["token", "create", "--role", "king", "--account", "x"],
    ] {
        assert_eq!(server(&wrong, &[]).status.code(), Some(2), "{wrong:?}");
    }
    for word in ["--help", "--version"] {
        assert_eq!(server(&[word], &[]).status.code(), Some(0));
    }
    let away = [("MIGRATION_DATABASE_URL", "postgres://owner@127.0.0.1:1/none")];
    assert_eq!(server(&["migrate", "status"], &away).status.code(), Some(1));
}

#[tokio::test]
async fn a_schema_goes_step_by_step_and_an_account_is_seeded_once() {
    let database = TestDatabase::new().await;
    let (owner, api) = (database.url("owner"), database.url("api"));
    let settings = [
        ("MIGRATION_DATABASE_URL", owner.as_str()),
        ("DATABASE_URL", api.as_str()),
    ];
    let run = async |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
        let settings: Vec<(String, String)> = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let running = tokio::task::spawn_blocking(move || {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            let settings: Vec<(&str, &str)> = settings
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect();
            server(&arguments, &settings)
        });
        let output = running.await.unwrap();
        (output.status.code(), said(&output), complained(&output))
    };

    let (code, listed, _) = run(&["migrate", "status"]).await;
    assert_eq!(code, Some(0));
    assert!(
        listed.lines().count() >= 10 && listed.lines().all(|line| line.starts_with("applied  m2")),
        "{listed}"
    );
    let (_, one_back, _) = run(&["migrate", "down", "--steps", "1", "--yes"]).await;
    assert_eq!(one_back.lines().count(), 1, "{one_back}");
    let (code, _, why) = run(&["serve"]).await;
    assert_eq!(code, Some(2), "{why}");
    let (code, up, _) = run(&["migrate", "up"]).await;
    assert_eq!((code, up), (Some(0), one_back.replace("down  ", "up  ")));
    assert_eq!(run(&["migrate", "up"]).await.1, "The schema was up to date.\n");
    let (code, back, why) = run(&["migrate", "down", "--yes"]).await;
    assert_eq!((code, back.lines().count()), (Some(0), listed.lines().count()), "{why}");
    let (code, _, why) = run(&["seed"]).await;
    assert_eq!(code, Some(1), "{why}");
    assert_eq!(run(&["migrate", "up"]).await.1.lines().count(), listed.lines().count());

    let seed = [
        "seed",
        "--email",
        "me@example.com",
        "--account",
        "Acme",
        "--currency",
        "EUR",
        "--timezone",
        "Europe/Rome",
    ];
    let (code, first, why) = run(&seed).await;
    assert_eq!(code, Some(0), "{why}");
    assert!(first.contains("password  "), "{first}");
    let (code, second, _) = run(&seed).await;
    assert_eq!(code, Some(0));
    let without_password: Vec<&str> = first.lines().filter(|line| !line.starts_with("password")).collect();
    assert_eq!(second.lines().collect::<Vec<_>>(), without_password);
    for wrong in [
        ["seed", "--currency", "XXX"],
        ["seed", "--timezone", "Mars"],
        ["seed", "--password", "short"],
    ] {
        assert_eq!(run(&wrong).await.0, Some(2), "{wrong:?}");
    }

    let token = [
        "token",
        "create",
        "--account",
        "me@example.com",
        "--role",
        "viewer",
        "--scope",
        "kpi:read",
    ];
    let (code, printed, why) = run(&token).await;
    assert_eq!(code, Some(0), "{why}");
    assert!(
        printed.starts_with("ckpi_") && printed.lines().count() == 1,
        "{printed}"
    );
    let (code, ..) = run(&["token", "create", "--account", "nobody@example.com", "--role", "viewer"]).await;
    assert_eq!(code, Some(1));
    let web = Database::connect_web(&server::config::DatabaseConfig::at(api.clone()))
        .await
        .unwrap();
    let login = web.system().find_login("ME@example.com").await.unwrap().unwrap();
    let db = web.read(&login.tenant).await.unwrap();
    assert_eq!(db.account().await.unwrap().currency, "EUR");
    assert_eq!(db.api_tokens().await.unwrap()[0].scopes, ["kpi:read"]);
}

#[tokio::test]
async fn the_doctor_names_what_is_wrong_and_what_is_right() {
    let database = TestDatabase::new().await;
    let (api, worker) = (database.url("api"), database.url("worker"));
    let output = tokio::task::spawn_blocking(move || {
        let settings = [
            ("DATABASE_URL", api.as_str()),
            ("WORKER_DATABASE_URL", worker.as_str()),
            ("JWT_SECRET", "a secret that only the tests know, of good length"),
            ("ENCRYPTION_KEYS", "k1:AAAA"),
        ];
        server(&["doctor"], &settings)
    });
    let output = output.await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report = said(&output);
    for (word, what) in [
        ("ok", "database, web side"),
        ("ok", "migrations"),
        ("ok", "database, worker"),
        ("skipped", "database, owner"),
        ("ok", "sign-in"),
        ("problem", "encryption keys"),
        ("problem", "Shopify"),
        ("ok", "other settings"),
    ] {
        let line = |line: &&str| line.starts_with(word) && line.contains(what);
        assert!(report.lines().any(|text| line(&text)), "{word} {what}\n{report}");
    }
}
