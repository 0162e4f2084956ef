//! What texts cost, at most and in truth, and what may be spent.

use entity::{Day, Timestamp};
use integrations::facet::{Model, TextRequest};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::{TextProblem, prompt_bytes, wrong};
use crate::error::Problem;

/// Most dollars of a budget for a day.
const MOST_DOLLARS: i64 = 1_000_000;
const MOST_BUDGET_TOKENS: i64 = 1_000_000_000_000;
/// What one text counts at most, 100,000 dollars: so that sums stay within 64 bits whatever a platform says.
pub(in super::super) const MOST_COST: i64 = 100_000_000_000_000_000;

/// What is held back for a text before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(in super::super) struct Estimate {
    /// Tokens, read and written.
    pub tokens: i64,
    /// What they cost at most; 0 where the price is not known.
    pub cost: i64,
}

/// US dollars for a million tokens, read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Price {
    input: Decimal,
    output: Decimal,
}

impl Price {
    /// That of a model; `None` where it does not tell both.
    pub(in super::super) fn of(model: &Model) -> Option<Self> {
        Some(Self {
            input: model.input_price?,
            output: model.output_price?,
        })
    }

    /// What so many tokens cost, rounded up; `None` when that is more than can be counted.
    pub(in super::super) fn cost(&self, input: i64, output: i64) -> Option<i64> {
        let read = self.input.checked_mul(Decimal::from(input))?;
        let written = self.output.checked_mul(Decimal::from(output))?;
        // Dollars for a million tokens are millionths of a dollar for one.
        let millionths = read.checked_add(written)?;
        millionths.checked_mul(Decimal::from(1_000_000))?.ceil().to_i64()
    }
}

/// How many tokens there may be to read: three bytes are a token, which is more than languages with Latin letters need,
/// and a few for each message.
pub(in super::super) fn input_tokens(request: &TextRequest) -> i64 {
    let bytes = prompt_bytes(
        request.system.as_deref(),
        request.messages.iter().map(|message| &*message.text),
    );
    let schema = request
        .json_schema
        .as_ref()
        .map_or(0, |(_, schema)| schema.to_string().len());
    let messages = request.messages.len() + 1;
    whole((bytes + schema).div_ceil(3) + 8 * messages)
}

/// How many tokens a text may be that was cut.
pub(in super::super) fn written_tokens(text: &str) -> i64 {
    whole(text.len().div_ceil(3))
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What a text takes at most, as far as can be told before.
pub(in super::super) fn estimate(request: &TextRequest, price: Option<&Price>) -> Estimate {
    let (input, output) = (input_tokens(request), i64::from(request.max_tokens));
    Estimate {
        tokens: input.saturating_add(output),
        cost: price.map_or(0, |price| {
            price.cost(input, output).unwrap_or(MOST_COST).min(MOST_COST)
        }),
    }
}

/// Millionths of a millionth of a dollar, as they are stored: exact for prices of up to six decimals for a million tokens.
pub(in super::super) fn stored_cost(dollars: Decimal) -> Option<i64> {
    dollars
        .checked_mul(Decimal::from(1_000_000_000_000_i64))?
        .round()
        .to_i64()
}

/// Dollars.
#[must_use]
pub fn dollars(stored: i64) -> Decimal {
    Decimal::new(stored, 12).normalize()
}

/// A limit in dollars as it is stored.
pub(in super::super) fn checked_dollars(dollars: Decimal) -> Result<i64, Problem<TextProblem>> {
    let stored = (dollars >= Decimal::ZERO && dollars <= Decimal::from(MOST_DOLLARS))
        .then(|| stored_cost(dollars))
        .flatten();
    stored.ok_or_else(|| {
        let message = format!("a limit is from 0 to {MOST_DOLLARS} US dollars, e.g. `2.50`");
        wrong("usdPerDay", TextProblem::InvalidInput, message)
    })
}

/// A limit in tokens.
pub(in super::super) fn checked_tokens(tokens: i64) -> Result<i64, Problem<TextProblem>> {
    if (0..=MOST_BUDGET_TOKENS).contains(&tokens) {
        Ok(tokens)
    } else {
        let message = format!("a limit is from 0 to {MOST_BUDGET_TOKENS} tokens");
        Err(wrong("tokensPerDay", TextProblem::InvalidInput, message))
    }
}

/// When the budget of a day is free again: at midnight, UTC.
#[must_use]
pub fn free_again(day: Day) -> Timestamp {
    day.start().plus_days(1)
}

#[cfg(test)]
mod tests {
    use integrations::facet::{Role, TextMessage};

    use super::*;

    fn asking(text: &str) -> TextRequest {
        TextRequest {
            model: "m".to_owned(),
            system: None,
            messages: vec![TextMessage {
                role: Role::User,
                text: text.to_owned(),
            }],
            max_tokens: 100,
            temperature: None,
            json_schema: None,
            user: None,
        }
    }

    #[test]
    fn costs_are_exact_and_estimates_never_below() {
        let price = Price {
            input: Decimal::new(15, 2),
            output: Decimal::new(6, 1),
        };
        // 1,000 tokens at 0.15 and 500 at 0.60 dollars for a million.
        assert_eq!(price.cost(1_000, 500), stored_cost(Decimal::new(45, 5)));
        assert_eq!(dollars(450_000_000), Decimal::new(45, 5));
        assert_eq!(price.cost(i64::MAX, i64::MAX), None);
        for (text, max) in [("x", 1_u32), ("a rather long text of several words", 1_000)] {
            let mut request = asking("");
            request.messages[0].text = text.repeat(100);
            request.max_tokens = max;
            let estimate = estimate(&request, Some(&price));
            // Four bytes to a token is usual.
            let usual = whole(text.len() * 100 / 4);
            assert!(estimate.tokens >= usual + i64::from(max));
            assert!(Some(estimate.cost) >= price.cost(usual, i64::from(max)));
        }
    }

    #[test]
    fn limits_have_their_bounds() {
        assert_eq!(checked_dollars(Decimal::new(250, 2)), Ok(2_500_000_000_000));
        assert_eq!(checked_dollars(Decimal::ZERO), Ok(0));
        for wrong in [Decimal::NEGATIVE_ONE, Decimal::from(1_000_001), Decimal::MAX] {
            assert!(checked_dollars(wrong).is_err(), "{wrong}");
        }
        assert!(checked_tokens(-1).is_err() && checked_tokens(0).is_ok());
        assert_eq!(free_again(Day(20_000)), Day(20_001).start());
    }
}
