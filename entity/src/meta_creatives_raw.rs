//! The creative of an ad as Meta last said it.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};

/// A row of `meta_creatives_raw`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "meta_creatives_raw")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// The ad.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ad_id: String,
    /// Its creative.
    pub creative_id: String,
    /// The record.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Json,
    /// When it was fetched.
    pub fetched_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
