//! What a call to a store needs, with tokens that are renewed before they end.
//!
//! Shopify's refresh tokens are traded for new ones at each use, so two processes must not renew at once. Who renews
//! holds a lease in the database; who does not goes on with the token while it is good, or waits and reads again. The
//! new pair is stored before it is used. A pair that was lost on the way does no harm: the old refresh token stays good
//! until the new one is first used. A token of the old kind, without an end, is traded for a pair in the same way.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};

use super::{note_needs_reauth, sealed};
use crate::app::App;
use crate::cipher::{CipherError, TokenKind, TokenPlace};
use crate::domain::ids::{IntegrationId, IntegrationStatus, ProviderKind};
use crate::providers::contract::{ProviderError, ShopAccess, TokenSet};
use crate::store::{StoreError, Tenant, TenantDb};

/// A token is renewed when it has less than this left.
const RENEW_BEFORE: TimeDelta = TimeDelta::minutes(5);
/// A token with less than this left is not used any more.
const LAST_USE: TimeDelta = TimeDelta::seconds(30);
/// How long the right to renew lasts: longer than a call to a provider may take.
const LEASE: Duration = Duration::from_secs(60);
/// How long somebody else's renewal is waited for.
const PATIENCE: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(250);

/// Why a store can't be called.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The account has no such link to a store.
    #[error("there is no such connection to a store")]
    NotFound,
    /// The link is paused or has ended.
    #[error("the connection is {status}{}", .why.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    NotConnected {
        /// Its state.
        status: IntegrationStatus,
        /// The sentence that goes with the state.
        why: Option<String>,
    },
    /// The provider does not let us in, or not now.
    #[error("{0}")]
    Provider(#[from] ProviderError),
    /// A stored token can't be opened.
    #[error("a stored token can't be opened: {0}")]
    Cipher(#[from] CipherError),
    /// The database did not play along.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the token of an access has to be.
#[derive(Clone, Default)]
pub(super) struct Wish {
    /// Not this one: the store does not take it.
    pub(super) but: Option<SecretString>,
    /// One that ends and is renewed, if the store trades the other kind.
    pub(super) with_end: bool,
    /// That of a link that is paused will do.
    pub(super) of_paused: bool,
}

/// A link with its tokens opened.
struct Opened {
    access: ShopAccess,
    access_expires_at: Option<DateTime<Utc>>,
    refresh_token: Option<SecretString>,
}

/// What a call to the store behind a link needs. Renews the tokens where they are about to end; where the authorisation
/// is gone, the link is marked so and the error is [`ProviderError::Reconnect`].
pub async fn shop_access(app: &App, tenant: &Tenant, integration_id: IntegrationId) -> Result<ShopAccess, AccessError> {
    good_access(app, tenant, integration_id, &Wish::default()).await
}

/// The same with another token than the `refused` one, which the store does not take although its time is not over.
pub async fn renew_shop_access(
    app: &App,
    tenant: &Tenant,
    integration_id: IntegrationId,
    refused: &ShopAccess,
) -> Result<ShopAccess, AccessError> {
    let wish = Wish {
        but: Some(refused.access_token.clone()),
        ..Wish::default()
    };
    good_access(app, tenant, integration_id, &wish).await
}

/// What a call to the store behind a link needs, with a token as it is wished.
pub(super) async fn good_access(
    app: &App,
    tenant: &Tenant,
    integration_id: IntegrationId,
    wish: &Wish,
) -> Result<ShopAccess, AccessError> {
    let mut waited = Duration::ZERO;
    loop {
        let db = app.database.read(tenant).await?;
        let opened = open(app, &db, integration_id, wish).await?;
        drop(db);
        if opened.is_as(app, wish) {
            return Ok(opened.access);
        }
        if let Some(lease_until) = take_lease(app, tenant, integration_id).await? {
            // In a task of its own: a caller that goes away must not take a new pair of tokens along.
            let renewal = renew(app.clone(), *tenant, integration_id, lease_until, wish.clone());
            let renewal = tokio::spawn(renewal);
            let renewed = renewal
                .await
                .map_err(|_| StoreError::Broken("renewing a token panicked".to_owned()))?;
            if let Some(access) = renewed? {
                return Ok(access);
            }
            continue;
        }
        if opened.has_left(app, LAST_USE) && !opened.is(wish.but.as_ref()) {
            return Ok(opened.access);
        }
        if waited >= PATIENCE {
            return Err(AccessError::Provider(ProviderError::Later {
                after: LEASE,
                why: "the store's token is being renewed elsewhere".to_owned(),
            }));
        }
        tokio::time::sleep(POLL).await;
        waited += POLL;
    }
}

async fn take_lease(
    app: &App,
    tenant: &Tenant,
    integration_id: IntegrationId,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    let db = app.database.write(tenant).await?;
    let lease_until = db.take_refresh_lease(integration_id, LEASE).await?;
    db.commit().await?;
    Ok(lease_until)
}

/// Renews the tokens, holding the lease; none when that turned out to be somebody else's by then.
async fn renew(
    app: App,
    tenant: Tenant,
    integration_id: IntegrationId,
    lease_until: DateTime<Utc>,
    wish: Wish,
) -> Result<Option<ShopAccess>, AccessError> {
    // Read again: the one before us may have renewed them between our look and our lease.
    let db = app.database.read(&tenant).await?;
    let opened = open(&app, &db, integration_id, &wish).await?;
    drop(db);
    let is_refused = opened.is(wish.but.as_ref());
    if opened.is_as(&app, &wish) {
        release(&app, &tenant, integration_id, lease_until).await?;
        return Ok(Some(opened.access));
    }
    match next_tokens(&app, &opened).await {
        Ok(tokens) => {
            let db = app.database.write(&tenant).await?;
            if !db.release_refresh_lease(integration_id, lease_until).await? {
                return Ok(None);
            }
            let sealed = sealed(&app.cipher, &tenant, integration_id, &tokens)?;
            db.replace_tokens(integration_id, &sealed).await?;
            db.commit().await?;
            Ok(Some(ShopAccess {
                access_token: tokens.access_token,
                ..opened.access
            }))
        }
        // An app that was made for one store keeps its token without an end.
        Err(ProviderError::Reconnect(_)) if opened.has_no_end() && !is_refused => {
            release(&app, &tenant, integration_id, lease_until).await?;
            Ok(Some(opened.access))
        }
        Err(ProviderError::Reconnect(why)) => {
            let db = app.database.write(&tenant).await?;
            if !db.release_refresh_lease(integration_id, lease_until).await? {
                return Ok(None);
            }
            note_needs_reauth(&db, integration_id, &why).await?;
            db.commit().await?;
            Err(ProviderError::Reconnect(why).into())
        }
        Err(error) if opened.has_left(&app, LAST_USE) && !is_refused => {
            tracing::warn!(%integration_id, %error, "a token that is still good could not be renewed");
            release(&app, &tenant, integration_id, lease_until).await?;
            Ok(Some(opened.access))
        }
        Err(error) => {
            release(&app, &tenant, integration_id, lease_until).await?;
            Err(error.into())
        }
    }
}

/// Asks for the tokens that follow these.
async fn next_tokens(app: &App, opened: &Opened) -> Result<TokenSet, ProviderError> {
    let provider = app.providers.provider(ProviderKind::Shopify);
    let provider = provider.ok_or_else(|| ProviderError::Denied("Shopify is not set up here.".to_owned()))?;
    let ShopAccess {
        domain, access_token, ..
    } = &opened.access;
    if let Some(refresh_token) = &opened.refresh_token {
        return provider.refresh(domain, refresh_token).await;
    }
    if !opened.has_no_end() {
        return Err(ProviderError::Reconnect(format!(
            "The access to {domain} has ended; connect the store again."
        )));
    }
    let traded = provider.expiring(domain, access_token).await?;
    traded.ok_or_else(|| {
        ProviderError::Reconnect(format!(
            "{domain} was connected with a token without an end, which Shopify neither takes any more nor trades for one \
             that ends; connect the store again."
        ))
    })
}

async fn release(
    app: &App,
    tenant: &Tenant,
    integration_id: IntegrationId,
    lease_until: DateTime<Utc>,
) -> Result<(), StoreError> {
    let db = app.database.write(tenant).await?;
    db.release_refresh_lease(integration_id, lease_until).await?;
    db.commit().await
}

async fn open(app: &App, db: &TenantDb, integration_id: IntegrationId, wish: &Wish) -> Result<Opened, AccessError> {
    let shop = db.linked_shop(integration_id).await?.ok_or(AccessError::NotFound)?;
    match shop.status {
        IntegrationStatus::Connected => {}
        IntegrationStatus::Paused if wish.of_paused => {}
        IntegrationStatus::NeedsReauth => {
            let why = shop.status_reason;
            return Err(AccessError::Provider(ProviderError::Reconnect(why.unwrap_or_else(
                || format!("The access to {} has ended; connect the store again.", shop.domain),
            ))));
        }
        status @ (IntegrationStatus::Paused | IntegrationStatus::Disconnected) => {
            return Err(AccessError::NotConnected {
                status,
                why: shop.status_reason,
            });
        }
    }
    let mut access_token = None;
    let mut access_expires_at = None;
    let mut refresh_token = None;
    for sealed in db.sealed_tokens(integration_id).await? {
        let Some(kind) = [TokenKind::Access, TokenKind::Refresh]
            .into_iter()
            .find(|kind| kind.as_str() == sealed.kind)
        else {
            continue;
        };
        let place = TokenPlace {
            account_id: db.account_id(),
            integration_id,
            kind,
        };
        let token = app.cipher.open(&sealed.ciphertext.0, &place)?;
        match kind {
            TokenKind::Access => {
                access_token = Some(token);
                access_expires_at = sealed.expires_at;
            }
            TokenKind::Refresh => refresh_token = Some(token),
        }
    }
    let tokenless = || StoreError::Broken(format!("the link {integration_id} has no access token"));
    let (timezone, currency) = shop.books()?;
    Ok(Opened {
        access: ShopAccess {
            access_token: access_token.ok_or_else(tokenless)?,
            timezone,
            currency,
            domain: shop.domain,
        },
        access_expires_at,
        refresh_token,
    })
}

impl Opened {
    /// Whether this is the token that a store refused.
    fn is(&self, refused: Option<&SecretString>) -> bool {
        refused.is_some_and(|refused| refused.expose_secret() == self.access.access_token.expose_secret())
    }

    /// Whether the access token is as it is wished, and need not be renewed yet.
    fn is_as(&self, app: &App, wish: &Wish) -> bool {
        self.has_left(app, RENEW_BEFORE) && !self.is(wish.but.as_ref()) && !(wish.with_end && self.has_no_end())
    }

    /// Whether the access token is of the old kind, which nothing renews.
    fn has_no_end(&self) -> bool {
        self.access_expires_at.is_none() && self.refresh_token.is_none()
    }

    /// Whether the access token is good for at least this much longer.
    fn has_left(&self, app: &App, left: TimeDelta) -> bool {
        self.access_expires_at.is_none_or(|at| app.clock.now() + left < at)
    }
}
