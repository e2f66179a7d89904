//! Published signing keys: fetched when needed, kept for ten minutes, served for up to an hour while the publisher is
//! away.
//!
//! Nothing is fetched at start, so the server boots without a network. A token with an unknown key id may be signed by
//! a key that was published a moment ago: it causes a fetch, but one at a time and at most one in thirty seconds,
//! however many such tokens are sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use url::Url;

use super::jwt::VerifyingKey;

const FRESH: TimeDelta = TimeDelta::minutes(10);
const USABLE: TimeDelta = TimeDelta::hours(1);
/// Between two fetches while there are keys to work with.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// Between two fetches while there are none, since nobody can sign in meanwhile.
const PAUSE_WITHOUT_KEYS: TimeDelta = TimeDelta::seconds(5);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BYTES: usize = 256 * 1024;
/// RSA keys from 2048 to 8192 bits: weaker ones are unsafe, longer ones cost too much to check.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Why the published keys could not be had. Holds no address: it may carry a secret in its query.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// No answer, or not a good one.
    #[error("the address in JWKS_URL can't be reached or does not answer with 200")]
    Unreachable,
    /// Something else than a key set.
    #[error("the address in JWKS_URL does not serve a JSON Web Key Set")]
    Unreadable,
}

/// Why there is no key for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The key is not among the published ones.
    Unknown,
    /// No keys could be fetched for an hour, or ever.
    Unavailable,
}

/// The keys behind an address.
pub(super) struct Jwks {
    url: Url,
    http: reqwest::Client,
    state: Mutex<State>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Arc<KeySet>,
    fetched_at: Option<DateTime<Utc>>,
    tried_at: Option<DateTime<Utc>>,
}

#[derive(Default)]
struct KeySet(Vec<(Option<String>, Arc<VerifyingKey>)>);

impl KeySet {
    /// The key with this id; a token that names none is taken to mean the only key, where there is just one.
    fn find(&self, kid: Option<&str>) -> Option<Arc<VerifyingKey>> {
        match (kid, self.0.as_slice()) {
            (Some(_), keys) => keys.iter().find(|(id, _)| id.as_deref() == kid),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
        .map(|(_, key)| Arc::clone(key))
    }
}

/// What is known without asking anybody.
struct Known {
    key: Option<Arc<VerifyingKey>>,
    fresh: bool,
    usable: bool,
    may_fetch: bool,
}

impl Jwks {
    pub(super) fn new(url: Url, http: reqwest::Client) -> Self {
        Self {
            url,
            http,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// The key that a token names.
    pub(super) async fn key(&self, kid: Option<&str>, now: DateTime<Utc>) -> Result<Arc<VerifyingKey>, NoKey> {
        let known = self.known(kid, now);
        if let (Some(key), true) = (&known.key, known.fresh) {
            return Ok(Arc::clone(key));
        }
        let _turn = match known.key {
            // Old but good: while another request fetches, this one need not wait.
            Some(key) if known.usable => match self.turn.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(key),
            },
            _ => self.turn.lock().await,
        };
        // Whoever had the turn before may have brought it.
        let known = self.known(kid, now);
        if known.may_fetch && !(known.fresh && known.key.is_some()) {
            self.fetch(now).await;
        }
        let known = self.known(kid, now);
        match known.key {
            Some(key) if known.usable => Ok(key),
            _ if known.usable => Err(NoKey::Unknown),
            _ => Err(NoKey::Unavailable),
        }
    }

    fn known(&self, kid: Option<&str>, now: DateTime<Utc>) -> Known {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let younger = |limit| state.fetched_at.is_some_and(|fetched_at| now - fetched_at < limit);
        let pause = if younger(USABLE) { PAUSE } else { PAUSE_WITHOUT_KEYS };
        Known {
            key: state.keys.find(kid),
            fresh: younger(FRESH),
            usable: younger(USABLE),
            may_fetch: state.tried_at.is_none_or(|tried_at| now - tried_at >= pause),
        }
    }

    async fn fetch(&self, now: DateTime<Utc>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).tried_at = Some(now);
        match download(&self.http, &self.url).await {
            Ok(keys) => {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.keys = Arc::new(keys);
                state.fetched_at = Some(now);
            }
            Err(error) => tracing::warn!(%error, "published signing keys were not refreshed"),
        }
    }
}

/// How many usable keys the address publishes, for a check of the settings.
pub async fn published_keys(http: &reqwest::Client, url: &Url) -> Result<usize, JwksError> {
    download(http, url).await.map(|keys| keys.0.len())
}

async fn download(http: &reqwest::Client, url: &Url) -> Result<KeySet, JwksError> {
    let request = http.get(url.clone()).timeout(FETCH_TIMEOUT);
    let mut answer = request
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(|_| JwksError::Unreachable)?;
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(|_| JwksError::Unreachable)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(JwksError::Unreadable);
        }
        body.extend_from_slice(&chunk);
    }
    read(&body).ok_or(JwksError::Unreadable)
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The keys in a set that we can use; the others (for encryption, other curves, shared secrets) are passed over.
fn read(body: &[u8]) -> Option<KeySet> {
    let published: Published = serde_json::from_slice(body).ok()?;
    let keys = published
        .keys
        .into_iter()
        .filter_map(|key| serde_json::from_value::<PublishedKey>(key).ok())
        .filter_map(|key| Some((key.kid.clone(), Arc::new(usable(&key)?))))
        .collect();
    Some(KeySet(keys))
}

fn usable(published: &PublishedKey) -> Option<VerifyingKey> {
    use base64::Engine;
    let length = |text: &String| {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
        bytes.map_or(0, |bytes| bytes.len())
    };
    let is_for = |algorithm| published.alg.as_deref().is_none_or(|given| given == algorithm);
    if published.purpose.as_deref().is_some_and(|purpose| purpose != "sig") {
        return None;
    }
    match (published.kty.as_str(), published.crv.as_deref()) {
        ("RSA", _) if is_for("RS256") => {
            let (n, e) = (published.n.as_ref()?, published.e.as_ref()?);
            if !RSA_BYTES.contains(&length(n)) || !(1..=4).contains(&length(e)) {
                return None;
            }
            DecodingKey::from_rsa_components(n, e).ok().map(VerifyingKey::rs256)
        }
        ("EC", Some("P-256")) if is_for("ES256") => {
            let (x, y) = (published.x.as_ref()?, published.y.as_ref()?);
            if length(x) != 32 || length(y) != 32 {
                return None;
            }
            DecodingKey::from_ec_components(x, y).ok().map(VerifyingKey::es256)
        }
        _ => None,
    }
}
