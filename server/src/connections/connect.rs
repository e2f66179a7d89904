//! Connecting a store: the browser is sent away with a state, and what it brings back becomes a link.

use std::time::Duration;

use serde_json::json;
use subtle::ConstantTimeEq;
use url::Url;

use super::{CipherError, hashed, sealed, unguessable};
use crate::app::App;
use crate::domain::ids::{ActorKind, IntegrationId, ProviderKind, RunTrigger, ShopifyShopId, UserId};
use crate::domain::job::SyncJob;
use crate::domain::money::CurrencyCode;
use crate::providers::contract::{AuthorizeRequest, Grant, Provider, ProviderError, ShopProfile, Subject};
use crate::queue;
use crate::store::{AuditEntry, NewOAuthState, NewRun, OAuthState, SecretHash, ShopLink, StoreError, Tenant};

/// How long a browser may stay away at the provider.
const STATE_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Where the provider sends the browser back to, below the public address.
const CALLBACK_PATH: &str = "/api/connect/shopify/callback";

/// A store that has just been connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The link.
    pub integration_id: IntegrationId,
    /// The store's name.
    pub shop_name: String,
    /// `name.myshopify.com`
    pub shop_domain: String,
}

/// Why a store is not connected. Each text is a sentence for the person at the browser, but for the last two kinds,
/// which are ours to look at.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// What was typed is no store.
    #[error("{0}")]
    BadShop(String),
    /// The browser came back with something that was not sent out like this, or not in time.
    #[error("{0}")]
    NotGenuine(String),
    /// Amounts of two currencies can't be added up.
    #[error(
        "{shop} keeps its books in {shop_currency}, this account in {account_currency}: their amounts can't be added \
         up. Connect the store to an account in {shop_currency}."
    )]
    CurrencyDiffers {
        /// The store's name.
        shop: String,
        /// The store's currency.
        shop_currency: CurrencyCode,
        /// The account's currency.
        account_currency: CurrencyCode,
    },
    /// The store is linked to another account.
    #[error("This store can't be connected to this account. If it is yours, ask whoever runs this service.")]
    Taken,
    /// The provider did not play along.
    #[error("{0}")]
    Provider(#[from] ProviderError),
    /// The tokens can't be sealed.
    #[error("a token can't be sealed: {0}")]
    Cipher(#[from] CipherError),
    /// The database did not play along.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConnectError {
    fn not_genuine(why: &str) -> Self {
        Self::NotGenuine(why.to_owned())
    }
}

/// Begins: the address of the page on which the owner of `shop` (as somebody typed it) agrees. `browser` is the cookie
/// value that the same browser must still have when it comes back; none where it is not a browser that asks.
pub async fn begin(
    app: &App,
    tenant: &Tenant,
    user_id: Option<UserId>,
    shop: &str,
    browser: Option<&str>,
) -> Result<Url, ConnectError> {
    let state = unguessable();
    let base = app.public_url.as_str().trim_end_matches('/');
    let redirect_uri = format!("{base}{CALLBACK_PATH}")
        .parse()
        .map_err(|_| ProviderError::Broken("PUBLIC_URL does not make an address".to_owned()))?;
    let authorize = provider(app)?
        .authorize(&AuthorizeRequest {
            shop: Some(shop.to_owned()),
            state: state.clone(),
            redirect_uri,
        })
        .map_err(|error| match error {
            ProviderError::Denied(why) => ConnectError::BadShop(why),
            other => other.into(),
        })?;
    let db = app.database.write(tenant).await?;
    db.add_oauth_state(&NewOAuthState {
        state_hash: SecretHash(hashed(&state)),
        user_id,
        provider: ProviderKind::Shopify,
        shop_domain: authorize.shop_domain,
        browser_hash: browser.map(|browser| SecretHash(hashed(browser))),
        lifetime: STATE_LIFETIME,
    })
    .await?;
    db.commit().await?;
    Ok(authorize.url)
}

/// Finishes: checks what the browser brought back (`query`, as decoded pairs, and the value of its cookie), trades it
/// for tokens and links the store. A store that this account was linked to before gets its link back, with its history.
/// The first runs are queued in the same transaction.
pub async fn finish(app: &App, query: &[(String, String)], browser: Option<&str>) -> Result<Connected, ConnectError> {
    let provider = provider(app)?;
    let callback = provider.verify_callback(query).map_err(|error| match error {
        ProviderError::Denied(why) => ConnectError::NotGenuine(why),
        other => other.into(),
    })?;
    let state = app.database.system().take_oauth_state(&hashed(&callback.state)).await?;
    let state = state.ok_or_else(|| {
        ConnectError::not_genuine(
            "This address was used before, or the connection was begun too long ago; begin again.",
        )
    })?;
    if !is_same_browser(&state, browser) {
        return Err(ConnectError::not_genuine(
            "The connection was begun in another browser; begin again in this one.",
        ));
    }
    if state.provider != ProviderKind::Shopify || state.shop_domain != callback.shop_domain {
        return Err(ConnectError::not_genuine(
            "The connection was begun for another store; begin again for this one.",
        ));
    }
    if let Some(domain) = &callback.shop_domain
        && let Some(shop) = app.database.system().find_shop(domain).await?
        && shop.tenant != state.tenant
    {
        return Err(ConnectError::Taken);
    }

    let grant = provider.exchange(&callback).await?;
    link(app, &state, grant).await
}

fn provider(app: &App) -> Result<&dyn Provider, ProviderError> {
    app.providers
        .provider(ProviderKind::Shopify)
        .ok_or_else(|| ProviderError::Denied("Shopify stores can't be connected here.".to_owned()))
}

/// A state that was begun without a cookie asks for none.
fn is_same_browser(state: &OAuthState, browser: Option<&str>) -> bool {
    match (&state.browser_hash, browser) {
        (None, _) => true,
        (Some(expected), Some(browser)) => hashed(browser).ct_eq(expected).into(),
        (Some(_), None) => false,
    }
}

/// One transaction: store, link, tokens, cursor, audit log, first runs.
async fn link(app: &App, state: &OAuthState, grant: Grant) -> Result<Connected, ConnectError> {
    let Subject::Shop(shop) = grant.subject;
    let db = app.database.write(&state.tenant).await?;
    let account_currency: CurrencyCode = db
        .account()
        .await?
        .currency
        .parse()
        .map_err(|error| StoreError::Broken(format!("the account's currency: {error}")))?;
    if shop.currency != account_currency {
        return Err(ConnectError::CurrencyDiffers {
            shop: shop.name,
            shop_currency: shop.currency,
            account_currency,
        });
    }
    let link = shop_link(&shop, &grant.scopes);
    let integration_id = db.link_shop(&link).await?.ok_or(ConnectError::Taken)?;
    let tokens = sealed(&app.cipher, &state.tenant, integration_id, &grant.tokens)?;
    db.replace_tokens(integration_id, &tokens).await?;
    db.audit(&AuditEntry {
        actor_kind: state.user_id.map_or(ActorKind::ApiToken, |_| ActorKind::User),
        actor_id: state.user_id.map(|id| id.to_string()),
        action: "integration.connected",
        target_type: "integration",
        target_id: integration_id.to_string(),
        detail: json!({ "shop_domain": shop.domain, "scopes": grant.scopes }),
        request_id: None,
    })
    .await?;
    for job in SyncJob::of_connect(ProviderKind::Shopify) {
        let run = NewRun {
            integration_id,
            job_type: job.as_str(),
            trigger: RunTrigger::Connect,
        };
        queue::enqueue(&db, &run).await?;
    }
    db.commit().await?;
    tracing::info!(account_id = %state.tenant.account_id(), %integration_id, shop = shop.domain, "a store was connected");
    Ok(Connected {
        integration_id,
        shop_name: shop.name,
        shop_domain: shop.domain,
    })
}

fn shop_link(shop: &ShopProfile, scopes: &[String]) -> ShopLink {
    ShopLink {
        domain: shop.domain.clone(),
        shopify_shop_id: ShopifyShopId(shop.shopify_shop_id),
        name: shop.name.clone(),
        currency: shop.currency.to_string(),
        timezone: shop.timezone.name().to_owned(),
        taxes_included: shop.taxes_included,
        scopes: scopes.to_vec(),
    }
}
