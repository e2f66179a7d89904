//! Values that JSON has no type for, each as text with one spelling.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value};
use chrono::{NaiveDate, SecondsFormat, Utc};

use crate::domain::money::CurrencyCode;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date(pub(super) NaiveDate);

/// A calendar day such as `2026-11-22`, without a time zone: the field says in whose days it is.
#[Scalar(name = "Date", specified_by_url = "https://scalars.graphql.org/andimarek/local-date")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            // chrono also takes `2026-1-5`; one spelling is enough.
            .filter(|date| date.to_string() == *text)
            .map(Self)
            .ok_or_else(|| InputValueError::custom("expected a day such as 2026-11-22"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DateTime(pub(super) chrono::DateTime<Utc>);

/// A moment in UTC such as `2026-11-22T16:20:00Z` (RFC 3339).
#[Scalar(
    name = "DateTime",
    specified_by_url = "https://scalars.graphql.org/andimarek/date-time"
)]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        chrono::DateTime::parse_from_rfc3339(text)
            .map(|moment| Self(moment.to_utc()))
            .map_err(|_| InputValueError::custom("expected a moment such as 2026-11-22T16:20:00Z"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal(pub(super) rust_decimal::Decimal);

/// An exact decimal number as text, such as `"1234.5"`: without exponent, without trailing zeros after the point, so
/// that equal numbers are equal texts. Read it with a decimal type, not with a floating-point one.
#[Scalar(name = "Decimal", specified_by_url = "https://speleotrove.com/decimal/daconvs.html")]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        rust_decimal::Decimal::from_str_exact(text)
            .map(Self)
            .map_err(|_| InputValueError::custom("expected a decimal number as text, such as \"1234.5\""))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.normalize().to_string())
    }
}

/// The code of a currency: three capital letters of ISO 4217, such as `USD`.
#[Scalar(
    name = "CurrencyCode",
    specified_by_url = "https://www.iso.org/iso-4217-currency-codes.html"
)]
impl ScalarType for CurrencyCode {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        Ok(text.parse()?)
    }

    fn to_value(&self) -> Value {
        Value::String(self.as_str().to_owned())
    }
}

/// An amount in a currency.
#[derive(SimpleObject, Debug, Clone, Copy)]
pub(super) struct Money {
    /// How much.
    pub(super) amount: Decimal,
    /// Of which currency.
    pub(super) currency_code: CurrencyCode,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_has_one_spelling() {
        for (number, text) in [
            ("1234.5000", "1234.5"),
            ("-0.10", "-0.1"),
            ("0.0000", "0"),
            ("1000", "1000"),
        ] {
            let number: rust_decimal::Decimal = number.parse().expect("a decimal literal");
            assert_eq!(Decimal(number).to_value(), Value::from(text));
        }
        assert!(Decimal::parse(Value::from(1.5)).is_err());
        assert!(Decimal::parse(Value::from("1e3")).is_err());
    }

    #[test]
    fn a_moment_is_in_utc() {
        let moment = DateTime::parse(Value::from("2026-11-22T11:20:00-05:00")).expect("RFC 3339");
        assert_eq!(moment.to_value(), Value::from("2026-11-22T16:20:00Z"));
        assert!(DateTime::parse(Value::from("2026-11-22")).is_err());
    }

    #[test]
    fn a_day_has_one_spelling() {
        assert_eq!(
            Date::parse(Value::from("2026-02-28")).map(|day| day.to_value()).ok(),
            Some(Value::from("2026-02-28"))
        );
        for wrong in ["2026-02-29", "2026-2-8", "22.11.2026", "+2026-02-28", ""] {
            assert!(Date::parse(Value::from(wrong)).is_err(), "{wrong}");
        }
    }
}
