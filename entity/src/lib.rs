//! SeaORM entities: what a row of each table is, and nothing more.
//!
//! A module has its table's name. Keys are typed ([`ids`]), closed text columns are enums ([`terms`]), and columns that
//! hold secrets or their hashes do not print themselves ([`sealed`]).

pub mod ids;
pub mod sealed;
pub mod terms;

pub mod accounts;
pub mod ad_accounts;
pub mod api_tokens;
pub mod audit_log;
pub mod daily_meta_metrics;
pub mod daily_product_metrics;
pub mod daily_reconciliations;
pub mod daily_shopify_metrics;
pub mod daily_summary;
pub mod fact_meta_daily;
pub mod fact_order_days;
pub mod fact_orders;
pub mod fact_product_days;
pub mod integration_secrets;
pub mod integrations;
pub mod latest_kpis;
pub mod meta_creatives_raw;
pub mod meta_insights_raw;
pub mod oauth_states;
pub mod shopify_customers_raw;
pub mod shopify_orders_raw;
pub mod shopify_products_raw;
pub mod shopify_redactions;
pub mod shopify_tombstones;
pub mod shopify_webhook_subscriptions;
pub mod shopify_webhooks_raw;
pub mod shops;
pub mod sync_cursors;
pub mod sync_rejects;
pub mod sync_runs;
pub mod users;
