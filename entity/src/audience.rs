//! Table `audience`.

use sea_orm::entity::prelude::*;

use crate::{
    AudienceKind, AudienceReadiness, AudienceState, Timestamp,
    id::{AudienceId, ConnectionId},
};

/// An audience for advertisements.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audience")]
pub struct Model {
    /// The audience.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: AudienceId,
    /// By which connection.
    pub connection_id: ConnectionId,
    /// What it is made of.
    pub kind: AudienceKind,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Which leads (JSON, the tree of filters).
    pub filter: String,
    /// Whose members the people are like.
    pub origin_id: Option<AudienceId>,
    /// Where those people live, ISO 3166 alpha-2.
    pub country: Option<String>,
    /// How large a part of the country, in hundredths.
    pub percent: Option<i32>,
    /// Where it stands.
    pub state: AudienceState,
    /// The platform's id; none while the platform does not have it.
    pub external_id: Option<String>,
    /// How often the platform's audience was made anew: members of an earlier one are not in it.
    pub generation: i32,
    /// What kind of failure the last one was, e.g. `THROTTLED`.
    pub problem_kind: Option<String>,
    /// The same in words.
    pub problem: Option<String>,
    /// Times in a row that the platform could not be told.
    pub failures: i32,
    /// How often the platform is told.
    pub every_seconds: Option<i32>,
    /// When the platform is told next.
    pub next_sync_at: Option<Timestamp>,
    /// When the size is asked for next.
    pub next_size_at: Option<Timestamp>,
    /// When the platform was told of everything last.
    pub synced_at: Option<Timestamp>,
    /// At least so many people, as the platform says.
    pub size_at_least: Option<i64>,
    /// At most so many.
    pub size_at_most: Option<i64>,
    /// Whether the platform can use it.
    pub readiness: Option<AudienceReadiness>,
    /// The platform's own words for that.
    pub size_detail: Option<String>,
    /// When the size was read last.
    pub sized_at: Option<Timestamp>,
    /// Times in a row that the size could not be read.
    pub size_failures: i32,
    /// What kind of failure that was the last time.
    pub size_problem_kind: Option<String>,
    /// The same in words.
    pub size_problem: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
    /// When it was removed.
    pub deleted_at: Option<Timestamp>,
}

impl ActiveModelBehavior for ActiveModel {}
