//! Use cases of users' records.

use std::collections::HashMap;

use entity::id::UserId;
use entity::{Area, EventKind, Timestamp};
use serde_json::json;

use super::{Profile, User, checked_profile, store};
use crate::app::App;
use crate::db::{ConnectionTrait, Keyset, Page, PageRequest, SortValue, Tx};
use crate::error::{Error, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::{Caller, Scope};

/// The ordering of users, as cursors name it.
pub const ORDER: &str = "OLDEST";

/// What can be wrong with a call about a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "UserErrorCode")]
pub enum UserProblem {
    /// The e-mail address is none.
    InvalidEmail,
    /// There is a user of this e-mail address.
    Taken,
    /// A field of the profile does not fit.
    InvalidProfile,
    /// The password may not be chosen.
    InvalidPassword,
    /// The current password is another one.
    WrongPassword,
    /// There is no such role.
    UnknownRole,
    /// The role may do more than the caller.
    BeyondOwn,
    /// There is no such user.
    NotFound,
    /// Nobody would be left who may do everything.
    LastAdmin,
    /// The code or link was used, has expired, or never was.
    InvalidCode,
    /// Nobody may sign up this way.
    SignUpClosed,
}

/// A user that is about to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// The e-mail address, [checked](super::checked_email).
    pub email: String,
    /// Whether it was shown that the address is theirs.
    pub is_verified: bool,
    /// What they say of themselves.
    pub profile: Profile,
    /// The key of a role that exists.
    pub role: String,
    /// The password's hash; none: they sign in elsewhere.
    pub password_hash: Option<String>,
}

/// The place of a user in the list.
#[must_use]
pub fn keyset(user: &User) -> Keyset {
    Keyset {
        order: ORDER.into(),
        value: SortValue::Int(user.created_at.micros()),
        id: user.id.0,
    }
}

/// Whether there is any user yet.
///
/// # Errors
/// The database's.
pub async fn any(app: &App) -> Result<bool, Error> {
    Ok(store::any(app.db().read()).await?)
}

/// A user by id, as it is in this connection.
///
/// # Errors
/// The database's.
pub async fn find(db: &impl ConnectionTrait, id: UserId) -> Result<Option<User>, Error> {
    Ok(store::find(db, id).await?)
}

/// A user by e-mail address.
///
/// # Errors
/// The database's.
pub async fn of_email(app: &App, email: &str) -> Result<Option<User>, Error> {
    let email = super::checked_email(email).unwrap_or_else(|_| email.to_owned());
    Ok(store::by_email(app.db().read(), &email).await?)
}

/// All users, the oldest first.
///
/// # Errors
/// A missing scope `users:read`; the database's.
pub async fn list(app: &App, caller: &Caller, page: &PageRequest) -> Result<Page<User>, Error> {
    caller.require(Scope::Read(Area::Users))?;
    caller.require_all_rows()?;
    Ok(store::list(app.db().read(), page).await?)
}

/// A user by id; `None` when there is none. Who is a user may read themselves.
///
/// # Errors
/// A missing scope `users:read`; the database's.
pub async fn get(app: &App, caller: &Caller, id: UserId) -> Result<Option<User>, Error> {
    if caller.user != Some(id) {
        caller.require(Scope::Read(Area::Users))?;
        caller.require_all_rows()?;
    }
    Ok(store::find(app.db().read(), id).await?)
}

/// Users by id.
///
/// # Errors
/// The database's. Whoever lets the loader in has asked for the scope.
pub async fn get_many(app: &App, ids: &[UserId]) -> Result<HashMap<UserId, User>, Error> {
    Ok(store::by_ids(app.db().read(), ids).await?)
}

/// Makes a user, in a transaction of somebody who may.
///
/// # Errors
/// [`UserProblem::Taken`]; the database's.
pub async fn insert(tx: &Tx, actor: &str, now: Timestamp, new: NewUser) -> Outcome<User, UserProblem> {
    let NewUser {
        email,
        is_verified,
        profile,
        role,
        password_hash,
    } = new;
    if store::by_email(&**tx, &email).await?.is_some() {
        let message = format!("there is a user `{email}` already");
        return Err(Problem::new("email", UserProblem::Taken, message).into());
    }
    let Profile {
        name,
        avatar_url,
        time_zone,
        language,
    } = profile;
    let user = User {
        id: UserId::at(now),
        email,
        email_verified_at: is_verified.then_some(now),
        name,
        avatar_url,
        time_zone,
        language,
        role,
        password_hash,
        totp_seed: None,
        totp_confirmed_at: None,
        totp_last_step: None,
        created_at: now,
        last_sign_in_at: None,
        deactivated_at: None,
    };
    store::insert(tx, user.clone()).await?;
    let event = NewEvent {
        kind: EventKind::UserCreated,
        lead_id: None,
        subject: user.id.to_string(),
        payload: json!({ "role": user.role }),
    };
    events::append(tx, actor, now, vec![event]).await?;
    Ok(user)
}

/// Changes what the caller says of themselves.
///
/// # Errors
/// [`UserProblem::InvalidProfile`] for each wrong field; [`Error::Forbidden`] for who is no user.
pub async fn change_profile(app: &App, caller: &Caller, profile: Profile) -> Outcome<User, UserProblem> {
    let id = caller.require_user()?;
    let profile = checked_profile(profile).map_err(|wrong| {
        let problems = wrong
            .into_iter()
            .map(|(field, message)| Problem::new(field, UserProblem::InvalidProfile, message));
        problems.collect::<Vec<_>>()
    })?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    store::set_profile(&tx, id, &profile).await?;
    recorded(&tx, &caller.actor.id, now, id, "PROFILE").await?;
    let user = store::find(&*tx, id).await?;
    tx.commit().await?;
    user.ok_or_else(|| Error::NotFound("the user is gone".to_owned()).into())
}

/// Notes that something of a user changed.
///
/// # Errors
/// The database's.
pub async fn recorded(tx: &Tx, actor: &str, now: Timestamp, id: UserId, change: &str) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::UserChanged,
        lead_id: None,
        subject: id.to_string(),
        payload: json!({ "change": change }),
    };
    Ok(events::append(tx, actor, now, vec![event]).await?)
}
