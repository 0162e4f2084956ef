//! Who is not written to: by themselves, by what came back, by somebody of ours.
//!
//! There is one row for a channel and an address, with the moment since when it holds and the one when it was lifted. What is
//! told late is compared with these moments: a STOP that is older than a START does not undo it.

use std::collections::HashSet;

use entity::id::{LeadId, MessageId, SuppressionId};
use entity::{Area, EventKind, IdentityKind, MessageChannel, SuppressionReason, Timestamp};
use serde_json::json;

use super::model::MessageProblem;
use super::{Suppression, store};
use crate::app::App;
use crate::db::{Keyset, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::leads::contact::{normalise_email, normalise_phone};
use crate::leads::lead::{self, Identity};
use crate::leads::visible::Visible;

/// Most characters of a note.
const MOST_NOTE: usize = 500;

/// Which suppressions.
#[derive(Clone, Debug, Default)]
pub struct SuppressionFilter {
    /// By one of these channels; all when empty.
    pub channels: Vec<MessageChannel>,
    /// For one of these reasons; all when empty.
    pub reasons: Vec<SuppressionReason>,
    /// Of this address.
    pub address: Option<String>,
    /// Those that were lifted, too.
    pub with_lifted: bool,
}

impl SuppressionFilter {
    /// The name of the one ordering, newest first.
    pub const ORDER: &'static str = "suppression CREATED_AT DESC";

    /// The place of a suppression in it.
    #[must_use]
    pub fn keyset(row: &Suppression) -> Keyset {
        Keyset {
            order: Self::ORDER.to_owned(),
            value: SortValue::Int(row.created_at.micros()),
            id: row.id.0,
        }
    }
}

/// A hash of channel and address.
pub(super) fn digest(channel: MessageChannel, address: &str) -> String {
    let mut hasher = blake3::Hasher::new_derive_key("leadline suppression of an address v1");
    hasher.update(channel.as_str().as_bytes());
    hasher.update(b":");
    hasher.update(address.as_bytes());
    hasher.finalize().to_hex().to_string()
}

/// An address in the form in which addresses of a channel are compared.
pub(super) fn normal(app: &App, channel: MessageChannel, address: &str) -> Result<String, String> {
    if channel == MessageChannel::Email {
        return normalise_email(address).map_err(|error| error.to_string());
    }
    let region = app.region().and_then(|region| format!("{region:?}").parse().ok());
    normalise_phone(address, region).or_else(|error| {
        // A number that is written in full and that no numbering plan has (yet) may be one that platforms reach all the
        // same, and whoever writes from it is to be heard.
        let number = address.trim();
        let digits = number.strip_prefix('+').unwrap_or_default();
        let is_full = (7..=15).contains(&digits.len())
            && !digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_full {
            Ok(number.to_owned())
        } else {
            Err(error.to_string())
        }
    })
}

/// By what a lead with an address is known.
pub(super) fn identity(channel: MessageChannel, address: &str) -> Identity {
    Identity {
        kind: if channel == MessageChannel::Email {
            IdentityKind::Email
        } else {
            IdentityKind::Phone
        },
        namespace: String::new(),
        value: address.to_owned(),
    }
}

/// The lead that is known by an address, of those that are seen.
pub(super) async fn lead_of(
    tx: &Tx,
    visible: &Visible,
    channel: MessageChannel,
    address: &str,
) -> Result<Option<LeadId>, Error> {
    let identity = identity(channel, address);
    let found = lead::known(tx, visible, &HashSet::from([&identity])).await?;
    Ok(found.get(&identity).copied())
}

/// Whom a suppression concerns, and what brought it about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cause<'a> {
    /// By which channel.
    pub channel: MessageChannel,
    /// The address, in its normal form.
    pub address: &'a str,
    /// Its lead.
    pub lead: Option<LeadId>,
    /// The message.
    pub message: Option<MessageId>,
    /// In words.
    pub note: Option<&'a str>,
    /// When it was said.
    pub at: Timestamp,
    /// Who says so here.
    pub actor: &'a str,
}

