//! Use cases of what is told: looked at, tried again.

use std::collections::HashMap;

use entity::id::{ConnectionId, ConversionDeliveryId, ConversionId, LeadId};
use entity::{Area, ConversionDeliveryState, EventKind, Timestamp};
use serde_json::json;

use super::handler::offer_again;
use super::model::wrong;
use super::sharing::require_write;
use super::{ConversionDelivery, SharingProblem, store};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::leads::visible::Visible;

/// Most deliveries of one call.
pub const MOST_RETRIED: usize = 1_000;

/// Which deliveries; an empty list is all.
#[derive(Clone, Debug, Default)]
pub struct DeliveryFilter {
    /// To this connection.
    pub connection: Option<ConnectionId>,
    /// Of this conversion.
    pub conversion: Option<ConversionId>,
    /// Of this lead.
    pub lead: Option<LeadId>,
    /// In one of these states.
    pub states: Vec<ConversionDeliveryState>,
}

impl DeliveryFilter {
    /// The name of the one ordering, the latest first, that cursors are bound to.
    pub const ORDER: &'static str = "conversion delivery CREATED_AT DESC";

    /// The place of a delivery in it.
    #[must_use]
    pub fn keyset(delivery: &ConversionDelivery) -> Keyset {
        Keyset {
            order: Self::ORDER.to_owned(),
            value: SortValue::Int(delivery.created_at.micros()),
            id: delivery.id.0,
        }
    }
}

/// Tells of deliveries that came to another state.
pub(super) async fn tell(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    rows: &[ConversionDelivery],
) -> Result<(), Error> {
    let log = rows.iter().map(|row| NewEvent {
        kind: EventKind::ConversionDeliveryChanged,
        lead_id: Some(row.lead_id),
        subject: row.id.to_string(),
        payload: json!({
            "connection": row.connection_id,
            "conversion": row.conversion_id,
            "state": row.state,
            "problem": row.problem_kind,
        }),
    });
    Ok(events::append(tx, actor, now, log.collect()).await?)
}

/// Tells of deliveries of a connection that came to another state all at once: one event, however many they are.
pub(super) async fn tell_all(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    connection: ConnectionId,
    (state, problem): (ConversionDeliveryState, Option<&str>),
    count: u64,
) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    let told = NewEvent {
        kind: EventKind::ConversionDeliveryChanged,
        lead_id: None,
        subject: connection.to_string(),
        payload: json!({ "connection": connection, "state": state, "problem": problem, "count": count }),
    };
    Ok(events::append(tx, actor, now, vec![told]).await?)
}

/// Calls off all that was not told to a connection yet, and tells it.
pub(super) async fn cancel_all(
    tx: &Tx,
    actor: &str,
    now: Timestamp,
    connection: ConnectionId,
    (kind, words): (&str, &str),
) -> Result<(), Error> {
    let count = store::cancel_all(tx, connection, now, (kind, words)).await?;
    let state = (ConversionDeliveryState::Cancelled, Some(kind));
    tell_all(tx, actor, now, connection, state, count).await
}

/// Deliveries, the latest first; of leads that the caller sees.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &DeliveryFilter,
    page: &PageRequest,
) -> Result<Page<ConversionDelivery>, Error> {
    caller.require(Scope::Read(Area::Engagement))?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::list(app.db().read(), &visible, filter, page).await?)
}

/// A delivery; `None` when there is none, or its lead is not the caller's to see.
///
/// # Errors
/// A missing scope `engagement:read`; the database's.
pub async fn find(
    app: &App,
    caller: &Caller,
    id: ConversionDeliveryId,
) -> Result<Option<ConversionDelivery>, Error> {
    caller.require(Scope::Read(Area::Engagement))?;
    let visible = Visible::of(app, &caller.rows).await?;
    Ok(store::by_ids(app.db().read(), &visible, &[id]).await?.remove(&id))
}

/// What became of conversions, for each connection that shares them.
///
/// # Errors
/// The database's. Whoever shows the conversions has asked for scope and sight.
pub async fn of_conversions(
    app: &App,
    ids: &[ConversionId],
) -> Result<HashMap<ConversionId, Vec<ConversionDelivery>>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    Ok(store::of_conversions(app.db().read(), ids).await?)
}

/// What became of a call to try again.
#[derive(Clone, Debug, Default)]
pub struct Retried {
    /// Those that wait now, in the order of their ids in the call.
    pub deliveries: Vec<ConversionDelivery>,
    /// Those that cannot be tried again, and why.
    pub problems: Vec<Problem<SharingProblem>>,
}

/// Has deliveries told again that were refused, withheld, called off or given up. They are looked at anew: who has not
/// consented is withheld all the same.
///
/// # Errors
/// [`SharingProblem::TooMany`]; a missing scope `connections:write`; a caller who does not see all rows; the database's.
pub async fn retry(
    app: &App,
    caller: &Caller,
    ids: &[ConversionDeliveryId],
) -> Outcome<Retried, SharingProblem> {
    require_write(caller)?;
    if ids.len() > MOST_RETRIED {
        let message = format!("{} are too many: at most {MOST_RETRIED} at once", ids.len());
        return Err(wrong("ids", SharingProblem::TooMany, message).into());
    }
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let mut held = store::locked(&tx, ids).await?;
    let connections = store::distinct(held.values().map(|row| row.connection_id));
    let shared = match connections.is_empty() {
        true => HashMap::new(),
        false => store::sharings(&*tx, &connections).await?,
    };
    let mut retried = Retried::default();
    for (place, id) in ids.iter().enumerate() {
        let field = format!("ids.{place}");
        let Some(mut row) = held.remove(id) else {
            let again = ids[..place].contains(id);
            if !again {
                let message = format!("there is no conversion delivery `{id}`");
                retried
                    .problems
                    .push(wrong(&field, SharingProblem::NotFound, message));
            }
            continue;
        };
        use ConversionDeliveryState::{Cancelled, Failed, Refused, Withheld};
        if !matches!(row.state, Cancelled | Failed | Refused | Withheld) {
            let message = format!(
                "the delivery is {}; only FAILED, REFUSED, WITHHELD and CANCELLED ones are tried again",
                row.state
            );
            retried
                .problems
                .push(wrong(&field, SharingProblem::NotRetriable, message));
            continue;
        }
        if !shared
            .get(&row.connection_id)
            .is_some_and(|sharing| sharing.is_enabled)
        {
            let message = "nothing is shared with its connection any more";
            retried
                .problems
                .push(wrong(&field, SharingProblem::NotShared, message));
            continue;
        }
        offer_again(&mut row, now);
        retried.deliveries.push(row);
    }
    store::put(&tx, &retried.deliveries).await?;
    tell(&tx, &caller.actor.id, now, &retried.deliveries).await?;
    tx.commit().await?;
    Ok(retried)
}
