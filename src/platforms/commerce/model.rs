//! From what a platform tells of a shop to what we keep: pure.

use entity::{PaymentState, Timestamp};
use integrations::facet::{self, LineItem, Money, OrderVisit};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde::{Deserialize, Serialize};

use crate::leads::contact::Currency;

/// A line of an order or checkout, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What it is called.
    pub title: String,
    /// The seller's own number of it.
    pub sku: Option<String>,
    /// The platform's id of the product.
    pub product: Option<String>,
    /// How many.
    pub quantity: u32,
    /// What one costs, in the currency of the order.
    pub price: Option<Decimal>,
}

/// A visit that led to an order, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// The page it began on.
    pub landing_page: Option<String>,
    /// Where it came from.
    pub referrer: Option<String>,
    /// `utm_source`, or the platform's own word for it.
    pub source: Option<String>,
    /// `utm_medium`.
    pub medium: Option<String>,
    /// `utm_campaign`.
    pub campaign: Option<String>,
}

/// A form that a product comes in, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// The platform's id.
    pub id: String,
    /// What it is called.
    pub title: String,
    /// The seller's own number of it.
    pub sku: Option<String>,
    /// What it costs.
    pub price: Option<Decimal>,
    /// How many there are; negative where more were sold.
    pub stock: Option<i64>,
}

pub(super) fn line(item: &LineItem) -> Line {
    let LineItem {
        title,
        sku,
        product,
        quantity,
        price,
    } = item.clone();
    Line {
        title,
        sku,
        product,
        quantity,
        price,
    }
}

pub(super) fn visit(visit: &OrderVisit) -> Visit {
    let OrderVisit {
        landing_page,
        referrer,
        source,
        medium,
        campaign,
    } = visit.clone();
    Visit {
        landing_page,
        referrer,
        source,
        medium,
        campaign,
    }
}

pub(super) fn variant(variant: &facet::Variant) -> Variant {
    let facet::Variant {
        id,
        title,
        sku,
        price,
        stock,
    } = variant.clone();
    Variant {
        id,
        title,
        sku,
        price,
        stock,
    }
}

/// An amount in minor units of its currency, and the currency's code; rounded half to even where a platform is finer.
///
/// # Errors
/// In words: no currency, or out of range.
pub fn minor(money: &Money) -> Result<(i64, String), String> {
    let currency: Currency = money
        .currency
        .parse()
        .map_err(|_| format!("`{}` is no currency of ISO 4217", money.currency))?;
    let scale = Decimal::from(10_i64.pow(currency.exponent()));
    money
        .amount
        .checked_mul(scale)
        .and_then(|amount| amount.round().to_i64())
        .map(|amount| (amount, currency.code().to_owned()))
        .ok_or_else(|| format!("{} {} is out of range", money.amount, money.currency))
}

pub(super) const fn payment(state: facet::PaymentState) -> PaymentState {
    match state {
        facet::PaymentState::Pending => PaymentState::Pending,
        facet::PaymentState::Authorized => PaymentState::Authorized,
        facet::PaymentState::PartiallyPaid => PaymentState::PartiallyPaid,
        facet::PaymentState::Paid => PaymentState::Paid,
        facet::PaymentState::PartiallyRefunded => PaymentState::PartiallyRefunded,
        facet::PaymentState::Refunded => PaymentState::Refunded,
        facet::PaymentState::Voided => PaymentState::Voided,
        facet::PaymentState::Other => PaymentState::Other,
    }
}

/// Whether money was, or is about to be, taken for an order: only then it is a purchase.
pub(super) const fn is_purchase(payment: PaymentState) -> bool {
    matches!(
        payment,
        PaymentState::Authorized
            | PaymentState::PartiallyPaid
            | PaymentState::Paid
            | PaymentState::PartiallyRefunded
            | PaymentState::Refunded
    )
}

/// Whether an order counts no more: it was called off, or given back as a whole.
pub(super) const fn is_called_off(payment: PaymentState, cancelled_at: Option<Timestamp>) -> bool {
    cancelled_at.is_some() || matches!(payment, PaymentState::Refunded | PaymentState::Voided)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(amount: &str, currency: &str) -> Money {
        Money {
            amount: amount.parse().expect("a number"),
            currency: currency.into(),
        }
    }

    #[test]
    fn amounts_become_minor_units() {
        assert_eq!(minor(&money("12.5", "EUR")), Ok((1_250, "EUR".into())));
        assert_eq!(minor(&money("1200", "jpy")), Ok((1_200, "JPY".into())));
        assert_eq!(minor(&money("0.125", "EUR")), Ok((12, "EUR".into())));
        assert!(minor(&money("1", "XYZ")).is_err());
        assert!(minor(&money("79228162514264337593543950335", "EUR")).is_err());
    }

    #[test]
    fn what_is_called_off_counts_no_more() {
        use PaymentState::{Paid, PartiallyRefunded, Refunded};
        assert!(!is_called_off(Paid, None));
        assert!(!is_called_off(PartiallyRefunded, None));
        assert!(is_called_off(Refunded, None));
        assert!(is_called_off(Paid, Some(Timestamp(1))));
    }
}
