//! The catalogue: what each number means, and how it comes from sums.
//!
//! A metric is defined here and nowhere else. Money and counts are exact sums. A quotient is computed from two sums,
//! never averaged, and rounded once, half to even, to [`QUOTIENT_PLACES`] places. A denominator of zero gives a reason
//! instead of a number.

use rust_decimal::{Decimal, RoundingStrategy};

use crate::domain::fact::{AdSums, SalesSums};
use crate::domain::ids::ProviderKind;

/// Decimal places of a quotient: AOV, ROAS, rates, percentages of change.
pub const QUOTIENT_PLACES: u32 = 6;

/// For how many days Meta restates what it has reported.
pub const RESTATED_DAYS: i64 = 28;

/// A number of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described by its definition in the catalogue")]
pub enum Metric {
    Orders,
    Units,
    GrossSales,
    Discounts,
    Refunds,
    RevenueNet,
    Taxes,
    Shipping,
    DutiesAndFees,
    TotalSales,
    OrderValue,
    Aov,
    RefundRate,
    NewCustomerOrders,
    ReturningCustomerOrders,
    GuestOrders,
    MetaSpend,
    MetaPurchases,
    MetaPurchaseValue,
    Roas,
    Impressions,
    Clicks,
    Cpm,
    Cpc,
    Ctr,
    Cpa,
    UnattributedSpend,
    Mer,
    AdSpendShare,
    BlendedCpa,
}

/// What kind of number it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unit {
    /// An amount in the dashboard's currency.
    Money,
    /// Whole things.
    Count,
    /// A plain quotient, such as 3.2.
    Ratio,
    /// A fraction of one that people read as a percentage: 0.05 is 5 %.
    Percent,
}

/// What a rise means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// A rise is good news.
    UpIsGood,
    /// A rise is bad news.
    UpIsBad,
    /// It depends.
    Neutral,
}

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NullReason {
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
    /// A source keeps its books in another currency: no sum mixes the two.
    CurrencyMismatch,
    /// No link to a source that the number needs.
    NotConnected,
    /// No day of the range is known yet.
    NotSynced,
}

/// A metric in words.
#[derive(Debug)]
pub struct Definition {
    /// Which metric.
    pub metric: Metric,
    /// Its name in the API.
    pub key: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// How it is computed from other keys or from sums over days.
    pub formula: &'static str,
    /// What kind of number it is.
    pub unit: Unit,
    /// What a rise means.
    pub direction: Direction,
    /// Whether it holds reversals, so that the day on which these are booked matters.
    pub holds_refunds: bool,
    /// Whether taxes are in it; none where it is no amount of sales.
    pub includes_tax: Option<bool>,
    /// Whether shipping is in it; none where it is no amount of sales.
    pub includes_shipping: Option<bool>,
    /// What must be connected for it.
    pub sources: &'static [ProviderKind],
}

const SHOPIFY: &[ProviderKind] = &[ProviderKind::Shopify];
const META: &[ProviderKind] = &[ProviderKind::Meta];
const BOTH: &[ProviderKind] = &[ProviderKind::Shopify, ProviderKind::Meta];

/// A definition without taxes, shipping or reversals in it.
const fn define(
    metric: Metric,
    key: &'static str,
    title: &'static str,
    formula: &'static str,
    unit: Unit,
    direction: Direction,
    sources: &'static [ProviderKind],
) -> Definition {
    Definition {
        metric,
        key,
        title,
        formula,
        unit,
        direction,
        holds_refunds: false,
        includes_tax: None,
        includes_shipping: None,
        sources,
    }
}

impl Definition {
    const fn sales(mut self, tax: bool, shipping: bool) -> Self {
        self.includes_tax = Some(tax);
        self.includes_shipping = Some(shipping);
        self
    }

    const fn net_of_refunds(mut self) -> Self {
        self.holds_refunds = true;
        self
    }
}

