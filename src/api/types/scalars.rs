//! Scalars and small value types.

use async_graphql::{
    InputObject, InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value,
};

use crate::error::Error;

/// Any JSON value.
#[derive(Clone, Debug, PartialEq)]
pub struct Json(pub serde_json::Value);

/// Any JSON value.
#[Scalar(name = "JSON", specified_by_url = "https://www.rfc-editor.org/rfc/rfc8259")]
impl ScalarType for Json {
    fn parse(value: Value) -> InputValueResult<Self> {
        value.into_json().map(Self).map_err(InputValueError::custom)
    }
    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}

/// A decimal number as text, e.g. `"1234.50"`; exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimal(pub rust_decimal::Decimal);

/// A decimal number as text, e.g. `"1234.50"`; exact.
#[Scalar(
    name = "Decimal",
    specified_by_url = "https://spec.graphql.org/draft/#sec-String"
)]
impl ScalarType for Decimal {
    fn parse(value: Value) -> InputValueResult<Self> {
        let text = match &value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return Err(InputValueError::expected_type(value)),
        };
        text.parse().map(Self).map_err(|_| {
            InputValueError::custom(format!("`{text}` is not a decimal number such as `1234.50`"))
        })
    }
    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// An amount of money.
#[derive(SimpleObject, Clone, Debug)]
pub struct Money {
    /// The amount in units of the currency, e.g. `"1234.50"`.
    pub amount: Decimal,
    /// ISO 4217, e.g. `EUR`.
    pub currency_code: CurrencyCode,
}

impl Money {
    /// From minor units.
    #[must_use]
    pub fn of_minor(minor: i64, currency: &str) -> Self {
        Self {
            amount: Decimal(rust_decimal::Decimal::new(minor, minor_digits(currency))),
            currency_code: CurrencyCode(currency.to_owned()),
        }
    }
}

/// An amount of money, given.
#[derive(InputObject, Clone, Debug)]
pub struct MoneyInput {
    /// The amount in units of the currency, e.g. `"1234.50"`; negative for a refund.
    pub amount: Decimal,
    /// ISO 4217, e.g. `EUR`.
    pub currency_code: String,
}

impl MoneyInput {
    /// Minor units and the currency's code.
    ///
    /// # Errors
    /// More decimals than the currency has, or more than fits 64 bits: a message that says so.
    pub fn to_minor(&self) -> Result<i64, String> {
        let digits = minor_digits(&self.currency_code);
        let minor = self
            .amount
            .0
            .checked_mul(rust_decimal::Decimal::from(10_i64.pow(digits)));
        match minor {
            Some(minor) if !minor.fract().is_zero() => Err(format!(
                "`{}` has more decimals than {} has: at most {digits}",
                self.amount.0, self.currency_code
            )),
            Some(minor) => {
                i64::try_from(minor.trunc()).map_err(|_| format!("`{}` is out of range", self.amount.0))
            }
            None => Err(format!("`{}` is out of range", self.amount.0)),
        }
    }
}

/// How many decimals a currency has (ISO 4217); 2 for what is none.
fn minor_digits(currency: &str) -> u32 {
    iso_currency::Currency::from_code(currency).map_or(2, |known| known.exponent().map_or(0, u32::from))
}

macro_rules! text_scalars {
    ($($(#[$doc:meta])* $name:ident, $shown:literal, $specified:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(pub String);

        $(#[$doc])*
        #[Scalar(name = $shown, specified_by_url = $specified)]
        impl ScalarType for $name {
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
    )*};
}

// Texts whose form a client may rely on. They are answers only: inputs are plain strings, so that a malformed one is a
// user error beside the payload and not a failure of the whole document.
text_scalars! {
    /// An e-mail address, lower case, e.g. `ana@example.com`.
    EmailAddress, "EmailAddress", "https://www.rfc-editor.org/rfc/rfc5321";
    /// A phone number in E.164, e.g. `+5511961234567`.
    PhoneNumber, "PhoneNumber", "https://www.itu.int/rec/T-REC-E.164";
    /// A web address, http or https, e.g. `https://example.com/`.
    WebAddress, "URL", "https://url.spec.whatwg.org/";
    /// A time zone of the IANA data base, e.g. `America/Sao_Paulo`.
    TimeZone, "TimeZone", "https://www.rfc-editor.org/rfc/rfc6557";
    /// The two letters of a country, ISO 3166-1, e.g. `BR`.
    CountryCode, "CountryCode", "https://www.iso.org/iso-3166-country-codes.html";
    /// The three letters of a currency, ISO 4217, e.g. `EUR`.
    CurrencyCode, "CurrencyCode", "https://www.iso.org/iso-4217-currency-codes.html";
}

impl TimeZone {
    /// The zone that it names; UTC for none.
    ///
    /// # Errors
    /// [`Error::BadInput`] for what is no name of a zone.
    pub fn zone(of: Option<&Self>) -> Result<chrono_tz::Tz, Error> {
        let Some(Self(name)) = of else {
            return Ok(chrono_tz::Tz::UTC);
        };
        name.parse().map_err(|_| {
            let shown: String = name.chars().take(64).collect();
            Error::BadInput(format!(
                "`{shown}` is not a time zone such as `America/Sao_Paulo`"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minor(amount: &str, currency: &str) -> Result<i64, String> {
        let amount = Decimal(amount.parse().expect("a decimal number"));
        let currency_code = currency.to_owned();
        MoneyInput {
            amount,
            currency_code,
        }
        .to_minor()
    }

    #[test]
    fn money_is_whole_minor_units() {
        assert_eq!(minor("1234.5", "EUR"), Ok(123_450));
        assert_eq!(minor("-3", "JPY"), Ok(-3));
        assert_eq!(minor("1.234", "KWD"), Ok(1_234));
        assert_eq!(
            minor("0.5", "JPY"),
            Err("`0.5` has more decimals than JPY has: at most 0".into())
        );
        assert_eq!(
            minor("100000000000000000000", "EUR"),
            Err("`100000000000000000000` is out of range".into())
        );
        let shown = Money::of_minor(-5, "EUR");
        assert_eq!(
            (
                shown.amount.0.to_string().as_str(),
                shown.currency_code.0.as_str()
            ),
            ("-0.05", "EUR")
        );
    }
}
