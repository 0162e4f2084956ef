//! Roles: sets of scopes under a name. Three are built in, and administrators can define more.

pub mod graphql;
mod service;
mod store;

use entity::Area;
pub use entity::role::Model as CustomRole;
pub use service::{RoleDraft, RoleProblem, create, delete, find, list, scopes_of, update};

use super::scope::{Scope, Scopes};

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its key, e.g. `admin`.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// What its holders may do.
    pub scopes: Scopes,
    /// Whether it comes with Leadline, and stays as it is.
    pub built_in: bool,
}

/// What everybody who works with leads reads.
const DAILY: [Area; 12] = [
    Area::Leads,
    Area::Engagement,
    Area::Lifecycle,
    Area::Scoring,
    Area::Journeys,
    Area::Revenue,
    Area::Events,
    Area::Jobs,
    Area::Commerce,
    Area::Audiences,
    Area::Messages,
    Area::Content,
];

/// The roles that come with Leadline.
#[must_use]
pub fn built_in() -> [Role; 3] {
    let role = |key: &str, name: &str, description: &str, scopes: Scopes| Role {
        key: key.to_owned(),
        name: name.to_owned(),
        description: description.to_owned(),
        scopes,
        built_in: true,
    };
    [
        role(
            "admin",
            "Administrator",
            "May do everything, and makes users, roles and tokens.",
            Scopes::admin(),
        ),
        role(
            "user",
            "User",
            "Works with leads: reads and changes them, their engagements, stages, scores and jobs.",
            DAILY.map(Scope::Write).into_iter().collect(),
        ),
        role(
            "viewer",
            "Viewer",
            "Reads leads and all that is known of them, and changes nothing.",
            DAILY.map(Scope::Read).into_iter().collect(),
        ),
    ]
}