use Direction::{Neutral, UpIsBad, UpIsGood};
use Unit::{Count, Money, Percent, Ratio};

/// Every metric, in the order of [`Metric`].
#[rustfmt::skip]
pub static CATALOGUE: [Definition; 30] = [
    define(Metric::Orders, "orders", "Orders",
        "count of non-test orders whose order date is that day; cancelled and unpaid ones count, deleted ones do not",
        Count, UpIsGood, SHOPIFY),
    define(Metric::Units, "units", "Units ordered",
        "Σ pieces of these orders as they were placed", Count, UpIsGood, SHOPIFY),
    define(Metric::GrossSales, "grossSales", "Gross sales",
        "Σ gross_sales", Money, UpIsGood, SHOPIFY).sales(false, false),
    define(Metric::Discounts, "discounts", "Discounts",
        "Σ discounts", Money, Neutral, SHOPIFY).sales(false, false),
    define(Metric::Refunds, "refunds", "Refunds",
        "Σ refunds", Money, UpIsBad, SHOPIFY).sales(false, false).net_of_refunds(),
    define(Metric::RevenueNet, "revenueNet", "Net revenue",
        "grossSales − discounts − refunds", Money, UpIsGood, SHOPIFY).sales(false, false).net_of_refunds(),
    define(Metric::Taxes, "taxes", "Taxes",
        "Σ taxes", Money, Neutral, SHOPIFY).sales(true, false).net_of_refunds(),
    define(Metric::Shipping, "shipping", "Shipping",
        "Σ shipping", Money, Neutral, SHOPIFY).sales(false, true).net_of_refunds(),
    define(Metric::DutiesAndFees, "dutiesAndFees", "Duties and fees",
        "Σ duties_and_fees", Money, Neutral, SHOPIFY).sales(false, false).net_of_refunds(),
    define(Metric::TotalSales, "totalSales", "Total sales",
        "revenueNet + taxes + dutiesAndFees + shipping", Money, UpIsGood, SHOPIFY).sales(true, true).net_of_refunds(),
    define(Metric::OrderValue, "orderValue", "Order value",
        "Σ (gross_sales − discounts) of orders as they were placed, on the order's date",
        Money, UpIsGood, SHOPIFY).sales(false, false),
    define(Metric::Aov, "aov", "Average order value",
        "orderValue / orders", Money, UpIsGood, SHOPIFY).sales(false, false),
    define(Metric::RefundRate, "refundRate", "Refund rate",
        "refunds / grossSales", Percent, UpIsBad, SHOPIFY).sales(false, false).net_of_refunds(),
    define(Metric::NewCustomerOrders, "newCustomerOrders", "Orders of new customers",
        "count of orders that are their customer's first", Count, UpIsGood, SHOPIFY),
    define(Metric::ReturningCustomerOrders, "returningCustomerOrders", "Orders of returning customers",
        "count of orders whose customer had ordered before", Count, UpIsGood, SHOPIFY),
    define(Metric::GuestOrders, "guestOrders", "Guest orders",
        "count of orders without a customer", Count, Neutral, SHOPIFY),
    define(Metric::MetaSpend, "metaSpend", "Meta spend",
        "Σ spend of the account-level rows", Money, Neutral, META),
    define(Metric::MetaPurchases, "metaPurchases", "Meta purchases",
        "Σ purchases of the one action type that is counted", Count, UpIsGood, META),
    define(Metric::MetaPurchaseValue, "metaPurchaseValue", "Meta purchase value",
        "Σ value of the same action type", Money, UpIsGood, META),
    define(Metric::Roas, "roas", "ROAS",
        "metaPurchaseValue / metaSpend", Ratio, UpIsGood, META),
    define(Metric::Impressions, "impressions", "Impressions",
        "Σ impressions", Count, Neutral, META),
    define(Metric::Clicks, "clicks", "Clicks",
        "Σ clicks of any kind", Count, UpIsGood, META),
    define(Metric::Cpm, "cpm", "CPM",
        "metaSpend × 1000 / impressions", Money, UpIsBad, META),
    define(Metric::Cpc, "cpc", "CPC",
        "metaSpend / clicks", Money, UpIsBad, META),
    define(Metric::Ctr, "ctr", "CTR",
        "clicks / impressions", Percent, UpIsGood, META),
    define(Metric::Cpa, "cpa", "CPA",
        "metaSpend / metaPurchases", Money, UpIsBad, META),
    define(Metric::UnattributedSpend, "unattributedSpend", "Unattributed spend",
        "metaSpend − Σ spend of the ad-level rows", Money, UpIsBad, META),
    define(Metric::Mer, "mer", "MER",
        "revenueNet / metaSpend", Ratio, UpIsGood, BOTH).sales(false, false).net_of_refunds(),
    define(Metric::AdSpendShare, "adSpendShare", "Ad spend share",
        "metaSpend / revenueNet", Percent, UpIsBad, BOTH).sales(false, false).net_of_refunds(),
    define(Metric::BlendedCpa, "blendedCpa", "Blended CPA",
        "metaSpend / orders", Money, UpIsBad, BOTH),
];

