//! A record that could not be read, kept with the reason until it can.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, RejectId, RunId};

/// A row of `sync_rejects`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "sync_rejects")]
pub struct Model {
    /// The key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RejectId,
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    pub integration_id: IntegrationId,
    /// The run that met it.
    pub run_id: Option<RunId>,
    /// `order`, `product`, …
    pub kind: String,
    /// The provider's id of it.
    pub external_id: String,
    /// What was wrong.
    pub reason: String,
    /// The record, where it is JSON.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Option<Json>,
    /// The record, where it is not.
    pub payload_text: Option<String>,
    /// When it was last met.
    pub rejected_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
