//! OpenRouter's models and keys to ours.

use rust_decimal::Decimal;
use serde_json::Value;

use super::wire::{Key, WireModel};
use crate::Account;
use crate::facet::Model;
use crate::text_generation::decimal;

/// A model; `None` for one that writes no text.
pub(super) fn model(found: WireModel) -> Option<Model> {
    let WireModel {
        id,
        name,
        context_length,
        architecture,
        pricing,
    } = found;
    let writes = architecture.and_then(|architecture| architecture.output_modalities);
    if writes.is_some_and(|writes| !writes.iter().any(|kind| kind == "text")) {
        return None;
    }
    let (input, output) = pricing.map_or((None, None), |pricing| (pricing.prompt, pricing.completion));
    Some(Model {
        name: name.unwrap_or_else(|| id.clone()),
        id,
        context: context_length,
        input_price: per_million(input.as_ref()),
        output_price: per_million(output.as_ref()),
    })
}

/// From the price of one token to that of a million.
fn per_million(price: Option<&Value>) -> Option<Decimal> {
    let price = decimal(price?).filter(|price| !price.is_sign_negative() || price.is_zero())?;
    Some(price.checked_mul(Decimal::from(1_000_000))?.normalize())
}

pub(super) fn account(key: Key) -> Account {
    let Key {
        label,
        limit,
        limit_remaining,
        usage,
        is_free_tier,
        expires_at,
    } = key;
    let amount = |value: Option<Value>| {
        value
            .as_ref()
            .and_then(decimal)
            .map(|amount| amount.normalize().to_string())
    };
    let details = [
        ("limit", amount(limit)),
        ("limit remaining", amount(limit_remaining)),
        ("usage", amount(usage)),
        ("free tier", is_free_tier.map(|free| free.to_string())),
        ("expires at", expires_at),
    ];
    let label = label.unwrap_or_else(|| "OpenRouter".to_owned());
    Account {
        id: label.clone(),
        name: label,
        url: Some("https://openrouter.ai/settings/keys".to_owned()),
        scopes: None,
        details: details
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: Value) -> Option<Model> {
        model(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn prices_are_told_for_a_million_tokens() {
        let found = of(json!({
            "id": "v/m", "name": "M", "context_length": 200_000,
            "architecture": { "output_modalities": ["text"] },
            "pricing": { "prompt": "0.00000015", "completion": "0.0000006", "request": "0" },
        }))
        .unwrap();
        assert_eq!(found.input_price.unwrap().to_string(), "0.15");
        assert_eq!(found.output_price.unwrap().to_string(), "0.6");
        assert_eq!(found.context, Some(200_000));
        let free = of(json!({ "id": "v/m:free", "pricing": { "prompt": "0", "completion": "0" } })).unwrap();
        assert_eq!(
            (free.name.as_str(), free.input_price),
            ("v/m:free", Some(Decimal::ZERO))
        );
    }

    #[test]
    fn a_router_has_no_price_and_a_painter_is_none_of_ours() {
        let router = of(json!({ "id": "auto", "pricing": { "prompt": "-1", "completion": "-1" } })).unwrap();
        assert_eq!((router.input_price, router.output_price), (None, None));
        assert_eq!(
            of(json!({ "id": "p", "architecture": { "output_modalities": ["image"] } })),
            None
        );
    }
}
