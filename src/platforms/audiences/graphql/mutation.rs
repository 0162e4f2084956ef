//! Changes of audiences.

use async_graphql::{Context, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use entity::id::{AudienceId, ConnectionId};

use super::{Audience, AudienceSync};
use crate::api::types::{Access, scoped, user_errors};
use crate::db::CallKey;
use crate::error::Outcome;
use crate::jobs::graphql::Job;
use crate::leads::filter::LeadFilter;
use crate::platforms::audiences::{
    self as room, AudienceChange, AudienceDraft, AudienceProblem, LookalikeDraft, Started,
};

user_errors!(
    /// An expected failure of a call about audiences.
    AudienceUserError,
    AudienceProblem
);

/// An audience that is to be made.
#[derive(InputObject)]
struct AudienceCreateInput {
    /// The connection whose platform is to have it.
    connection_id: ConnectionId,
    /// What it is called, 1 to 100 characters. An audience of this name that the platform has already is taken over.
    name: String,
    /// What it is for, up to 500 characters.
    #[graphql(default)]
    description: String,
    /// Which leads belong into it. Of these, those that agreed to be shared with advertising platforms (channel `ADS`, purpose
    /// `MARKETING`) and have an e-mail address or a phone number.
    filter: LeadFilter,
    /// How often the platform is told, in seconds, 300 to 2,592,000. Without one: when somebody asks. Whoever takes their
    /// consent back, is deleted or erased is taken out at once either way.
    every_seconds: Option<i32>,
    /// The same key and input again give the same answer; kept 7 days.
    idempotency_key: Option<String>,
}

/// A change of an audience; what is absent stays.
#[derive(InputObject)]
struct AudienceUpdateInput {
    /// The audience's id.
    id: AudienceId,
    /// What it is called here; at the platform it keeps the name that it was made with.
    name: Option<String>,
    /// What it is for.
    description: Option<String>,
    /// Which leads belong into it; the platform is told at once.
    filter: Option<LeadFilter>,
    /// How often the platform is told; null: when somebody asks.
    every_seconds: MaybeUndefined<i32>,
}

/// Which audience the platform is to be told of.
#[derive(InputObject)]
struct AudienceSyncInput {
    /// The audience's id.
    id: AudienceId,
    /// The same key and input again give the same answer; kept 7 days.
    idempotency_key: Option<String>,
}

/// An audience of people who are like those of another.
#[derive(InputObject)]
struct AudienceLookalikeInput {
    /// The id of the audience whose people they are to be like.
    id: AudienceId,
    /// What it is called, 1 to 100 characters.
    name: String,
    /// Where they live, ISO 3166 alpha-2, e.g. `DE`.
    country: String,
    /// How large a part of the country, 0.01 to 0.2 in steps of 0.01; smaller is more alike.
    ratio: f64,
    /// The same key and input again give the same answer; kept 7 days.
    idempotency_key: Option<String>,
}

/// Which audience is to be removed.
#[derive(InputObject)]
struct AudienceDeleteInput {
    /// The audience's id.
    id: AudienceId,
    /// At the platform as well. Left there, it keeps the people that are in it, and nobody is taken out of it any more.
    also_on_platform: bool,
}

/// The answer of calls about an audience.
#[derive(SimpleObject)]
struct AudiencePayload {
    /// The audience; null when there are user errors.
    audience: Option<Audience>,
    /// What was wrong with the input.
    user_errors: Vec<AudienceUserError>,
}

/// The answer of `audienceSync`.
#[derive(SimpleObject)]
struct AudienceSyncPayload {
    /// The sync; null when there are user errors.
    sync: Option<AudienceSync>,
    /// The job that does it.
    job: Option<Job>,
    /// What was wrong with the input.
    user_errors: Vec<AudienceUserError>,
}

fn payload(outcome: Outcome<room::Audience, AudienceProblem>) -> Result<AudiencePayload> {
    let (found, user_errors) = AudienceUserError::split(outcome)?;
    Ok(AudiencePayload {
        audience: found.map(Audience),
        user_errors,
    })
}

/// Changes of audiences.
#[derive(Default)]
pub struct AudienceMutation;

#[scoped]
#[Object]
impl AudienceMutation {
    /// Makes an audience, and has the platform told of its members by a job that can be watched (`lastSync`, `audienceChanged`)
    /// and cancelled.
    #[scope("audiences:write", all_rows)]
    async fn audience_create(
        &self,
        ctx: &Context<'_>,
        input: AudienceCreateInput,
    ) -> Result<AudiencePayload> {
        let AudienceCreateInput {
            connection_id,
            name,
            description,
            filter,
            every_seconds,
            idempotency_key,
        } = input;
        let draft = AudienceDraft {
            connection: connection_id,
            name,
            description,
            filter,
            every_seconds,
        };
        let key = CallKey::of(idempotency_key.as_ref(), &draft);
        payload(room::create(ctx.app(), ctx.caller()?, draft, key.as_ref()).await)
    }

    /// Changes an audience.
    #[scope("audiences:write", all_rows)]
    async fn audience_update(
        &self,
        ctx: &Context<'_>,
        input: AudienceUpdateInput,
    ) -> Result<AudiencePayload> {
        let AudienceUpdateInput {
            id,
            name,
            description,
            filter,
            every_seconds,
        } = input;
        let change = AudienceChange {
            name,
            description,
            filter,
            every_seconds: match every_seconds {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(seconds) => Some(Some(seconds)),
            },
        };
        payload(room::update(ctx.app(), ctx.caller()?, id, change).await)
    }

    /// Has the platform told now of who belongs into an audience and who does so no more: a job that can be watched and
    /// cancelled. One at a time for an audience.
    #[scope("audiences:write", all_rows)]
    async fn audience_sync(
        &self,
        ctx: &Context<'_>,
        input: AudienceSyncInput,
    ) -> Result<AudienceSyncPayload> {
        let AudienceSyncInput { id, idempotency_key } = input;
        let key = CallKey::of(idempotency_key.as_ref(), &id);
        let outcome = room::start(ctx.app(), ctx.caller()?, id, key.as_ref()).await;
        let (started, user_errors) = AudienceUserError::split(outcome)?;
        let (sync, job) = started
            .map(|Started { sync, job }| (AudienceSync(sync), Job::new(job)))
            .unzip();
        Ok(AudienceSyncPayload {
            sync,
            job,
            user_errors,
        })
    }

    /// Has the platform make an audience of its own people who are like those of another one, by a job.
    #[scope("audiences:write", all_rows)]
    async fn audience_lookalike(
        &self,
        ctx: &Context<'_>,
        input: AudienceLookalikeInput,
    ) -> Result<AudiencePayload> {
        let AudienceLookalikeInput {
            id,
            name,
            country,
            ratio,
            idempotency_key,
        } = input;
        let draft = LookalikeDraft {
            origin: id,
            name,
            country,
            ratio,
        };
        let key = CallKey::of(idempotency_key.as_ref(), &draft);
        payload(room::lookalike(ctx.app(), ctx.caller()?, draft, key.as_ref()).await)
    }

    /// Removes an audience; again changes nothing. At the platform it is removed by a job that goes on until it is done.
    #[scope("audiences:write", all_rows)]
    async fn audience_delete(
        &self,
        ctx: &Context<'_>,
        input: AudienceDeleteInput,
    ) -> Result<AudiencePayload> {
        let AudienceDeleteInput { id, also_on_platform } = input;
        payload(room::delete(ctx.app(), ctx.caller()?, id, also_on_platform).await)
    }
}
