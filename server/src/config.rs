//! Settings: the only reader of the environment, one struct per concern.
//!
//! A command names the parts it needs; every missing or wrong setting of these is reported at once, one a line. Secrets
//! are wrapped as they are read, so that no `Debug` output shows them.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use chrono::NaiveTime;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The scopes asked of a store: read-only, and none that brings contact data.
pub const SHOPIFY_SCOPES: &str = "read_orders,read_all_orders,read_products,read_customers";
/// The Admin API's version that the documents in `queries/shopify` are written for.
pub const SHOPIFY_API_VERSION: &str = "2026-10";

/// Everything that is wrong with the settings, one sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ConfigError(pub Vec<String>);

/// How to reach PostgreSQL as one role.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `postgres://user:password@host:port/database`
    pub url: SecretString,
    /// Connections in the pool.
    pub max_connections: u32,
    /// Named prepared statements kept per connection; 0 behind a transaction pooler.
    pub statement_cache: usize,
}

/// Where the web side listens and how it is reached from outside.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// The socket.
    pub listen: SocketAddr,
    /// The address in a browser, without a trailing slash: the base of OAuth callbacks and webhooks.
    pub public_url: Url,
}

/// Which key a bearer's JWT is checked with. The algorithm belongs to the key, never to the token's header.
#[derive(Debug, Clone)]
pub enum JwtKeys {
    /// HS256 with a shared secret.
    Secret(SecretString),
    /// RS256 or ES256 with the keys published at this address.
    Jwks(Url),
}

/// Whom to believe.
#[derive(Debug, Clone)]
pub struct AuthConfig {
    /// The keys of bearer tokens.
    pub keys: JwtKeys,
    /// The `iss` a token must have, if set.
    pub issuer: Option<String>,
    /// The `aud` a token must have, if set.
    pub audience: Option<String>,
    /// Path of the claim with the account's id, such as `app_metadata.account_id`.
    pub account_claim: Vec<String>,
}

/// Keys that seal stored secrets; the first one is active, the others still open what they sealed.
#[derive(Clone)]
pub struct EncryptionConfig {
    /// Key id and 32 bytes of key.
    pub keys: Vec<(String, [u8; 32])>,
}

impl fmt::Debug for EncryptionConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

/// The app as it is registered with Shopify.
#[derive(Debug, Clone)]
pub struct ShopifyConfig {
    /// The app's client id.
    pub api_key: String,
    /// The app's secrets: the current one first, then the one being rotated out.
    pub api_secrets: Vec<SecretString>,
    /// Scopes to ask for, comma-separated.
    pub scopes: String,
    /// Admin API version.
    pub api_version: String,
    /// Address of a store, with `{shop}` in the place of its domain.
    pub base_url: String,
}

impl ShopifyConfig {
    /// The secret that signs today.
    pub fn api_secret(&self) -> &SecretString {
        &self.api_secrets[0]
    }
}

/// When jobs run by themselves.
#[derive(Debug, Clone, Copy)]
pub struct SyncConfig {
    /// Time between two fresh syncs of an integration.
    pub fresh_every: Duration,
    /// Local time of the account at which the nightly jobs start.
    pub nightly_at: NaiveTime,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For a person.
    Text,
    /// For a machine: one JSON object a line.
    Json,
}

/// Where a setting's text comes from, by its name.
type Source = Box<dyn Fn(&str) -> Option<String>>;

/// A set of settings being read, with all that is wrong so far.
pub struct Settings {
    source: Source,
    problems: Vec<String>,
}

impl Settings {
    /// The process's environment. An empty variable counts as unset.
    pub fn from_environment() -> Self {
        Self::from_source(|name| std::env::var(name).ok())
    }

    /// The process's environment, but for what is `fixed`; what neither sets is as in `defaults`.
    pub fn from_environment_with(
        fixed: HashMap<&'static str, String>,
        defaults: HashMap<&'static str, String>,
    ) -> Self {
        Self::from_source(move |name| {
            let set = || std::env::var(name).ok().filter(|value| !value.trim().is_empty());
            fixed
                .get(name)
                .cloned()
                .or_else(set)
                .or_else(|| defaults.get(name).cloned())
        })
    }

