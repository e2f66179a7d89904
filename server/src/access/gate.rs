//! The one door: headers in, a [`Viewer`] or an [`AccessError`] out.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum_extra::extract::CookieJar;
use chrono::{DateTime, Utc};
use moka::future::Cache;
use secrecy::{ExposeSecret, SecretString};

use super::api_token::ApiToken;
use super::jwks::{Jwks, NoKey};
use super::jwt::{Claims, Refused, Rules, Unverified, VerifyingKey};
use super::session::{self, SESSION_COOKIE};
use super::sign_in::{Attempts, SignInError, SignedIn};
use super::viewer::Viewer;
use crate::config::{AuthConfig, JwtKeys};
use crate::domain::clock::Clock;
use crate::store::{ApiTokenRow, Database, Member, StoreError};

/// A removed member is let in this much longer at most.
const MEMBER_MEMORY: Duration = Duration::from_secs(60);
/// A revoked API token is let in this much longer at most.
const TOKEN_MEMORY: Duration = Duration::from_secs(5);
/// Memberships and tokens remembered at once.
const REMEMBERED: u64 = 10_000;

/// Why a request has no viewer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AccessError {
    /// No credential, or one that is not good. It never says which.
    #[error("Sign in, or send a valid bearer token.")]
    Unauthenticated,
    /// A change by cookie alone, which another site could have caused.
    #[error("A change by session cookie needs the header `X-CSRF: 1`.")]
    Forged,
    /// The credential could not be judged, since the database did not answer as it should.
    #[error("The credential can't be checked: {0}")]
    Store(Arc<StoreError>),
    /// The credential could not be judged, since the sign-in provider's keys can't be fetched.
    #[error("The credential can't be checked: the sign-in provider's keys can't be fetched.")]
    NoKeys,
}

impl From<Refused> for AccessError {
    fn from(refused: Refused) -> Self {
        tracing::debug!(reason = refused.0, "a credential was refused");
        Self::Unauthenticated
    }
}

/// Tells who is asking. Cheap to clone; all clones share their memory.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    config: AuthConfig,
    verifier: Verifier,
    database: Database,
    clock: Clock,
    members: Cache<Claims, Member>,
    tokens: Cache<[u8; 32], ApiTokenRow>,
    attempts: Attempts,
}

/// A lookup that brought nothing to remember. Several requests that ask the same at once share one lookup.
enum Missed {
    Nothing,
    Store(Arc<StoreError>),
}

impl From<StoreError> for Missed {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

impl From<Arc<Missed>> for AccessError {
    fn from(missed: Arc<Missed>) -> Self {
        match &*missed {
            Missed::Nothing => Refused("unknown to the database").into(),
            Missed::Store(error) => Self::Store(Arc::clone(error)),
        }
    }
}

impl Gate {
    /// A gate that believes the tokens `config` describes and asks `database` who they are for. `http` fetches
    /// published keys, when they are first needed.
    pub fn new(config: AuthConfig, database: Database, clock: Clock, http: reqwest::Client) -> Self {
        Self(Arc::new(Inner {
            verifier: Verifier::new(&config, http),
            config,
            database,
            clock,
            members: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(MEMBER_MEMORY)
                .build(),
            tokens: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(TOKEN_MEMORY)
                .build(),
            attempts: Attempts::default(),
        }))
    }

    /// Who sent these headers. An `Authorization` header counts alone; without one, the session cookie counts.
    pub async fn viewer(&self, headers: &HeaderMap) -> Result<Viewer, AccessError> {
        if headers.contains_key(header::AUTHORIZATION) {
            return self.bearer(bearer_of(headers)?).await;
        }
        let cookies = CookieJar::from_headers(headers);
        let session = cookies.get(SESSION_COOKIE).ok_or(Refused("no credential"))?;
        let member = self.member_of(session.value()).await?;
        Ok(Viewer::of_member(&member).by_cookie())
    }

