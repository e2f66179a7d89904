//! An order as it stands, over its whole life. When its money moved is in [`fact_order_days`](super::fact_order_days).

use sea_orm::entity::prelude::*;

use crate::ids::{AccountId, IntegrationId, ShopId, ShopifyCustomerId, ShopifyOrderId};

/// A row of `fact_orders`.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "fact_orders")]
pub struct Model {
    /// The tenant.
    pub account_id: AccountId,
    /// Where it came from.
    #[sea_orm(primary_key, auto_increment = false)]
    pub integration_id: IntegrationId,
    /// The store.
    pub shop_id: ShopId,
    /// Shopify's own id.
    #[sea_orm(primary_key, auto_increment = false)]
    pub shopify_order_id: ShopifyOrderId,
    /// What the store calls it, such as `#1001`.
    pub order_name: String,
    /// Its `createdAt`.
    pub order_created_at: DateTimeUtc,
    /// The version this fact was made from.
    pub order_updated_at: DateTimeUtc,
    /// Its `processedAt`.
    pub processed_at: DateTimeUtc,
    /// The local day on which it was placed, in the store's time zone.
    pub order_date: Date,
    /// ISO 4217 code of the amounts.
    #[sea_orm(column_type = "Char(Some(3))")]
    pub currency: String,
    /// Merchandise before discounts, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub gross_sales: Decimal,
    /// Discounts, positive, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub discounts: Decimal,
    /// Merchandise reversed, positive, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub refunds: Decimal,
    /// `gross_sales` less `discounts` less `refunds`.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub revenue_net: Decimal,
    /// Shipping, ex tax, net of what was refunded.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub shipping: Decimal,
    /// Tax of every counted row.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub taxes: Decimal,
    /// Duties and fees, ex tax.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub duties_and_fees: Decimal,
    /// `revenue_net` plus `taxes`, `duties_and_fees` and `shipping`.
    #[sea_orm(column_type = "Decimal(Some((20, 4)))")]
    pub total_sales: Decimal,
    /// Pieces sold, net.
    pub units: i32,
    /// Paid or not, in Shopify's words.
    pub financial_status: Option<String>,
    /// Sent or not, in Shopify's words.
    pub fulfillment_status: Option<String>,
    /// When it was cancelled; it still counts.
    pub cancelled_at: Option<DateTimeUtc>,
    /// A test order counts nowhere.
    pub is_test: bool,
    /// When it was deleted; it counts nowhere.
    pub deleted_at: Option<DateTimeUtc>,
    /// Who ordered; none for a guest.
    pub customer_id: Option<ShopifyCustomerId>,
    /// Which order of that customer's this is, from 1.
    pub customer_order_index: Option<i32>,
    /// The sales channel.
    pub source_name: Option<String>,
    /// `utm_source` of the visit it came from.
    pub utm_source: Option<String>,
    /// `utm_medium` of the visit it came from.
    pub utm_medium: Option<String>,
    /// `utm_campaign` of the visit it came from.
    pub utm_campaign: Option<String>,
    /// `utm_content` of the visit it came from.
    pub utm_content: Option<String>,
    /// `utm_term` of the visit it came from.
    pub utm_term: Option<String>,
    /// What it moved, day by day.
    #[sea_orm(has_many)]
    pub days: HasMany<super::fact_order_days::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
