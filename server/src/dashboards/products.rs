//! Which products sell: a page of them, with their sums over the known days of a range.

use chrono_tz::Tz;

use super::coverage::{Coverage, Freshness};
use super::{Account, DashboardError, Period};
use crate::domain::clock::Clock;
use crate::domain::ids::{IntegrationId, ProviderKind};
use crate::domain::money::CurrencyCode;
use crate::domain::period::DateRange;
use crate::store::{ProductFilter, ProductPageQuery, ProductRow, TenantDb};

/// What the list of products is asked for.
#[derive(Debug, Clone)]
pub struct ProductsQuery {
    /// Which days.
    pub period: Period,
    /// One store; all of them without.
    pub integration_id: Option<IntegrationId>,
    /// Which page, of a list by what. The limit is that of the page.
    pub page: ProductPageQuery,
}

/// A page of products.
#[derive(Debug, Clone)]
pub struct Products {
    /// The days asked for.
    pub range: DateRange,
    /// In which the stores' days are, as far as one zone can say that of several stores.
    pub timezone: Tz,
    /// Of every amount.
    pub currency: CurrencyCode,
    /// How fresh the numbers are; none where no store is connected.
    pub freshness: Option<Freshness>,
    /// Whether some day of the range, or some store, is not in the numbers.
    pub is_partial: bool,
    /// The page.
    pub rows: Vec<ProductRow>,
    /// Whether another one follows.
    pub has_next: bool,
    counted: Option<ProductFilter>,
}

/// A page of products of all stores, or of one.
///
/// Only known days count, so that the products of a range add up to what the stores' dashboard says of it. A store that
/// keeps its books in another currency is left out: no list compares two.
pub async fn products(db: &TenantDb, query: &ProductsQuery, clock: &Clock) -> Result<Products, DashboardError> {
    let account = Account::read(db.sources().await?)?;
    let coverage = account.coverage(ProviderKind::Shopify, query.integration_id)?;
    if query.integration_id.is_some() && !coverage.is_connected() {
        return Err(DashboardError::NoSuchStore);
    }
    let (currency, timezone) = account.books(&coverage, query.integration_id);
    let range = query.period.on(account.today(clock));
    let days = coverage.known_part(range);
    let counted = days.map(|days| ProductFilter {
        stores: account.stores_in(currency, query.integration_id),
        days,
    });
    let mut rows = match &counted {
        Some(filter) => {
            // One more than the page has, to know whether another one follows.
            let page = ProductPageQuery {
                limit: query.page.limit + 1,
                ..query.page.clone()
            };
            db.product_page(filter, &page).await?
        }
        None => Vec::new(),
    };
    let has_next = rows.len() as i64 > query.page.limit;
    if has_next {
        rows.pop();
    }
    Ok(Products {
        range,
        timezone,
        currency,
        is_partial: is_partial(&coverage, range, currency),
        freshness: coverage.freshness(range),
        rows,
        has_next,
        counted,
    })
}

fn is_partial(coverage: &Coverage, range: DateRange, currency: CurrencyCode) -> bool {
    coverage.is_connected() && (!coverage.wholly_covers(range) || coverage.differs_from(currency))
}

impl Products {
    /// How many products there are on all pages.
    pub async fn count(&self, db: &TenantDb) -> Result<i64, DashboardError> {
        match &self.counted {
            Some(filter) => Ok(db.count_products(filter).await?),
            None => Ok(0),
        }
    }
}
