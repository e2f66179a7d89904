//! Accounts and links without the ceremony of connecting: for tests of what lies below it.

use server::config::DatabaseConfig;
use server::domain::ids::{AccountId, IntegrationId};
use server::store::{Database, Tenant};
use sqlx::PgPool;
use uuid::Uuid;

use super::database::TestDatabase;

/// A database with the schema, and the three ways in.
pub(crate) struct Fixture {
    pub(crate) database: TestDatabase,
    /// As the cluster's superuser: sees and sets what no role of the program may.
    pub(crate) owner: PgPool,
    pub(crate) web: Database,
    pub(crate) worker: Database,
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with_pool(10).await
    }

    /// With so many connections in each pool.
    pub(crate) async fn with_pool(max_connections: u32) -> Self {
        let database = TestDatabase::new().await;
        let config = |role| DatabaseConfig {
            max_connections,
            ..DatabaseConfig::at(database.url(role))
        };
        Self {
            owner: PgPool::connect(&database.url("owner")).await.unwrap(),
            web: Database::connect_web(&config("api")).await.unwrap(),
            worker: Database::connect_worker(&config("worker")).await.unwrap(),
            database,
        }
    }

    /// An account in dollars whose days are those of `timezone`.
    pub(crate) async fn account(&self, name: &str, timezone: &str) -> Tenant {
        let id: AccountId =
            sqlx::query_scalar("insert into accounts (name, currency, timezone) values ($1, 'USD', $2) returning id")
                .bind(name)
                .bind(timezone)
                .fetch_one(&self.owner)
                .await
                .unwrap();
        self.worker.system().find_account(id).await.unwrap().unwrap()
    }

    /// A connected store of the account, never synced.
    pub(crate) async fn store(&self, tenant: &Tenant) -> IntegrationId {
        let domain = format!("shop-{}.myshopify.com", Uuid::new_v4().simple());
        sqlx::query_scalar(
            "with shop as (
                 insert into shops (account_id, shop_domain, shopify_shop_id, name, currency, iana_timezone,
                                    taxes_included, installed_at)
                 select id, $2, abs(hashtext($2)), 'A shop', currency, timezone, false, now()
                   from accounts where id = $1
                 returning id)
             insert into integrations (account_id, type, shop_id, status)
             select $1, 'shopify', id, 'connected' from shop
             returning id",
        )
        .bind(tenant.account_id())
        .bind(domain)
        .fetch_one(&self.owner)
        .await
        .unwrap()
    }

    /// A store's permanent domain.
    pub(crate) async fn domain(&self, store: IntegrationId) -> String {
        sqlx::query_scalar("select shop_domain from shops s join integrations i on i.shop_id = s.id where i.id = $1")
            .bind(store)
            .fetch_one(&self.owner)
            .await
            .unwrap()
    }

    /// Lets so many connections of the program in, any number with -1. With 0 those that there are end.
    pub(crate) async fn limit_connections(&self, connections: i32) {
        let name: String = sqlx::query_scalar("select current_database()::text")
            .fetch_one(&self.owner)
            .await
            .unwrap();
        let sql = format!("alter database {name} connection limit {connections}");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&self.owner)
            .await
            .unwrap();
        if connections == 0 {
            sqlx::query(
                "select pg_terminate_backend(pid) from pg_stat_activity
                  where datname = current_database() and usename in ('api', 'worker')",
            )
            .execute(&self.owner)
            .await
            .unwrap();
        }
    }
}
