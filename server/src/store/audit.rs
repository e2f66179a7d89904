//! The audit log: who changed what. Added to, never changed.

use entity::audit_log;
use sea_orm::{ActiveModelTrait, ActiveValue::Set};

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
        let row = audit_log::ActiveModel {
            account_id: Set(self.account_id()),
            actor_kind: Set(entry.actor_kind),
            actor_id: Set(entry.actor_id.clone()),
            action: Set(entry.action.to_owned()),
            target_type: Set(Some(entry.target_type.to_owned())),
            target_id: Set(Some(entry.target_id.clone())),
            detail: Set(entry.detail.clone()),
            request_id: Set(entry.request_id.map(str::to_owned)),
            ..Default::default()
        };
        row.insert(self).await?;
        Ok(())
    }
}
