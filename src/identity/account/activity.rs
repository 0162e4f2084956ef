//! Users whom administrators shut out, let in again, or give another role.

use entity::id::UserId;
use entity::{Area, EndReason, EventKind};
use serde_json::json;

use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::user::{self, User, UserProblem};
use crate::identity::{Caller, Scope, role, session};

/// A user whom the caller may change: one who may do no more than they.
async fn changeable(tx: &Tx, caller: &Caller, id: UserId) -> Outcome<User, UserProblem> {
    caller.require(Scope::Write(Area::Users))?;
    caller.require_all_rows()?;
    // In the order of ids, so that two never wait for each other in a circle.
    user::admins(tx, id).await?;
    let Some(user) = user::locked(tx, id).await? else {
        return Err(Problem::new("id", UserProblem::NotFound, format!("there is no user `{id}`")).into());
    };
    if !caller.scopes.includes(role::scopes_of(&**tx, &user.role).await?) {
        let message = format!(
            "the user has the role `{}`, which may do more than you may",
            user.role
        );
        return Err(Problem::new("id", UserProblem::BeyondOwn, message).into());
    }
    Ok(user)
}

/// Refuses to take the last administrator away.
async fn keep_an_admin(tx: &Tx, user: &User) -> Outcome<(), UserProblem> {
    if user.role == "admin" && user.deactivated_at.is_none() && user::admins(tx, user.id).await? == 0 {
        let message = "nobody else has the role `admin`; give it to somebody first";
        return Err(Problem::new("id", UserProblem::LastAdmin, message).into());
    }
    Ok(())
}

async fn as_it_is(tx: Tx, id: UserId) -> Outcome<User, UserProblem> {
    let user = user::find(&*tx, id).await?;
    tx.commit().await?;
    user.ok_or_else(|| Error::NotFound("the user is gone".to_owned()).into())
}

/// Shuts a user out: their sessions end at once.
///
/// # Errors
/// [`UserProblem`]s; a missing scope `users:write`.
pub async fn deactivate(app: &App, caller: &Caller, id: UserId) -> Outcome<User, UserProblem> {
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let user = changeable(&tx, caller, id).await?;
    if user.deactivated_at.is_some() {
        return Ok(user);
    }
    keep_an_admin(&tx, &user).await?;
    user::set_activity(&tx, id, Some(now)).await?;
    session::end_all(app, &tx, &caller.actor.id, id, None, EndReason::Deactivated).await?;
    events::append(&tx, &caller.actor.id, now, vec![activity(id, "DEACTIVATED")]).await?;
    as_it_is(tx, id).await
}

/// Lets a user in again.
///
/// # Errors
/// [`UserProblem`]s; a missing scope `users:write`.
pub async fn reactivate(app: &App, caller: &Caller, id: UserId) -> Outcome<User, UserProblem> {
    let tx = app.db().begin().await?;
    let user = changeable(&tx, caller, id).await?;
    if user.deactivated_at.is_none() {
        return Ok(user);
    }
    user::set_activity(&tx, id, None).await?;
    let now = app.clock().now();
    events::append(&tx, &caller.actor.id, now, vec![activity(id, "REACTIVATED")]).await?;
    as_it_is(tx, id).await
}

fn activity(id: UserId, change: &str) -> NewEvent {
    NewEvent {
        kind: EventKind::UserActivityChanged,
        lead_id: None,
        subject: id.to_string(),
        payload: json!({ "change": change }),
    }
}

/// Gives a user another role; it holds from their next request on.
///
/// # Errors
/// [`UserProblem`]s; a missing scope `users:write`.
pub async fn change_role(app: &App, caller: &Caller, id: UserId, key: &str) -> Outcome<User, UserProblem> {
    let tx = app.db().begin().await?;
    let user = changeable(&tx, caller, id).await?;
    if user.role == key {
        return Ok(user);
    }
    assignable(&tx, caller, key).await?;
    keep_an_admin(&tx, &user).await?;
    user::set_role(&tx, id, key).await?;
    user::recorded(&tx, &caller.actor.id, app.clock().now(), id, "ROLE").await?;
    as_it_is(tx, id).await
}

/// Whether the caller may give somebody a role.
///
/// # Errors
/// [`UserProblem::UnknownRole`], [`UserProblem::BeyondOwn`].
pub(super) async fn assignable(tx: &Tx, caller: &Caller, key: &str) -> Outcome<(), UserProblem> {
    let Some(role) = role::find(&**tx, key).await? else {
        let shown: String = key.chars().take(48).collect();
        let message = format!("there is no role `{shown}`; `roles` lists them");
        return Err(Problem::new("role", UserProblem::UnknownRole, message).into());
    };
    if !caller.scopes.includes(role.scopes) {
        let message = format!("the role `{key}` may do more than you may: {}", caller.scopes);
        return Err(Problem::new("role", UserProblem::BeyondOwn, message).into());
    }
    Ok(())
}
