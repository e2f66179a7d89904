//! Orders, as a list.

use async_graphql::connection::Edge;
use async_graphql::{Context, Enum, ID, Object};

use super::context::{May, app, integration, reading};
use super::error::ApiError;
use super::integration::{Integration, currency};
use super::node::NodeKey;
use super::page::{self, OrderConnection, OrderCursor};
use super::period::DateRangeInput;
use super::scalars::{Date, DateTime, Decimal, Money};
use crate::access::Action;
use crate::dashboards;
use crate::domain::money::CurrencyCode;
use crate::store::{OrderFilter, OrderKey, OrderPageQuery, OrderRow};

/// The longest beginning of an order's name that is looked for.
const MAX_SEARCH: usize = 64;

/// Where the payment of an order stands, as Shopify names it.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderStatus {
    /// Authorised, not captured.
    Authorized,
    /// The authorisation has run out.
    Expired,
    /// All is paid.
    Paid,
    /// A part is paid.
    PartiallyPaid,
    /// A part was given back.
    PartiallyRefunded,
    /// Not paid yet.
    Pending,
    /// All was given back.
    Refunded,
    /// Called off before it was captured.
    Voided,
}

impl OrderStatus {
    fn as_shopify_spells_it(self) -> &'static str {
        match self {
            Self::Authorized => "AUTHORIZED",
            Self::Expired => "EXPIRED",
            Self::Paid => "PAID",
            Self::PartiallyPaid => "PARTIALLY_PAID",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Pending => "PENDING",
            Self::Refunded => "REFUNDED",
            Self::Voided => "VOIDED",
        }
    }
}

/// In which sequence orders are listed.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(super) enum OrderSort {
    /// The newest first.
    CreatedAtDesc,
    /// The oldest first.
    CreatedAtAsc,
}

pub(super) struct Order(pub(super) OrderRow);

/// An order with the sums of its whole ledger, whatever the day.
#[Object]
impl Order {
    /// Opaque, for `node`.
    pub(super) async fn id(&self) -> ID {
        NodeKey::Order(self.0.integration_id, self.0.shopify_order_id).encode()
    }

    /// Shopify's own number of the order.
    async fn shopify_order_id(&self) -> String {
        self.0.shopify_order_id.to_string()
    }

    /// The store.
    async fn integration(&self, context: &Context<'_>) -> Result<Option<Integration>, ApiError> {
        let row = integration(context, self.0.integration_id).await?;
        Ok(row.cloned().map(Integration))
    }

    /// The number people use, such as `#1042`.
    async fn name(&self) -> &str {
        &self.0.order_name
    }

    /// The day on which it counts, in the store's time zone.
    async fn order_date(&self) -> Date {
        Date(self.0.order_date)
    }

    /// When it was created in Shopify.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.order_created_at)
    }

    /// When it last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.order_updated_at)
    }

    /// When it was processed; for an imported order earlier than `createdAt`.
    async fn processed_at(&self) -> DateTime {
        DateTime(self.0.processed_at)
    }

    /// When it was cancelled.
    async fn cancelled_at(&self) -> Option<DateTime> {
        self.0.cancelled_at.map(DateTime)
    }

    /// Where its payment stands, as Shopify spells it: `PAID`, `REFUNDED`, …
    async fn financial_status(&self) -> Option<&str> {
        self.0.financial_status.as_deref()
    }

    /// Where its shipment stands, as Shopify spells it: `FULFILLED`, …
    async fn fulfillment_status(&self) -> Option<&str> {
        self.0.fulfillment_status.as_deref()
    }

    /// A test order: listed, and in no KPI.
    async fn is_test(&self) -> bool {
        self.0.is_test
    }

    /// 1 for a customer's first order, 2 for the second; null for a guest and where Shopify has not said.
    async fn customer_order_index(&self) -> Option<i32> {
        self.0.customer_order_index
    }

    /// Pieces in the order as it was placed.
    async fn units(&self) -> i32 {
        self.0.units
    }

    /// The currency of its amounts: the store's.
    async fn currency_code(&self) -> Result<CurrencyCode, ApiError> {
        currency(&self.0.currency)
    }

    /// Merchandise before discounts, ex tax.
    #[graphql(complexity = "child_complexity")]
    async fn gross_sales(&self) -> Result<Money, ApiError> {
        self.money(self.0.gross_sales)
    }

    /// Discounts, ex tax, as a positive number.
    #[graphql(complexity = "child_complexity")]
    async fn discounts(&self) -> Result<Money, ApiError> {
        self.money(self.0.discounts)
    }

    /// Merchandise reversed so far, ex tax, as a positive number.
    #[graphql(complexity = "child_complexity")]
    async fn refunds(&self) -> Result<Money, ApiError> {
        self.money(self.0.refunds)
    }

    /// grossSales − discounts − refunds.
    #[graphql(complexity = "child_complexity")]
    async fn revenue_net(&self) -> Result<Money, ApiError> {
        self.money(self.0.revenue_net)
    }

    /// Shipping, ex tax, net of what was refunded.
    #[graphql(complexity = "child_complexity")]
    async fn shipping(&self) -> Result<Money, ApiError> {
        self.money(self.0.shipping)
    }

    /// Taxes, net of what was refunded.
    #[graphql(complexity = "child_complexity")]
    async fn taxes(&self) -> Result<Money, ApiError> {
        self.money(self.0.taxes)
    }

    /// Import duties and additional fees.
    #[graphql(complexity = "child_complexity")]
    async fn duties_and_fees(&self) -> Result<Money, ApiError> {
        self.money(self.0.duties_and_fees)
    }

    /// revenueNet + taxes + dutiesAndFees + shipping.
    #[graphql(complexity = "child_complexity")]
    async fn total_sales(&self) -> Result<Money, ApiError> {
        self.money(self.0.total_sales)
    }

    /// The sales channel, such as `web`.
    async fn source_name(&self) -> Option<&str> {
        self.0.source_name.as_deref()
    }

    /// Campaign parameter of the customer's last visit before the order.
    async fn utm_source(&self) -> Option<&str> {
        self.0.utm_source.as_deref()
    }

    /// Campaign parameter of the customer's last visit before the order.
    async fn utm_medium(&self) -> Option<&str> {
        self.0.utm_medium.as_deref()
    }

    /// Campaign parameter of the customer's last visit before the order.
    async fn utm_campaign(&self) -> Option<&str> {
        self.0.utm_campaign.as_deref()
    }

    /// Campaign parameter of the customer's last visit before the order.
    async fn utm_content(&self) -> Option<&str> {
        self.0.utm_content.as_deref()
    }

    /// Campaign parameter of the customer's last visit before the order.
    async fn utm_term(&self) -> Option<&str> {
        self.0.utm_term.as_deref()
    }
}

