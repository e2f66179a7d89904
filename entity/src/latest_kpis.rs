//! The home page of an account in one row for each period.

use sea_orm::entity::prelude::*;

use crate::ids::AccountId;
use crate::terms::KpiPeriod;

/// A row of `latest_kpis`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "latest_kpis")]
pub struct Model {
    /// The tenant.
    #[sea_orm(primary_key, auto_increment = false)]
    pub account_id: AccountId,
    /// Which preset.
    #[sea_orm(primary_key, auto_increment = false)]
    pub period: KpiPeriod,
    /// First day, inclusive.
    pub range_from: Date,
    /// Last day, inclusive.
    pub range_to: Date,
    /// First day of the period before.
    pub previous_from: Date,
    /// Last day of the period before.
    pub previous_to: Date,
    /// The values of the period.
    #[sea_orm(column_type = "JsonBinary")]
    pub current: Json,
    /// The values of the period before; none where it is not covered.
    #[sea_orm(column_type = "JsonBinary")]
    pub previous: Option<Json>,
    /// When they were computed.
    pub computed_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
