//! The browser's sign-in: a short token of our own, signed with the configured secret, in a cookie that scripts can't
//! read.

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use crate::config::AuthConfig;
use crate::store::Member;

/// Name of the cookie.
pub const SESSION_COOKIE: &str = "session";
/// Header that a request by cookie must carry, with the value `1`, to change something.
pub const CSRF_HEADER: &str = "x-csrf";
/// How long a sign-in lasts, in hours.
pub const SESSION_HOURS: i64 = 12;

/// A signed token for `member`, good for [`SESSION_HOURS`] from `now`, with the claims that `config` demands of any
/// token. `None` only if the claims could not be signed.
pub(super) fn issue(
    config: &AuthConfig,
    secret: &SecretString,
    member: &Member,
    now: DateTime<Utc>,
) -> Option<SecretString> {
    let mut claims = Map::new();
    claims.insert("sub".to_owned(), member.user_id.to_string().into());
    claims.insert("iat".to_owned(), now.timestamp().into());
    let expiry = now + TimeDelta::hours(SESSION_HOURS);
    claims.insert("exp".to_owned(), expiry.timestamp().into());
    if let Some(issuer) = &config.issuer {
        claims.insert("iss".to_owned(), issuer.as_str().into());
    }
    if let Some(audience) = &config.audience {
        claims.insert("aud".to_owned(), audience.as_str().into());
    }
    let account = Value::String(member.tenant.account_id().to_string());
    insert_at(&mut claims, &config.account_claim, account);
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .ok()
        .map(SecretString::from)
}

/// Puts `value` where `path` leads, making the objects on the way.
pub(super) fn insert_at(claims: &mut Map<String, Value>, path: &[String], value: Value) {
    let nested = path.iter().skip(1).rev().fold(value, |inner, key| {
        let mut outer = Map::new();
        outer.insert(key.clone(), inner);
        Value::Object(outer)
    });
    if let Some(first) = path.first() {
        claims.insert(first.clone(), nested);
    }
}
