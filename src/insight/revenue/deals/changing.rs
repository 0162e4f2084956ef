//! Opening deals and changing them.

use std::collections::HashSet;

use entity::id::{DealId, DealStageId};
use entity::{Area, ConversionKind, DealChange, DealState, EventKind, Timestamp};
use serde_json::{Map, json};

use super::model::rules::{self, DealPatch, DealProblem, NewDeal, Problems, Step};
use super::{Deal, DealMove, DealStage, Worth, store};
use crate::app::App;
use crate::db::{CallKey, Once, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};
use crate::insight::engagement::LeadKey;
use crate::insight::revenue::conversions::{self, NewConversion, Reversal};
use crate::leads::lead;
use crate::leads::visible::Visible;

/// Which deal a call changes.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The deal.
    pub id: DealId,
    /// Change it only if this is still its version.
    pub expected_version: Option<i32>,
    /// The caller's key: the same call twice is done once.
    pub key: Option<&'a CallKey>,
}

/// How a deal was closed.
#[derive(Clone, Debug, Default)]
pub struct Closing {
    /// Why; a loss needs it.
    pub reason: Option<String>,
    /// When; now where absent.
    pub closed_at: Option<Timestamp>,
}

/// Opens a deal; once for a key.
///
/// # Errors
/// [`DealProblem`]s of the input; a missing scope `engagement:write`; a key used with another input; the database's.
pub async fn create(
    app: &App,
    caller: &Caller,
    new: NewDeal,
    key: Option<&CallKey>,
) -> Outcome<Deal, DealProblem> {
    caller.require(Scope::Write(Area::Engagement))?;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, "dealCreate")?;
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    if let Some(id) = once.before::<DealId>(&tx, now).await? {
        return Ok(again(&tx, &seen, id).await?);
    }
    store::held_settings(&tx, false).await?;
    let stages = store::all_stages(&*tx).await?;
    let lead_id = new.lead_id;
    let is_there = lead::existing(&tx, &seen, &HashSet::from([lead_id])).await?;
    let mut deal = match opened(new, &stages, caller, now) {
        Ok(deal) if is_there.contains(&lead_id) => deal,
        checked => {
            let mut problems = checked.err().unwrap_or_default();
            if !is_there.contains(&lead_id) {
                let message = format!("there is no lead `{lead_id}`");
                problems.insert(0, Problem::new("leadId", DealProblem::LeadNotFound, message));
            }
            return Err(problems.into());
        }
    };
    let step = Step {
        change: DealChange::Opened,
        at: deal.opened_at,
        reason: None,
    };
    value(&tx, &mut deal).await?;
    store::insert(&tx, &deal).await?;
    told(&tx, caller, now, (None, &deal), step).await?;
    once.keep(&tx, &deal.id).await?;
    tx.commit().await?;
    Ok(deal)
}

/// A deal as it begins.
fn opened(new: NewDeal, stages: &[DealStage], caller: &Caller, now: Timestamp) -> Result<Deal, Problems> {
    let NewDeal {
        lead_id,
        name,
        stage_id,
        value_minor,
        currency,
        expected_close,
        owner,
        opened_at,
    } = new;
    let name = rules::name("name", &name);
    let stage_id = rules::stage(stages, stage_id);
    let worth = rules::value(value_minor, currency.as_deref());
    let owner = rules::owner(owner.as_deref());
    let opened_at = rules::opened_at(opened_at, now);
    let opened = opened_at.clone().unwrap_or(now);
    let close = rules::expected_close(expected_close, opened, now);
    match (name, stage_id, worth, owner, opened_at, close) {
        (Ok(name), Ok(stage_id), Ok(worth), Ok(owner), Ok(opened_at), Ok(())) => {
            let (value_minor, currency) = worth.unzip();
            Ok(Deal {
                id: DealId::at(now),
                lead_id,
                folded_name: rules::folded(&name),
                name,
                stage_id,
                value_minor,
                currency,
                reporting_minor: None,
                reporting_currency: None,
                state: DealState::Open,
                reason: None,
                expected_close,
                owner,
                opened_at,
                closed_at: None,
                wins: 0,
                conversion_id: None,
                version: 1,
                created_by: caller.actor.id.clone(),
                created_at: now,
                updated_at: now,
            })
        }
        (name, stage_id, worth, owner, opened_at, close) => {
            let found = [
                name.err(),
                stage_id.err(),
                worth.err(),
                close.err(),
                owner.err(),
                opened_at.err(),
            ];
            Err(found.into_iter().flatten().collect())
        }
    }
}

