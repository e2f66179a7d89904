//! `server doctor`: one line a check, with what to do where something is wrong.

use std::time::Duration;

use url::Url;

use super::{CommandError, outbound};
use crate::access::published_keys;
use crate::config::{ConfigError, DatabaseConfig, JwtKeys, Settings};
use crate::store::{Database, migration_states};

const PATIENCE: Duration = Duration::from_secs(10);

/// Runs every check; fails when one found a problem. `settings` gives a fresh view of the settings for each check, so
/// that what one lacks is not reported by the next.
pub(super) async fn run(settings: impl Fn() -> Settings) -> Result<(), CommandError> {
    let mut report = Report::default();
    check_web_database(&mut report, &settings).await;
    check_worker_database(&mut report, &settings).await;
    check_owner_database(&mut report, &settings).await;
    let http = outbound()?;
    check_sign_in(&mut report, &settings, &http).await;
    check_keys(&mut report, &settings);
    check_shopify(&mut report, &settings, &http).await;
    check_rest(&mut report, &settings);
    report.conclude()
}

/// What was found so far; each line is printed as it is found.
#[derive(Default)]
struct Report {
    problems: usize,
}

impl Report {
    fn ok(&mut self, what: &str, how: &str) {
        println!("ok       {what}: {how}");
    }

    fn problem(&mut self, what: &str, why: &str) {
        self.problems += 1;
        println!("problem  {what}: {why}");
    }

    fn skipped(&mut self, what: &str, why: &str) {
        println!("skipped  {what}: {why}");
    }

    fn problems(&mut self, what: &str, error: &ConfigError) {
        for sentence in &error.0 {
            self.problem(what, sentence);
        }
    }

    fn conclude(self) -> Result<(), CommandError> {
        match self.problems {
            0 => Ok(()),
            1 => Err(CommandError::Failed("One problem was found.".to_owned())),
            count => Err(CommandError::Failed(format!("{count} problems were found."))),
        }
    }
}

async fn check_web_database(report: &mut Report, settings: &impl Fn() -> Settings) {
    const WHAT: &str = "database, web side";
    let mut settings = settings();
    let config = settings.web_database();
    let config = match settings.finish(config) {
        Ok(config) => config,
        Err(error) => return report.problems(WHAT, &error),
    };
    let database = match Database::connect_web(&config).await {
        Ok(database) => database,
        Err(error) => return report.problem(WHAT, &error.to_string()),
    };
    report.ok(WHAT, "reached, with a role that row-level security binds");
    match database.pending_migrations().await {
        Ok(pending) if pending.is_empty() => report.ok("migrations", "all have run"),
        Ok(pending) => {
            let why = format!("{} have not run; run `server migrate up`", pending.len());
            report.problem("migrations", &why);
        }
        Err(error) => report.problem("migrations", &error.to_string()),
    }
}

async fn check_worker_database(report: &mut Report, settings: &impl Fn() -> Settings) {
    const WHAT: &str = "database, worker";
    let Some(config) = optional_database(report, WHAT, settings(), Settings::worker_database) else {
        return;
    };
    match Database::connect_worker(&config).await {
        Ok(_) => report.ok(WHAT, "reached, with a role that row-level security binds"),
        Err(error) => report.problem(WHAT, &error.to_string()),
    }
}

async fn check_owner_database(report: &mut Report, settings: &impl Fn() -> Settings) {
    const WHAT: &str = "database, owner";
    let Some(config) = optional_database(report, WHAT, settings(), Settings::migration_database) else {
        return;
    };
    match migration_states(&config).await {
        Ok(_) => report.ok(WHAT, "reached"),
        Err(error) => report.problem(WHAT, &error.to_string()),
    }
}

/// A connection that this machine need not have: the web side runs without the worker's and the owner's.
fn optional_database(
    report: &mut Report,
    what: &str,
    mut settings: Settings,
    read: impl Fn(&mut Settings) -> DatabaseConfig,
) -> Option<DatabaseConfig> {
    let config = read(&mut settings);
    match settings.finish(config) {
        Ok(config) => Some(config),
        Err(ConfigError(problems)) if problems.iter().any(|problem| problem.contains(" is missing")) => {
            report.skipped(what, "not set here");
            None
        }
        Err(error) => {
            report.problems(what, &error);
            None
        }
    }
}

async fn check_sign_in(report: &mut Report, settings: &impl Fn() -> Settings, http: &reqwest::Client) {
    const WHAT: &str = "sign-in";
    let mut settings = settings();
    let auth = settings.auth();
    match settings.finish(auth).map(|auth| auth.keys) {
        Ok(JwtKeys::Secret(_)) => report.ok(WHAT, "by password, and tokens signed with JWT_SECRET"),
        Ok(JwtKeys::Jwks(url)) => match published_keys(http, &url).await {
            Ok(0) => report.problem(
                WHAT,
                "JWKS_URL publishes no RS256 or ES256 key; look whether it is the right address",
            ),
            Ok(count) => report.ok(WHAT, &format!("{count} published keys")),
            Err(error) => report.problem(WHAT, &error.to_string()),
        },
        Err(error) => report.problems(WHAT, &error),
    }
}

fn check_keys(report: &mut Report, settings: &impl Fn() -> Settings) {
    const WHAT: &str = "encryption keys";
    let mut settings = settings();
    let encryption = settings.encryption();
    match settings.finish(encryption) {
        Ok(encryption) => {
            let active = encryption.keys.first().map_or("none", |(id, _)| id.as_str());
            report.ok(WHAT, &format!("{}, `{active}` is active", encryption.keys.len()));
        }
        Err(error) => report.problems(WHAT, &error),
    }
}

async fn check_shopify(report: &mut Report, settings: &impl Fn() -> Settings, http: &reqwest::Client) {
    const WHAT: &str = "Shopify";
    let mut settings = settings();
    let shopify = settings.shopify();
    let shopify = match settings.finish(shopify) {
        Ok(shopify) => shopify,
        Err(error) => return report.problems(WHAT, &error),
    };
    // Any answer will do: it is the way there that is in question.
    let address = shopify.base_url.replace("{shop}", "admin.shopify.com");
    let reached = match Url::parse(&address) {
        Ok(url) => http.get(url).timeout(PATIENCE).send().await.is_ok(),
        Err(_) => false,
    };
    if reached {
        report.ok(WHAT, "reached");
    } else {
        report.problem(
            WHAT,
            "SHOPIFY_BASE_URL can't be reached from here; look at the network, the proxy and the address",
        );
    }
}

fn check_rest(report: &mut Report, settings: &impl Fn() -> Settings) {
    const WHAT: &str = "other settings";
    let mut settings = settings();
    let http = settings.http();
    settings.sync();
    settings.log_format();
    match settings.finish(http) {
        Ok(http) => report.ok(
            WHAT,
            &format!("listens on {}, public address {}", http.listen, http.public_url),
        ),
        Err(error) => report.problems(WHAT, &error),
    }
}
