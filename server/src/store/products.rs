//! How products did over a range of days: pages by key, by any one of their sums. Read only.
//!
//! The cost grows with the days and the products of the range, never with its orders.

use rust_decimal::Decimal;
use sqlx::{FromRow, Postgres, QueryBuilder};

use super::product_days::NO_PRODUCT;
use super::{StoreError, TenantDb};
use crate::domain::ids::{IntegrationId, ShopifyProductId};
use crate::domain::period::DateRange;

/// A product of a store with its sums over the range, in the store's currency.
#[derive(Debug, Clone, FromRow)]
pub struct ProductRow {
    /// The store's link.
    pub integration_id: IntegrationId,
    /// Shopify's id; 0 for lines that no product stands behind.
    shopify_product_id: ShopifyProductId,
    /// Tells such lines apart: what stood on them.
    line: String,
    /// The product's name now, or the newest that orders show; none for what belongs to no line.
    pub title: Option<String>,
    /// Who makes it, where the product is known.
    pub vendor: Option<String>,
    /// What kind of product it is, as the store sorts them.
    pub product_type: Option<String>,
    /// `ACTIVE`, `ARCHIVED`, … as Shopify spells it.
    pub status: Option<String>,
    /// Orders placed with the product in them.
    pub orders: i64,
    /// Pieces sold in these orders when they were placed.
    pub units: i64,
    /// Pieces that went back, positive.
    pub units_returned: i64,
    /// Before discounts, ex tax.
    pub gross_sales: Decimal,
    /// Discounts, positive.
    pub discounts: Decimal,
    /// Reversed, positive.
    pub refunds: Decimal,
    /// `gross − discounts − refunds`.
    pub revenue_net: Decimal,
}

impl ProductRow {
    /// Shopify's id; none for a line that no product stands behind.
    pub fn product_id(&self) -> Option<ShopifyProductId> {
        Some(self.shopify_product_id).filter(|id| *id != NO_PRODUCT)
    }

    /// The row's place in a list by `measure`.
    pub fn key(&self, measure: ProductMeasure) -> ProductKey {
        ProductKey {
            value: match measure {
                ProductMeasure::RevenueNet => self.revenue_net,
                ProductMeasure::GrossSales => self.gross_sales,
                ProductMeasure::Discounts => self.discounts,
                ProductMeasure::Refunds => self.refunds,
                ProductMeasure::Units => self.units.into(),
                ProductMeasure::UnitsReturned => self.units_returned.into(),
                ProductMeasure::Orders => self.orders.into(),
            },
            integration_id: self.integration_id,
            product_id: self.shopify_product_id,
            line: self.line.clone(),
        }
    }
}

/// What products are listed by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProductMeasure {
    /// `gross − discounts − refunds`.
    RevenueNet,
    /// Before discounts.
    GrossSales,
    /// Discounts.
    Discounts,
    /// Reversed.
    Refunds,
    /// Pieces sold.
    Units,
    /// Pieces that went back.
    UnitsReturned,
    /// Orders with the product in them.
    Orders,
}

impl ProductMeasure {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::RevenueNet,
        Self::GrossSales,
        Self::Discounts,
        Self::Refunds,
        Self::Units,
        Self::UnitsReturned,
        Self::Orders,
    ];

    /// The column's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RevenueNet => "revenue_net",
            Self::GrossSales => "gross_sales",
            Self::Discounts => "discounts",
            Self::Refunds => "refunds",
            Self::Units => "units",
            Self::UnitsReturned => "units_returned",
            Self::Orders => "orders",
        }
    }
}

/// Of which stores and days.
#[derive(Debug, Clone)]
pub struct ProductFilter {
    /// The stores' links.
    pub stores: Vec<IntegrationId>,
    /// The days on which something moved, each store's own.
    pub days: DateRange,
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductKey {
    /// What the list is by.
    pub value: Decimal,
    /// Tells equal values apart.
    pub integration_id: IntegrationId,
    /// And so does this; 0 where there is no product.
    pub product_id: ShopifyProductId,
    /// And then this.
    pub line: String,
}

/// A page of products.
#[derive(Debug, Clone)]
pub struct ProductPageQuery {
    /// What they are listed by.
    pub measure: ProductMeasure,
    /// The smallest first instead of the largest.
    pub ascending: bool,
    /// How many rows at most.
    pub limit: i64,
    /// Only rows beyond this one.
    pub after: Option<ProductKey>,
}

/// What makes a row: a product, whatever it was called; without one, what stood on the line.
const ROW: &str = "integration_id, shopify_product_id, case when shopify_product_id = 0 then title else '' end";

impl TenantDb {
    /// A page of products with their sums.
    pub async fn product_page(
        &self,
        filter: &ProductFilter,
        page: &ProductPageQuery,
    ) -> Result<Vec<ProductRow>, StoreError> {
        let direction = if page.ascending { "asc" } else { "desc" };
        let mut query = QueryBuilder::new("with summed as (select integration_id, shopify_product_id, ");
        query.push(
            "case when shopify_product_id = 0 then title else '' end as line,
             (array_agg(title order by date desc, title))[1] as last_title,
             sum(orders)::bigint as orders, sum(units)::bigint as units, sum(units_returned)::bigint as units_returned,
             sum(gross_sales) as gross_sales, sum(discounts) as discounts, sum(refunds) as refunds,
             sum(revenue_net) as revenue_net",
        );
        self.push_cells(&mut query, filter);
        query.push(" group by ").push(ROW);
        query.push("), page as (select * from summed");
        if let Some(key) = &page.after {
            query.push(format!(
                " where ({}::numeric, integration_id, shopify_product_id, line) {} (",
                page.measure.as_str(),
                if page.ascending { ">" } else { "<" }
            ));
            query.push_bind(key.value).push(", ").push_bind(key.integration_id);
            query.push(", ").push_bind(key.product_id).push(", ");
            query.push_bind(key.line.clone()).push(")");
        }
        let order = format!(
            " order by {} {direction}, integration_id {direction}, shopify_product_id {direction}, line {direction}",
            page.measure.as_str()
        );
        query.push(&order).push(" limit ").push_bind(page.limit);
        query.push(
            ") select page.*, coalesce(known.payload ->> 'title', nullif(page.last_title, '')) as title,
                      known.payload ->> 'vendor' as vendor, known.payload ->> 'productType' as product_type,
                      known.payload ->> 'status' as status
                 from page left join (
                      select integration_id, shopify_product_id, payload from shopify_products_raw where account_id = ",
        );
        query.push_bind(self.account_id());
        query
            .push(") known using (integration_id, shopify_product_id)")
            .push(&order);
        Ok(query.build_query_as().fetch_all(&mut *self.connection().await).await?)
    }

    /// How many products there are on all pages.
    pub async fn count_products(&self, filter: &ProductFilter) -> Result<i64, StoreError> {
        let mut query = QueryBuilder::new("select count(*) from (select");
        self.push_cells(&mut query, filter);
        query.push(" group by ").push(ROW).push(") product");
        Ok(query
            .build_query_scalar()
            .fetch_one(&mut *self.connection().await)
            .await?)
    }

    fn push_cells(&self, query: &mut QueryBuilder<Postgres>, filter: &ProductFilter) {
        query
            .push(" from daily_product_metrics where account_id = ")
            .push_bind(self.account_id());
        query
            .push(" and integration_id = any(")
            .push_bind(filter.stores.clone());
        query.push(") and date between ").push_bind(filter.days.from());
        query.push(" and ").push_bind(filter.days.to());
    }
}
