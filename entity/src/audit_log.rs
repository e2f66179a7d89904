//! Who changed what. Added to, never changed.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, AuditEntryId};
use crate::terms::ActorKind;

/// A row of `audit_log`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_log")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AuditEntryId,
    /// The tenant.
    pub account_id: AccountId,
    /// What sort of actor.
    pub actor_kind: ActorKind,
    /// Which one.
    pub actor_id: Option<String>,
    /// What was done.
    pub action: String,
    /// To what sort of thing.
    pub target_type: Option<String>,
    /// To which one.
    pub target_id: Option<String>,
    /// What else is worth knowing; no secrets.
    #[sea_orm(column_type = "JsonBinary")]
    pub detail: Json,
    /// The request, as the server's log names it.
    pub request_id: Option<String>,
    /// When.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
