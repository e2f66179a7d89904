//! Dashboards over rows that a test wrote: sums, known and unknown days, two sources, comparisons, another account's ids.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use server::dashboards::metrics::{Metric, NullReason};
use server::dashboards::{self, CompareTo, DashboardError, HomeQuery, Period, RefundDating, Report, ShopifyQuery};
use server::domain::clock::Clock;
use server::domain::ids::IntegrationId;
use server::domain::period::{DateRange, Granularity, Preset};
use server::store::Tenant;

use crate::support::fixture::Fixture;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn moment(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

fn days(from: &str, to: &str) -> Period {
    Period::Dates(DateRange::new(date(from), date(to)).unwrap())
}

/// Noon in New York.
fn clock() -> Clock {
    Clock::fixed(moment("2026-03-10T16:00:00Z"))
}

async fn cover(fixture: &Fixture, link: IntegrationId, from: &str, through: &str) {
    sqlx::query(
        "insert into sync_cursors (account_id, integration_id, backfilled_from, orders_synced_through,
                                   insights_synced_through)
         select account_id, id, $2, case type when 'shopify' then $3 end, case type when 'meta' then $3::date end
           from integrations where id = $1",
    )
    .bind(link)
    .bind(date(from))
    .bind(moment(through))
    .execute(&fixture.owner)
    .await
    .unwrap();
}

async fn store_day(fixture: &Fixture, link: IntegrationId, on: &str, orders: i64, gross: &str, refunds: &str) {
    sqlx::query(
        "insert into daily_shopify_metrics (account_id, integration_id, date, currency, orders, gross_sales, refunds,
                                            order_value)
         select account_id, id, $2, 'USD', $3, $4, $5, $4 from integrations where id = $1",
    )
    .bind(link)
    .bind(date(on))
    .bind(orders)
    .bind(decimal(gross))
    .bind(decimal(refunds))
    .execute(&fixture.owner)
    .await
    .unwrap();
}

async fn summary_day(fixture: &Fixture, tenant: &Tenant, on: &str, orders: i64, gross: &str, spend: &str) {
    sqlx::query(
        "insert into daily_summary (account_id, date, orders, gross_sales, order_value, meta_spend, meta_purchase_value)
         values ($1, $2, $3, $4, $4, $5, 2 * $5)",
    )
    .bind(tenant.account_id())
    .bind(date(on))
    .bind(orders)
    .bind(decimal(gross))
    .bind(decimal(spend))
    .execute(&fixture.owner)
    .await
    .unwrap();
}

async fn ad_account(fixture: &Fixture, tenant: &Tenant, currency: &str) -> IntegrationId {
    sqlx::query_scalar(
        "with ads as (
             insert into ad_accounts (account_id, meta_ad_account_id, name, currency, timezone_name, status)
             select id, 'act_1', 'Ads', $2, timezone, 'ACTIVE' from accounts where id = $1
             returning id)
         insert into integrations (account_id, type, ad_account_id, status)
         select $1, 'meta', id, 'connected' from ads
         returning id",
    )
    .bind(tenant.account_id())
    .bind(currency)
    .fetch_one(&fixture.owner)
    .await
    .unwrap()
}

async fn home(fixture: &Fixture, tenant: &Tenant, period: Period, compare_to: Option<CompareTo>) -> Report {
    let db = fixture.web.read(tenant).await.unwrap();
    let query = HomeQuery {
        period,
        granularity: Granularity::Day,
        compare_to,
    };
    dashboards::home(&db, &query, &clock()).await.unwrap()
}

fn shopify_query(period: Period) -> ShopifyQuery {
    ShopifyQuery {
        period,
        granularity: Granularity::Day,
        compare_to: None,
        integration_id: None,
        refund_dating: RefundDating::ProcessedAt,
    }
}

async fn shopify(fixture: &Fixture, tenant: &Tenant, query: &ShopifyQuery) -> Result<Report, DashboardError> {
    let db = fixture.web.read(tenant).await.unwrap();
    dashboards::shopify(&db, query, &clock()).await
}

fn counts(report: &Report, metric: Metric) -> Vec<Option<i64>> {
    report
        .points
        .iter()
        .map(|point| report.count_at(point, metric))
        .collect()
}

