//! Audiences for advertisements: a platform is told which leads belong into one, and which do so no more.
//!
//! Who belongs into an audience: leads for which its filter holds, who agreed to be shared with advertising platforms
//! (channel `ADS`, purpose `MARKETING`), who have an address or a number, and who are neither deleted nor erased. Who is
//! in it stands in `audience_member`; a sync tells the platform the difference.
//!
//! A member is written down before the platform is told, so that nobody is there of whom nothing is known here. Taking
//! somebody out needs nothing but our own id of the lead: of somebody who was erased that is all there is.

pub mod graphql;
mod job;
mod model;
mod schedule;
mod selection;
mod service;
mod store;
mod syncs;
mod watch;

pub use entity::audience::Model as Audience;
pub use entity::audience_member::Model as Member;
pub use entity::audience_sync::Model as AudienceSync;

pub use self::job::AudienceJob;
pub use self::model::{
    AudienceChange, AudienceDraft, AudienceOrder, AudienceProblem, AudienceSyncOrder, LookalikeDraft,
    MOST_AUDIENCES, MemberOrder,
};
pub use self::schedule::{AudienceSchedule, AudienceSweep};
pub use self::service::{
    create, delete, find, get_many, list, lookalike, member_counts, members, of_leads, preview, update,
};
pub use self::store::Preview;
pub use self::syncs::{Started, find_sync, last_of_each, list_syncs, start};
pub use self::watch::AudienceWatch;