    /// Any other source, such as a map in a test.
    pub fn from_source(source: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self {
            source: Box::new(source),
            problems: Vec::new(),
        }
    }

    /// `parts` when every setting read so far was right, else everything that is wrong.
    pub fn finish<T>(self, parts: T) -> Result<T, ConfigError> {
        if self.problems.is_empty() {
            Ok(parts)
        } else {
            Err(ConfigError(self.problems))
        }
    }

    /// The web side's connection: `DATABASE_URL`.
    pub fn web_database(&mut self) -> DatabaseConfig {
        self.database("DATABASE_URL", "the web side's connection, as role `api`")
    }

    /// The worker's connection: `WORKER_DATABASE_URL`.
    pub fn worker_database(&mut self) -> DatabaseConfig {
        self.database(
            "WORKER_DATABASE_URL",
            "the worker's direct connection, as role `worker`",
        )
    }

    /// The owner's connection: `MIGRATION_DATABASE_URL`.
    pub fn migration_database(&mut self) -> DatabaseConfig {
        self.database(
            "MIGRATION_DATABASE_URL",
            "the connection of the role that owns the tables",
        )
    }

    /// Whether `DATABASE_URL` is set at all: `demo` brings its own PostgreSQL where it is not.
    pub fn names_a_database(&self) -> bool {
        self.optional("DATABASE_URL").is_some()
    }

    /// `LISTEN_ADDR` and `PUBLIC_URL`.
    pub fn http(&mut self) -> HttpConfig {
        let listen: SocketAddr = self.parsed(
            "LISTEN_ADDR",
            "127.0.0.1:8080",
            "an address and port such as 127.0.0.1:8080",
        );
        let public_url = self.parsed(
            "PUBLIC_URL",
            &format!("http://{listen}"),
            "an address such as https://kpi.example.com",
        );
        HttpConfig { listen, public_url }
    }

    /// `JWT_SECRET` or `JWKS_URL`, and what their tokens must claim.
    pub fn auth(&mut self) -> AuthConfig {
        let keys = match (self.optional("JWT_SECRET"), self.optional("JWKS_URL")) {
            (Some(secret), None) => {
                if secret.len() < 32 {
                    self.problem("JWT_SECRET is shorter than 32 bytes; make one with `openssl rand -base64 48`");
                }
                JwtKeys::Secret(secret.into())
            }
            (None, Some(url)) => match Url::parse(&url) {
                Ok(url) => JwtKeys::Jwks(url),
                Err(_) => {
                    self.problem("JWKS_URL is not an address; expected the one that serves the JSON Web Key Set");
                    JwtKeys::Secret(SecretString::default())
                }
            },
            (Some(_), Some(_)) => {
                self.problem("JWT_SECRET and JWKS_URL are both set; keep the one your sign-in uses");
                JwtKeys::Secret(SecretString::default())
            }
            (None, None) => {
                self.problem(
                    "JWT_SECRET is missing: the secret that signs bearer tokens (or set JWKS_URL for RS256/ES256)",
                );
                JwtKeys::Secret(SecretString::default())
            }
        };
        AuthConfig {
            keys,
            issuer: self.optional("JWT_ISSUER"),
            audience: self.optional("JWT_AUDIENCE"),
            account_claim: self
                .optional("JWT_ACCOUNT_CLAIM")
                .unwrap_or_else(|| "account_id".to_owned())
                .split('.')
                .map(str::to_owned)
                .collect(),
        }
    }

    /// `ENCRYPTION_KEYS`: `kid:base64` of 32 bytes, comma-separated, the active one first.
    pub fn encryption(&mut self) -> EncryptionConfig {
        let Some(text) = self.required(
            "ENCRYPTION_KEYS",
            "the keys that seal stored tokens, as `kid:base64,…`; make one with `echo k1:$(openssl rand -base64 32)`",
        ) else {
            return EncryptionConfig { keys: Vec::new() };
        };
        let mut keys: Vec<(String, [u8; 32])> = Vec::new();
        for (position, entry) in text.split(',').enumerate() {
            let parsed = entry.trim().split_once(':').and_then(|(id, key)| {
                let key = base64::engine::general_purpose::STANDARD.decode(key).ok()?;
                Some((id.to_owned(), <[u8; 32]>::try_from(key).ok()?))
            });
            match parsed {
                Some((id, _)) if id.is_empty() || keys.iter().any(|(known, _)| *known == id) => {
                    self.problem(&format!(
                        "ENCRYPTION_KEYS has no or a repeated key id in entry {}",
                        position + 1
                    ));
                }
                Some(key) => keys.push(key),
                None => self.problem(&format!(
                    "ENCRYPTION_KEYS entry {} is not `kid:` and the base64 of 32 bytes",
                    position + 1
                )),
            }
        }
        EncryptionConfig { keys }
    }

