//! An ad account's day: the sums of its facts.

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId};

/// A row of `daily_meta_metrics`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "daily_meta_metrics")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// The day in the ad account's time zone.
    #[sea_orm(primary_key, auto_increment = false)]
    pub date: Date,
    /// ISO 4217 code of the amounts.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// Spend of the account level: the true total.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub spend: Decimal,
    /// Sum over the ads; less than `spend` where ads were deleted.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub ad_spend: Decimal,
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
    /// False while the day was not over when it was fetched.
    pub is_complete: bool,
    /// When the cell was computed from its facts.
    pub computed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