/// Changes what a deal is called, its value, when it is expected to be closed and who is responsible. A closed deal keeps
/// its value and day.
///
/// # Errors
/// [`DealProblem`]s; a missing scope `engagement:write`; the database's.
pub async fn update(
    app: &App,
    caller: &Caller,
    call: Call<'_>,
    patch: DealPatch,
) -> Outcome<Deal, DealProblem> {
    change(app, caller, call, "dealUpdate", |deal, _, now| {
        rules::change(deal, patch, now)
    })
    .await
}

/// Moves an open deal to another stage; once for a key.
///
/// # Errors
/// As [`update`].
pub async fn move_to(
    app: &App,
    caller: &Caller,
    call: Call<'_>,
    stage: DealStageId,
) -> Outcome<Deal, DealProblem> {
    change(app, caller, call, "dealMove", |deal, stages, now| {
        rules::go_to(deal, stages, stage, now).map(Some)
    })
    .await
}

/// Closes a deal as won, and records the conversion that it is: a purchase where it has a value, else that the lead became a
/// customer. Once for a key.
///
/// # Errors
/// As [`update`].
pub async fn win(app: &App, caller: &Caller, call: Call<'_>, closing: Closing) -> Outcome<Deal, DealProblem> {
    let Closing { reason, closed_at } = closing;
    change(app, caller, call, "dealWin", |deal, _, now| {
        rules::close(deal, true, reason.as_deref(), closed_at, now).map(Some)
    })
    .await
}

/// Closes a deal as lost; the conversion of one that was won is called off. Once for a key.
///
/// # Errors
/// As [`update`].
pub async fn lose(
    app: &App,
    caller: &Caller,
    call: Call<'_>,
    closing: Closing,
) -> Outcome<Deal, DealProblem> {
    let Closing { reason, closed_at } = closing;
    change(app, caller, call, "dealLose", |deal, _, now| {
        rules::close(deal, false, reason.as_deref(), closed_at, now).map(Some)
    })
    .await
}

/// Opens a closed deal again, in the stage in which it was; the conversion of one that was won is called off. Once for a key.
///
/// # Errors
/// As [`update`].
pub async fn reopen(app: &App, caller: &Caller, call: Call<'_>) -> Outcome<Deal, DealProblem> {
    change(app, caller, call, "dealReopen", |deal, _, now| {
        rules::open_again(deal, now).map(Some)
    })
    .await
}

/// Changes one deal by a rule, which says what happened, if anything did.
async fn change(
    app: &App,
    caller: &Caller,
    call: Call<'_>,
    operation: &'static str,
    rule: impl FnOnce(&mut Deal, &[DealStage], Timestamp) -> Result<Option<Step>, Problems> + Send,
) -> Outcome<Deal, DealProblem> {
    caller.require(Scope::Write(Area::Engagement))?;
    let Call {
        id,
        expected_version,
        key,
    } = call;
    let now = app.clock().now();
    let once = Once::new(key, &caller.actor.id, operation)?;
    let seen = Visible::of(app, &caller.rows).await?;
    let tx = app.db().begin().await?;
    if once.before::<DealId>(&tx, now).await?.is_some() {
        return Ok(again(&tx, &seen, id).await?);
    }
    let Some(before) = store::locked(&tx, &seen, id).await? else {
        let message = format!("there is no deal `{id}`");
        return Err(Problem::new("id", DealProblem::NotFound, message).into());
    };
    if expected_version.is_some_and(|version| version != before.version) {
        let message = format!("the deal has version {} by now: read it again", before.version);
        return Err(Problem::new("expectedVersion", DealProblem::Outdated, message).into());
    }
    store::held_settings(&tx, false).await?;
    let stages = store::all_stages(&*tx).await?;
    let mut deal = before.clone();
    let Some(step) = rule(&mut deal, &stages, now)? else {
        return Ok(before);
    };
    deal.version += 1;
    deal.updated_at = now;
    let was_won = before.state == DealState::Won;
    if was_won && deal.state != DealState::Won {
        call_off(&tx, caller, now, &mut deal).await?;
    } else if !was_won && deal.state == DealState::Won {
        convert(&tx, caller, &seen, now, &mut deal).await?;
    }
    value(&tx, &mut deal).await?;
    store::update(&tx, &deal).await?;
    told(&tx, caller, now, (Some(&before), &deal), step).await?;
    once.keep(&tx, &deal.id).await?;
    tx.commit().await?;
    Ok(deal)
}