impl Order {
    fn money(&self, amount: rust_decimal::Decimal) -> Result<Money, ApiError> {
        Ok(Money {
            amount: Decimal(amount),
            currency_code: currency(&self.0.currency)?,
        })
    }
}

pub(super) struct OrderTotals(OrderFilter);

#[Object]
impl OrderTotals {
    /// How many orders there are on all pages. Counted only when asked for.
    async fn total_count(&self, context: &Context<'_>) -> Result<i64, ApiError> {
        Ok(reading(context).await?.count_orders(&self.0).await?)
    }
}

#[derive(Default)]
pub(super) struct OrderQuery;

#[Object]
impl OrderQuery {
    /// Orders, page by page. Deleted ones are left out, test orders are not.
    #[graphql(guard = "May(Action::ReadKpis)", complexity = "page::cost(first, child_complexity)")]
    #[expect(clippy::too_many_arguments, reason = "each is an argument of the field")]
    async fn orders(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "How many, 1 to 250.", default_with = "Some(page::DEFAULT_FIRST)")] first: Option<i32>,
        #[graphql(desc = "The `endCursor` of the page before, of the same `sort`.")] after: Option<String>,
        #[graphql(desc = "By `orderDate`; all days without.")] range: Option<DateRangeInput>,
        #[graphql(desc = "Only orders whose payment stands so.")] status: Option<OrderStatus>,
        #[graphql(desc = "The beginning of the order's name, with or without `#`.")] search: Option<String>,
        #[graphql(desc = "In which sequence.", default_with = "Some(OrderSort::CreatedAtDesc)")] sort: Option<
            OrderSort,
        >,
    ) -> Result<OrderConnection, ApiError> {
        let rows = page::rows(first)?;
        let ascending = sort == Some(OrderSort::CreatedAtAsc);
        let after: Option<OrderCursor> = page::after(after)?;
        if after.is_some_and(|cursor| cursor.ascending != ascending) {
            return Err(ApiError::BadUserInput(
                "`after` is a cursor of the other `sort`; start again without it".to_owned(),
            ));
        }
        if search
            .as_ref()
            .is_some_and(|search| search.chars().count() > MAX_SEARCH)
        {
            return Err(ApiError::BadUserInput(format!(
                "`search` is longer than {MAX_SEARCH} characters"
            )));
        }
        let db = reading(context).await?;
        let range = match range {
            Some(range) => Some(dashboards::dates(&db, range.period()?, &app(context)?.clock).await?),
            None => None,
        };
        let filter = OrderFilter {
            range,
            financial_status: status.map(OrderStatus::as_shopify_spells_it),
            search,
        };
        let query = OrderPageQuery {
            // One more than the page has, to know whether another one follows.
            limit: rows as i64 + 1,
            after: after.map(|cursor| cursor.key),
            ascending,
        };
        let mut found = db.order_page(&filter, &query).await?;
        let has_next = found.len() > rows;
        found.truncate(rows);
        let mut connection = OrderConnection::with_additional_fields(after.is_some(), has_next, OrderTotals(filter));
        connection.edges = found
            .into_iter()
            .map(|row| {
                let key = OrderKey {
                    created_at: row.order_created_at,
                    id: row.shopify_order_id,
                };
                Edge::new(OrderCursor { key, ascending }, Order(row))
            })
            .collect();
        Ok(connection)
    }
}
