//! What an ad, or the whole ad account, did on a day.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};
use crate::terms::InsightLevel;

/// A row of `fact_meta_daily`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "fact_meta_daily")]
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
    /// Its name on that day.
    pub campaign_name: Option<String>,
    /// Empty at account level.
    pub adset_id: String,
    /// Its name on that day.
    pub adset_name: Option<String>,
    /// Empty at account level.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ad_id: String,
    /// Its name on that day.
    pub ad_name: Option<String>,
    /// ISO 4217 code of the amounts.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// Spend.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub spend: Decimal,
    /// Times shown.
    pub impressions: i64,
    /// Clicks of every kind.
    pub clicks: i64,
    /// Clicks on links.
    pub link_clicks: i64,
    /// Purchases by the one action type that is counted.
    pub purchases: i64,
    /// Their value, by the same action type.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub purchase_value: Decimal,
    /// Which action type was counted.
    pub purchase_action_type: Option<String>,
    /// Meta's attribution setting for it.
    pub attribution_setting: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
