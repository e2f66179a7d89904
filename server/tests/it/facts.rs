//! Orders come in any sequence, more than once, in pages of any size: what stands in the tables is the same.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rust_decimal::Decimal;
use serde_json::Value;
use serde_json::value::RawValue;
use server::domain::fact::{OrderDay, OrderFact, SalesSums, Utm};
use server::domain::ids::{IntegrationId, ShopifyCustomerId, ShopifyOrderId};
use server::store::{OrderRecord, StoreError, Tenant};

use crate::support::fixture::Fixture;

/// The days on which anything happens.
const FIRST_DAY: &str = "2026-11-10";
const DAYS: i64 = 5;

/// What an order looked like at some time: on which days it has how many cents of sales and of refunds.
type Version = Vec<(i64, i64, i64)>;

/// An order's versions, the earliest first, and behind how many of them it is deleted, if it is.
type History = (Vec<Version>, Option<usize>);

/// Something that is learnt of an order.
#[derive(Debug, Clone, Copy)]
enum News {
    Version { order: usize, version: usize },
    Deleted { order: usize, behind: usize },
}

fn histories() -> impl Strategy<Value = Vec<History>> {
    let version = prop::collection::vec((0..DAYS, 0..100_000_i64, 0..5_000_i64), 1..4);
    let history = (prop::collection::vec(version, 1..5), prop::option::of(0..5_usize));
    prop::collection::vec(history, 1..7)
}

/// Everything that is to be learnt, as it happened.
fn in_sequence(histories: &[History]) -> Vec<News> {
    let mut news = Vec::new();
    for (order, (versions, deleted)) in histories.iter().enumerate() {
        for version in 0..=versions.len() {
            if *deleted == Some(version) {
                news.push(News::Deleted { order, behind: version });
            }
            if version < versions.len() {
                news.push(News::Version { order, version });
            }
        }
    }
    news
}

/// The same in pages, with repetitions and in another sequence.
fn disordered(mut news: Vec<News>, random: &mut StdRng) -> Vec<Vec<News>> {
    let repeated = Vec::from_iter(news.iter().copied().filter(|_| random.random_bool(0.5)));
    news.extend(repeated);
    news.shuffle(random);
    let mut pages = Vec::new();
    while !news.is_empty() {
        let size = random.random_range(1..=news.len().min(8));
        pages.push(news.drain(..size).collect());
    }
    pages
}

/// When the version came about; the deletion behind it is half an hour later.
fn changed_at(version: usize) -> DateTime<Utc> {
    let start: DateTime<Utc> = "2026-11-20T00:00:00Z".parse().unwrap();
    start + TimeDelta::hours(version as i64)
}

fn deleted_at(behind: usize) -> DateTime<Utc> {
    changed_at(behind) - TimeDelta::minutes(30)
}

fn fact(order: usize, number: usize, version: &Version) -> OrderFact {
    let first: NaiveDate = FIRST_DAY.parse().unwrap();
    let mut days: Vec<OrderDay> = Vec::new();
    let mut totals = SalesSums::default();
    for (place, (day, sold, refunded)) in version.iter().enumerate() {
        let sums = SalesSums {
            orders: i64::from(place == 0),
            units: 1,
            gross_sales: Decimal::new(*sold, 2),
            refunds: Decimal::new(*refunded, 2),
            guest_orders: i64::from(place == 0),
            ..SalesSums::default()
        };
        totals += sums;
        let date = first + TimeDelta::days(*day);
        match days.iter_mut().find(|known| known.date == date) {
            Some(known) => known.sums += sums,
            None => days.push(OrderDay { date, sums }),
        }
    }
    OrderFact {
        product_days: Vec::new(),
        id: ShopifyOrderId(order as i64 + 1),
        name: format!("#{order}"),
        created_at: changed_at(0),
        updated_at: changed_at(number),
        processed_at: changed_at(0),
        cancelled_at: None,
        order_date: days[0].date,
        currency: "USD".parse().unwrap(),
        is_test: false,
        financial_status: Some(format!("version {number}")),
        fulfillment_status: None,
        customer_id: Some(ShopifyCustomerId(7)),
        customer_order_index: None,
        source_name: None,
        utm: Utm::default(),
        days,
        totals,
    }
}

