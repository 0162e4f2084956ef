//! What is taken back of conversions: by orders that a platform tells anew, and by hand.

use entity::id::ConversionId;
use entity::{Area, EventKind, Timestamp};
use rust_decimal::Decimal;
use serde_json::json;

use super::service::{amount, value};
use super::{Conversion, store};
use crate::app::App;
use crate::db::{CallKey, Once, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::insight::revenue::rates::Reporting;
use crate::leads::contact::Currency;
use crate::leads::visible::Visible;

/// What can be wrong with a call that takes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "ConversionReversalErrorCode")]
pub enum ReversalProblem {
    /// There is no such conversion.
    NotFound,
    /// It was called off already.
    AlreadyVoided,
    /// It has no value.
    NoValue,
    /// Its value is in another currency.
    OtherCurrency,
    /// Not of the form that is wanted.
    Malformed,
    /// Not above 0.
    OutOfRange,
    /// More than is left of it.
    TooMuch,
}

/// What was given back of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reversal {
    /// The dedupe key of the conversion.
    pub dedupe_key: String,
    /// What is left of its value, in minor units.
    pub left_minor: i64,
    /// It was called off as a whole.
    pub is_void: bool,
}

/// Takes back what conversions counted, within the transaction; the same again changes nothing. Keys that are not known are
/// passed over. Answers how many changed.
///
/// # Errors
/// The database's.
pub async fn reverse_many(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    reversals: &[Reversal],
) -> Result<usize, Error> {
    let keys: Vec<String> = reversals
        .iter()
        .map(|reversal| reversal.dedupe_key.clone())
        .collect();
    let mut known = store::by_dedupe_keys(tx, &keys).await?;
    let mut log = Vec::new();
    let mut changed = Vec::new();
    for reversal in reversals {
        let Some(mut row) = known.remove(&reversal.dedupe_key) else {
            continue;
        };
        let before = (row.refunded_minor, row.voided_at.is_some());
        let value = row.value_minor.unwrap_or_default();
        let refunded = if reversal.is_void {
            value
        } else {
            value - reversal.left_minor
        };
        row.refunded_minor = refunded.clamp(0, value);
        row.voided_at = reversal.is_void.then(|| row.voided_at.unwrap_or(now));
        if (row.refunded_minor, row.voided_at.is_some()) == before {
            continue;
        }
        log.push(reversed(&row, row.refunded_minor - before.0));
        changed.push(row);
    }
    let reporting = Reporting::of(
        tx,
        changed.iter().filter_map(amount).map(|(_, of, day)| (of, day)),
    )
    .await?;
    for row in &mut changed {
        value(row, &reporting);
    }
    store::reverse(tx, &changed, now).await?;
    events::append(tx, &caller.actor.id, now, log).await?;
    Ok(changed.len())
}

/// Calls a conversion off: it counts no more, and is kept.
///
/// # Errors
/// [`ReversalProblem`]s; a missing scope `engagement:write`; a key used for another call; the database's.
pub async fn void(
    app: &App,
    caller: &Caller,
    id: ConversionId,
    key: Option<&CallKey>,
) -> Outcome<Conversion, ReversalProblem> {
    change(app, caller, id, ("conversionVoid", key), |row, now| {
        row.refunded_minor = row.value_minor.unwrap_or_default();
        row.voided_at = Some(now);
        Ok(())
    })
    .await
}

/// What is given back of a conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Of which.
    pub id: ConversionId,
    /// In minor units, above 0.
    pub minor: i64,
    /// ISO 4217: the conversion's own.
    pub currency: String,
}

/// Gives a part of a conversion back, beside what was given back before.
///
/// # Errors
/// As [`void`].
pub async fn refund(
    app: &App,
    caller: &Caller,
    refund: Refund,
    key: Option<&CallKey>,
) -> Outcome<Conversion, ReversalProblem> {
    let Refund { id, minor, currency } = refund;
    change(app, caller, id, ("conversionRefund", key), |row, _| {
        let problem = |code, message: String| Problem::new("amount", code, message);
        let (Some(value), Some(own)) = (row.value_minor, row.currency.as_deref()) else {
            let message = "the conversion has no value that could be given back".to_owned();
            return Err(problem(ReversalProblem::NoValue, message));
        };
        if !own.eq_ignore_ascii_case(&currency) {
            let message = format!("the conversion is in {own}");
            return Err(problem(ReversalProblem::OtherCurrency, message));
        }
        if minor <= 0 {
            let message = "what is given back is above 0".to_owned();
            return Err(problem(ReversalProblem::OutOfRange, message));
        }
        let left = value - row.refunded_minor;
        if minor > left {
            let digits = own.parse().map_or(2, Currency::exponent);
            let left = Decimal::new(left, digits);
            let message = format!("that is more than is left of the conversion: {left} {own}");
            return Err(problem(ReversalProblem::TooMuch, message));
        }
        row.refunded_minor += minor;
        Ok(())
    })
    .await
}

/// Changes one conversion that still counts, once for a key.
async fn change(
    app: &App,
    caller: &Caller,
    id: ConversionId,
    (operation, key): (&'static str, Option<&CallKey>),
    change: impl FnOnce(&mut Conversion, Timestamp) -> Result<(), Problem<ReversalProblem>> + Send,
) -> Outcome<Conversion, ReversalProblem> {
    caller.require(Scope::Write(Area::Engagement))?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, operation)?;
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    let done = once.before::<bool>(&tx, now).await?.is_some();
    let Some(mut row) = store::locked(&tx, &seen, id).await? else {
        let message = format!("there is no conversion `{id}`");
        return Err(Problem::new("id", ReversalProblem::NotFound, message).into());
    };
    if done {
        tx.rollback().await?;
        return Ok(row);
    }
    if row.voided_at.is_some() {
        let message = "it was called off already";
        return Err(Problem::new("id", ReversalProblem::AlreadyVoided, message).into());
    }
    let before = row.refunded_minor;
    change(&mut row, now)?;
    let reporting = Reporting::of(&tx, amount(&row).map(|(_, of, day)| (of, day)).into_iter()).await?;
    value(&mut row, &reporting);
    store::reverse(&tx, std::slice::from_ref(&row), now).await?;
    events::append(
        &tx,
        &caller.actor.id,
        now,
        vec![reversed(&row, row.refunded_minor - before)],
    )
    .await?;
    once.keep(&tx, &true).await?;
    tx.commit().await?;
    Ok(row)
}

/// The event of a reversal; journeys read it. `minor`: what more was given back, negative where less.
fn reversed(row: &Conversion, minor: i64) -> NewEvent {
    NewEvent {
        kind: EventKind::ConversionReversed,
        lead_id: Some(row.lead_id),
        subject: row.id.to_string(),
        payload: json!({
            "kind": row.kind,
            "minor": minor,
            "currency": row.currency,
            "occurredMicros": row.occurred_at.micros(),
            "isVoid": row.voided_at.is_some(),
        }),
    }
}
