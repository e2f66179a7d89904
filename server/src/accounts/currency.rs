//! The currencies in which an account may keep its books.

use super::{AccountError, invalid};
use crate::domain::money::CurrencyCode;

/// ISO 4217: the codes of currencies in use. Codes of metals, funds and tests are not among them.
const IN_USE: &str = "\
    AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP CNY \
    COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR \
    ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK \
    MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF \
    SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU \
    UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG";

/// The currency that `text` names, in any case of letters.
pub(super) fn currency_in_use(text: &str) -> Result<CurrencyCode, AccountError> {
    let code = text.parse::<CurrencyCode>().ok();
    code.filter(|code| IN_USE.split(' ').any(|known| known == code.as_str()))
        .ok_or_else(|| {
            invalid(
                "currency",
                "This is not a currency in use; expected three letters of ISO 4217 such as USD.",
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_currencies_in_use_are_taken() {
        for right in ["USD", "eur", " jpy ", "KWD", "ZWG"] {
            assert!(currency_in_use(right).is_ok(), "{right}");
        }
        for wrong in ["", "US", "USDT", "XAU", "XXX", "ZZZ", "DEM", "U D"] {
            assert!(currency_in_use(wrong).is_err(), "{wrong}");
        }
    }
}
