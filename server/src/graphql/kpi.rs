//! A number with its reason, its comparison and its definition; and the fields that every dashboard picks from.
//!
//! Each metric is one line of [`metric_fields`]: a field of the totals and a field of the series at once. A test holds
//! the descriptions against the catalogue in `dashboards::metrics`.

use async_graphql::{Enum, Object, SimpleObject};

use super::context::May;
use super::integration::IntegrationType;
use super::scalars::{Date, DateTime, Decimal};
use crate::access::Action;
use crate::dashboards::metrics::{self, CATALOGUE, Definition, Direction, Metric};
use crate::dashboards::{self, Freshness, Point, Report};

/// Why there is no number.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "metrics::NullReason")]
pub(super) enum NullReason {
    /// The denominator is ad spend, and there was none.
    NoSpend,
    /// The denominator is orders, and there were none.
    NoOrders,
    /// The denominator is sales, and there were none.
    NoSales,
    /// The denominator is impressions, and there were none.
    NoImpressions,
    /// The denominator is clicks, and there were none.
    NoClicks,
    /// The denominator is purchases, and there were none.
    NoPurchases,
    /// A source keeps its books in another currency, and no sum mixes two.
    CurrencyMismatch,
    /// A source that the number needs is not connected.
    NotConnected,
    /// No day of the range is known yet: connect, or wait for the first sync.
    NotSynced,
}

/// What kind of number it is.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "metrics::Unit")]
pub(super) enum Unit {
    /// An amount in the dashboard's currency.
    Money,
    /// Whole things.
    Count,
    /// A plain quotient, such as 3.2.
    Ratio,
    /// A fraction of one that reads as a percentage: 0.05 is 5 %.
    Percent,
}

/// On which day a reversal (refund, return, edit, cancellation) is booked.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "dashboards::RefundDating")]
pub(super) enum RefundDating {
    /// On the day it was processed, as in Shopify's own reports.
    ProcessedAt,
    /// On the day of the order that it takes back.
    OrderDate,
}

/// By how much a number changed.
#[derive(SimpleObject, Clone, Copy)]
pub(super) struct Change {
    /// Now minus before.
    absolute: Decimal,
    /// The same in percent of the size of what was before, such as 12.5; null where that is zero.
    percent: Option<Decimal>,
}

/// What a number means.
pub(super) struct KpiDefinition {
    definition: &'static Definition,
    refund_dating: dashboards::RefundDating,
}

/// What a number means: the one definition that every field of that name follows.
#[Object]
impl KpiDefinition {
    /// The field's name.
    async fn key(&self) -> &str {
        self.definition.key
    }

    /// The name for people.
    async fn title(&self) -> &str {
        self.definition.title
    }

    /// How it is computed: from other keys, or from sums (Σ) over days.
    async fn formula(&self) -> &str {
        self.definition.formula
    }

    /// What kind of number it is.
    async fn unit(&self) -> Unit {
        self.definition.unit.into()
    }

    /// Whether a rise is good news; null where it depends.
    async fn up_is_good(&self) -> Option<bool> {
        match self.definition.direction {
            Direction::UpIsGood => Some(true),
            Direction::UpIsBad => Some(false),
            Direction::Neutral => None,
        }
    }

    /// On which day the reversals in it are booked; null where it holds none.
    async fn refund_dating(&self) -> Option<RefundDating> {
        self.definition.holds_refunds.then(|| self.refund_dating.into())
    }

    /// Whether taxes are in it; null where it is not about sales.
    async fn includes_tax(&self) -> Option<bool> {
        self.definition.includes_tax
    }

    /// Whether shipping is in it; null where it is not about sales.
    async fn includes_shipping(&self) -> Option<bool> {
        self.definition.includes_shipping
    }

    /// What must be connected for it.
    async fn sources(&self) -> Vec<IntegrationType> {
        self.definition.sources.iter().copied().map(Into::into).collect()
    }
}

/// A number over the whole range.
pub(super) struct Kpi {
    kpi: dashboards::Kpi,
    refund_dating: dashboards::RefundDating,
}

impl Kpi {
    fn of(report: &Report, metric: Metric) -> Self {
        Self {
            kpi: report.kpi(metric),
            refund_dating: report.refund_dating,
        }
    }
}

