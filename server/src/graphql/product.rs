//! Which products sell, as a list.

use async_graphql::connection::Edge;
use async_graphql::{Context, Enum, ID, InputObject, Object};

use super::context::{May, app, integration, reading};
use super::error::ApiError;
use super::integration::Integration;
use super::kpi::SourceFreshness;
use super::node::NodeKey;
use super::page::{self, ProductConnection, ProductCursor};
use super::period::{DateRangeInput, Days};
use super::scalars::Decimal;
use crate::access::Action;
use crate::dashboards::{self, DashboardError};
use crate::domain::money::CurrencyCode;
use crate::store::{ProductMeasure, ProductPageQuery, ProductRow};

/// What products are listed by.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "ProductMeasure")]
pub(super) enum ProductSortKey {
    /// Gross sales less discounts and refunds.
    RevenueNet,
    /// Merchandise before discounts.
    GrossSales,
    /// Discounts given.
    Discounts,
    /// Merchandise reversed.
    Refunds,
    /// Pieces sold.
    Units,
    /// Pieces that went back.
    UnitsReturned,
    /// Orders with the product in them.
    Orders,
}

/// In which direction a list goes.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum SortDirection {
    /// The smallest first.
    Asc,
    /// The largest first.
    Desc,
}

/// In which sequence products are listed.
#[derive(InputObject, Clone, Copy)]
pub(super) struct ProductSort {
    /// By what.
    by: ProductSortKey,
    /// In which direction.
    #[graphql(default_with = "SortDirection::Desc")]
    direction: SortDirection,
}

impl Default for ProductSort {
    fn default() -> Self {
        Self {
            by: ProductSortKey::RevenueNet,
            direction: SortDirection::Desc,
        }
    }
}

pub(super) struct ProductPerformance(ProductRow);

/// A product of a store with its sums over the range: sales on the days on which they were made, reversals on the days
/// on which they were processed. What no product stands behind is listed too, so that the list adds up to what the
/// stores' dashboard says of the same days.
#[Object]
impl ProductPerformance {
    /// Shopify's own number of the product; null for a line typed in by hand and for a product that was deleted before
    /// its order was read.
    async fn product_id(&self) -> Option<String> {
        self.0.product_id().map(|id| id.to_string())
    }

    /// The store.
    async fn integration(&self, context: &Context<'_>) -> Result<Option<Integration>, ApiError> {
        let row = integration(context, self.0.integration_id).await?;
        Ok(row.cloned().map(Integration))
    }

    /// The product's name as it is now, or as the newest order has it; null, together with `productId`, for what belongs
    /// to no product: the difference between the value of what went back and what was refunded.
    async fn title(&self) -> Option<&str> {
        self.0.title.as_deref()
    }

    /// Who makes it; null where the product is not known.
    async fn vendor(&self) -> Option<&str> {
        self.0.vendor.as_deref()
    }

    /// What kind of product it is, as the store sorts them; null where the product is not known.
    async fn product_type(&self) -> Option<&str> {
        self.0.product_type.as_deref()
    }

    /// Whether it is sold, as Shopify spells it: `ACTIVE`, `ARCHIVED`, `DRAFT`, …; null where the product is not known.
    async fn status(&self) -> Option<&str> {
        self.0.status.as_deref()
    }

    /// Pieces sold when the orders were placed; what is added to an order later is not among them.
    async fn units(&self) -> i64 {
        self.0.units
    }

    /// Pieces that went back or were taken off an order, as a positive number.
    async fn units_returned(&self) -> i64 {
        self.0.units_returned
    }

    /// Merchandise before discounts, ex tax.
    async fn gross_sales(&self) -> Decimal {
        Decimal(self.0.gross_sales)
    }

    /// Discounts given, ex tax, as a positive number.
    async fn discounts(&self) -> Decimal {
        Decimal(self.0.discounts)
    }

    /// Merchandise reversed, ex tax, as a positive number.
    async fn refunds(&self) -> Decimal {
        Decimal(self.0.refunds)
    }

