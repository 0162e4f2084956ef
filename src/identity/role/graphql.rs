//! Roles in GraphQL.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};

use super::{RoleDraft, RoleProblem};
use crate::api::types::{Access, scoped, user_errors};
use crate::error::Outcome;

/// A set of scopes under a name; each user has one.
pub struct Role(pub super::Role);

#[Object]
impl Role {
    /// Its key, e.g. `admin`.
    async fn key(&self) -> &str {
        &self.0.key
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.name
    }
    /// What it is for; may be empty.
    async fn description(&self) -> &str {
        &self.0.description
    }
    /// What its holders may do, e.g. `leads:read`. `…:write` includes `…:read`, `admin` everything.
    async fn scopes(&self) -> Vec<String> {
        self.0.scopes.names()
    }
    /// Whether it comes with Leadline, and stays as it is.
    async fn built_in(&self) -> bool {
        self.0.built_in
    }
}

user_errors!(
    /// An expected failure of a call about roles.
    RoleUserError,
    RoleProblem
);

/// A role as it is to be.
#[derive(InputObject)]
struct RoleInput {
    /// Its key: 2 to 40 lower-case letters, digits and hyphens, e.g. `sales-lead`.
    key: String,
    /// What it is called, up to 100 characters.
    name: String,
    /// What it is for, up to 1,000 characters.
    #[graphql(default)]
    description: String,
    /// What its holders may do, e.g. `["leads:write", "jobs:read"]`; not more than you may.
    scopes: Vec<String>,
}

/// Which role to remove.
#[derive(InputObject)]
struct RoleDeleteInput {
    /// Its key.
    key: String,
}

/// The answer of calls about a role.
#[derive(SimpleObject)]
struct RolePayload {
    /// The role as it is now (as it was, when it was removed); null when there are user errors.
    role: Option<Role>,
    /// What was wrong with the input.
    user_errors: Vec<RoleUserError>,
}

/// Queries of roles.
#[derive(Default)]
pub struct RoleQuery;

#[scoped]
#[Object]
impl RoleQuery {
    /// All roles, the built-in ones first.
    #[scope("users:read", all_rows)]
    async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<Role>> {
        let roles = super::list(ctx.app(), ctx.caller()?).await?;
        Ok(roles.into_iter().map(Role).collect())
    }
}

/// Changes of roles.
#[derive(Default)]
pub struct RoleMutation;

#[scoped]
#[Object]
impl RoleMutation {
    /// Makes a role.
    #[scope("users:write", all_rows)]
    async fn role_create(&self, ctx: &Context<'_>, input: RoleInput) -> Result<RolePayload> {
        payload(super::create(ctx.app(), ctx.caller()?, draft(input)).await)
    }

    /// Changes a role: name, description and scopes are those of the input. Its holders' open sockets are closed, and come
    /// back with what the role allows then.
    #[scope("users:write", all_rows)]
    async fn role_update(&self, ctx: &Context<'_>, input: RoleInput) -> Result<RolePayload> {
        payload(super::update(ctx.app(), ctx.caller()?, draft(input)).await)
    }

    /// Removes a role that nobody holds.
    #[scope("users:write", all_rows)]
    async fn role_delete(&self, ctx: &Context<'_>, input: RoleDeleteInput) -> Result<RolePayload> {
        payload(super::delete(ctx.app(), ctx.caller()?, &input.key).await)
    }
}

fn draft(input: RoleInput) -> RoleDraft {
    let RoleInput {
        key,
        name,
        description,
        scopes,
    } = input;
    RoleDraft {
        key,
        name,
        description,
        scopes,
    }
}

fn payload(outcome: Outcome<super::Role, RoleProblem>) -> Result<RolePayload> {
    let (role, user_errors) = RoleUserError::split(outcome)?;
    Ok(RolePayload {
        role: role.map(Role),
        user_errors,
    })
}