/// Has an address be written to no more. What is older than its being lifted changes nothing; a reason that holds for all
/// takes the place of one that does not.
pub(super) async fn suppress(
    tx: &Tx,
    now: Timestamp,
    cause: Cause<'_>,
    reason: SuppressionReason,
) -> Result<Suppression, Error> {
    let fresh = fresh(now, cause, reason, None);
    if store::insert_suppression(tx, &fresh).await? {
        tell(tx, now, &fresh, cause.actor).await?;
        return Ok(fresh);
    }
    let before = store::locked_suppression(tx, cause.channel, &fresh.digest).await?;
    let Some(before) = before else {
        let message = "the suppression has just changed; try again";
        return Err(Error::Unavailable(message.to_owned()));
    };
    let holds = before.lifted_at.is_none();
    let is_older = before.lifted_at.is_some_and(|lifted| lifted >= cause.at);
    let is_lifted_by_the_recipient = matches!(
        before.reason,
        SuppressionReason::Unsubscribed | SuppressionReason::Stop
    );
    let takes_its_place = match before.reason {
        SuppressionReason::Unsubscribed => true,
        // What somebody of ours says is not lifted by a word of the recipient.
        _ => is_lifted_by_the_recipient && reason == SuppressionReason::Manual,
    };
    if is_older {
        return Ok(before);
    }
    if holds && (before.reason == reason || !takes_its_place) {
        if before.since >= cause.at {
            return Ok(before);
        }
        // The last time that it was said counts.
        let row = Suppression {
            since: cause.at,
            updated_at: now,
            ..before
        };
        store::update_suppression(tx, &row).await?;
        return Ok(row);
    }
    let row = Suppression {
        id: before.id,
        created_by: before.created_by,
        created_at: before.created_at,
        lead_id: fresh.lead_id.or(before.lead_id),
        ..fresh
    };
    store::update_suppression(tx, &row).await?;
    tell(tx, now, &row, cause.actor).await?;
    Ok(row)
}

/// Has an address be written to again, where the reason is one of these. That it was lifted is remembered, so that what is
/// told late does not suppress it anew.
pub(super) async fn lift(
    tx: &Tx,
    now: Timestamp,
    cause: Cause<'_>,
    reasons: &[SuppressionReason],
) -> Result<(), Error> {
    let Some(usual) = reasons.first() else {
        return Ok(());
    };
    let fresh = fresh(now, cause, *usual, Some(cause.at));
    if store::insert_suppression(tx, &fresh).await? {
        // Nothing held: nobody need be told.
        return Ok(());
    }
    let Some(mut row) = store::locked_suppression(tx, cause.channel, &fresh.digest).await? else {
        return Ok(());
    };
    match row.lifted_at {
        Some(lifted) if lifted < cause.at => {
            row.lifted_at = Some(cause.at);
            store::update_suppression(tx, &row).await?;
        }
        None if reasons.contains(&row.reason) && row.since <= cause.at => {
            row.lifted_at = Some(cause.at);
            row.updated_at = now;
            store::update_suppression(tx, &row).await?;
            tell(tx, now, &row, cause.actor).await?;
        }
        _ => {}
    }
    Ok(())
}

fn fresh(
    now: Timestamp,
    cause: Cause<'_>,
    reason: SuppressionReason,
    lifted_at: Option<Timestamp>,
) -> Suppression {
    let Cause {
        channel,
        address,
        lead,
        message,
        note,
        at,
        actor,
    } = cause;
    Suppression {
        id: SuppressionId::at(now),
        channel,
        address: Some(address.to_owned()),
        digest: digest(channel, address),
        reason,
        lead_id: lead,
        message_id: message,
        note: note.map(|note| note.chars().take(MOST_NOTE).collect()),
        since: at,
        lifted_at,
        created_by: actor.to_owned(),
        created_at: now,
        updated_at: now,
    }
}

