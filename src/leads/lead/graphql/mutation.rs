//! Changes of leads.

use std::sync::Arc;

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use entity::id::LeadId;

use super::input::{
    LeadCreateInput, LeadRemovalInput, LeadUpdateInput, LeadUpsertInput, LeadsCreateInput, LeadsDeleteInput,
    LeadsUpdateInput, LeadsUpsertInput,
};
use super::{load, load_many};
use crate::api::types::{Access, scoped, user_errors};
use crate::api::{Eager, Lead};
use crate::error::Failure;
use crate::leads::lead::{self, ItemOutcome, LeadChange, LeadField, LeadProblem, Removal, UpsertMode};

user_errors!(
    /// An expected failure of a call about leads.
    LeadUserError,
    LeadProblem
);

/// What became of a lead.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum LeadOutcome {
    /// It is new.
    Created,
    /// Some of its fields changed, or it was deleted and is back.
    Updated,
    /// It had all of it already: nothing was written.
    Unchanged,
    /// Nothing was done; see `userErrors`.
    Refused,
}

/// The answer of a change of one lead.
#[derive(SimpleObject)]
struct LeadPayload {
    /// What became of it.
    outcome: LeadOutcome,
    /// The fields that changed; empty for a new lead.
    changed_fields: Vec<LeadField>,
    /// The lead as it is now; null when there are user errors.
    lead: Option<Eager<Lead>>,
    /// What was wrong with the input.
    user_errors: Vec<LeadUserError>,
}

/// The answer of a change of many leads.
#[derive(SimpleObject)]
struct LeadsPayload {
    /// One answer for each item, in order; empty when there are user errors.
    results: Vec<LeadPayload>,
    /// What was wrong with the call as a whole.
    user_errors: Vec<LeadUserError>,
}

/// The answer of deleting or erasing a lead.
#[derive(SimpleObject)]
struct LeadRemovalPayload {
    /// The lead that is gone; null when there are user errors.
    lead_id: Option<LeadId>,
    /// What was wrong with the input.
    user_errors: Vec<LeadUserError>,
}

/// The answer of deleting many leads.
#[derive(SimpleObject)]
struct LeadsRemovalPayload {
    /// One answer for each id, in order; empty when there are user errors.
    results: Vec<LeadRemovalPayload>,
    /// What was wrong with the call as a whole.
    user_errors: Vec<LeadUserError>,
}

/// The answer of restoring a lead.
#[derive(SimpleObject)]
struct LeadRestorePayload {
    /// The lead; null when there are user errors.
    lead: Option<Eager<Lead>>,
    /// What was wrong with the input.
    user_errors: Vec<LeadUserError>,
}

fn told(outcome: &ItemOutcome) -> (LeadOutcome, Vec<LeadField>) {
    match outcome {
        ItemOutcome::Created(_) => (LeadOutcome::Created, Vec::new()),
        ItemOutcome::Updated { fields, .. } => (LeadOutcome::Updated, fields.iter().collect()),
        ItemOutcome::Unchanged(_) => (LeadOutcome::Unchanged, Vec::new()),
        ItemOutcome::Refused(_) => (LeadOutcome::Refused, Vec::new()),
    }
}

async fn write_one(
    ctx: &Context<'_>,
    change: LeadChange,
    mode: UpsertMode,
    key: Option<String>,
) -> Result<LeadPayload> {
    let written = lead::write_keyed(ctx.app(), ctx.caller()?, change, mode, key.as_deref()).await;
    let (outcome, user_errors) = LeadUserError::split(written)?;
    let Some(done) = outcome else {
        return Ok(LeadPayload {
            outcome: LeadOutcome::Refused,
            changed_fields: Vec::new(),
            lead: None,
            user_errors,
        });
    };
    let (outcome, changed_fields) = told(&done);
    let lead = match done.lead_id() {
        Some(id) => load(ctx, id).await?,
        None => None,
    };
    Ok(LeadPayload {
        outcome,
        changed_fields,
        lead,
        user_errors,
    })
}

async fn write(
    ctx: &Context<'_>,
    changes: Vec<LeadChange>,
    mode: UpsertMode,
    key: Option<String>,
) -> Result<LeadsPayload> {
    let written = lead::write_batch(ctx.app(), ctx.caller()?, changes, mode, key.as_deref()).await;
    let (outcomes, user_errors) = LeadUserError::split(written)?;
    let outcomes = outcomes.unwrap_or_default();
    // Leads are read only where they are asked for, and then all of them at once.
    let wants_leads = ctx.look_ahead().field("results").field("lead").exists();
    let ids: Vec<LeadId> = outcomes.iter().filter_map(ItemOutcome::lead_id).collect();
    let leads = if wants_leads && !ids.is_empty() {
        load_many(ctx, &ids).await?
    } else {
        std::collections::HashMap::new()
    };
    let results = outcomes
        .into_iter()
        .map(|done| {
            let (outcome, changed_fields) = told(&done);
            let lead = done.lead_id().and_then(|id| leads.get(&id)).map(Arc::clone);
            let user_errors = match done {
                ItemOutcome::Refused(problems) => problems.into_iter().map(LeadUserError::from).collect(),
                ItemOutcome::Created(_) | ItemOutcome::Updated { .. } | ItemOutcome::Unchanged(_) => {
                    Vec::new()
                }
            };
            LeadPayload {
                outcome,
                changed_fields,
                lead: lead.map(|lead| Eager(Lead::new(lead))),
                user_errors,
            }
        })
        .collect();
    Ok(LeadsPayload { results, user_errors })
}

