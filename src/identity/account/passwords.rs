//! Passwords that are changed, and those that are forgotten.

use std::sync::Arc;
use std::time::Duration;

use entity::id::UserId;
use entity::{CodePurpose, EndReason};

use super::mails;
use crate::app::App;
use crate::error::{Error, Outcome, Problem};
use crate::identity::passwords::{self, Password, Verdict};
use crate::identity::throttle::Guess;
use crate::identity::user::{self, User, UserProblem};
use crate::identity::{Caller, Scope, code, mail, session};
use crate::origin::Origin;

pub(super) fn invalid_code() -> Problem<UserProblem> {
    let message = "the link was used, has expired, or was cut; ask for a new one";
    Problem::new("code", UserProblem::InvalidCode, message)
}

pub(super) fn invalid_password(message: String) -> Problem<UserProblem> {
    Problem::new("password", UserProblem::InvalidPassword, message)
}

/// Changes the caller's password; all their other sessions end.
///
/// # Errors
/// [`UserProblem`]s; [`Error::RateLimited`] after too many wrong ones; [`Error::Forbidden`] for who is no user.
pub async fn change_password(
    app: &App,
    caller: &Caller,
    current: &Password,
    new: &Password,
) -> Outcome<User, UserProblem> {
    let id = caller.require_user()?;
    let gone = || Error::NotFound("the user is gone".to_owned());
    let user = user::find(app.db().read(), id).await?.ok_or_else(gone)?;
    let guess = Guess::of_account(&user.email, caller.origin.address);
    let turn = passwords::turn(app)?;
    guess.count(app).await?;
    if passwords::verify(app, turn, current, user.password_hash.as_deref()).await? == Verdict::Wrong {
        let message = "the current password is another one";
        return Err(Problem::new("currentPassword", UserProblem::WrongPassword, message).into());
    }
    new.check(&user.email)
        .map_err(|message| Problem::new("newPassword", UserProblem::InvalidPassword, message))?;
    let hash = passwords::hash(app, new).await?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    // As they are now: what was right may have been changed while it was hashed.
    let user = user::locked(&tx, id)
        .await?
        .filter(|now| now.password_hash == user.password_hash && now.deactivated_at.is_none())
        .ok_or_else(|| {
            let message = "the password was changed meanwhile";
            Problem::new("currentPassword", UserProblem::WrongPassword, message)
        })?;
    guess.was_right(&tx).await?;
    user::set_password(&tx, id, &hash).await?;
    code::forget_ways_in(&tx, id).await?;
    let actor = &caller.actor.id;
    session::end_all(app, &tx, actor, id, caller.session, EndReason::PasswordChanged).await?;
    user::recorded(&tx, actor, now, id, "PASSWORD").await?;
    mail::queue(app, &tx, mails::password_changed(&user.email)).await?;
    tx.commit().await?;
    Ok(user)
}

/// How long the answer to a forgotten password takes at least: well above what a mail takes to be written, so that the time
/// does not tell whether one was.
const FORGOT: Duration = Duration::from_millis(250);

/// Writes a link for a new password to an address, if it has a user; nobody learns which, by the answer or by its time.
///
/// # Errors
/// [`Error::RateLimited`] after too many; the database's.
pub async fn forgot_password(
    app: &App,
    origin: &Arc<Origin>,
    public_url: &str,
    email: &str,
) -> Outcome<(), UserProblem> {
    let email = user::checked_email(email)
        .map_err(|message| Problem::new("email", UserProblem::InvalidEmail, message))?;
    Guess::of_mails(&email, origin.address).count(app).await?;
    let answer = tokio::time::sleep(FORGOT);
    let written = write_link(app, public_url, &email).await;
    answer.await;
    Ok(written?)
}

async fn write_link(app: &App, public_url: &str, email: &str) -> Result<(), Error> {
    let tx = app.db().begin().await?;
    let user = user::by_email(&*tx, email).await?;
    if let Some(user) = user.filter(|user| user.deactivated_at.is_none()) {
        // Of two at once one is the newest.
        user::locked(&tx, user.id).await?;
        let (code, _) = code::make(app, &tx, CodePurpose::PasswordReset, Some(user.id), None).await?;
        let link = mails::link(public_url, mails::Page::PasswordReset, &code);
        mail::queue(app, &tx, mails::password_reset(email, &link)).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Chooses a new password by a code of a mail: all sessions of the user end, and the address is shown to be theirs.
///
/// # Errors
/// [`UserProblem`]s; the database's.
pub async fn reset_password(app: &App, given: &str, new: &Password) -> Outcome<User, UserProblem> {
    let tx = app.db().begin().await?;
    let owner = code::owner(app, &tx, CodePurpose::PasswordReset, given).await?;
    let user = match owner {
        Some(id) => user::find(&*tx, id).await?,
        None => None,
    };
    tx.rollback().await?;
    let user = user
        .filter(|user| user.deactivated_at.is_none())
        .ok_or_else(invalid_code)?;
    new.check(&user.email).map_err(invalid_password)?;
    let hash = passwords::hash(app, new).await?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    if code::redeem(app, &tx, CodePurpose::PasswordReset, given)
        .await?
        .is_none()
    {
        return Err(invalid_code().into());
    }
    let user = user::locked(&tx, user.id)
        .await?
        .filter(|user| user.deactivated_at.is_none())
        .ok_or_else(invalid_code)?;
    let actor = user.id.to_string();
    user::set_password(&tx, user.id, &hash).await?;
    code::forget_ways_in(&tx, user.id).await?;
    if user.email_verified_at.is_none() {
        user::set_email_verified(&tx, user.id, now).await?;
    }
    session::end_all(app, &tx, &actor, user.id, None, EndReason::PasswordChanged).await?;
    user::recorded(&tx, &actor, now, user.id, "PASSWORD").await?;
    mail::queue(app, &tx, mails::password_changed(&user.email)).await?;
    let user = user::find(&*tx, user.id).await?;
    tx.commit().await?;
    Ok(user.ok_or_else(invalid_code)?)
}

/// Lets somebody in who cannot get in: a new password, no second factor, no block after wrong passwords. All their sessions
/// end.
///
/// # Errors
/// [`UserProblem`]s; a missing scope `admin`.
pub async fn recover(app: &App, caller: &Caller, id: UserId, new: &Password) -> Outcome<User, UserProblem> {
    caller.require(Scope::Admin)?;
    let gone = || Problem::new("id", UserProblem::NotFound, format!("there is no user `{id}`"));
    let user = user::find(app.db().read(), id).await?.ok_or_else(gone)?;
    new.check(&user.email).map_err(invalid_password)?;
    let hash = passwords::hash(app, new).await?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let actor = &caller.actor.id;
    user::locked(&tx, id).await?;
    user::set_password(&tx, id, &hash).await?;
    code::forget_ways_in(&tx, id).await?;
    if user.email_verified_at.is_none() {
        user::set_email_verified(&tx, id, now).await?;
    }
    session::switch_off(&tx, id).await?;
    Guess::of_account(&user.email, None).was_right(&tx).await?;
    Guess::of_second_factor(&id.to_string(), None)
        .was_right(&tx)
        .await?;
    session::end_all(app, &tx, actor, id, None, EndReason::PasswordChanged).await?;
    user::recorded(&tx, actor, now, id, "RECOVERED").await?;
    tx.commit().await?;
    Ok(user)
}
