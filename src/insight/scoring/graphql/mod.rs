//! Scoring in GraphQL.

mod definition;
mod model;
mod score;

use async_graphql::Subscription;
use entity::id::LeadId;
use entity::{Area, EventKind};
use futures_util::{Stream, StreamExt};

use crate::api::types::{Live, scoped};
use crate::events::Filter;
use crate::identity::Scope;

pub use definition::{StagePoints, TypePoints};
pub use model::{ScoreModel, ScoringMutation, ScoringQuery};
pub use score::{LeadScoring, Scales, ScoringLoader, current, scale};

const READ: Scope = Scope::Read(Area::Scoring);

/// Subscriptions to scores.
#[derive(Default)]
pub struct ScoringSubscription;

#[scoped]
#[Subscription]
impl ScoringSubscription {
    /// Scores as they change: by what becomes known of a lead, and by decay where it takes a lead to another
    /// temperature.
    #[scope("scoring:read")]
    async fn score_changed(
        &self,
        ctx: &async_graphql::Context<'_>,
        #[graphql(desc = "Only this lead.")] lead_id: Option<LeadId>,
        #[graphql(desc = "Resume after this cursor: nothing is lost, nothing comes twice.")] after: Option<
            String,
        >,
    ) -> async_graphql::Result<impl Stream<Item = async_graphql::Result<score::ScoreChanged>> + use<>> {
        let filter = Filter {
            lead_id,
            ..Filter::kinds(&[EventKind::ScoreChanged, EventKind::TemperatureChanged])
        };
        let events = Live::open(ctx, READ, filter, after.as_deref())?;
        Ok(events.map(|event| Ok(score::ScoreChanged::read(event?)?)))
    }
}