async fn tell(tx: &Tx, now: Timestamp, row: &Suppression, actor: &str) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::SuppressionChanged,
        lead_id: row.lead_id,
        subject: row.id.to_string(),
        payload: json!({
            "channel": row.channel,
            "reason": row.reason,
            "change": if row.lifted_at.is_some() { "LIFTED" } else { "SUPPRESSED" },
        }),
    };
    Ok(events::append(tx, actor, now, vec![event]).await?)
}

fn wrong(field: &str, code: MessageProblem, message: impl Into<String>) -> Problem<MessageProblem> {
    Problem::new(field, code, message)
}

/// Has an address be written to no more. Twice is as once.
///
/// # Errors
/// [`MessageProblem::InvalidAddress`], [`MessageProblem::TooLong`]; a missing scope `messages:write`; a caller who does not
/// see all rows; the database's.
pub async fn add(
    app: &App,
    caller: &Caller,
    channel: MessageChannel,
    address: &str,
    note: Option<&str>,
) -> Outcome<Suppression, MessageProblem> {
    caller.require(Scope::Write(Area::Messages))?;
    caller.require_all_rows()?;
    let address = normal(app, channel, address)
        .map_err(|message| wrong("address", MessageProblem::InvalidAddress, message))?;
    if note.is_some_and(|note| note.chars().count() > MOST_NOTE) {
        let message = format!("a note has at most {MOST_NOTE} characters");
        return Err(wrong("note", MessageProblem::TooLong, message).into());
    }
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let lead = lead_of(&tx, &Visible::all(), channel, &address).await?;
    let cause = Cause {
        channel,
        address: &address,
        lead,
        message: None,
        note,
        at: now,
        actor: &caller.actor.id,
    };
    // One that was lifted at this very moment is older than this word.
    let row = match store::locked_suppression(&tx, channel, &digest(channel, &address)).await? {
        Some(before) if before.lifted_at.is_some_and(|lifted| lifted >= now) => {
            let row = Suppression {
                lifted_at: None,
                reason: SuppressionReason::Manual,
                since: now,
                updated_at: now,
                ..before
            };
            store::update_suppression(&tx, &row).await?;
            tell(&tx, now, &row, &caller.actor.id).await?;
            row
        }
        _ => suppress(&tx, now, cause, SuppressionReason::Manual).await?,
    };
    tx.commit().await?;
    Ok(row)
}

/// Lifts a suppression, whatever its reason: somebody of ours answers for it. Twice is as once.
///
/// # Errors
/// [`MessageProblem::NotFound`]; a missing scope `messages:write`; a caller who does not see all rows; the database's.
pub async fn remove(app: &App, caller: &Caller, id: SuppressionId) -> Outcome<Suppression, MessageProblem> {
    caller.require(Scope::Write(Area::Messages))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(mut row) = store::suppression_by_id(&tx, id).await? else {
        let message = format!("there is no suppression `{id}`");
        return Err(wrong("id", MessageProblem::NotFound, message).into());
    };
    if row.lifted_at.is_none() {
        row.lifted_at = Some(now);
        row.updated_at = now;
        store::update_suppression(&tx, &row).await?;
        tell(&tx, now, &row, &caller.actor.id).await?;
    }
    tx.commit().await?;
    Ok(row)
}

/// Suppressions, newest first.
///
/// # Errors
/// A missing scope `messages:read`; a caller who does not see all rows; the database's.
pub async fn list(
    app: &App,
    caller: &Caller,
    filter: &SuppressionFilter,
    page: &PageRequest,
) -> Result<Page<Suppression>, Error> {
    caller.require(Scope::Read(Area::Messages))?;
    caller.require_all_rows()?;
    let digests: Vec<String> = filter
        .address
        .iter()
        .flat_map(|address| {
            MessageChannel::ALL
                .iter()
                .filter_map(|channel| Some(digest(*channel, &normal(app, *channel, address).ok()?)))
        })
        .collect();
    Ok(store::list_suppressions(app.db().read(), filter, &digests, page).await?)
}
