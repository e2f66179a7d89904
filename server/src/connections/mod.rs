//! The life of a link to a store.
//!
//! ```text
//! begin ─▶ (the store's owner agrees at the provider) ─▶ finish ─▶ connected ──shop_access──▶ calls
//!                                                          ▲         │  ▲ renews the tokens before they end
//!                                                          │         ▼
//!                                                          │         ├─set_up─▶ webhooks, scopes, profile; paused and back
//!                                                          └── needs_reauth, disconnected: the data stays
//! ```
//!
//! No call to a provider happens inside a transaction, and a token leaves this module only inside a
//! [`ShopAccess`](crate::providers::contract::ShopAccess).

mod access;
mod connect;
mod setup;

pub use access::{AccessError, renew_shop_access, shop_access};
pub use connect::{ConnectError, Connected, begin, finish};
pub use setup::set_up;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::cipher::{Cipher, CipherError, TokenKind, TokenPlace};
use crate::domain::entropy::secret_bytes;
use crate::domain::ids::{ActorKind, IntegrationId, IntegrationStatus};
use crate::domain::job::SyncJob;
use crate::providers::contract::TokenSet;
use crate::store::{AuditEntry, Ciphertext, SealedToken, StoreError, Tenant, TenantDb};

/// Notes that a link's authorisation is gone, with a sentence for the people who have to connect it again. A link that
/// has ended stays as it is.
pub async fn mark_needs_reauth(
    app: &App,
    tenant: &Tenant,
    integration_id: IntegrationId,
    why: &str,
) -> Result<(), StoreError> {
    let db = app.database.write(tenant).await?;
    note_needs_reauth(&db, integration_id, why).await?;
    db.commit().await
}

async fn note_needs_reauth(db: &TenantDb, integration_id: IntegrationId, why: &str) -> Result<(), StoreError> {
    let from = [IntegrationStatus::Connected, IntegrationStatus::Paused];
    let to = IntegrationStatus::NeedsReauth;
    if db.set_integration_status(integration_id, &from, to, Some(why)).await? {
        let entry = AuditEntry {
            actor_kind: ActorKind::System,
            actor_id: None,
            action: "integration.needs_reauth",
            target_type: "integration",
            target_id: integration_id.to_string(),
            detail: json!({ "why": why }),
            request_id: None,
        };
        db.audit(&entry).await?;
    }
    Ok(())
}

/// Who ends a link, for the audit log.
#[derive(Debug, Clone)]
pub struct Actor {
    /// What sort of actor.
    pub kind: ActorKind,
    /// Which one.
    pub id: Option<String>,
}

/// Ends a link: its tokens are deleted and its runs stopped, its data stays. False when there is no such link, or it had
/// ended before.
pub async fn disconnect(
    app: &App,
    tenant: &Tenant,
    integration_id: IntegrationId,
    actor: Actor,
    why: &str,
) -> Result<bool, StoreError> {
    let db = app.database.write(tenant).await?;
    let has_ended = end_link(&db, integration_id, actor, why).await?;
    db.commit().await?;
    Ok(has_ended)
}

/// As [`disconnect`], as a part of the caller's transaction. A run in progress writes no further page. What the store
/// told and what needs no answer of it is still worked through.
pub async fn end_link(
    db: &TenantDb,
    integration_id: IntegrationId,
    actor: Actor,
    why: &str,
) -> Result<bool, StoreError> {
    let from = [
        IntegrationStatus::Connected,
        IntegrationStatus::NeedsReauth,
        IntegrationStatus::Paused,
    ];
    let to = IntegrationStatus::Disconnected;
    if !db.set_integration_status(integration_id, &from, to, Some(why)).await? {
        return Ok(false);
    }
    db.replace_tokens(integration_id, &[]).await?;
    db.cancel_runs_of(integration_id, SyncJob::ShopifyWebhooks.as_str())
        .await?;
    let entry = AuditEntry {
        actor_kind: actor.kind,
        actor_id: actor.id,
        action: "integration.disconnected",
        target_type: "integration",
        target_id: integration_id.to_string(),
        detail: json!({ "why": why }),
        request_id: None,
    };
    db.audit(&entry).await?;
    Ok(true)
}

/// 32 random bytes as text that fits into an address or a cookie.
pub fn unguessable() -> String {
    URL_SAFE_NO_PAD.encode(secret_bytes::<32>())
}

/// What is stored of something unguessable.
fn hashed(text: &str) -> Vec<u8> {
    Sha256::digest(text).to_vec()
}

/// The tokens as they are stored.
fn sealed(
    cipher: &Cipher,
    tenant: &Tenant,
    integration_id: IntegrationId,
    tokens: &TokenSet,
) -> Result<Vec<SealedToken>, CipherError> {
    let access = (TokenKind::Access, &tokens.access_token, tokens.access_expires_at);
    let refresh = tokens
        .refresh_token
        .as_ref()
        .map(|token| (TokenKind::Refresh, token, tokens.refresh_expires_at));
    std::iter::once(access)
        .chain(refresh)
        .map(|(kind, token, expires_at)| {
            let place = TokenPlace {
                account_id: tenant.account_id(),
                integration_id,
                kind,
            };
            Ok(SealedToken {
                kind: kind.as_str().to_owned(),
                ciphertext: Ciphertext(cipher.seal(token, &place)?),
                key_id: cipher.active_key()?.to_owned(),
                expires_at,
            })
        })
        .collect()
}
