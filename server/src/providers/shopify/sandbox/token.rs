//! Tokens that describe themselves, so that they outlive the process: shop, scopes and times, signed with the app's
//! secret. Only what is taken back is held in memory.
//!
//! Refresh tokens rotate. A pair belongs to a family (one authorisation) and has a generation; using a refresh token of
//! generation *n* kills all before *n*, so the previous one stays usable until its replacement is first used.

use std::collections::{HashMap, HashSet};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Duration, Utc};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// An access token of an expiring pair lives for an hour.
pub(crate) const ACCESS_SECONDS: i64 = 3_600;
/// A refresh token lives for 90 days.
pub(crate) const REFRESH_SECONDS: i64 = 7_776_000;
const CODE_SECONDS: i64 = 600;

/// What a token is good for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) enum Use {
    Code,
    Access,
    /// An access token without an end, of the old kind.
    Permanent,
    Refresh,
}

/// The contents of a token.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Claims {
    pub(crate) kind: Use,
    pub(crate) shop: String,
    pub(crate) scopes: String,
    family: String,
    generation: u32,
    serial: u64,
    issued: i64,
    expires: Option<i64>,
}

/// Signs, reads and revokes tokens.
pub(crate) struct Mint {
    secret: SecretString,
    serial: u64,
    /// The lowest generation of a family that is still good.
    floors: HashMap<String, u32>,
    used_codes: HashSet<String>,
    revoked: HashSet<String>,
    /// Permanent tokens that were exchanged: dead, but an exchange may be repeated.
    exchanged: HashSet<String>,
    /// By shop: everything issued until then is dead.
    uninstalled: HashMap<String, i64>,
}

/// What the token endpoint hands out.
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) scopes: String,
}

impl Mint {
    pub(crate) fn new(secret: SecretString) -> Self {
        Self {
            secret,
            serial: 0,
            floors: HashMap::new(),
            used_codes: HashSet::new(),
            revoked: HashSet::new(),
            exchanged: HashSet::new(),
            uninstalled: HashMap::new(),
        }
    }

    /// How many codes and tokens there have been.
    pub(crate) fn issued(&self) -> u64 {
        self.serial
    }

    /// An authorisation code for these scopes.
    pub(crate) fn code(&mut self, shop: &str, scopes: &str, now: DateTime<Utc>) -> String {
        self.serial += 1;
        let family = format!("{}-{}", now.timestamp_millis(), self.serial);
        let claims = Claims {
            kind: Use::Code,
            shop: shop.to_owned(),
            scopes: scopes.to_owned(),
            family,
            generation: 0,
            serial: self.serial,
            issued: now.timestamp_millis(),
            expires: Some((now + Duration::seconds(CODE_SECONDS)).timestamp_millis()),
        };
        self.sign(&claims)
    }

    /// Redeems a code, once.
    pub(crate) fn redeem(&mut self, shop: &str, code: &str, expiring: bool, now: DateTime<Utc>) -> Option<Pair> {
        let claims = self.living(code, now)?;
        if claims.kind != Use::Code || claims.shop != shop || !self.used_codes.insert(code.to_owned()) {
            return None;
        }
        Some(self.pair(&claims, expiring, now))
    }

    /// The next pair for a refresh token that is still good.
    pub(crate) fn refresh(&mut self, shop: &str, token: &str, now: DateTime<Utc>) -> Option<Pair> {
        let claims = self.living(token, now)?;
        if claims.kind != Use::Refresh || claims.shop != shop {
            return None;
        }
        self.floors.insert(claims.family.clone(), claims.generation);
        Some(self.pair(&claims, true, now))
    }

    /// An expiring pair for a permanent token, which dies.
    pub(crate) fn migrate(&mut self, shop: &str, token: &str, now: DateTime<Utc>) -> Option<Pair> {
        let again = self.exchanged.remove(token);
        let claims = self.living(token, now);
        if again {
            self.exchanged.insert(token.to_owned());
        }
        let claims = claims.filter(|claims| claims.kind == Use::Permanent && claims.shop == shop)?;
        self.exchanged.insert(token.to_owned());
        Some(self.pair(&claims, true, now))
    }

    /// The contents of an access token that opens this shop now.
    pub(crate) fn admit(&self, shop: &str, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        self.living(token, now)
            .filter(|claims| claims.shop == shop && matches!(claims.kind, Use::Access | Use::Permanent))
    }

    /// Kills one token.
    pub(crate) fn revoke(&mut self, token: &str) {
        self.revoked.insert(token.to_owned());
    }

    /// Kills everything issued for a shop so far, as an uninstallation does.
    pub(crate) fn revoke_shop(&mut self, shop: &str, now: DateTime<Utc>) {
        self.uninstalled.insert(shop.to_owned(), now.timestamp_millis());
    }

    fn pair(&mut self, from: &Claims, expiring: bool, now: DateTime<Utc>) -> Pair {
        let mut issue = |kind, seconds: Option<i64>| {
            self.serial += 1;
            let claims = Claims {
                kind,
                generation: from.generation + 1,
                serial: self.serial,
                issued: now.timestamp_millis(),
                expires: seconds.map(|seconds| (now + Duration::seconds(seconds)).timestamp_millis()),
                ..from.clone()
            };
            self.sign(&claims)
        };
        if expiring {
            Pair {
                access: issue(Use::Access, Some(ACCESS_SECONDS)),
                refresh: Some(issue(Use::Refresh, Some(REFRESH_SECONDS))),
                scopes: from.scopes.clone(),
            }
        } else {
            Pair {
                access: issue(Use::Permanent, None),
                refresh: None,
                scopes: from.scopes.clone(),
            }
        }
    }

    fn living(&self, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        let claims = self.read(token)?;
        let now = now.timestamp_millis();
        let outdated = claims.kind == Use::Refresh
            && self
                .floors
                .get(&claims.family)
                .is_some_and(|floor| claims.generation < *floor);
        let dead = outdated
            || claims.expires.is_some_and(|end| end <= now)
            || self.revoked.contains(token)
            || self.exchanged.contains(token)
            || self
                .uninstalled
                .get(&claims.shop)
                .is_some_and(|end| claims.issued <= *end);
        (!dead).then_some(claims)
    }

    fn sign(&self, claims: &Claims) -> String {
        let prefix = match claims.kind {
            Use::Code => "",
            Use::Access | Use::Permanent => "shpat_",
            Use::Refresh => "shprt_",
        };
        let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
        let seal = URL_SAFE_NO_PAD.encode(self.mac(&body).finalize().into_bytes());
        format!("{prefix}{body}.{seal}")
    }

    fn read(&self, token: &str) -> Option<Claims> {
        let token = token
            .strip_prefix("shpat_")
            .or(token.strip_prefix("shprt_"))
            .unwrap_or(token);
        let (body, seal) = token.split_once('.')?;
        self.mac(body).verify_slice(&URL_SAFE_NO_PAD.decode(seal).ok()?).ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()
    }

    fn mac(&self, body: &str) -> Hmac<Sha256> {
        let mut mac = keyed(&self.secret);
        mac.update(body.as_bytes());
        mac
    }
}

/// HMAC-SHA256 with the app's secret.
pub(crate) fn keyed(secret: &SecretString) -> Hmac<Sha256> {
    <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose_secret().as_bytes())
        .expect("HMAC takes a key of any length")
}