/// A number over the whole range, or the reason why there is none.
#[Object]
impl Kpi {
    /// The number over the days that are known. Quotients have six decimal places, rounded half to even.
    async fn value(&self) -> Option<Decimal> {
        self.kpi.value.ok().map(Decimal)
    }

    /// Why there is no number; null where there is one.
    async fn reason(&self) -> Option<NullReason> {
        self.kpi.value.err().map(Into::into)
    }

    /// The number over the days compared with; null where nothing is compared, where some of those days is not known,
    /// and where there was none.
    async fn previous(&self) -> Option<Decimal> {
        self.kpi.previous.map(Decimal)
    }

    /// From `previous` to `value`.
    async fn change(&self) -> Option<Change> {
        self.kpi.change.map(|change| Change {
            absolute: Decimal(change.absolute),
            percent: change.percent.map(Decimal),
        })
    }

    /// Whether some day of the range is not known to every source that the number needs.
    async fn is_partial(&self) -> bool {
        self.kpi.is_partial
    }

    /// What the number means.
    async fn definition(&self) -> KpiDefinition {
        KpiDefinition {
            definition: self.kpi.metric.definition(),
            refund_dating: self.refund_dating,
        }
    }
}

/// How fresh the numbers of a source are.
#[derive(SimpleObject)]
pub(super) struct SourceFreshness {
    /// The source.
    source: IntegrationType,
    /// The first day that is known, of the store or ad account that reaches back farthest.
    covered_from: Option<Date>,
    /// Until when everything is known, of the store or ad account that is farthest behind.
    data_through: Option<DateTime>,
    /// When a sync last succeeded, of the store or ad account where that is longest ago.
    last_synced_at: Option<DateTime>,
    /// Whether every day of the range is over and known to its end. A range with today in it is not.
    is_complete: bool,
}

impl From<&Freshness> for SourceFreshness {
    fn from(freshness: &Freshness) -> Self {
        Self {
            source: freshness.source.into(),
            covered_from: freshness.covered_from.map(Date),
            data_through: freshness.data_through.map(DateTime),
            last_synced_at: freshness.last_synced_at.map(DateTime),
            is_complete: freshness.is_complete,
        }
    }
}

/// A value of a series: how it is taken from a point.
trait PointValue: Sized {
    fn at(report: &Report, point: &Point, metric: Metric) -> Option<Self>;
}

impl PointValue for Decimal {
    fn at(report: &Report, point: &Point, metric: Metric) -> Option<Self> {
        report.value_at(point, metric).map(Self)
    }
}

impl PointValue for i64 {
    fn at(report: &Report, point: &Point, metric: Metric) -> Option<Self> {
        report.count_at(point, metric)
    }
}

