//! Scalars and small value types.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, SimpleObject, Value};

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
    pub currency_code: String,
}

impl Money {
    /// From minor units; `exponent` is the number of minor digits of the currency (EUR 2, JPY 0).
    #[must_use]
    pub fn from_minor(minor: i64, currency: &str, exponent: u32) -> Self {
        Self {
            amount: Decimal(rust_decimal::Decimal::new(minor, exponent)),
            currency_code: currency.to_owned(),
        }
    }
}
