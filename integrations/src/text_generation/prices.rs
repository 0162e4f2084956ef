//! What tokens cost, where the platform does not say so itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr as _;

use rust_decimal::Decimal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::facet::Usage;

/// Prices by model.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub(crate) struct Prices(BTreeMap<String, Price>);

/// What a model costs, in US dollars for a million tokens.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Price {
    /// US dollars for a million tokens read.
    pub input_per_million: Dollars,
    /// US dollars for a million tokens written, those of thinking included.
    pub output_per_million: Dollars,
    /// US dollars for a million tokens read from the cache; as much as for tokens read when it is not given.
    pub cache_read_per_million: Option<Dollars>,
    /// US dollars for a million tokens written into the cache; as much as for tokens read when it is not given.
    pub cache_write_per_million: Option<Dollars>,
}

/// An amount: a number or a text of one, 0 or more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Dollars(pub Decimal);

impl Prices {
    /// What a model costs.
    pub(crate) fn of(&self, model: &str) -> Option<&Price> {
        self.0.get(model)
    }

    /// What an answer costs, by the name the model was asked for, else by the one it goes by in the answer.
    pub(crate) fn cost(&self, asked: &str, answered: &str, usage: &Usage) -> Option<Decimal> {
        let price = self.of(asked).or_else(|| self.of(answered))?;
        let input = price.input_per_million;
        let parts = [
            (usage.input, input),
            (usage.cache_read, price.cache_read_per_million.unwrap_or(input)),
            (usage.cache_write, price.cache_write_per_million.unwrap_or(input)),
            (usage.output, price.output_per_million),
        ];
        let millionths = parts
            .into_iter()
            .try_fold(Decimal::ZERO, |sum, (tokens, price)| {
                sum.checked_add(Decimal::from(tokens).checked_mul(price.0)?)
            })?;
        Some((millionths / Decimal::from(1_000_000)).normalize())
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        decimal(&Value::deserialize(deserializer)?)
            .filter(|amount| !amount.is_sign_negative())
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("an amount in US dollars: a number, 0 or more, e.g. 2.5"))
    }
}

impl JsonSchema for Dollars {
    fn schema_name() -> Cow<'static, str> {
        "Dollars".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["number", "string"], "minimum": 0, "pattern": "^[0-9]+(\\.[0-9]+)?$" })
    }
}

/// A number, or a text of one, digit for digit as it was written.
pub(crate) fn decimal(value: &Value) -> Option<Decimal> {
    let text = match value {
        // The shortest text that is this number: what was sent, as long as it has no more than 15 digits.
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return None,
    };
    Decimal::from_str(&text)
        .or_else(|_| Decimal::from_scientific(&text))
        .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn price(value: &Value) -> Result<Prices, serde_json::Error> {
        serde_json::from_value(json!({ "quill-1": value }))
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let usage = Usage {
            input: 1_000,
            cache_read: 10_000,
            cache_write: 2_000,
            output: 500,
            reasoning: 400,
            cost: None,
        };
        let prices = price(&json!({
            "inputPerMillion": 3, "outputPerMillion": "15", "cacheReadPerMillion": 0.3, "cacheWritePerMillion": 3.75,
        }));
        // 0.003 + 0.003 + 0.0075 + 0.0075; thinking is part of what is written.
        assert_eq!(
            prices.unwrap().cost("quill-1", "quill-1", &usage),
            Some(Decimal::new(21, 3))
        );
        let prices = price(&json!({ "inputPerMillion": 3, "outputPerMillion": 15 })).unwrap();
        assert_eq!(prices.cost("quill-1", "x", &usage), Some(Decimal::new(465, 4)));
        assert_eq!(
            prices.cost("quill", "quill-1", &usage),
            Some(Decimal::new(465, 4))
        );
        assert_eq!(prices.cost("quill", "quill", &usage), None);
    }

    #[test]
    fn an_amount_is_not_negative_and_is_a_number() {
        for bad in [json!(-1), json!("3 $"), json!(null), json!("-0.1")] {
            let error = price(&json!({ "inputPerMillion": bad, "outputPerMillion": 1 })).unwrap_err();
            assert!(error.to_string().contains("0 or more"), "{error}");
        }
    }

    #[test]
    fn decimals_are_read_digit_for_digit() {
        assert_eq!(decimal(&json!("0.00000015")), Some(Decimal::new(15, 8)));
        assert_eq!(decimal(&json!(0.000_000_15)), Some(Decimal::new(15, 8)));
        assert_eq!(decimal(&json!(0.1)), Some(Decimal::new(1, 1)));
        assert_eq!(decimal(&json!(12)), Some(Decimal::from(12)));
        assert_eq!(decimal(&json!("1e-7")), Some(Decimal::new(1, 7)));
        assert_eq!(decimal(&json!("free")), None);
        assert_eq!(decimal(&json!(null)), None);
    }
}