/// Sums over the known days of a range or a bucket; none where no day is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Over the days that a store's data covers.
    pub sales: Option<SalesSums>,
    /// Over the days that an ad account's data covers.
    pub ads: Option<AdSums>,
    /// Over the days that both cover: what a number that sets one against the other is made of.
    pub both: Option<(SalesSums, AdSums)>,
}

impl Sums {
    /// Adds a day; what is not known of it is `None`.
    pub fn add(&mut self, sales: Option<SalesSums>, ads: Option<AdSums>) {
        if let Some(sales) = sales {
            *self.sales.get_or_insert_default() += sales;
        }
        if let Some(ads) = ads {
            *self.ads.get_or_insert_default() += ads;
        }
        if let Some((sales, ads)) = sales.zip(ads) {
            let both = self.both.get_or_insert_default();
            both.0 += sales;
            both.1 += ads;
        }
    }
}

impl Metric {
    /// What it is called and how it is defined.
    pub fn definition(self) -> &'static Definition {
        &CATALOGUE[self as usize]
    }

    /// The number, or why there is none.
    pub fn value(self, sums: &Sums) -> Result<Decimal, NullReason> {
        let sales = || sums.sales.as_ref().ok_or(NullReason::NotSynced);
        let ads = || sums.ads.as_ref().ok_or(NullReason::NotSynced);
        let both = || sums.both.as_ref().ok_or(NullReason::NotSynced);
        match self {
            Self::Orders => sales().map(|s| s.orders.into()),
            Self::Units => sales().map(|s| s.units.into()),
            Self::GrossSales => sales().map(|s| s.gross_sales),
            Self::Discounts => sales().map(|s| s.discounts),
            Self::Refunds => sales().map(|s| s.refunds),
            Self::RevenueNet => sales().map(SalesSums::revenue_net),
            Self::Taxes => sales().map(|s| s.taxes),
            Self::Shipping => sales().map(|s| s.shipping),
            Self::DutiesAndFees => sales().map(|s| s.duties_and_fees),
            Self::TotalSales => sales().map(SalesSums::total_sales),
            Self::OrderValue => sales().map(|s| s.order_value),
            Self::Aov => sales().and_then(|s| quotient(s.order_value, s.orders, NullReason::NoOrders)),
            Self::RefundRate => sales().and_then(|s| quotient(s.refunds, s.gross_sales, NullReason::NoSales)),
            Self::NewCustomerOrders => sales().map(|s| s.new_customer_orders.into()),
            Self::ReturningCustomerOrders => sales().map(|s| s.returning_customer_orders.into()),
            Self::GuestOrders => sales().map(|s| s.guest_orders.into()),
            Self::MetaSpend => ads().map(|a| a.spend),
            Self::MetaPurchases => ads().map(|a| a.purchases.into()),
            Self::MetaPurchaseValue => ads().map(|a| a.purchase_value),
            Self::Roas => ads().and_then(|a| quotient(a.purchase_value, a.spend, NullReason::NoSpend)),
            Self::Impressions => ads().map(|a| a.impressions.into()),
            Self::Clicks => ads().map(|a| a.clicks.into()),
            Self::Cpm => ads().and_then(|a| {
                quotient(
                    a.spend * Decimal::ONE_THOUSAND,
                    a.impressions,
                    NullReason::NoImpressions,
                )
            }),
            Self::Cpc => ads().and_then(|a| quotient(a.spend, a.clicks, NullReason::NoClicks)),
            Self::Ctr => ads().and_then(|a| quotient(a.clicks.into(), a.impressions, NullReason::NoImpressions)),
            Self::Cpa => ads().and_then(|a| quotient(a.spend, a.purchases, NullReason::NoPurchases)),
            Self::UnattributedSpend => ads().map(AdSums::unattributed_spend),
            Self::Mer => both().and_then(|(s, a)| quotient(s.revenue_net(), a.spend, NullReason::NoSpend)),
            Self::AdSpendShare => both().and_then(|(s, a)| quotient(a.spend, s.revenue_net(), NullReason::NoSales)),
            Self::BlendedCpa => both().and_then(|(s, a)| quotient(a.spend, s.orders, NullReason::NoOrders)),
        }
    }
}

