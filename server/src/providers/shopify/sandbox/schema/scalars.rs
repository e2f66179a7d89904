//! The scalars as Shopify writes them.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value};
use chrono::{DateTime as Instant, SecondsFormat, Utc};
use rust_decimal::Decimal as Number;

use super::super::money::{CurrencyCode, Terms};

macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident($inner:ty), $self:ident => $text:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub(crate) struct $name(pub(crate) $inner);

        #[Scalar]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                match &value {
                    Value::String(text) => text.parse().map(Self).map_err(InputValueError::custom),
                    _ => Err(InputValueError::expected_type(value)),
                }
            }

            fn to_value(&$self) -> Value {
                Value::String($text)
            }
        }
    };
}

text_scalar!(
    /// A time, to the second, in UTC.
    DateTime(Instant<Utc>),
    self => self.0.to_rfc3339_opts(SecondsFormat::Secs, true)
);
text_scalar!(
    /// A number as text, with at least one decimal place.
    Decimal(Number),
    self => plain(self.0)
);
text_scalar!(
    /// An amount without its currency, with the decimals of cents.
    Money(Number),
    self => format!("{:.2}", self.0)
);
text_scalar!(
    /// A large number as text.
    UnsignedInt64(u64),
    self => self.0.to_string()
);

/// An address of a page.
#[derive(Clone, Debug)]
pub(crate) struct Url(pub(crate) String);

#[Scalar(name = "URL")]
impl ScalarType for Url {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) => Ok(Self(text)),
            other => Err(InputValueError::expected_type(other)),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

fn plain(number: Number) -> String {
    let text = number.normalize().to_string();
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// An amount and its currency.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct MoneyV2 {
    amount: Decimal,
    currency_code: CurrencyCode,
}

/// An amount in the shop's and in the buyer's currency.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct MoneyBag {
    presentment_money: MoneyV2,
    shop_money: MoneyV2,
}

impl MoneyV2 {
    pub(crate) fn new(amount: Number, currency_code: CurrencyCode) -> Self {
        Self {
            amount: Decimal(amount),
            currency_code,
        }
    }
}

impl MoneyBag {
    pub(crate) fn new(terms: &Terms, amount: Number) -> Self {
        Self {
            presentment_money: MoneyV2::new(terms.present(amount), terms.presentment),
            shop_money: MoneyV2::new(amount, terms.currency),
        }
    }
}
