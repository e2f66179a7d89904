//! Amounts: exact decimals that never meet another currency.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use rust_decimal::Decimal;

/// An ISO 4217 code, upper case: `USD`, `JPY`, `KWD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CurrencyCode([u8; 3]);

/// The text is not three letters.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a currency code; expected three letters of ISO 4217 such as USD")]
pub struct NotACurrency(String);

impl CurrencyCode {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only ASCII letters are let in")
    }
}

impl FromStr for CurrencyCode {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let upper = text.trim().to_ascii_uppercase();
        match <[u8; 3]>::try_from(upper.as_bytes()) {
            Ok(code) if code.iter().all(u8::is_ascii_uppercase) => Ok(Self(code)),
            _ => Err(NotACurrency(text.chars().take(16).collect())),
        }
    }
}

impl TryFrom<String> for CurrencyCode {
    type Error = NotACurrency;

    fn try_from(text: String) -> Result<Self, NotACurrency> {
        text.parse()
    }
}

impl From<CurrencyCode> for String {
    fn from(code: CurrencyCode) -> Self {
        code.as_str().to_owned()
    }
}

impl fmt::Display for CurrencyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
