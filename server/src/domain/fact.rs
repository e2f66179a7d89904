//! What an order contributes to which day: the shape between a provider's payload and the tables.

use std::ops::{AddAssign, Sub};

use chrono::{DateTime, NaiveDate, Utc};
use rust_decimal::Decimal;

use super::ids::{ShopifyCustomerId, ShopifyOrderId, ShopifyProductId};
use super::money::CurrencyCode;

/// The sums that a store's numbers are made of, in the shop's currency. Every KPI of the store is a sum of these over
/// days, or a ratio of two such sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SalesSums {
    /// Orders placed; tests and deleted orders are not among them.
    pub orders: i64,
    /// Pieces sold in these orders when they were placed.
    pub units: i64,
    /// Merchandise before discounts, ex tax.
    pub gross_sales: Decimal,
    /// Discounts given, ex tax, positive.
    pub discounts: Decimal,
    /// Merchandise reversed (refunds, returns, edits, cancellations), ex tax, positive.
    pub refunds: Decimal,
    /// Shipping charged, ex tax, net of what was refunded.
    pub shipping: Decimal,
    /// Taxes on everything that counts, net of what was refunded.
    pub taxes: Decimal,
    /// Import duties and additional fees.
    pub duties_and_fees: Decimal,
    /// `gross − discounts` of what was ordered at first, on the order's own date: the numerator of the AOV.
    pub order_value: Decimal,
    /// Orders that are their customer's first.
    pub new_customer_orders: i64,
    /// Orders of customers who had ordered before.
    pub returning_customer_orders: i64,
    /// Orders without a customer. An order whose customer's history Shopify has not told yet is in none of the three.
    pub guest_orders: i64,
}

impl SalesSums {
    /// `gross − discounts − refunds`: Shopify's "Net sales". May be negative.
    pub fn revenue_net(&self) -> Decimal {
        self.gross_sales - self.discounts - self.refunds
    }

    /// `revenue_net + taxes + duties_and_fees + shipping`: Shopify's "Total sales".
    pub fn total_sales(&self) -> Decimal {
        self.revenue_net() + self.taxes + self.duties_and_fees + self.shipping
    }
}

impl AddAssign for SalesSums {
    fn add_assign(&mut self, other: Self) {
        self.orders += other.orders;
        self.units += other.units;
        self.gross_sales += other.gross_sales;
        self.discounts += other.discounts;
        self.refunds += other.refunds;
        self.shipping += other.shipping;
        self.taxes += other.taxes;
        self.duties_and_fees += other.duties_and_fees;
        self.order_value += other.order_value;
        self.new_customer_orders += other.new_customer_orders;
        self.returning_customer_orders += other.returning_customer_orders;
        self.guest_orders += other.guest_orders;
    }
}

/// What the numbers of a product are made of, in the shop's currency: the part of [`SalesSums`] that is merchandise, and
/// what came back in pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProductSums {
    /// Pieces sold when the orders were placed, on the orders' own days: as [`SalesSums::units`].
    pub units: i64,
    /// Pieces that went back or were taken off an order, positive.
    pub units_returned: i64,
    /// Before discounts, ex tax.
    pub gross_sales: Decimal,
    /// Discounts given, ex tax, positive.
    pub discounts: Decimal,
    /// Reversed, ex tax, positive.
    pub refunds: Decimal,
}

impl ProductSums {
    /// `gross − discounts − refunds`. May be negative.
    pub fn revenue_net(&self) -> Decimal {
        self.gross_sales - self.discounts - self.refunds
    }
}

/// The sums an ad account's numbers are made of, in its currency.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AdSums {
    /// Spend of the account-level rows: the truth for totals.
    pub spend: Decimal,
    /// Spend of the ad-level rows: less than `spend` where ads were deleted.
    pub ad_spend: Decimal,
    /// Times an ad was shown.
    pub impressions: i64,
    /// Clicks of any kind.
    pub clicks: i64,
    /// Purchases of the one chosen action type.
    pub purchases: i64,
    /// Value of these purchases.
    pub purchase_value: Decimal,
}

impl AdSums {
    /// Spend that no ad-level row explains: deleted and archived ads.
    pub fn unattributed_spend(&self) -> Decimal {
        self.spend.sub(self.ad_spend)
    }
}

impl AddAssign for AdSums {
    fn add_assign(&mut self, other: Self) {
        self.spend += other.spend;
        self.ad_spend += other.ad_spend;
        self.impressions += other.impressions;
        self.clicks += other.clicks;
        self.purchases += other.purchases;
        self.purchase_value += other.purchase_value;
    }
}

/// Everything a provider's order says that the product keeps: one row of `fact_orders` and its rows of
/// `fact_order_days` and `fact_product_days`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderFact {
    /// Shopify's numeric id.
    pub id: ShopifyOrderId,
    /// The number people use, such as `#1042`.
    pub name: String,
    /// When the order was created in Shopify.
    pub created_at: DateTime<Utc>,
    /// The version of this fact: an older one never replaces a newer one.
    pub updated_at: DateTime<Utc>,
    /// When the order was processed; for imported orders earlier than `created_at`.
    pub processed_at: DateTime<Utc>,
    /// When it was cancelled.
    pub cancelled_at: Option<DateTime<Utc>>,
    /// The day on which the order counts, in the shop's time zone.
    pub order_date: NaiveDate,
    /// The shop's currency, in which all amounts are.
    pub currency: CurrencyCode,
    /// A test order: stored and listed, in no KPI.
    pub is_test: bool,
    /// `PAID`, `REFUNDED`, … as Shopify spells it.
    pub financial_status: Option<String>,
    /// `FULFILLED`, … as Shopify spells it.
    pub fulfillment_status: Option<String>,
    /// The customer's numeric id; none for a guest.
    pub customer_id: Option<ShopifyCustomerId>,
    /// 1 for the customer's first order, 2 for the second; none while Shopify has not said.
    pub customer_order_index: Option<i32>,
    /// The sales channel's name, such as `web`.
    pub source_name: Option<String>,
    /// Campaign parameters of the customer's last visit before the order.
    pub utm: Utm,
    /// One entry per local day on which the ledger has a row of this order, and always one for `order_date`;
    /// empty for a test order.
    pub days: Vec<OrderDay>,
    /// What each product moved on each of these days. Gross sales, discounts and refunds of a day add up to those of
    /// `days`, and so do the units.
    pub product_days: Vec<OrderProductDay>,
    /// The whole ledger of the order, whatever the day; also kept for a test order.
    pub totals: SalesSums,
}

/// What one order contributes to one local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrderDay {
    /// The day in the shop's time zone.
    pub date: NaiveDate,
    /// The contribution.
    pub sums: SalesSums,
}

/// What one order moved of one product on one local day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderProductDay {
    /// The day in the shop's time zone.
    pub date: NaiveDate,
    /// None for a line that no product stands behind: typed in by hand, or of a product that was deleted.
    pub product_id: Option<ShopifyProductId>,
    /// What stands on the line. None, together with no product, for what belongs to no line: the difference between the
    /// value of what went back and what was refunded.
    pub title: Option<String>,
    /// The contribution.
    pub sums: ProductSums,
}

/// Campaign parameters of a visit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Utm {
    /// `utm_source`
    pub source: Option<String>,
    /// `utm_medium`
    pub medium: Option<String>,
    /// `utm_campaign`
    pub campaign: Option<String>,
    /// `utm_content`
    pub content: Option<String>,
    /// `utm_term`
    pub term: Option<String>,
}
