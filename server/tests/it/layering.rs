//! The arrows of ARCHITECTURE.md, held: a module imports only from a lower level, and some things have one home.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// From the bottom up. A module may use what stands in an earlier row, and itself.
const LEVELS: [&[&str]; 10] = [
    &["domain", "config", "embedded"],
    &["cipher"],
    &["store"],
    &["access", "queue", "providers"],
    // A bag of parts, handed to whoever stands above.
    &["app"],
    &["connections", "accounts"],
    &["dashboards", "ingest"],
    &["graphql"],
    &["http", "jobs"],
    &["commands"],
];

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let relative = path
                    .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
                    .unwrap();
                found.push((relative.to_owned(), text));
            }
        }
    }
    found
}

fn module(path: &Path) -> String {
    path.components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy()
        .trim_end_matches(".rs")
        .to_owned()
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&module))
}

/// Lines of the program: without comments, and without what stands below `#[cfg(test)]`.
fn program(text: &str) -> impl Iterator<Item = &str> {
    let program = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    program.lines().map(str::trim).filter(|line| !line.starts_with("//"))
}

#[test]
fn every_arrow_points_down() {
    let mut wrong = BTreeMap::new();
    for (path, text) in sources() {
        let from = module(&path);
        if path.ends_with("tests.rs") || from == "lib" || from == "main" {
            continue;
        }
        let below = level(&from).unwrap_or_else(|| panic!("{from} has no level: give it one"));
        for line in program(&text) {
            for target in line.split("crate::").skip(1) {
                let to: String = target
                    .chars()
                    .take_while(|character| character.is_alphanumeric() || *character == '_')
                    .collect();
                let is_allowed = to == from || level(&to).is_none_or(|level| level < below);
                if !is_allowed {
                    wrong.insert(format!("{} uses {to}", path.display()), line.to_owned());
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_has_one_home_is_nowhere_else() {
    // What is looked for, the folders or files where it may stand, and why.
    let homes: [(&str, &[&str], &str); 6] = [
        (
            "sqlx::",
            &["store", "embedded", "config.rs", "commands/logging.rs"],
            "the only SQL is in store",
        ),
        ("sea_orm", &["store"], "store is the only user of the ORM"),
        ("entity::", &["store", "domain/ids.rs"], "rows end at store"),
        ("std::env::", &["config.rs"], "the environment is read in one place"),
        ("Utc::now", &["domain/clock.rs"], "time is passed in"),
        (
            "shopify::sandbox",
            &["providers/shopify/sandbox", "commands/demo.rs", "commands/sandbox.rs"],
            "nothing in production reaches the sandbox",
        ),
    ];
    let mut strays = Vec::new();
    for (path, text) in sources() {
        if path.ends_with("tests.rs") {
            continue;
        }
        for (needle, allowed, why) in homes {
            let at_home = allowed.iter().any(|home| path.starts_with(home));
            if !at_home && let Some(line) = program(&text).find(|line| names(line, needle)) {
                strays.push(format!("{}: {line}   ({why})", path.display()));
            }
        }
    }
    assert!(strays.is_empty(), "{strays:#?}");
}

/// Whether the line has the needle as a path of its own, not as the end of a longer word.
fn names(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|character| character.is_alphanumeric() || character == '_')
    })
}

#[test]
fn no_transaction_is_open_while_a_provider_is_called() {
    // The modules that call providers hold transactions in variables named `db`: none may live across such a call.
    for (path, text) in sources() {
        if !(path.starts_with("ingest") || path.starts_with("connections")) {
            continue;
        }
        let mut open = false;
        for line in program(&text) {
            if line.contains("let db = ") && !line.contains("drop(") {
                open = true;
            }
            if line.contains("commit()")
                || line.contains("drop(db)")
                || line.starts_with("async fn")
                || line.starts_with("pub async fn")
            {
                open = false;
            }
            let calls = [
                ".orders(&",
                ".ask(&",
                ".exchange(",
                ".refresh(&",
                ".expiring(&",
                ".subscribe(&",
            ]
            .iter()
            .any(|call| line.contains(call));
            assert!(!(open && calls), "{}: {line}", path.display());
        }
    }
}