async fn remove(
    ctx: &Context<'_>,
    id: LeadId,
    removal: Removal,
) -> Result<(Option<LeadId>, Vec<LeadUserError>)> {
    let outcome = lead::remove(ctx.app(), ctx.caller()?, &[id], removal).await;
    let one = outcome.and_then(|mut outcomes| {
        let one = outcomes.pop().expect("one outcome for each id");
        one.map_err(|problem| {
            let path = ["id".to_owned()];
            Failure::from(crate::error::Problem {
                field: path.into(),
                ..problem
            })
        })
    });
    Ok(LeadUserError::split(one)?)
}

/// Changes of leads.
#[derive(Default)]
pub struct LeadMutation;

#[scoped]
#[Object]
impl LeadMutation {
    /// Creates a lead. It needs an e-mail, a phone number or an external id, which no other lead has.
    #[scope("leads:write")]
    async fn lead_create(&self, ctx: &Context<'_>, input: LeadCreateInput) -> Result<LeadPayload> {
        let LeadCreateInput {
            fields,
            idempotency_key,
        } = input;
        write_one(ctx, fields.into_change(), UpsertMode::Create, idempotency_key).await
    }

    /// Changes a lead: absent fields stay, null clears.
    #[scope("leads:write")]
    async fn lead_update(&self, ctx: &Context<'_>, input: LeadUpdateInput) -> Result<LeadPayload> {
        write_one(ctx, input.into_change(), UpsertMode::Update, None).await
    }

    /// Creates a lead, or changes the one that is known by one of the identities given; further identities are added
    /// to it. A deleted lead comes back.
    #[scope("leads:write")]
    async fn lead_upsert(&self, ctx: &Context<'_>, input: LeadUpsertInput) -> Result<LeadPayload> {
        let LeadUpsertInput {
            fields,
            idempotency_key,
        } = input;
        write_one(ctx, fields.into_change(), UpsertMode::Upsert, idempotency_key).await
    }

    /// Creates up to 1,000 leads in one transaction; an item that is wrong does not keep the others back.
    #[scope("leads:write")]
    async fn leads_create(&self, ctx: &Context<'_>, input: LeadsCreateInput) -> Result<LeadsPayload> {
        let LeadsCreateInput {
            leads,
            idempotency_key,
        } = input;
        let changes = leads
            .into_iter()
            .map(super::input::LeadInput::into_change)
            .collect();
        write(ctx, changes, UpsertMode::Create, idempotency_key).await
    }

    /// Changes up to 1,000 leads in one transaction; an item that is wrong does not keep the others back.
    #[scope("leads:write")]
    async fn leads_update(&self, ctx: &Context<'_>, input: LeadsUpdateInput) -> Result<LeadsPayload> {
        let changes = input
            .leads
            .into_iter()
            .map(LeadUpdateInput::into_change)
            .collect();
        write(ctx, changes, UpsertMode::Update, None).await
    }

    /// Creates or changes up to 1,000 leads in one transaction; an item that is wrong does not keep the others back,
    /// and items about the same lead are taken in order.
    #[scope("leads:write")]
    async fn leads_upsert(&self, ctx: &Context<'_>, input: LeadsUpsertInput) -> Result<LeadsPayload> {
        let LeadsUpsertInput {
            leads,
            idempotency_key,
        } = input;
        let changes = leads
            .into_iter()
            .map(super::input::LeadInput::into_change)
            .collect();
        write(ctx, changes, UpsertMode::Upsert, idempotency_key).await
    }

    /// Deletes a lead: it is hidden, keeps everything, and `leadRestore` brings it back.
    #[scope("leads:write")]
    async fn lead_delete(&self, ctx: &Context<'_>, input: LeadRemovalInput) -> Result<LeadRemovalPayload> {
        let (lead_id, user_errors) = remove(ctx, input.id, Removal::Delete).await?;
        Ok(LeadRemovalPayload { lead_id, user_errors })
    }

    /// Deletes up to 1,000 leads.
    #[scope("leads:write")]
    async fn leads_delete(&self, ctx: &Context<'_>, input: LeadsDeleteInput) -> Result<LeadsRemovalPayload> {
        let outcome = lead::remove(ctx.app(), ctx.caller()?, &input.ids, Removal::Delete).await;
        let (outcomes, user_errors) = LeadUserError::split(outcome)?;
        let results = outcomes
            .unwrap_or_default()
            .into_iter()
            .map(|outcome| match outcome {
                Ok(id) => LeadRemovalPayload {
                    lead_id: Some(id),
                    user_errors: Vec::new(),
                },
                Err(problem) => LeadRemovalPayload {
                    lead_id: None,
                    user_errors: vec![problem.into()],
                },
            })
            .collect();
        Ok(LeadsRemovalPayload { results, user_errors })
    }

    /// Brings a deleted lead back.
    #[scope("leads:write")]
    async fn lead_restore(&self, ctx: &Context<'_>, input: LeadRemovalInput) -> Result<LeadRestorePayload> {
        let (id, user_errors) = remove(ctx, input.id, Removal::Restore).await?;
        let lead = match id {
            Some(id) => load(ctx, id).await?,
            None => None,
        };
        Ok(LeadRestorePayload { lead, user_errors })
    }

    /// Takes everything personal out of a lead, for good: contact, names, company, address, custom values, identities,
    /// notes and tags, and address and browser in proofs of consent and engagements. What counts it in statistics
    /// stays.
    #[scope("leads:write")]
    async fn lead_erase(&self, ctx: &Context<'_>, input: LeadRemovalInput) -> Result<LeadRemovalPayload> {
        let (lead_id, user_errors) = remove(ctx, input.id, Removal::Erase).await?;
        Ok(LeadRemovalPayload { lead_id, user_errors })
    }
}
