//! The list of orders: pages by key, newest or oldest first.

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;
use sqlx::{FromRow, Postgres, QueryBuilder};

use super::{StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, ShopifyOrderId};
use crate::domain::period::DateRange;

/// An order with the sums of its whole ledger, in the store's currency.
#[derive(Debug, Clone, FromRow)]
pub struct OrderRow {
    /// The store's link.
    pub integration_id: IntegrationId,
    /// Shopify's id.
    pub shopify_order_id: ShopifyOrderId,
    /// The number people use, such as `#1042`.
    pub order_name: String,
    /// When it was created.
    pub order_created_at: DateTime<Utc>,
    /// When it last changed.
    pub order_updated_at: DateTime<Utc>,
    /// When it was processed.
    pub processed_at: DateTime<Utc>,
    /// When it was cancelled.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The day on which it counts, in the store's time zone.
    pub order_date: NaiveDate,
    /// ISO 4217.
    pub currency: String,
    /// Merchandise before discounts, ex tax.
    pub gross_sales: Decimal,
    /// Discounts, positive.
    pub discounts: Decimal,
    /// Merchandise reversed, positive.
    pub refunds: Decimal,
    /// `gross − discounts − refunds`.
    pub revenue_net: Decimal,
    /// Shipping, ex tax.
    pub shipping: Decimal,
    /// Taxes.
    pub taxes: Decimal,
    /// Import duties and fees.
    pub duties_and_fees: Decimal,
    /// All of it together.
    pub total_sales: Decimal,
    /// Pieces ordered.
    pub units: i32,
    /// As Shopify spells it.
    pub financial_status: Option<String>,
    /// As Shopify spells it.
    pub fulfillment_status: Option<String>,
    /// In no KPI.
    pub is_test: bool,
    /// 1 for a customer's first order.
    pub customer_order_index: Option<i32>,
    /// The sales channel.
    pub source_name: Option<String>,
    /// Campaign parameter of the last visit.
    pub utm_source: Option<String>,
    /// Campaign parameter of the last visit.
    pub utm_medium: Option<String>,
    /// Campaign parameter of the last visit.
    pub utm_campaign: Option<String>,
    /// Campaign parameter of the last visit.
    pub utm_content: Option<String>,
    /// Campaign parameter of the last visit.
    pub utm_term: Option<String>,
}

/// Which orders are meant. Deleted ones never are.
#[derive(Debug, Clone, Default)]
pub struct OrderFilter {
    /// By the day on which the order counts.
    pub range: Option<DateRange>,
    /// `PAID`, `REFUNDED`, … as Shopify spells it.
    pub financial_status: Option<&'static str>,
    /// The beginning of the order's name, in any case of letters, with or without `#`.
    pub search: Option<String>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderKey {
    /// When the order was created.
    pub created_at: DateTime<Utc>,
    /// Tells orders of one moment apart.
    pub id: ShopifyOrderId,
}

/// A page of orders by the time they were created.
#[derive(Debug, Clone, Copy)]
pub struct OrderPageQuery {
    /// How many rows at most.
    pub limit: i64,
    /// Only rows beyond this one.
    pub after: Option<OrderKey>,
    /// Oldest first instead of newest first.
    pub ascending: bool,
}

const COLUMNS: &str = "integration_id, shopify_order_id, order_name, order_created_at, order_updated_at, processed_at,
    cancelled_at, order_date, currency::text as currency, gross_sales, discounts, refunds, revenue_net, shipping, taxes,
    duties_and_fees, total_sales, units, financial_status, fulfillment_status, is_test, customer_order_index,
    source_name, utm_source, utm_medium, utm_campaign, utm_content, utm_term";

impl TenantDb {
    /// A page of orders.
    pub async fn order_page(&self, filter: &OrderFilter, page: &OrderPageQuery) -> Result<Vec<OrderRow>, StoreError> {
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS);
        self.push_orders(&mut query, filter);
        if let Some(key) = page.after {
            query.push(if page.ascending {
                " and (order_created_at, shopify_order_id) > ("
            } else {
                " and (order_created_at, shopify_order_id) < ("
            });
            query.push_bind(key.created_at).push(", ").push_bind(key.id).push(")");
        }
        query.push(if page.ascending {
            " order by order_created_at, shopify_order_id limit "
        } else {
            " order by order_created_at desc, shopify_order_id desc limit "
        });
        query.push_bind(page.limit);
        Ok(query.build_query_as().fetch_all(&mut *self.connection().await).await?)
    }

    /// How many orders there are.
    pub async fn count_orders(&self, filter: &OrderFilter) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("select count(*)");
        self.push_orders(&mut query, filter);
        Ok(query
            .build_query_scalar()
            .fetch_one(&mut *self.connection().await)
            .await?)
    }

    /// These orders, as far as there are any, in no order.
    pub async fn find_orders(&self, keys: &[(IntegrationId, ShopifyOrderId)]) -> Result<Vec<OrderRow>, StoreError> {
        let (integrations, ids): (Vec<_>, Vec<_>) = keys.iter().copied().unzip();
        let mut query = QueryBuilder::new("select ");
        query.push(COLUMNS);
        self.push_orders(&mut query, &OrderFilter::default());
        query.push(" and (integration_id, shopify_order_id) in (select * from unnest(");
        query.push_bind(integrations).push(", ").push_bind(ids).push("))");
        Ok(query.build_query_as().fetch_all(&mut *self.connection().await).await?)
    }

    fn push_orders(&self, query: &mut QueryBuilder<Postgres>, filter: &OrderFilter) {
        query
            .push(" from fact_orders where account_id = ")
            .push_bind(self.account_id());
        query.push(" and deleted_at is null");
        if let Some(range) = filter.range {
            query.push(" and order_date between ").push_bind(range.from());
            query.push(" and ").push_bind(range.to());
        }
        if let Some(status) = filter.financial_status {
            query.push(" and financial_status = ").push_bind(status);
        }
        if let Some(search) = &filter.search {
            let prefix = search.trim().trim_start_matches('#').to_lowercase();
            query
                .push(" and starts_with(ltrim(lower(order_name), '#'), ")
                .push_bind(prefix);
            query.push(")");
        }
    }
}