/// By how much a number changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Now minus before.
    pub absolute: Decimal,
    /// The same in percent of the size of what was before; none where that is zero.
    pub percent: Option<Decimal>,
}

impl Change {
    /// From `before` to `now`. The percentage is of the base's size, so that its sign is the sign of the change even
    /// where the base is negative.
    pub fn between(before: Decimal, now: Decimal) -> Self {
        let absolute = now - before;
        Self {
            absolute,
            percent: (absolute * Decimal::ONE_HUNDRED).checked_div(before.abs()).map(rounded),
        }
    }
}

fn quotient(
    numerator: Decimal,
    denominator: impl Into<Decimal>,
    where_zero: NullReason,
) -> Result<Decimal, NullReason> {
    numerator.checked_div(denominator.into()).map(rounded).ok_or(where_zero)
}

fn rounded(quotient: Decimal) -> Decimal {
    quotient.round_dp_with_strategy(QUOTIENT_PLACES, RoundingStrategy::MidpointNearestEven)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().expect("a decimal literal")
    }

    fn sales() -> SalesSums {
        SalesSums {
            orders: 3,
            units: 7,
            gross_sales: decimal("120.0000"),
            discounts: decimal("20"),
            refunds: decimal("10.50"),
            shipping: decimal("8"),
            taxes: decimal("21.2"),
            duties_and_fees: decimal("1.3"),
            order_value: decimal("100"),
            new_customer_orders: 1,
            returning_customer_orders: 1,
            guest_orders: 1,
        }
    }

    fn ads() -> AdSums {
        AdSums {
            spend: decimal("40"),
            ad_spend: decimal("36.5"),
            impressions: 9000,
            clicks: 120,
            purchases: 2,
            purchase_value: decimal("70"),
        }
    }

    fn known() -> Sums {
        Sums {
            sales: Some(sales()),
            ads: Some(ads()),
            both: Some((sales(), ads())),
        }
    }

    #[test]
    fn the_catalogue_stands_in_the_order_of_the_metrics() {
        for definition in &CATALOGUE {
            assert_eq!(definition.metric.definition().key, definition.key);
        }
    }

    #[test]
    fn every_number_follows_its_formula() {
        let cases = [
            (Metric::Orders, "3"),
            (Metric::Units, "7"),
            (Metric::GrossSales, "120"),
            (Metric::Discounts, "20"),
            (Metric::Refunds, "10.5"),
            (Metric::RevenueNet, "89.5"),
            (Metric::Taxes, "21.2"),
            (Metric::Shipping, "8"),
            (Metric::DutiesAndFees, "1.3"),
            (Metric::TotalSales, "120"),
            (Metric::OrderValue, "100"),
            (Metric::Aov, "33.333333"),
            (Metric::RefundRate, "0.0875"),
            (Metric::NewCustomerOrders, "1"),
            (Metric::ReturningCustomerOrders, "1"),
            (Metric::GuestOrders, "1"),
            (Metric::MetaSpend, "40"),
            (Metric::MetaPurchases, "2"),
            (Metric::MetaPurchaseValue, "70"),
            (Metric::Roas, "1.75"),
            (Metric::Impressions, "9000"),
            (Metric::Clicks, "120"),
            (Metric::Cpm, "4.444444"),
            (Metric::Cpc, "0.333333"),
            (Metric::Ctr, "0.013333"),
            (Metric::Cpa, "20"),
            (Metric::UnattributedSpend, "3.5"),
            (Metric::Mer, "2.2375"),
            (Metric::AdSpendShare, "0.446927"),
            (Metric::BlendedCpa, "13.333333"),
        ];
        assert_eq!(cases.len(), CATALOGUE.len());
        for (metric, expected) in cases {
            assert_eq!(metric.value(&known()), Ok(decimal(expected)), "{metric:?}");
        }
    }

    #[test]
    fn a_zero_denominator_gives_a_reason_and_never_a_number() {
        let empty = Sums {
            sales: Some(SalesSums::default()),
            ads: Some(AdSums::default()),
            both: Some(Default::default()),
        };
        for (metric, reason) in [
            (Metric::Aov, NullReason::NoOrders),
            (Metric::RefundRate, NullReason::NoSales),
            (Metric::Roas, NullReason::NoSpend),
            (Metric::Cpm, NullReason::NoImpressions),
            (Metric::Cpc, NullReason::NoClicks),
            (Metric::Ctr, NullReason::NoImpressions),
            (Metric::Cpa, NullReason::NoPurchases),
            (Metric::Mer, NullReason::NoSpend),
            (Metric::AdSpendShare, NullReason::NoSales),
            (Metric::BlendedCpa, NullReason::NoOrders),
        ] {
            assert_eq!(metric.value(&empty), Err(reason), "{metric:?}");
        }
        assert_eq!(Metric::Orders.value(&empty), Ok(Decimal::ZERO));
        assert_eq!(Metric::RevenueNet.value(&empty), Ok(Decimal::ZERO));
    }

    #[test]
    fn without_a_known_day_nothing_has_a_number() {
        for definition in &CATALOGUE {
            assert_eq!(definition.metric.value(&Sums::default()), Err(NullReason::NotSynced));
        }
    }

    #[test]
    fn quotients_are_rounded_half_to_even() {
        let round = |numerator: &str| quotient(decimal(numerator), 1, NullReason::NoOrders);
        assert_eq!(round("0.0000005"), Ok(decimal("0")));
        assert_eq!(round("0.0000015"), Ok(decimal("0.000002")));
        assert_eq!(round("-0.0000025"), Ok(decimal("-0.000002")));
    }

    #[test]
    fn a_change_has_no_percentage_where_the_base_is_zero() {
        let change = Change::between(Decimal::ZERO, decimal("5"));
        assert_eq!(change.absolute, decimal("5"));
        assert_eq!(change.percent, None);
    }

    #[test]
    fn a_change_has_the_sign_of_its_percentage() {
        for (before, now, percent) in [
            ("100", "112.5", "12.5"),
            ("100", "50", "-50"),
            ("-100", "-50", "50"),
            ("-100", "-150", "-50"),
            ("3", "4", "33.333333"),
        ] {
            let change = Change::between(decimal(before), decimal(now));
            assert_eq!(change.percent, Some(decimal(percent)), "{before} → {now}");
        }
    }
}
