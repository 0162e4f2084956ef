//! Changes of deals and of their stages.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::id::{DealId, DealStageId, LeadId};
use entity::{Day, Timestamp};

use super::types::{Deal, DealStages};
use crate::api::types::{Access as _, MoneyInput, scoped, user_errors};
use crate::db::CallKey;
use crate::error::{Outcome, Problem};
use crate::insight::revenue::deals::{self, Call, Closing, DealPatch, DealProblem, NewDeal, StageDraft};

user_errors!(
    /// An expected failure of a call about deals.
    DealUserError,
    DealProblem
);

/// What a new deal is.
#[derive(InputObject, Debug)]
struct DealCreateInput {
    /// With which lead.
    lead_id: LeadId,
    /// What it is called, 1 to 200 characters.
    name: String,
    /// In which stage it begins; the first one that is in use when absent.
    stage_id: Option<DealStageId>,
    /// What it is worth, 0 or more.
    value: Option<MoneyInput>,
    /// When it is expected to be closed.
    expected_close: Option<Day>,
    /// E-mail address of the person responsible.
    owner_email: Option<String>,
    /// When it was opened, not in the future; now when absent.
    opened_at: Option<Timestamp>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// A change of a deal; what is absent stays, null clears.
#[derive(InputObject, Debug)]
struct DealUpdateInput {
    /// The deal.
    id: DealId,
    /// What it is called, 1 to 200 characters.
    name: Option<String>,
    /// What it is worth, 0 or more; of open deals alone.
    value: MaybeUndefined<MoneyInput>,
    /// When it is expected to be closed; of open deals alone.
    expected_close: MaybeUndefined<Day>,
    /// E-mail address of the person responsible.
    owner_email: MaybeUndefined<String>,
    /// Change it only if this is still its version.
    expected_version: Option<i32>,
}

/// A deal to move to another stage.
#[derive(InputObject, Debug)]
struct DealMoveInput {
    /// The deal.
    id: DealId,
    /// To which stage.
    stage_id: DealStageId,
    /// Move it only if this is still its version.
    expected_version: Option<i32>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// A deal that was won.
#[derive(InputObject, Debug)]
struct DealWinInput {
    /// The deal.
    id: DealId,
    /// Why, up to 1,000 characters.
    reason: Option<String>,
    /// When, from the moment on when it was opened, not in the future; now when absent.
    closed_at: Option<Timestamp>,
    /// Close it only if this is still its version.
    expected_version: Option<i32>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// A deal that was lost.
#[derive(InputObject, Debug)]
struct DealLoseInput {
    /// The deal.
    id: DealId,
    /// Why, 1 to 1,000 characters.
    reason: String,
    /// When, from the moment on when it was opened, not in the future; now when absent.
    closed_at: Option<Timestamp>,
    /// Close it only if this is still its version.
    expected_version: Option<i32>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// A closed deal to open again.
#[derive(InputObject, Debug)]
struct DealReopenInput {
    /// The deal.
    id: DealId,
    /// Open it only if this is still its version.
    expected_version: Option<i32>,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// A stage as it is wanted.
#[derive(InputObject)]
struct DealStageInput {
    /// Which one; a new one when absent.
    id: Option<DealStageId>,
    /// What it is called, 1 to 200 characters; no two alike.
    name: String,
    /// How likely a deal in it is won, 0 to 1,000 per mille, while too few deals were closed to tell.
    probability_per_mille: i32,
    /// Whether it is out of use.
    #[graphql(default)]
    is_archived: bool,
}

/// All stages that deals go through.
#[derive(InputObject)]
struct DealStagesUpdateInput {
    /// In their order, at most 50. One that is left out is removed, unless deals are or were in it.
    stages: Vec<DealStageInput>,
    /// Change them only if this is still their version.
    expected_version: Option<i32>,
}

/// The answer of calls that change a deal.
#[derive(SimpleObject)]
struct DealPayload {
    /// The deal as it is now; null when there are user errors.
    deal: Option<Deal>,
    /// What was wrong.
    user_errors: Vec<DealUserError>,
}

impl DealPayload {
    fn of(outcome: Outcome<deals::Deal, DealProblem>) -> Result<Self> {
        let (deal, user_errors) = DealUserError::split(outcome)?;
        Ok(Self {
            deal: deal.map(Deal),
            user_errors,
        })
    }
}

/// The answer of `dealStagesUpdate`.
#[derive(SimpleObject)]
struct DealStagesUpdatePayload {
    /// The stages as they are now; null when there are user errors.
    deal_stages: Option<DealStages>,
    /// What was wrong.
    user_errors: Vec<DealUserError>,
}

fn minor(value: MoneyInput) -> Result<(i64, String), Problem<DealProblem>> {
    // The decimals of a currency are known by its code in upper case.
    let value = MoneyInput {
        currency_code: value.currency_code.trim().to_uppercase(),
        ..value
    };
    match value.to_minor() {
        Ok(minor) => Ok((minor, value.currency_code)),
        Err(message) => Err(Problem::new("value", DealProblem::Malformed, message)),
    }
}

fn patched<T>(value: MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

/// Changes of deals.
#[derive(Default)]
pub struct DealMutation;

#[scoped]
#[Object]
impl DealMutation {
    /// Opens a deal with a lead.
    #[scope("engagement:write")]
    async fn deal_create(&self, ctx: &Context<'_>, input: DealCreateInput) -> Result<DealPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let DealCreateInput {
            lead_id,
            name,
            stage_id,
            value,
            expected_close,
            owner_email,
            opened_at,
            idempotency_key: _,
        } = input;
        let (value_minor, currency) = match value.map(minor).transpose() {
            Ok(value) => value.unzip(),
            Err(problem) => return DealPayload::of(Err(problem.into())),
        };
        let new = NewDeal {
            lead_id,
            name,
            stage_id,
            value_minor,
            currency,
            expected_close,
            owner: owner_email,
            opened_at,
        };
        DealPayload::of(deals::create(ctx.app(), ctx.caller()?, new, key.as_ref()).await)
    }

    /// Changes a deal's name, value, expected close and owner. A closed deal keeps value and day.
    #[scope("engagement:write")]
    async fn deal_update(&self, ctx: &Context<'_>, input: DealUpdateInput) -> Result<DealPayload> {
        let DealUpdateInput {
            id,
            name,
            value,
            expected_close,
            owner_email,
            expected_version,
        } = input;
        let value = match patched(value)
            .map(|value| value.map(minor).transpose())
            .transpose()
        {
            Ok(value) => value,
            Err(problem) => return DealPayload::of(Err(problem.into())),
        };
        let patch = DealPatch {
            name,
            value,
            expected_close: patched(expected_close),
            owner: patched(owner_email),
        };
        let call = Call {
            id,
            expected_version,
            key: None,
        };
        DealPayload::of(deals::update(ctx.app(), ctx.caller()?, call, patch).await)
    }

    /// Moves an open deal to another stage.
    #[scope("engagement:write")]
    async fn deal_move(&self, ctx: &Context<'_>, input: DealMoveInput) -> Result<DealPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let call = Call {
            id: input.id,
            expected_version: input.expected_version,
            key: key.as_ref(),
        };
        DealPayload::of(deals::move_to(ctx.app(), ctx.caller()?, call, input.stage_id).await)
    }

