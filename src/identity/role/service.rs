//! Use cases of roles.

use entity::{Area, EventKind};
use serde_json::json;

use super::{CustomRole, Role, built_in, store};
use crate::app::App;
use crate::db::{ConnectionTrait, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope, Scopes};

/// Most roles of a deployment.
const MOST_ROLES: usize = 200;

/// What can be wrong with a call about roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "RoleErrorCode")]
pub enum RoleProblem {
    /// The key is malformed.
    InvalidKey,
    /// There is such a role already.
    Taken,
    /// The name or description is missing or too long.
    InvalidName,
    /// A scope is unknown, or there is none.
    InvalidScope,
    /// The scopes go beyond those of the caller.
    BeyondOwn,
    /// There is no such role.
    NotFound,
    /// The role comes with Leadline and stays as it is.
    BuiltIn,
    /// Users hold it.
    InUse,
    /// There are as many roles as there may be.
    TooMany,
}

/// A role as somebody wants it.
#[derive(Clone, Debug)]
pub struct RoleDraft {
    /// Its key.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its scopes, e.g. `leads:read`.
    pub scopes: Vec<String>,
}

impl From<CustomRole> for Role {
    fn from(row: CustomRole) -> Self {
        let CustomRole {
            key,
            name,
            description,
            scopes,
            created_at: _,
            updated_at: _,
        } = row;
        Self {
            key,
            name,
            description,
            // What cannot be read any more allows nothing.
            scopes: Scopes::parse(&scopes).unwrap_or_default(),
            built_in: false,
        }
    }
}

/// All roles, the built-in ones first.
///
/// # Errors
/// A missing scope `users:read`; the database's.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<Role>, Error> {
    caller.require(Scope::Read(Area::Users))?;
    caller.require_all_rows()?;
    let custom = store::all(app.db().read()).await?;
    Ok(built_in()
        .into_iter()
        .chain(custom.into_iter().map(Role::from))
        .collect())
}

/// A role by its key.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, key: &str) -> Result<Option<Role>, Error> {
    if let Some(role) = built_in().into_iter().find(|role| role.key == key) {
        return Ok(Some(role));
    }
    Ok(store::find(db, key).await?.map(Role::from))
}

/// What holders of a role may do; nothing when the role is gone.
///
/// # Errors
/// The database's.
pub async fn scopes_of(db: &impl ConnectionTrait, key: &str) -> Result<Scopes, Error> {
    Ok(find(db, key).await?.map(|role| role.scopes).unwrap_or_default())
}

/// Makes a role.
///
/// # Errors
/// [`RoleProblem`]s; a missing scope `users:write`.
pub async fn create(app: &App, caller: &Caller, draft: RoleDraft) -> Outcome<Role, RoleProblem> {
    caller.require(Scope::Write(Area::Users))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    if !is_key(&draft.key) {
        let message = "a key has 2 to 40 lower-case letters, digits and hyphens, and begins with a letter";
        return Err(Problem::new("key", RoleProblem::InvalidKey, message).into());
    }
    let role = checked(caller, draft)?;
    let tx = app.db().begin().await?;
    if find(&*tx, &role.key).await?.is_some() {
        let message = format!("there is a role `{}` already", role.key);
        return Err(Problem::new("key", RoleProblem::Taken, message).into());
    }
    if store::all(&*tx).await?.len() >= MOST_ROLES {
        let message = format!("there are {MOST_ROLES} roles already; remove one first");
        return Err(Problem::new("", RoleProblem::TooMany, message).into());
    }
    store::insert(
        &tx,
        CustomRole {
            key: role.key.clone(),
            name: role.name.clone(),
            description: role.description.clone(),
            scopes: role.scopes.to_string(),
            created_at: now,
            updated_at: now,
        },
    )
    .await?;
    events::append(&tx, &caller.actor.id, now, vec![event(&role, "CREATED")]).await?;
    tx.commit().await?;
    Ok(role)
}