#[tokio::test]
async fn the_home_page_sets_sales_against_spend() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "America/New_York").await;
    let store = fixture.store(&tenant).await;
    let ads = ad_account(&fixture, &tenant, "USD").await;
    cover(&fixture, store, "2026-02-01", "2026-03-10T16:00:00Z").await;
    cover(&fixture, ads, "2026-02-01", "2026-03-09T00:00:00Z").await;
    summary_day(&fixture, &tenant, "2026-03-06", 2, "100", "10").await;
    summary_day(&fixture, &tenant, "2026-03-07", 3, "200.5", "50").await;
    summary_day(&fixture, &tenant, "2026-03-09", 1, "99.5", "50").await;

    let report = home(
        &fixture,
        &tenant,
        days("2026-03-07", "2026-03-09"),
        Some(CompareTo::PreviousPeriod),
    )
    .await;
    assert_eq!(counts(&report, Metric::Orders), [Some(3), Some(0), Some(1)]);
    assert_eq!(report.kpi(Metric::RevenueNet).value, Ok(decimal("300")));
    assert_eq!(report.kpi(Metric::Mer).value, Ok(decimal("3")));
    assert_eq!(report.kpi(Metric::Roas).value, Ok(decimal("2")));
    assert_eq!(report.kpi(Metric::Aov).value, Ok(decimal("75")));
    let revenue = report.kpi(Metric::RevenueNet);
    assert_eq!(revenue.previous, Some(decimal("100")));
    assert_eq!(revenue.change.unwrap().percent, Some(decimal("200")));
    assert_eq!(report.kpi(Metric::Mer).previous, Some(decimal("10")));
    assert!(!revenue.is_partial && !report.kpi(Metric::Mer).is_partial);
    assert!(report.is_provisional);
    assert!(
        report.freshness.iter().all(|source| source.is_complete),
        "{:?}",
        report.freshness
    );
    assert_eq!(report.value_at(&report.points[1], Metric::Mer), None);

    let with_today = home(&fixture, &tenant, Period::Preset(Preset::Last7Days), None).await;
    assert_eq!(
        with_today.range,
        DateRange::new(date("2026-03-04"), date("2026-03-10")).unwrap()
    );
    assert!(with_today.freshness.iter().all(|source| !source.is_complete));
    assert!(with_today.kpi(Metric::Mer).is_partial, "Meta does not know today yet");
}

#[tokio::test]
async fn a_comparison_that_overlaps_the_range_counts_its_own_days() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let store = fixture.store(&tenant).await;
    cover(&fixture, store, "2026-02-01", "2026-03-10T16:00:00Z").await;
    for (on, orders) in [("2026-03-01", 1), ("2026-03-02", 2), ("2026-03-03", 4)] {
        summary_day(&fixture, &tenant, on, orders, "1", "0").await;
    }
    let compare_to = CompareTo::Custom(days("2026-03-01", "2026-03-02"));
    let report = home(&fixture, &tenant, days("2026-03-02", "2026-03-03"), Some(compare_to)).await;
    assert_eq!(report.kpi(Metric::Orders).value, Ok(decimal("6")));
    assert_eq!(report.kpi(Metric::Orders).previous, Some(decimal("3")));
    // A zero is a number to compare with; a quotient without a value is not.
    let compare_to = CompareTo::Custom(days("2026-02-01", "2026-02-02"));
    let report = home(&fixture, &tenant, days("2026-03-02", "2026-03-03"), Some(compare_to)).await;
    let orders = report.kpi(Metric::Orders);
    assert_eq!(orders.previous, Some(Decimal::ZERO));
    assert_eq!(orders.change.map(|change| change.percent), Some(None));
    assert_eq!(report.kpi(Metric::Aov).previous, None);
}

#[tokio::test]
async fn stores_are_summed_or_taken_one_by_one() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let (first, second) = (fixture.store(&tenant).await, fixture.store(&tenant).await);
    cover(&fixture, first, "2026-03-01", "2026-03-10T16:00:00Z").await;
    cover(&fixture, second, "2026-03-03", "2026-03-10T16:00:00Z").await;
    store_day(&fixture, first, "2026-03-02", 1, "10", "0").await;
    store_day(&fixture, first, "2026-03-03", 2, "20", "5").await;
    store_day(&fixture, second, "2026-03-03", 4, "40.25", "0").await;

    let both = shopify(&fixture, &tenant, &shopify_query(days("2026-02-28", "2026-03-04")))
        .await
        .unwrap();
    assert_eq!(
        counts(&both, Metric::Orders),
        [None, Some(0), Some(1), Some(6), Some(0)]
    );
    assert_eq!(both.kpi(Metric::RevenueNet).value, Ok(decimal("65.25")));
    assert!(both.kpi(Metric::RevenueNet).is_partial);
    assert!(both.points[2].is_partial && !both.points[3].is_partial);
    assert!(!both.freshness[0].is_complete);

    let one = ShopifyQuery {
        integration_id: Some(second),
        ..shopify_query(days("2026-03-03", "2026-03-04"))
    };
    let one = shopify(&fixture, &tenant, &one).await.unwrap();
    assert_eq!(counts(&one, Metric::Orders), [Some(4), Some(0)]);
    assert!(one.freshness[0].is_complete && !one.kpi(Metric::Orders).is_partial);
}