    /// Closes a deal as won. It is recorded as a conversion: a PURCHASE of its value, CUSTOMER where it has none.
    #[scope("engagement:write")]
    async fn deal_win(&self, ctx: &Context<'_>, input: DealWinInput) -> Result<DealPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let call = Call {
            id: input.id,
            expected_version: input.expected_version,
            key: key.as_ref(),
        };
        let closing = Closing {
            reason: input.reason,
            closed_at: input.closed_at,
        };
        DealPayload::of(deals::win(ctx.app(), ctx.caller()?, call, closing).await)
    }

    /// Closes a deal as lost. The conversion of one that was won before is called off.
    #[scope("engagement:write")]
    async fn deal_lose(&self, ctx: &Context<'_>, input: DealLoseInput) -> Result<DealPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let call = Call {
            id: input.id,
            expected_version: input.expected_version,
            key: key.as_ref(),
        };
        let closing = Closing {
            reason: Some(input.reason),
            closed_at: input.closed_at,
        };
        DealPayload::of(deals::lose(ctx.app(), ctx.caller()?, call, closing).await)
    }

    /// Opens a closed deal again, in the stage in which it was. The conversion of one that was won is called off.
    #[scope("engagement:write")]
    async fn deal_reopen(&self, ctx: &Context<'_>, input: DealReopenInput) -> Result<DealPayload> {
        let key = CallKey::of(input.idempotency_key.as_ref(), &input);
        let call = Call {
            id: input.id,
            expected_version: input.expected_version,
            key: key.as_ref(),
        };
        DealPayload::of(deals::reopen(ctx.app(), ctx.caller()?, call).await)
    }

    /// Makes the stages that deals go through what they are wanted to be.
    #[scope("settings:write", all_rows)]
    async fn deal_stages_update(
        &self,
        ctx: &Context<'_>,
        input: DealStagesUpdateInput,
    ) -> Result<DealStagesUpdatePayload> {
        let drafts = input.stages.into_iter().map(|stage| StageDraft {
            id: stage.id,
            name: stage.name,
            probability: stage.probability_per_mille,
            is_archived: stage.is_archived,
        });
        let outcome =
            deals::update_stages(ctx.app(), ctx.caller()?, drafts.collect(), input.expected_version).await;
        let (stages, user_errors) = DealUserError::split(outcome)?;
        Ok(DealStagesUpdatePayload {
            deal_stages: stages.map(Into::into),
            user_errors,
        })
    }
}
