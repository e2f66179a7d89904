//! A day of insights as Meta last said it.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};
use crate::terms::InsightLevel;

/// A row of `meta_insights_raw`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "meta_insights_raw")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// By ad or for the whole ad account.
    #[sea_orm(primary_key, auto_increment = false)]
    pub level: InsightLevel,
    /// The day in the ad account's time zone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub date: Date,
    /// Empty at account level.
    pub campaign_id: String,
    /// Empty at account level.
    pub adset_id: String,
    /// Empty at account level.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ad_id: String,
    /// The record.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Json,
    /// When it was fetched.
    pub fetched_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