/// Writes a page as an ingestion does: one transaction.
async fn write(
    fixture: &Fixture,
    tenant: &Tenant,
    store: IntegrationId,
    histories: &[History],
    page: &[News],
) -> Result<(), StoreError> {
    let db = fixture.worker.write(tenant).await?;
    db.serialise_account().await?;
    let mut days = Vec::new();
    let mut facts: Vec<OrderFact> = Vec::new();
    for news in page {
        match *news {
            News::Version { order, version } => facts.push(fact(order, version, &histories[order].0[version])),
            News::Deleted { order, behind } => {
                let gone = ShopifyOrderId(order as i64 + 1);
                let left = db.delete_order(store, gone, deleted_at(behind)).await?;
                days.extend(left.unwrap_or_default());
            }
        }
    }
    // A page has each order once, in its latest version.
    facts.sort_by_key(|fact| (fact.id, std::cmp::Reverse(fact.updated_at)));
    facts.dedup_by_key(|fact| fact.id);
    let payload = RawValue::from_string("{}".to_owned()).unwrap();
    let records = Vec::from_iter(facts.iter().map(|fact| OrderRecord {
        payload: &payload,
        fact,
    }));
    db.keep_raw_orders(store, &records, changed_at(9)).await?;
    let kept = db.keep_order_facts(store, &records).await?;
    let kept = Vec::from_iter(facts.iter().filter(|fact| kept.contains(&fact.id)));
    days.extend(db.replace_order_days(store, &kept).await?);
    days.sort_unstable();
    days.dedup();
    db.rebuild_shopify_days(store, &days).await?;
    db.rebuild_summary(&days).await?;
    db.commit().await
}

/// What an account sees in the end. A day on which nothing is left is as good as one on which nothing ever was.
async fn tables(fixture: &Fixture, tenant: &Tenant) -> Value {
    sqlx::query_scalar(
        "select jsonb_build_object(
             'facts', (select jsonb_agg(to_jsonb(o) - 'account_id' - 'integration_id' - 'shop_id' order by shopify_order_id)
                         from fact_orders o where account_id = $1 and deleted_at is null),
             'days', (select jsonb_agg(to_jsonb(d) - 'account_id' - 'integration_id' - 'shop_id'
                                       order by shopify_order_id, date)
                        from fact_order_days d where account_id = $1),
             'cells', (select jsonb_agg(to_jsonb(m) - 'account_id' - 'integration_id' - 'computed_at' order by date)
                         from daily_shopify_metrics m where account_id = $1 and units > 0),
             'summary', (select jsonb_agg(to_jsonb(s) - 'account_id' - 'computed_at' order by date)
                           from daily_summary s where account_id = $1 and units > 0))",
    )
    .bind(tenant.account_id())
    .fetch_one(&fixture.owner)
    .await
    .unwrap()
}

/// A new account with one store that has written these pages.
async fn written(fixture: &Fixture, histories: &[History], pages: &[Vec<News>]) -> Value {
    let tenant = fixture.account("Acme", "UTC").await;
    let store = fixture.store(&tenant).await;
    let db = fixture.worker.write(&tenant).await.unwrap();
    db.cover_from(store, FIRST_DAY.parse().unwrap()).await.unwrap();
    db.commit().await.unwrap();
    for page in pages {
        write(fixture, &tenant, store, histories, page).await.unwrap();
    }
    tables(fixture, &tenant).await
}

#[test]
fn any_sequence_repetition_and_paging_of_the_same_orders_gives_the_same_tables() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fixture = runtime.block_on(Fixture::new());
    let mut runner = TestRunner::new(Config {
        cases: 48,
        max_shrink_iters: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let checked = runner.run(&(histories(), any::<u64>()), |(histories, seed)| {
        let news = in_sequence(&histories);
        let one_by_one = Vec::from_iter(news.iter().map(|news| vec![*news]));
        let pages = disordered(news, &mut StdRng::seed_from_u64(seed));
        let (expected, found) = runtime.block_on(async {
            let expected = written(&fixture, &histories, &one_by_one).await;
            (expected, written(&fixture, &histories, &pages).await)
        });
        prop_assert_eq!(found, expected, "{:?}", pages);
        Ok(())
    });
    if let Err(failure) = checked {
        panic!("{failure}");
    }
}