/// Changes a role; who holds it can do what it says from then on.
///
/// # Errors
/// [`RoleProblem`]s; a missing scope `users:write`.
pub async fn update(app: &App, caller: &Caller, draft: RoleDraft) -> Outcome<Role, RoleProblem> {
    caller.require(Scope::Write(Area::Users))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let role = checked(caller, draft)?;
    let tx = app.db().begin().await?;
    let before = custom(&tx, caller, &role.key).await?;
    store::update(
        &tx,
        CustomRole {
            name: role.name.clone(),
            description: role.description.clone(),
            scopes: role.scopes.to_string(),
            updated_at: now,
            ..before
        },
    )
    .await?;
    events::append(&tx, &caller.actor.id, now, vec![event(&role, "UPDATED")]).await?;
    tx.commit().await?;
    Ok(role)
}

/// Removes a role that nobody holds.
///
/// # Errors
/// [`RoleProblem`]s; a missing scope `users:write`.
pub async fn delete(app: &App, caller: &Caller, key: &str) -> Outcome<Role, RoleProblem> {
    caller.require(Scope::Write(Area::Users))?;
    caller.require_all_rows()?;
    let tx = app.db().begin().await?;
    let role = Role::from(custom(&tx, caller, key).await?);
    let holders = store::holders(&*tx, key).await?;
    if holders > 0 {
        let message = format!("{holders} users hold the role `{key}`; give them another one first");
        return Err(Problem::new("key", RoleProblem::InUse, message).into());
    }
    store::delete(&tx, key).await?;
    events::append(
        &tx,
        &caller.actor.id,
        app.clock().now(),
        vec![event(&role, "DELETED")],
    )
    .await?;
    tx.commit().await?;
    Ok(role)
}

/// A role that can be changed, by this caller.
async fn custom(tx: &Tx, caller: &Caller, key: &str) -> Outcome<CustomRole, RoleProblem> {
    if built_in().iter().any(|role| role.key == key) {
        let message = format!("the role `{key}` comes with Leadline and stays as it is; make another one");
        return Err(Problem::new("key", RoleProblem::BuiltIn, message).into());
    }
    let Some(row) = store::find(&**tx, key).await? else {
        return Err(Problem::new("key", RoleProblem::NotFound, format!("there is no role `{key}`")).into());
    };
    if !caller
        .scopes
        .includes(Scopes::parse(&row.scopes).unwrap_or_default())
    {
        return Err(beyond(caller).into());
    }
    Ok(row)
}

fn beyond(caller: &Caller) -> Problem<RoleProblem> {
    let message = format!("the role may do more than you may: {}", caller.scopes);
    Problem::new("scopes", RoleProblem::BeyondOwn, message)
}

fn checked(caller: &Caller, draft: RoleDraft) -> Outcome<Role, RoleProblem> {
    let RoleDraft {
        key,
        name,
        description,
        scopes,
    } = draft;
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 {
        let message = "a name has 1 to 100 characters";
        return Err(Problem::new("name", RoleProblem::InvalidName, message).into());
    }
    if description.chars().count() > 1_000 {
        let message = "a description has up to 1,000 characters";
        return Err(Problem::new("description", RoleProblem::InvalidName, message).into());
    }
    let scopes = Scopes::parse(&scopes.join(" "))
        .map_err(|error| Problem::new("scopes", RoleProblem::InvalidScope, error.to_string()))?;
    if scopes == Scopes::default() {
        let message = "a role needs at least one scope, e.g. `leads:read`";
        return Err(Problem::new("scopes", RoleProblem::InvalidScope, message).into());
    }
    if !caller.scopes.includes(scopes) {
        return Err(beyond(caller).into());
    }
    Ok(Role {
        key,
        name,
        description,
        scopes,
        built_in: false,
    })
}

fn is_key(key: &str) -> bool {
    (2..=40).contains(&key.len())
        && key.starts_with(|ch: char| ch.is_ascii_lowercase())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn event(role: &Role, change: &str) -> NewEvent {
    NewEvent {
        kind: EventKind::RoleChanged,
        lead_id: None,
        subject: role.key.clone(),
        payload: json!({ "change": change, "scopes": role.scopes.to_string() }),
    }
}
