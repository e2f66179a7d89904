//! No account ever sees another's row: by the catalogue, table by table, and with connections that were cut off.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use server::domain::ids::{IntegrationId, RunTrigger};
use server::store::{Database, NewRun, StoreError, Tenant};
use sqlx::{Connection, PgConnection};

use crate::support::fixture::Fixture;

/// Tables that hold no account's rows.
const WITHOUT_ACCOUNT: [&str; 1] = ["seaql_migrations"];

async fn tenant_tables(fixture: &Fixture) -> Vec<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
          order by 1",
    )
    .fetch_all(&fixture.owner)
    .await
    .unwrap();
    tables
        .into_iter()
        .filter(|table| !WITHOUT_ACCOUNT.contains(&table.as_str()))
        .collect()
}

#[tokio::test]
async fn every_table_is_bound_by_policies_for_every_command() {
    let fixture = Fixture::new().await;
    assert!(tenant_tables(&fixture).await.len() >= 25);
    let unbound: Vec<String> = sqlx::query_scalar(
        "select relname::text from pg_class c
          where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> 'seaql_migrations'
            and not (relrowsecurity and relforcerowsecurity
                     and (select count(distinct cmd) from pg_policies p
                           where p.schemaname = 'public' and p.tablename = c.relname
                             and policyname like 'tenant\\_%' and permissive = 'PERMISSIVE') = 4)",
    )
    .fetch_all(&fixture.owner)
    .await
    .unwrap();
    assert!(
        unbound.is_empty(),
        "without forced row-level security or a policy: {unbound:?}"
    );

    let open: Vec<String> = sqlx::query_scalar(
        "select conname::text from pg_constraint
          where contype = 'f' and confrelid <> 'public.accounts'::regclass
            and pg_get_constraintdef(oid) !~ 'FOREIGN KEY \\(account_id, .*REFERENCES (public\\.)?\\w+\\(account_id, '",
    )
    .fetch_all(&fixture.owner)
    .await
    .unwrap();
    assert!(
        open.is_empty(),
        "foreign keys that could point into another account: {open:?}"
    );
}

#[tokio::test]
async fn the_list_of_functions_that_cross_accounts_is_closed() {
    let fixture = Fixture::new().await;
    let functions: Vec<String> = sqlx::query_scalar(
        "select p.proname || ': ' || array_to_string(array(
                    select grantee::regrole::text from aclexplode(p.proacl) where grantee <> p.proowner order by 1), ', ')
           from pg_proc p where p.prosecdef and p.pronamespace <> 'pg_catalog'::regnamespace
          order by 1",
    )
    .fetch_all(&fixture.owner)
    .await
    .unwrap();
    assert_eq!(
        functions,
        [
            "accept_deliveries: api",
            "claim_named_run: worker",
            "claim_run: worker",
            "delete_expired_oauth_states: worker",
            "delete_old_deliveries: worker",
            "find_account: api, worker",
            "find_api_token: api",
            "find_login: api",
            "find_member: api",
            "find_shop: api, worker",
            "is_run_over: worker",
            "list_integrations: worker",
            "reap_runs: worker",
            "take_oauth_state: api",
            "wake_for_deliveries: worker",
        ]
    );
}

#[tokio::test]
async fn without_an_account_there_are_no_rows() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    fixture.store(&tenant).await;
    let mut api = PgConnection::connect(&fixture.database.url("api")).await.unwrap();
    for table in tenant_tables(&fixture).await {
        let sql = format!("select count(*) from {table}");
        let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&mut api)
            .await
            .unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    let mut worker = PgConnection::connect(&fixture.database.url("worker")).await.unwrap();
    for table in tenant_tables(&fixture).await {
        let sql = format!("select count(*) from {table}");
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(&mut worker).await;
        assert!(
            refused.is_err(),
            "the worker reads {table} without stepping down to an account"
        );
    }
}