/// Two types with a field for each metric: `$kpis` over the range, `$values` at a point of the series; and the fields
/// of other such types beside them.
macro_rules! metric_fields {
    (
        $(#[$kpis_description:meta])* $kpis:ident, $values:ident
        $(, with $group:ident: $group_kpis:ident, $group_values:ident)*
        { $($(#[$description:meta])* $field:ident: $kind:ty = $metric:ident,)+ }
    ) => {
        pub(super) struct $kpis<'a>(pub(super) &'a Report);

        $(#[$kpis_description])*
        #[Object]
        impl $kpis<'_> {
            $(#[graphql(flatten)] async fn $group(&self) -> $group_kpis<'_> { $group_kpis(self.0) })*

            $($(#[$description])* async fn $field(&self) -> Kpi {
                Kpi::of(self.0, Metric::$metric)
            })+
        }

        /// At a point; null where no day of it is known and where a quotient has no value.
        pub(super) struct $values<'a>(pub(super) &'a Report, pub(super) &'a Point);

        #[Object]
        impl $values<'_> {
            $(#[graphql(flatten)] async fn $group(&self) -> $group_values<'_> { $group_values(self.0, self.1) })*

            $($(#[$description])* async fn $field(&self) -> Option<$kind> {
                PointValue::at(self.0, self.1, Metric::$metric)
            })+
        }
    };
}

metric_fields! {
    /// The metrics of stores over the whole range.
    ShopifyKpis, ShopifyValues {
        /// Orders: count of non-test orders whose order date is that day; cancelled and unpaid ones count, deleted
        /// ones do not.
        orders: i64 = Orders,
        /// Units ordered: Σ pieces of these orders as they were placed.
        units: i64 = Units,
        /// Gross sales: Σ gross_sales. Merchandise before discounts, ex tax.
        gross_sales: Decimal = GrossSales,
        /// Discounts: Σ discounts. A positive number, ex tax.
        discounts: Decimal = Discounts,
        /// Refunds: Σ refunds. Merchandise reversed by refunds, returns, edits and cancellations; positive, ex tax.
        refunds: Decimal = Refunds,
        /// Net revenue: grossSales − discounts − refunds. Shopify's "Net sales": no tax, no shipping; may be negative
        /// on a day.
        revenue_net: Decimal = RevenueNet,
        /// Taxes: Σ taxes. On everything that counts, net of what was refunded.
        taxes: Decimal = Taxes,
        /// Shipping: Σ shipping. Ex tax, net of what was refunded.
        shipping: Decimal = Shipping,
        /// Duties and fees: Σ duties_and_fees. Import duties and additional fees.
        duties_and_fees: Decimal = DutiesAndFees,
        /// Total sales: revenueNet + taxes + dutiesAndFees + shipping. Shopify's "Total sales".
        total_sales: Decimal = TotalSales,
        /// Order value: Σ (gross_sales − discounts) of orders as they were placed, on the order's date. Later edits and
        /// returns leave it alone.
        order_value: Decimal = OrderValue,
        /// Average order value: orderValue / orders. As Shopify defines it since 2023: returns are not taken off.
        aov: Decimal = Aov,
        /// Refund rate: refunds / grossSales. A fraction of one.
        refund_rate: Decimal = RefundRate,
        /// Orders of new customers: count of orders that are their customer's first.
        new_customer_orders: i64 = NewCustomerOrders,
        /// Orders of returning customers: count of orders whose customer had ordered before.
        returning_customer_orders: i64 = ReturningCustomerOrders,
        /// Guest orders: count of orders without a customer. An order whose customer's history Shopify has not told is in
        /// none of the three.
        guest_orders: i64 = GuestOrders,
    }
}

metric_fields! {
    /// The metrics of ad accounts over the whole range.
    MetaKpis, MetaValues {
        /// Meta spend: Σ spend of the account-level rows. Deleted ads are in it.
        meta_spend: Decimal = MetaSpend,
        /// Meta purchases: Σ purchases of the one action type that is counted. Never a sum over action types.
        meta_purchases: i64 = MetaPurchases,
        /// Meta purchase value: Σ value of the same action type as `metaPurchases`.
        meta_purchase_value: Decimal = MetaPurchaseValue,
        /// ROAS: metaPurchaseValue / metaSpend. As Meta attributes it.
        roas: Decimal = Roas,
        /// Impressions: Σ impressions.
        impressions: i64 = Impressions,
        /// Clicks: Σ clicks of any kind.
        clicks: i64 = Clicks,
        /// CPM: metaSpend × 1000 / impressions.
        cpm: Decimal = Cpm,
        /// CPC: metaSpend / clicks.
        cpc: Decimal = Cpc,
        /// CTR: clicks / impressions. A fraction of one.
        ctr: Decimal = Ctr,
        /// CPA: metaSpend / metaPurchases.
        cpa: Decimal = Cpa,
        /// Unattributed spend: metaSpend − Σ spend of the ad-level rows. Deleted and archived ads.
        unattributed_spend: Decimal = UnattributedSpend,
    }
}

metric_fields! {
    /// Every metric over the whole range.
    HomeKpis, HomeValues, with shopify: ShopifyKpis, ShopifyValues, with meta: MetaKpis, MetaValues {
        /// MER: revenueNet / metaSpend. A ratio, over the days that both sources know; its inverse is `adSpendShare`.
        mer: Decimal = Mer,
        /// Ad spend share: metaSpend / revenueNet. A fraction of one, the inverse of `mer`.
        ad_spend_share: Decimal = AdSpendShare,
        /// Blended CPA: metaSpend / orders. Whatever brought the orders.
        blended_cpa: Decimal = BlendedCpa,
    }
}

#[derive(Default)]
pub(super) struct KpiQuery;

#[Object]
impl KpiQuery {
    /// Every metric with its formula, its unit and what it is made of.
    #[graphql(guard = "May(Action::ReadKpis)")]
    async fn kpi_definitions(&self) -> Vec<KpiDefinition> {
        CATALOGUE
            .iter()
            .map(|definition| KpiDefinition {
                definition,
                refund_dating: dashboards::RefundDating::default(),
            })
            .collect()
    }
}