    /// `SHOPIFY_*`.
    pub fn shopify(&mut self) -> ShopifyConfig {
        let api_key = self
            .required("SHOPIFY_API_KEY", "the app's client id")
            .unwrap_or_default();
        let api_secrets = self
            .required(
                "SHOPIFY_API_SECRET",
                "the app's client secret (two, comma-separated, during a rotation)",
            )
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            // An empty one would let everybody sign.
            .filter(|secret| !secret.is_empty())
            .map(SecretString::from)
            .collect();
        let base_url = self
            .optional("SHOPIFY_BASE_URL")
            .unwrap_or_else(|| "https://{shop}".to_owned());
        if Url::parse(&base_url.replace("{shop}", "a.myshopify.com")).is_err() || !base_url.contains("{shop}") {
            self.problem("SHOPIFY_BASE_URL is not an address with `{shop}` in it, such as https://{shop}");
        }
        ShopifyConfig {
            api_key,
            api_secrets,
            scopes: self
                .optional("SHOPIFY_SCOPES")
                .unwrap_or_else(|| SHOPIFY_SCOPES.to_owned()),
            api_version: self
                .optional("SHOPIFY_API_VERSION")
                .unwrap_or_else(|| SHOPIFY_API_VERSION.to_owned()),
            base_url: base_url.trim_end_matches('/').to_owned(),
        }
    }

    /// `SYNC_FRESH_EVERY` and `SYNC_NIGHTLY_AT`.
    pub fn sync(&mut self) -> SyncConfig {
        let fresh_every = match self.optional("SYNC_FRESH_EVERY") {
            None => Duration::from_secs(15 * 60),
            Some(text) => duration(&text).unwrap_or_else(|| {
                self.problem("SYNC_FRESH_EVERY is not a time span of at least 10s, such as 90s, 15m or 1h");
                Duration::ZERO
            }),
        };
        SyncConfig {
            fresh_every,
            nightly_at: self.parsed_with(
                "SYNC_NIGHTLY_AT",
                "03:30",
                |text| NaiveTime::parse_from_str(text, "%H:%M").ok(),
                "a time of day such as 03:30",
            ),
        }
    }

    /// `METRICS_ADDR`: where a worker serves `/metrics` and `/livez`; nowhere without.
    pub fn metrics_address(&mut self) -> Option<SocketAddr> {
        let text = self.optional("METRICS_ADDR")?;
        let address = text.trim().parse().ok();
        if address.is_none() {
            self.problem("METRICS_ADDR is wrong; expected an address and port such as 127.0.0.1:9100");
        }
        address
    }

    /// `LOG_FORMAT`: `text` (the default) or `json`.
    pub fn log_format(&mut self) -> LogFormat {
        self.parsed_with(
            "LOG_FORMAT",
            "text",
            |text| match text {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            },
            "`text` or `json`",
        )
    }

    /// `RUST_LOG`: which spans and events are logged.
    pub fn log_filter(&self) -> String {
        self.optional("RUST_LOG").unwrap_or_else(|| "info,sqlx=warn".to_owned())
    }

    /// `PG_BIN`: the folder of PostgreSQL's own programs, where they are not on the usual paths.
    pub fn postgres_programs(&self) -> Option<std::path::PathBuf> {
        self.optional("PG_BIN").map(Into::into)
    }

    fn database(&mut self, name: &str, meaning: &str) -> DatabaseConfig {
        let url = self.required(name, meaning).unwrap_or_default();
        if !url.is_empty() && sqlx::postgres::PgConnectOptions::from_str(&url).is_err() {
            self.problem(&format!(
                "{name} is not an address such as postgres://user:password@host:5432/database"
            ));
        }
        DatabaseConfig {
            url: url.into(),
            max_connections: self.parsed("DATABASE_MAX_CONNECTIONS", "10", "a number of connections such as 10"),
            statement_cache: self.parsed(
                "DATABASE_STATEMENT_CACHE",
                "100",
                "a number of statements; 0 behind a transaction pooler",
            ),
        }
    }

