//! A store's own books, to hold ours against: how many orders there are, which ones, and what its report says.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::{ProviderError, ShopAccess};
use crate::domain::ids::ShopifyOrderId;
use crate::domain::window::Window;

/// How many orders were processed in a window; tests are not among them.
#[derive(Debug, Clone, Copy)]
pub struct OrderCountQuery {
    /// When they were processed.
    pub processed: Window,
}

/// Which orders were processed in a window; tests are not among them.
#[derive(Debug, Clone)]
pub struct OrderListQuery {
    /// When they were processed.
    pub processed: Window,
    /// The `next` of the page before.
    pub after: Option<String>,
}

/// A page of such a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderListPage {
    /// The orders.
    pub orders: Vec<ListedOrder>,
    /// Where the next page begins; none after the last one.
    pub next: Option<String>,
}

/// An order of which no more is told than that there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOrder {
    /// Which.
    pub id: ShopifyOrderId,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// The store's own report of its last days.
#[derive(Debug, Clone, Copy)]
pub struct SalesReportQuery {
    /// How many days before today.
    pub days: u64,
}

/// A day of the report, in the store's own days and currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedDay {
    /// The day.
    pub date: NaiveDate,
    /// What the store calls net sales.
    pub net_sales: Decimal,
    /// What the store calls total sales.
    pub total_sales: Decimal,
}

/// A store that can be held against what is known of it.
#[async_trait]
pub trait AuditSource: Send + Sync {
    /// The exact count.
    async fn count_orders(&self, access: &ShopAccess, query: &OrderCountQuery) -> Result<u64, ProviderError>;

    /// One page of the list.
    async fn list_orders(&self, access: &ShopAccess, query: &OrderListQuery) -> Result<OrderListPage, ProviderError>;

    /// The report. A day without sales need not be in it.
    async fn sales_report(
        &self,
        access: &ShopAccess,
        query: &SalesReportQuery,
    ) -> Result<Vec<ReportedDay>, ProviderError>;
}
