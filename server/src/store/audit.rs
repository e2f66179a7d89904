//! The audit log: who changed what. Added to, never changed.

use sqlx::types::Json;

use super::{StoreError, TenantDb};
use crate::domain::ids::ActorKind;

/// A line of the log.
#[derive(Debug, Clone)]
pub struct AuditEntry<'a> {
    /// What sort of actor.
    pub actor_kind: ActorKind,
    /// Which one.
    pub actor_id: Option<String>,
    /// What was done, such as `sync.manual`.
    pub action: &'static str,
    /// To what sort of thing.
    pub target_type: &'static str,
    /// To which one.
    pub target_id: String,
    /// What else is worth knowing; no secrets and no contact data.
    pub detail: serde_json::Value,
    /// The request, as the server's log names it.
    pub request_id: Option<&'a str>,
}

impl TenantDb {
    /// Adds a line, in the transaction of the change that it tells of.
    pub async fn audit(&self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "insert into audit_log (account_id, actor_kind, actor_id, action, target_type, target_id, detail,
                                    request_id)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(self.account_id())
        .bind(entry.actor_kind)
        .bind(&entry.actor_id)
        .bind(entry.action)
        .bind(entry.target_type)
        .bind(&entry.target_id)
        .bind(Json(&entry.detail))
        .bind(entry.request_id)
        .execute(&mut *self.connection().await)
        .await?;
        Ok(())
    }
}
