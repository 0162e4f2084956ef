//! Changes of what is told to platforms.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::id::{ConnectionId, ConversionDeliveryId};
use entity::{ConversionKind, HappeningKind, SharedAs, Stage, Timestamp, UnknownConsent};

use super::types::{ConversionDelivery, ConversionSharing};
use crate::api::types::{Access, scoped, user_errors};
use crate::db::CallKey;
use crate::jobs::graphql::Job;
use crate::platforms::conversions::{self as room, Backfill, Rule, SharingChange, SharingProblem};

user_errors!(
    /// An expected failure of a call about what is told to platforms.
    ConversionSharingUserError,
    SharingProblem
);

/// A happening that is told, and as what.
#[derive(InputObject, Clone, Debug)]
struct ConversionSharingRuleInput {
    /// What happens.
    happening: HappeningKind,
    /// Of a CONVERSION: of this kind.
    conversion_kind: Option<ConversionKind>,
    /// Of a conversion of the kind CUSTOM: of this name, in any case; any without one.
    conversion_name: Option<String>,
    /// Of a STAGE_REACHED: this stage.
    stage: Option<Stage>,
    /// As what it is told.
    shared_as: SharedAs,
    /// By which name, for what is told as STAGE or CUSTOM: up to 50 characters; a stage has its own word unless given.
    name: Option<String>,
}

/// What changes of what is told.
#[derive(InputObject, Debug)]
struct ConversionSharingUpdateInput {
    /// The connection.
    connection_id: ConnectionId,
    /// Whether anything is told. Switched off, what waits is not told any more; `conversionBackfill` brings it back.
    enabled: Option<bool>,
    /// All rules anew, up to 50.
    rules: Option<Vec<ConversionSharingRuleInput>>,
    /// What to do where nobody knows whether a lead lets advertisers have their data.
    unknown_consent: Option<UnknownConsent>,
    /// By which name the platform's click id stands in `metadata` of conversions and `sourceDetail` of leads, e.g. `fbclid`; null:
    /// none is told.
    click_key: MaybeUndefined<String>,
    /// The same of the platform's own cookie, e.g. `fbp`.
    browser_key: MaybeUndefined<String>,
}

/// From when on what happened is told.
#[derive(InputObject, Debug)]
struct ConversionBackfillInput {
    /// The connection.
    connection_id: ConnectionId,
    /// What happened at or after this moment; platforms take what is not older than some days.
    since: Timestamp,
    /// The same key and input again give the same answer and are done once; kept 7 days.
    idempotency_key: Option<String>,
}

/// Which deliveries are tried again.
#[derive(InputObject, Debug)]
struct ConversionDeliveryRetryInput {
    /// Up to 1,000.
    ids: Vec<ConversionDeliveryId>,
}

/// The answer of `conversionSharingUpdate`.
#[derive(SimpleObject)]
struct ConversionSharingUpdatePayload {
    /// What is shared now; null when there are user errors.
    conversion_sharing: Option<ConversionSharing>,
    /// What was wrong with the input.
    user_errors: Vec<ConversionSharingUserError>,
}

/// The answer of `conversionBackfill`.
#[derive(SimpleObject)]
struct ConversionBackfillPayload {
    /// The job that looks through the past; null when there are user errors.
    job: Option<Job>,
    /// What was wrong with the input.
    user_errors: Vec<ConversionSharingUserError>,
}

/// The answer of `conversionDeliveryRetry`.
#[derive(SimpleObject)]
struct ConversionDeliveryRetryPayload {
    /// Those that wait now.
    conversion_deliveries: Vec<ConversionDelivery>,
    /// Those that cannot be tried again, by their place in `ids`, and why.
    user_errors: Vec<ConversionSharingUserError>,
}

fn given(key: MaybeUndefined<String>) -> Option<Option<String>> {
    match key {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(key) => Some(Some(key)),
    }
}

/// Changes of what is told to platforms.
#[derive(Default)]
pub struct ConversionSharingMutation;

#[scoped]
#[Object]
impl ConversionSharingMutation {
    /// Says what is told to a platform of what its advertisements brought. Nothing is told before this was called; what happens from
    /// then on is.
    #[scope("connections:write", all_rows)]
    async fn conversion_sharing_update(
        &self,
        ctx: &Context<'_>,
        input: ConversionSharingUpdateInput,
    ) -> Result<ConversionSharingUpdatePayload> {
        let ConversionSharingUpdateInput {
            connection_id,
            enabled,
            rules,
            unknown_consent,
            click_key,
            browser_key,
        } = input;
        let rule = |rule: ConversionSharingRuleInput| Rule {
            happening: rule.happening,
            conversion_kind: rule.conversion_kind,
            conversion_name: rule.conversion_name,
            stage: rule.stage,
            shared_as: rule.shared_as,
            name: rule.name,
        };
        let change = SharingChange {
            is_enabled: enabled,
            rules: rules.map(|rules| rules.into_iter().map(rule).collect()),
            unknown_consent,
            click_key: given(click_key),
            browser_key: given(browser_key),
        };
        let outcome = room::update(ctx.app(), ctx.caller()?, connection_id, change).await;
        let (row, user_errors) = ConversionSharingUserError::split(outcome)?;
        Ok(ConversionSharingUpdatePayload {
            conversion_sharing: row.map(|row| ConversionSharing { row: Some(row) }),
            user_errors,
        })
    }

    /// Has what happened before sharing was switched on told as well, as far back as the platform takes it, and so what was called off
    /// when it was switched off. What was told already is not told again.
    #[scope("connections:write", all_rows)]
    async fn conversion_backfill(
        &self,
        ctx: &Context<'_>,
        input: ConversionBackfillInput,
    ) -> Result<ConversionBackfillPayload> {
        let ConversionBackfillInput {
            connection_id,
            since,
            idempotency_key,
        } = input;
        let wanted = Backfill {
            connection: connection_id,
            since,
        };
        let key = CallKey::of(idempotency_key.as_ref(), &wanted);
        let outcome = room::backfill(ctx.app(), ctx.caller()?, wanted, key.as_ref()).await;
        let (job, user_errors) = ConversionSharingUserError::split(outcome)?;
        Ok(ConversionBackfillPayload {
            job: job.map(Job::new),
            user_errors,
        })
    }

    /// Has deliveries told again that were refused, withheld, called off or given up; each is looked at anew.
    #[scope("connections:write", all_rows)]
    async fn conversion_delivery_retry(
        &self,
        ctx: &Context<'_>,
        input: ConversionDeliveryRetryInput,
    ) -> Result<ConversionDeliveryRetryPayload> {
        let outcome = room::retry(ctx.app(), ctx.caller()?, &input.ids).await;
        let (retried, mut user_errors) = ConversionSharingUserError::split(outcome)?;
        let retried = retried.unwrap_or_default();
        user_errors.extend(retried.problems.into_iter().map(Into::into));
        Ok(ConversionDeliveryRetryPayload {
            conversion_deliveries: retried.deliveries.into_iter().map(ConversionDelivery).collect(),
            user_errors,
        })
    }
}
