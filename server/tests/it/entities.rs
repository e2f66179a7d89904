//! Every table has its entity, and every entity is its table: the same columns, and rows that it can read.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{Database, DatabaseConnection, EntityTrait, Iden, Iterable};

use crate::support::database::TestDatabase;

/// The entity's table and columns, once the database has read a row by it.
async fn described<E: EntityTrait>(db: &DatabaseConnection) -> (String, BTreeSet<String>)
where
    E::Model: Send + Sync,
{
    E::find().one(db).await.unwrap();
    let columns = E::Column::iter().map(|column| column.unquoted().to_string()).collect();
    (E::default().table_name().to_string(), columns)
}

macro_rules! described {
    ($db:expr, $($table:ident)+) => { BTreeMap::from([$(described::<entity::$table::Entity>($db).await),+]) };
}

#[tokio::test]
async fn entities_and_tables_are_the_same() {
    let database = TestDatabase::new().await;
    let db = Database::connect(database.url("owner")).await.unwrap();
    let entities = described!(&db,
        accounts ad_accounts api_tokens audit_log daily_meta_metrics daily_product_metrics daily_reconciliations
        daily_shopify_metrics daily_summary fact_meta_daily fact_order_days fact_orders fact_product_days
        integration_secrets integrations latest_kpis meta_creatives_raw
        meta_insights_raw oauth_states shopify_customers_raw shopify_orders_raw shopify_products_raw
        shopify_redactions shopify_tombstones
        shopify_webhook_subscriptions shopify_webhooks_raw shops sync_cursors sync_rejects sync_runs users
    );
    let pool = db.get_postgres_connection_pool();
    let columns: Vec<(String, String)> = sqlx::query_as(
        "select table_name::text, column_name::text from information_schema.columns
          where table_schema = 'public' and table_name <> 'seaql_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (table, column) in columns {
        tables.entry(table).or_default().insert(column);
    }
    assert_eq!(entities, tables);
}