/// What was answered before, with the deal as it is now.
async fn again(tx: &Tx, seen: &Visible, id: DealId) -> Result<Deal, Error> {
    let found = store::by_ids(&**tx, seen, &[id]).await?.remove(&id);
    found.ok_or_else(|| Error::NotFound(format!("the deal `{id}` of this call is gone")))
}

/// Tells what a deal is worth in the reporting currency.
async fn value(tx: &Tx, deal: &mut Deal) -> Result<(), Error> {
    let worth = Worth::of(tx, std::slice::from_ref(deal)).await?;
    deal.reporting_minor = worth.amount(deal);
    deal.reporting_currency = deal.reporting_minor.map(|_| worth.currency().to_owned());
    Ok(())
}

/// Each time that a deal is won is a conversion of its own.
fn dedupe_key(deal: &Deal) -> String {
    format!("deal:{}:{}", deal.id, deal.wins)
}

/// Records the conversion that a deal is which was just won.
async fn convert(
    tx: &Tx,
    caller: &Caller,
    seen: &Visible,
    now: Timestamp,
    deal: &mut Deal,
) -> Outcome<(), DealProblem> {
    deal.wins += 1;
    let kind = match deal.value_minor {
        Some(_) => ConversionKind::Purchase,
        None => ConversionKind::Customer,
    };
    let new = NewConversion {
        lead: LeadKey::Id(deal.lead_id),
        kind,
        custom_name: None,
        value_minor: deal.value_minor,
        currency: deal.currency.clone(),
        metadata: Map::from_iter([("dealId".to_owned(), json!(deal.id))]),
        occurred_at: deal.closed_at.unwrap_or(now),
        dedupe_key: Some(dedupe_key(deal)),
    };
    let answers = conversions::record_many(tx, caller, seen, now, vec![new]).await?;
    for answer in answers {
        match answer {
            conversions::Answer::Recorded(row) | conversions::Answer::Duplicate(row) => {
                deal.conversion_id = Some(row.id);
            }
            conversions::Answer::Refused(problems) => {
                let said: Vec<String> = problems.into_iter().map(|problem| problem.message).collect();
                let message = format!("its conversion cannot be recorded: {}", said.join("; "));
                return Err(Problem::new("id", DealProblem::Malformed, message).into());
            }
        }
    }
    Ok(())
}

/// Calls off the conversion of a deal that is not won any more.
async fn call_off(tx: &Tx, caller: &Caller, now: Timestamp, deal: &mut Deal) -> Result<(), Error> {
    let reversal = Reversal {
        dedupe_key: dedupe_key(deal),
        left_minor: 0,
        is_void: true,
    };
    conversions::reverse_many(tx, caller, now, &[reversal]).await?;
    deal.conversion_id = None;
    Ok(())
}

/// Writes the history of a change and its event; the lifecycle reads that one.
async fn told(
    tx: &Tx,
    caller: &Caller,
    now: Timestamp,
    (before, deal): (Option<&Deal>, &Deal),
    step: Step,
) -> Result<(), Error> {
    let Step { change, at, reason } = step;
    if change != DealChange::Updated {
        let row = DealMove {
            deal_id: deal.id,
            version: deal.version,
            at,
            from_stage: before.map(|before| before.stage_id),
            to_stage: deal.stage_id,
            from_state: before.map(|before| before.state),
            to_state: deal.state,
            reason,
            actor: caller.actor.id.clone(),
        };
        store::insert_move(tx, &row).await?;
    }
    let event = NewEvent {
        kind: EventKind::DealChanged,
        lead_id: Some(deal.lead_id),
        subject: deal.id.to_string(),
        payload: json!({
            "change": change,
            "state": deal.state,
            "stage": deal.stage_id,
            "version": deal.version,
            "openedMicros": deal.opened_at.micros(),
        }),
    };
    events::append(tx, &caller.actor.id, now, vec![event]).await?;
    Ok(())
}