    /// Who presents this bearer token: an API token or a signed one.
    pub async fn bearer(&self, token: &str) -> Result<Viewer, AccessError> {
        if ApiToken::looks_like_one(token) {
            return self.api_token(token).await;
        }
        let member = self.member_of(token).await?;
        Ok(Viewer::of_member(&member))
    }

    /// Signs somebody in by e-mail address and password. `address` is where the request came from: repeated failures
    /// from there slow down further ones.
    pub async fn sign_in(
        &self,
        email: &str,
        password: &SecretString,
        address: Option<std::net::IpAddr>,
    ) -> Result<SignedIn, SignInError> {
        let JwtKeys::Secret(secret) = &self.0.config.keys else {
            return Err(SignInError::Elsewhere);
        };
        let now = self.0.clock.now();
        let member = self
            .0
            .attempts
            .try_password(&self.0.database, email, password, address, now)
            .await?;
        let token = session::issue(&self.0.config, secret, &member, now).ok_or(SignInError::Unsigned)?;
        Ok(SignedIn { member, token })
    }

    async fn member_of(&self, token: &str) -> Result<Member, AccessError> {
        let claims = self.0.verifier.claims(token, self.0.clock.now()).await?;
        let database = self.0.database.clone();
        let (subject, account_id) = (claims.subject.clone(), claims.account_id);
        let lookup = async move {
            let member = database.system().find_member(&subject, account_id).await?;
            member.ok_or(Missed::Nothing)
        };
        Ok(self.0.members.try_get_with(claims, lookup).await?)
    }

    async fn api_token(&self, text: &str) -> Result<Viewer, AccessError> {
        let token = ApiToken::parse(text).ok_or(Refused("not an API token's form"))?;
        let hash = *token.hash();
        let database = self.0.database.clone();
        let lookup = async move {
            let row = database.system().find_api_token(&hash).await?;
            row.ok_or(Missed::Nothing)
        };
        let row = self.0.tokens.try_get_with(hash, lookup).await?;
        let now = self.0.clock.now();
        if row.revoked_at.is_some_and(|at| at <= now) {
            return Err(Refused("a revoked API token").into());
        }
        if row.expires_at.is_some_and(|at| at <= now) {
            return Err(Refused("an expired API token").into());
        }
        Ok(Viewer::of_token(&row))
    }
}

/// The token of the one `Authorization: Bearer` header.
fn bearer_of(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else {
        return Err(Refused("more than one Authorization header"));
    };
    let value = value.to_str().map_err(|_| Refused("an unreadable header"))?;
    let (scheme, token) = value.split_once(' ').ok_or(Refused("no bearer token"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refused("not a bearer token"));
    }
    Ok(token.trim_matches(' '))
}

/// Tells good signed tokens from bad ones; knows no database.
pub(super) struct Verifier {
    keys: Keys,
    rules: Rules,
}

enum Keys {
    Shared(VerifyingKey),
    Published(Jwks),
}

impl Verifier {
    pub(super) fn new(config: &AuthConfig, http: reqwest::Client) -> Self {
        let keys = match &config.keys {
            JwtKeys::Secret(secret) => Keys::Shared(VerifyingKey::hs256(secret.expose_secret().as_bytes())),
            JwtKeys::Jwks(url) => Keys::Published(Jwks::new(url.clone(), http)),
        };
        Self {
            keys,
            rules: Rules::new(config),
        }
    }

    /// What a good token claims.
    pub(super) async fn claims(&self, token: &str, now: DateTime<Utc>) -> Result<Claims, AccessError> {
        let unverified = Unverified::parse(token)?;
        let claims = match &self.keys {
            Keys::Shared(key) => self.rules.check(&unverified, key, now)?,
            Keys::Published(jwks) => {
                let key = jwks.key(unverified.kid(), now).await.map_err(|missing| match missing {
                    NoKey::Unknown => Refused("an unknown key").into(),
                    NoKey::Unavailable => AccessError::NoKeys,
                })?;
                self.rules.check(&unverified, &key, now)?
            }
        };
        Ok(claims)
    }
}