    fn optional(&self, name: &str) -> Option<String> {
        (self.source)(name).filter(|value| !value.trim().is_empty())
    }

    fn required(&mut self, name: &str, meaning: &str) -> Option<String> {
        let value = self.optional(name);
        if value.is_none() {
            self.problem(&format!("{name} is missing: {meaning}"));
        }
        value
    }

    fn parsed<T: FromStr>(&mut self, name: &str, default: &str, expected: &str) -> T {
        self.parsed_with(name, default, |text| text.parse().ok(), expected)
    }

    fn parsed_with<T>(&mut self, name: &str, default: &str, parse: impl Fn(&str) -> Option<T>, expected: &str) -> T {
        let given = self.optional(name);
        if let Some(value) = parse(given.as_deref().unwrap_or(default).trim()) {
            return value;
        }
        self.problem(&format!("{name} is wrong; expected {expected}"));
        parse(default).expect("a default is of its own type")
    }

    /// Notes a sentence once.
    fn problem(&mut self, sentence: &str) {
        if !self.problems.iter().any(|known| known == sentence) {
            self.problems.push(sentence.to_owned());
        }
    }
}

/// `90s`, `15m`, `1h`; at least ten seconds.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return None,
    };
    let count: u64 = text[..text.len() - 1].trim().parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(unit)?)).filter(|span| span.as_secs() >= 10)
}

impl DatabaseConfig {
    /// The same pool settings for another address.
    pub fn at(url: impl Into<SecretString>) -> Self {
        Self {
            url: url.into(),
            max_connections: 10,
            statement_cache: 100,
        }
    }

    /// The address in the clear, for the driver alone.
    pub(crate) fn address(&self) -> &str {
        self.url.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &'static [(&'static str, &'static str)]) -> Settings {
        Settings::from_source(move |name| {
            pairs
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn every_problem_is_named_once_and_at_once() {
        let mut settings = settings(&[
            ("LISTEN_ADDR", "nowhere"),
            ("JWT_SECRET", "short"),
            ("ENCRYPTION_KEYS", "k1:AAAA"),
            ("SYNC_FRESH_EVERY", "1s"),
            ("METRICS_ADDR", "9100"),
            ("SHOPIFY_BASE_URL", "https://fixed.example"),
        ]);
        settings.web_database();
        settings.web_database();
        settings.http();
        settings.auth();
        settings.encryption();
        settings.sync();
        settings.metrics_address();
        settings.shopify();
        let ConfigError(problems) = settings.finish(()).expect_err("nine settings are wrong");
        let names: Vec<&str> = problems
            .iter()
            .filter_map(|problem| problem.split_whitespace().next())
            .collect();
        assert_eq!(
            names,
            [
                "DATABASE_URL",
                "LISTEN_ADDR",
                "JWT_SECRET",
                "ENCRYPTION_KEYS",
                "SYNC_FRESH_EVERY",
                "METRICS_ADDR",
                "SHOPIFY_API_KEY",
                "SHOPIFY_API_SECRET",
                "SHOPIFY_BASE_URL",
            ]
        );
    }

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let mut settings = settings(&[
            ("JWT_SECRET", "canary-canary-canary-canary-canary"),
            ("SHOPIFY_API_KEY", "key"),
            ("SHOPIFY_API_SECRET", "canary-now, canary-before"),
            ("ENCRYPTION_KEYS", "k1:Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Y2E="),
            ("DATABASE_URL", "postgres://api:canary@localhost/kpi"),
        ]);
        let all = (
            settings.auth(),
            settings.shopify(),
            settings.encryption(),
            settings.web_database(),
        );
        let all = settings.finish(all).expect("all settings are right");
        assert_eq!(all.1.api_secrets.len(), 2);
        let shown = format!("{all:?}").to_lowercase();
        assert!(!shown.contains("canary"), "{shown}");
        assert!(!shown.contains("99, 97, 110"), "{shown}");
    }
}
