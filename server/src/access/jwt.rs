//! What a signed token must be like to be believed. Pure: a token, a key and a moment go in, claims come out.
//!
//! The key decides the algorithm. The header's `alg` is only compared with it, `kid` only chooses among published keys,
//! and a header that points at keys of its own is refused.

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::strict_json;
use crate::config::AuthConfig;
use crate::domain::ids::AccountId;

/// Longest token that is looked at, in bytes.
const MAX_BYTES: usize = 8 * 1024;
/// How far two clocks may be apart, in seconds.
const LEEWAY_SECONDS: f64 = 30.0;
/// Longest subject that is looked up, in bytes.
const MAX_SUBJECT_BYTES: usize = 255;
/// Header parameters that bring or name a key, or demand an extension that we don't have.
const REFUSED_PARAMETERS: [&str; 5] = ["crit", "jku", "jwk", "x5c", "x5u"];
/// Roles of Supabase keys that stand for a machine, never for a person.
const MACHINE_ROLES: [&str; 2] = ["anon", "service_role"];

/// Why a token is not believed: for our own log, never for the one who sent it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused(pub(super) &'static str);

/// A key together with the one algorithm it is for.
pub(super) struct VerifyingKey {
    algorithm: Algorithm,
    name: &'static str,
    key: DecodingKey,
}

impl VerifyingKey {
    /// HS256 with a shared secret.
    pub(super) fn hs256(secret: &[u8]) -> Self {
        Self {
            algorithm: Algorithm::HS256,
            name: "HS256",
            key: DecodingKey::from_secret(secret),
        }
    }

    /// RS256 with a published key.
    pub(super) fn rs256(key: DecodingKey) -> Self {
        Self {
            algorithm: Algorithm::RS256,
            name: "RS256",
            key,
        }
    }

    /// ES256 with a published key.
    pub(super) fn es256(key: DecodingKey) -> Self {
        Self {
            algorithm: Algorithm::ES256,
            name: "ES256",
            key,
        }
    }
}

/// Who a token says it speaks for. Whether that person exists is the database's to say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Claims {
    /// The user's id here, or at the sign-in provider.
    pub(super) subject: String,
    /// The account to work in.
    pub(super) account_id: AccountId,
}

/// A token taken apart, none of it believed yet.
pub(super) struct Unverified<'a> {
    /// Header and payload as they were signed.
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
    algorithm: String,
    kid: Option<String>,
}

impl<'a> Unverified<'a> {
    /// Three parts with a readable header.
    pub(super) fn parse(token: &'a str) -> Result<Self, Refused> {
        if token.len() > MAX_BYTES {
            return Err(Refused("longer than 8 KiB"));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused("not three parts"))?;
        let (header, payload) = signed.split_once('.').ok_or(Refused("not three parts"))?;
        if payload.contains('.') {
            return Err(Refused("not three parts"));
        }
        let header = decoded_object(header).ok_or(Refused("unreadable header"))?;
        if REFUSED_PARAMETERS.iter().any(|name| header.contains_key(*name)) {
            return Err(Refused("a header that brings its own key or rules"));
        }
        let Some(Value::String(algorithm)) = header.get("alg") else {
            return Err(Refused("no algorithm"));
        };
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid.clone()),
            Some(_) => return Err(Refused("a key id that is no text")),
        };
        Ok(Self {
            signed,
            payload,
            signature,
            algorithm: algorithm.clone(),
            kid,
        })
    }

    /// Which published key it asks for.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }
}

/// What claims must say, from the settings.
pub(super) struct Rules {
    issuer: Option<String>,
    audience: Option<String>,
    account_claim: Vec<String>,
}

impl Rules {
    /// As configured.
    pub(super) fn new(config: &AuthConfig) -> Self {
        Self {
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            account_claim: config.account_claim.clone(),
        }
    }

    /// Checks the signature with `key`, then every claim.
    pub(super) fn check(
        &self,
        token: &Unverified<'_>,
        key: &VerifyingKey,
        now: DateTime<Utc>,
    ) -> Result<Claims, Refused> {
        if token.algorithm != key.name {
            return Err(Refused("not the key's algorithm"));
        }
        match jsonwebtoken::crypto::verify(token.signature, token.signed.as_bytes(), &key.key, key.algorithm) {
            Ok(true) => {}
            _ => return Err(Refused("wrong signature")),
        }
        let claims = decoded_object(token.payload).ok_or(Refused("unreadable claims"))?;
        self.claims(&claims, now)
    }

    fn claims(&self, claims: &Map<String, Value>, now: DateTime<Utc>) -> Result<Claims, Refused> {
        let seconds = now.timestamp() as f64;
        let Some(expiry) = claims.get("exp").and_then(Value::as_f64) else {
            return Err(Refused("no expiry"));
        };
        if expiry + LEEWAY_SECONDS < seconds {
            return Err(Refused("expired"));
        }
        if let Some(start) = claims.get("nbf") {
            let start = start.as_f64().ok_or(Refused("an unreadable start"))?;
            if start > seconds + LEEWAY_SECONDS {
                return Err(Refused("not good yet"));
            }
        }
        for (name, demanded) in [("iss", &self.issuer), ("aud", &self.audience)] {
            let Some(demanded) = demanded else { continue };
            if claims.get(name).and_then(Value::as_str) != Some(demanded) {
                return Err(Refused("another issuer or audience"));
            }
        }
        let role = claims.get("role").and_then(Value::as_str);
        if role.is_some_and(|role| MACHINE_ROLES.contains(&role)) {
            return Err(Refused("a machine's key"));
        }
        let subject = claims
            .get("sub")
            .and_then(Value::as_str)
            .filter(|subject| !subject.is_empty() && subject.len() <= MAX_SUBJECT_BYTES)
            .filter(|subject| !subject.contains(char::is_control))
            .ok_or(Refused("no usable subject"))?;
        let account_id = self.account(claims).ok_or(Refused("no account claim"))?;
        Ok(Claims {
            subject: subject.to_owned(),
            account_id,
        })
    }

    fn account(&self, claims: &Map<String, Value>) -> Option<AccountId> {
        let (last, way) = self.account_claim.split_last()?;
        let holder = way
            .iter()
            .try_fold(claims, |object, key| object.get(key)?.as_object())?;
        let text = holder.get(last)?.as_str()?;
        // The hyphenated form alone: 36 characters.
        let id = Uuid::try_parse(text).ok().filter(|_| text.len() == 36)?;
        Some(AccountId::from(id))
    }
}

/// The JSON object in a part of a token.
fn decoded_object(part: &str) -> Option<Map<String, Value>> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).ok()?;
    strict_json::object(&bytes)
}
