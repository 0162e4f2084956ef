//! OpenAI's models and limits to ours.

use std::time::Duration;

use super::wire::WireModel;
use crate::facet::Model;
use crate::text_generation::Prices;
use crate::transport::{Answer, Pace};

pub(super) fn model(found: WireModel, prices: &Prices) -> Model {
    let price = prices.of(&found.id);
    Model {
        name: found.id.clone(),
        context: found.max_model_len,
        input_price: price.map(|price| price.input_per_million.0),
        output_price: price.map(|price| price.output_per_million.0),
        id: found.id,
    }
}

/// How many requests are left, and for how long; what is not told or cannot be read is no limit.
pub(super) fn pace(answer: &Answer) -> Option<Pace> {
    let remaining = answer
        .header("x-ratelimit-remaining-requests")?
        .trim()
        .parse()
        .ok()?;
    let left = duration(answer.header("x-ratelimit-reset-requests")?)?;
    Some(Pace::Window { remaining, left })
}

/// A time such as `6m0s`, `1h2m3s`, `8.64s`, `120ms`.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => 86_400.0,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        assert_eq!(duration("6m0s"), Some(Duration::from_secs(360)));
        assert_eq!(duration("1h2m3s"), Some(Duration::from_secs(3_723)));
        assert_eq!(duration("8.64s"), Some(Duration::from_millis(8_640)));
        assert_eq!(duration("120ms"), Some(Duration::from_millis(120)));
        for text in ["12", "soon", "3x", "s", "..s"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }
}