#[tokio::test]
async fn another_accounts_store_is_no_store() {
    let fixture = Fixture::new().await;
    let (ours, theirs) = (
        fixture.account("Acme", "UTC").await,
        fixture.account("Other", "UTC").await,
    );
    let store = fixture.store(&theirs).await;
    cover(&fixture, store, "2026-03-01", "2026-03-10T16:00:00Z").await;
    store_day(&fixture, store, "2026-03-02", 1, "10", "0").await;
    summary_day(&fixture, &theirs, "2026-03-02", 1, "10", "0").await;

    for id in [store, IntegrationId(uuid::Uuid::new_v4())] {
        let query = ShopifyQuery {
            integration_id: Some(id),
            ..shopify_query(days("2026-03-01", "2026-03-04"))
        };
        let answer = shopify(&fixture, &ours, &query).await;
        assert!(matches!(answer, Err(DashboardError::NoSuchStore)));
    }
    let report = home(&fixture, &ours, days("2026-03-01", "2026-03-04"), None).await;
    assert_eq!(report.kpi(Metric::Orders).value, Err(NullReason::NotConnected));
    let stores = shopify(&fixture, &ours, &shopify_query(days("2026-03-01", "2026-03-04")))
        .await
        .unwrap();
    assert_eq!(stores.kpi(Metric::Orders).value, Err(NullReason::NotConnected));
}

#[tokio::test]
async fn an_ad_account_in_another_currency_is_set_against_nothing() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let store = fixture.store(&tenant).await;
    let ads = ad_account(&fixture, &tenant, "EUR").await;
    cover(&fixture, store, "2026-03-01", "2026-03-10T16:00:00Z").await;
    cover(&fixture, ads, "2026-03-01", "2026-03-09T00:00:00Z").await;
    summary_day(&fixture, &tenant, "2026-03-02", 1, "10", "5").await;
    let report = home(&fixture, &tenant, days("2026-03-02", "2026-03-02"), None).await;
    assert_eq!(report.kpi(Metric::Mer).value, Err(NullReason::CurrencyMismatch));
    assert_eq!(report.kpi(Metric::RevenueNet).value, Ok(decimal("10")));
}

#[tokio::test]
async fn by_order_date_a_refund_goes_back_to_its_order() {
    let fixture = Fixture::new().await;
    let tenant = fixture.account("Acme", "UTC").await;
    let store = fixture.store(&tenant).await;
    cover(&fixture, store, "2026-03-01", "2026-03-10T16:00:00Z").await;
    // One order of the 2nd, a part of which comes back on the 5th.
    sqlx::query(
        "with o as (
             insert into fact_orders (account_id, integration_id, shop_id, shopify_order_id, order_name,
                                      order_created_at, order_updated_at, processed_at, order_date, currency)
             select account_id, id, shop_id, 7, '#7', $2, $2, $2, '2026-03-02', 'USD' from integrations where id = $1
             returning account_id, integration_id, shop_id, shopify_order_id, order_date, currency)
         insert into fact_order_days (account_id, integration_id, shop_id, shopify_order_id, order_date, currency,
                                      date, orders, gross_sales, order_value, refunds)
         select o.*, d.date, d.orders, d.gross, d.gross, d.refunds
           from o, (values (date '2026-03-02', 1, 80, 0), (date '2026-03-05', 0, 0, 30)) d (date, orders, gross, refunds)",
    )
    .bind(store)
    .bind(moment("2026-03-02T12:00:00Z"))
    .execute(&fixture.owner)
    .await
    .unwrap();
    store_day(&fixture, store, "2026-03-02", 1, "80", "0").await;
    store_day(&fixture, store, "2026-03-05", 0, "0", "30").await;

    let revenue = async |refund_dating| {
        let query = ShopifyQuery {
            refund_dating,
            ..shopify_query(days("2026-03-02", "2026-03-05"))
        };
        let report = shopify(&fixture, &tenant, &query).await.unwrap();
        assert_eq!(report.kpi(Metric::RevenueNet).value, Ok(decimal("50")));
        report
            .points
            .iter()
            .map(|point| report.value_at(point, Metric::RevenueNet))
            .collect::<Vec<_>>()
    };
    let amount = |text: &str| Some(decimal(text));
    assert_eq!(
        revenue(RefundDating::ProcessedAt).await,
        [amount("80"), amount("0"), amount("0"), amount("-30")]
    );
    assert_eq!(
        revenue(RefundDating::OrderDate).await,
        [amount("50"), amount("0"), amount("0"), amount("0")]
    );
}