#[tokio::test]
async fn another_accounts_rows_can_neither_be_read_nor_written() {
    let fixture = Fixture::new().await;
    let mine = fixture.account("Mine", "UTC").await;
    let theirs = fixture.account("Theirs", "UTC").await;
    let their_store = fixture.store(&theirs).await;
    let mut api = PgConnection::connect(&fixture.database.url("api")).await.unwrap();
    let mut transaction = api.begin().await.unwrap();
    sqlx::query("select set_config('app.account_id', $1::text, true)")
        .bind(mine.account_id())
        .execute(&mut *transaction)
        .await
        .unwrap();
    for (statement, expected) in [
        ("update accounts set name = 'taken' where id = $1 returning id", 0),
        ("delete from accounts where id = $1 returning id", 0),
        (
            "update integrations set status = 'paused' where account_id = $1 returning id",
            0,
        ),
        ("delete from shops where account_id = $1 returning id", 0),
        ("select id from integrations where account_id = $1", 0),
    ] {
        let rows = sqlx::query(statement)
            .bind(theirs.account_id())
            .fetch_all(&mut *transaction)
            .await
            .unwrap();
        assert_eq!(rows.len(), expected, "{statement}");
    }
    transaction.rollback().await.unwrap();

    // A row of mine may not point at a store of theirs either.
    let db = fixture.web.write(&mine).await.unwrap();
    let run = NewRun {
        integration_id: their_store,
        job_type: "shopify_fresh",
        trigger: RunTrigger::Manual,
    };
    assert!(matches!(db.enqueue_run(&run).await, Err(StoreError::Conflict { .. })));
}

#[tokio::test]
async fn a_role_that_policies_do_not_bind_is_refused() {
    let fixture = Fixture::new().await;
    let refused = Database::connect_web(&server::config::DatabaseConfig::at(fixture.database.url("owner"))).await;
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("`owner`") && message.contains("`api`"), "{message}");
}

/// Clients that hang up at random moments, on a pool of two: once they are gone, no connection is left inside a
/// transaction (and so with an account's context), and nothing that was committed is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_cancelled_requests_leave_every_connection_clean() {
    const BURSTS: i64 = 500;
    const CLIENTS: i64 = 20;
    let fixture = Fixture::with_pool(2).await;
    let mine = fixture.account("Mine", "UTC").await;
    let theirs = fixture.account("Theirs", "UTC").await;
    let stores = [fixture.store(&mine).await, fixture.store(&theirs).await];
    let mut random = StdRng::seed_from_u64(42);
    let mut kept = 0;
    let mut cut_off = 0;
    for burst in 0..BURSTS {
        let clients = (0..CLIENTS).map(|client| {
            let round = burst * CLIENTS + client;
            let (tenant, store) = if round % 2 == 0 {
                (mine, stores[0])
            } else {
                (theirs, stores[1])
            };
            let patience = Duration::from_micros(random.random_range(0..6_000));
            let request = change_and_look(fixture.web.clone(), tenant, store, round);
            async move {
                tokio::time::timeout(patience, request)
                    .await
                    .map(|done| done.map(|()| round))
            }
        });
        for client in futures::future::join_all(clients).await {
            match client {
                Ok(done) => kept = kept.max(done.unwrap()),
                Err(_hung_up) => cut_off += 1,
            }
        }
        assert_settled(&fixture).await;
    }
    assert!(
        kept > 0 && cut_off > BURSTS * CLIENTS / 4,
        "{cut_off} were cut off: the test shows nothing"
    );
    let latest: i64 =
        sqlx::query_scalar("select max(extract(epoch from last_synced_order_updated_at))::bigint from sync_cursors")
            .fetch_one(&fixture.owner)
            .await
            .unwrap();
    assert!(
        latest >= kept,
        "a commit that was acknowledged is gone: {latest} < {kept}"
    );
}

/// A request that writes, and that sees its own account alone.
async fn change_and_look(web: Database, tenant: Tenant, store: IntegrationId, round: i64) -> Result<(), StoreError> {
    let db = web.write(&tenant).await?;
    assert_eq!(db.account().await?.id, tenant.account_id());
    let at = chrono::DateTime::from_timestamp(round, 0).unwrap();
    db.advance_order_cursor(store, at).await?;
    db.commit().await
}

/// Nobody asks anything any more: within a second no connection of the web side is inside a transaction.
async fn assert_settled(fixture: &Fixture) {
    let mut open = Vec::new();
    for _ in 0..200 {
        open = sqlx::query_scalar::<_, String>(
            "select state || ': ' || query from pg_stat_activity
              where datname = current_database() and usename = 'api' and state <> 'idle'",
        )
        .fetch_all(&fixture.owner)
        .await
        .unwrap();
        if open.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("left open: {open:?}");
}