    /// grossSales − discounts − refunds. No tax, no shipping; may be negative.
    async fn revenue_net(&self) -> Decimal {
        Decimal(self.0.revenue_net)
    }

    /// Orders placed with the product in them.
    async fn orders(&self) -> i64 {
        self.0.orders
    }
}

pub(super) struct ProductTotals(dashboards::Products);

#[Object]
impl ProductTotals {
    /// How many products there are on all pages. Counted only when asked for.
    async fn total_count(&self, context: &Context<'_>) -> Result<i64, ApiError> {
        Ok(self.0.count(&*reading(context).await?).await?)
    }

    /// The days that were asked for.
    async fn range(&self) -> Days {
        self.0.range.into()
    }

    /// Whether some day of the range is not known to every store. Such days are not in the numbers: `freshness` says from
    /// when to when they are known.
    async fn is_partial(&self) -> bool {
        self.0.is_partial
    }

    /// How fresh the numbers are; empty where no store is connected.
    async fn freshness(&self) -> Vec<SourceFreshness> {
        self.0.freshness.iter().map(Into::into).collect()
    }

    /// The time zone of the one store that was asked for, else of the account, by its IANA name. A store's orders count
    /// on its own days.
    async fn timezone(&self) -> &str {
        self.0.timezone.name()
    }

    /// The currency of every amount. A store that keeps its books in another one is left out.
    async fn currency_code(&self) -> CurrencyCode {
        self.0.currency
    }
}

#[derive(Default)]
pub(super) struct ProductQuery;

#[Object]
impl ProductQuery {
    /// What was sold and what came back, product by product, page by page.
    #[graphql(
        guard = "May(Action::ReadKpis)",
        // A page is one statement over few columns, whichever of them are shown.
        complexity = "page::cost(first, 1).saturating_add(child_complexity)"
    )]
    async fn products(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Which days; presets are relative to today in the account's time zone.")]
        range: DateRangeInput,
        #[graphql(desc = "One store; all of them without.")] integration_id: Option<ID>,
        #[graphql(desc = "In which sequence.", default_with = "Some(ProductSort::default())")] sort: Option<
            ProductSort,
        >,
        #[graphql(desc = "How many, 1 to 250.", default_with = "Some(page::DEFAULT_FIRST)")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before, of the same `range` and `sort`.")] after: Option<String>,
    ) -> Result<ProductConnection, ApiError> {
        let sort = sort.unwrap_or_default();
        let (measure, ascending) = (sort.by.into(), sort.direction == SortDirection::Asc);
        let after: Option<ProductCursor> = page::after(after)?;
        if after
            .as_ref()
            .is_some_and(|cursor| (cursor.measure, cursor.ascending) != (measure, ascending))
        {
            return Err(ApiError::BadUserInput(
                "`after` is a cursor of another `sort`; start again without it".to_owned(),
            ));
        }
        let has_previous = after.is_some();
        let query = dashboards::ProductsQuery {
            period: range.period()?,
            integration_id: integration_id
                .map(|id| NodeKey::integration(&id).ok_or(DashboardError::NoSuchStore))
                .transpose()?,
            page: ProductPageQuery {
                measure,
                ascending,
                limit: page::rows(first)? as i64,
                after: after.map(|cursor| cursor.key),
            },
        };
        let db = reading(context).await?;
        let mut products = dashboards::products(&db, &query, &app(context)?.clock).await?;
        let rows = std::mem::take(&mut products.rows);
        let has_next = products.has_next;
        let mut connection = ProductConnection::with_additional_fields(has_previous, has_next, ProductTotals(products));
        connection.edges = rows
            .into_iter()
            .map(|row| {
                let cursor = ProductCursor {
                    measure,
                    ascending,
                    key: row.key(measure),
                };
                Edge::new(cursor, ProductPerformance(row))
            })
            .collect();
        Ok(connection)
    }
}
