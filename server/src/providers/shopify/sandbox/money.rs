//! Money in the sandbox: currencies with their exponents, and the four amounts that every sale carries.

use std::iter::Sum;
use std::ops::{Add, Neg};

use async_graphql::Enum;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Deserialize, Serialize};

/// The currencies that the sandbox's stores sell in.
#[derive(Clone, Copy, Debug, Deserialize, Enum, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum CurrencyCode {
    Aed,
    Cad,
    Chf,
    Eur,
    Gbp,
    Jpy,
    Kwd,
    Sar,
    Sgd,
    Usd,
}

impl CurrencyCode {
    /// Decimal places of the smallest unit (ISO 4217).
    pub(crate) fn exponent(self) -> u32 {
        match self {
            Self::Jpy => 0,
            Self::Kwd => 3,
            _ => 2,
        }
    }

    /// The amount in whole smallest units, halves away from zero.
    pub(crate) fn round(self, amount: Decimal) -> Decimal {
        amount.round_dp_with_strategy(self.exponent(), RoundingStrategy::MidpointAwayFromZero)
    }

    /// An amount given in smallest units.
    pub(crate) fn minor(self, units: i64) -> Decimal {
        Decimal::new(units, self.exponent())
    }
}

/// What one sale is worth. `total` is after discounts and with tax; the two discounts are the same reduction without
/// and with its tax share.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Amounts {
    pub(crate) total: Decimal,
    pub(crate) tax: Decimal,
    pub(crate) discount_before_taxes: Decimal,
    pub(crate) discount_after_taxes: Decimal,
}

impl Amounts {
    /// The part that `units` of `of` units make up. Taking every remaining unit leaves exactly nothing behind.
    pub(crate) fn part(self, units: i32, of: i32, currency: CurrencyCode) -> Self {
        if units == of {
            return self;
        }
        let cut = |amount: Decimal| currency.round(amount * Decimal::from(units) / Decimal::from(of));
        Self {
            total: cut(self.total),
            tax: cut(self.tax),
            discount_before_taxes: cut(self.discount_before_taxes),
            discount_after_taxes: cut(self.discount_after_taxes),
        }
    }

    /// An amount that no tax or discount touches.
    pub(crate) fn plain(total: Decimal) -> Self {
        Self {
            total,
            ..Self::default()
        }
    }
}

impl Add for Amounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            tax: self.tax + other.tax,
            discount_before_taxes: self.discount_before_taxes + other.discount_before_taxes,
            discount_after_taxes: self.discount_after_taxes + other.discount_after_taxes,
        }
    }
}

impl Neg for Amounts {
    type Output = Self;

    fn neg(self) -> Self {
        Self {
            total: -self.total,
            tax: -self.tax,
            discount_before_taxes: -self.discount_before_taxes,
            discount_after_taxes: -self.discount_after_taxes,
        }
    }
}

impl Sum for Amounts {
    fn sum<I: Iterator<Item = Self>>(rows: I) -> Self {
        rows.fold(Self::default(), Add::add)
    }
}

/// How an order is priced: the currency, whether listed prices hold the tax, the tax rate, and the currency that the
/// buyer saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) currency: CurrencyCode,
    pub(crate) taxes_included: bool,
    /// As a fraction: 0.19 is 19 %.
    pub(crate) tax_rate: Decimal,
    pub(crate) presentment: CurrencyCode,
    /// Presentment units for one unit of the shop's currency.
    pub(crate) presentment_rate: Decimal,
}

impl Terms {
    /// The amounts of a charge with this listed price and this reduction of it.
    pub(crate) fn charge(&self, listed: Decimal, discount: Decimal, taxed: bool) -> Amounts {
        let round = |amount| self.currency.round(amount);
        let rate = if taxed { self.tax_rate } else { Decimal::ZERO };
        let listed = round(listed);
        let discount = round(discount).min(listed);
        let net = listed - discount;
        if self.taxes_included {
            let inside = |amount: Decimal| round(amount * rate / (Decimal::ONE + rate));
            Amounts {
                total: net,
                tax: inside(net),
                discount_before_taxes: discount - inside(discount),
                discount_after_taxes: discount,
            }
        } else {
            let tax = round(net * rate);
            Amounts {
                total: net + tax,
                tax,
                discount_before_taxes: discount,
                discount_after_taxes: discount + round(discount * rate),
            }
        }
    }

    /// The change that a further reduction of an already charged price makes.
    pub(crate) fn markdown(&self, reduction: Decimal, taxed: bool) -> Amounts {
        let charged = self.charge(reduction, Decimal::ZERO, taxed);
        Amounts {
            total: -charged.total,
            tax: -charged.tax,
            discount_before_taxes: charged.total - charged.tax,
            discount_after_taxes: charged.total,
        }
    }

    /// The same amount in the buyer's currency.
    pub(crate) fn present(&self, amount: Decimal) -> Decimal {
        self.presentment.round(amount * self.presentment_rate)
    }
}
