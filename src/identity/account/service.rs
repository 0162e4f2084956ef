//! Use cases of accounts: the first user, users made at the command line, addresses that are shown to be somebody's.

use std::sync::Arc;

use entity::{Area, CodePurpose};

use super::activity;
use super::passwords::{invalid_code, invalid_password};
use crate::app::App;
use crate::error::{Error, Outcome, Problem};
use crate::identity::passwords::{self, Password, Verdict};
use crate::identity::session::{self, SignedIn};
use crate::identity::throttle::Guess;
use crate::identity::user::{self, NewUser, Profile, User, UserProblem};
use crate::identity::{Caller, Scope, code, store};
use crate::origin::Origin;

fn checked(email: &str) -> Result<String, Problem<UserProblem>> {
    user::checked_email(email).map_err(|message| Problem::new("email", UserProblem::InvalidEmail, message))
}

/// Makes a user, whose address counts as shown to be theirs.
///
/// # Errors
/// [`UserProblem`]s; a missing scope `users:write`.
pub async fn create(
    app: &App,
    caller: &Caller,
    email: &str,
    profile: Profile,
    role: &str,
    password: &Password,
) -> Outcome<User, UserProblem> {
    caller.require(Scope::Write(Area::Users))?;
    caller.require_all_rows()?;
    let email = checked(email)?;
    password.check(&email).map_err(invalid_password)?;
    let hash = passwords::hash(app, password).await?;
    let tx = app.db().begin().await?;
    activity::assignable(&tx, caller, role).await?;
    let new = NewUser {
        email,
        is_verified: true,
        profile,
        role: role.to_owned(),
        password_hash: Some(hash),
    };
    let user = user::insert(&tx, &caller.actor.id, app.clock().now(), new).await?;
    tx.commit().await?;
    Ok(user)
}

/// A code by which whoever holds it makes the first user; `None` when there are users. Each call makes the codes before it
/// good for nothing.
///
/// # Errors
/// The database's.
pub async fn set_up_code(app: &App) -> Result<Option<String>, Error> {
    if user::any(app).await? {
        return Ok(None);
    }
    let tx = app.db().begin().await?;
    let (code, _) = code::make(app, &tx, CodePurpose::SetUp, None, None).await?;
    tx.commit().await?;
    Ok(Some(code))
}

/// Makes the first user, an administrator, and signs them in.
///
/// # Errors
/// [`UserProblem`]s: also when there are users already.
pub async fn set_up(
    app: &App,
    origin: &Arc<Origin>,
    given: &str,
    email: &str,
    name: String,
    password: &Password,
) -> Outcome<SignedIn, UserProblem> {
    let email = checked(email)?;
    password.check(&email).map_err(invalid_password)?;
    let tx = app.db().begin().await?;
    let is_known = code::is_good(app, &tx, CodePurpose::SetUp, given).await?;
    tx.rollback().await?;
    // Before anything is hashed for somebody who does not hold the code.
    if !is_known || user::any(app).await? {
        return Err(invalid_code().into());
    }
    let hash = passwords::hash(app, password).await?;
    let tx = app.db().begin().await?;
    if code::redeem(app, &tx, CodePurpose::SetUp, given).await?.is_none() {
        return Err(invalid_code().into());
    }
    let new = NewUser {
        email,
        is_verified: true,
        profile: Profile {
            name,
            ..Profile::default()
        },
        role: "admin".to_owned(),
        password_hash: Some(hash),
    };
    let user = user::insert(&tx, "nobody", app.clock().now(), new).await?;
    let signed_in = session::start(app, &tx, origin, user, None).await?;
    tx.commit().await?;
    Ok(signed_in)
}

/// Takes a code of a mail for a proof that the address is its user's. It takes the password, too: else who signed up with
/// somebody else's address, and knows the password, would be let in by the other's click.
///
/// # Errors
/// [`UserProblem::InvalidCode`], [`UserProblem::WrongPassword`]; [`Error::RateLimited`] after too many; the database's.
pub async fn verify_email(
    app: &App,
    origin: &Arc<Origin>,
    given: &str,
    password: &Password,
) -> Outcome<User, UserProblem> {
    let tx = app.db().begin().await?;
    let owner = code::owner(app, &tx, CodePurpose::EmailVerify, given).await?;
    let user = match owner {
        Some(id) => user::find(&*tx, id).await?,
        None => None,
    };
    tx.rollback().await?;
    let user = user.ok_or_else(invalid_code)?;
    let guess = Guess::of_account(&user.email, origin.address);
    let turn = passwords::turn(app)?;
    guess.count(app).await?;
    if passwords::verify(app, turn, password, user.password_hash.as_deref()).await? == Verdict::Wrong {
        let message = "the password is another one than that which was chosen";
        return Err(Problem::new("password", UserProblem::WrongPassword, message).into());
    }
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    guess.was_right(&tx).await?;
    let redeemed = code::redeem(app, &tx, CodePurpose::EmailVerify, given).await?;
    let id = redeemed
        .and_then(|redeemed| redeemed.user_id)
        .ok_or_else(invalid_code)?;
    user::set_email_verified(&tx, id, now).await?;
    user::recorded(&tx, &id.to_string(), now, id, "EMAIL_VERIFIED").await?;
    let user = user::find(&*tx, id).await?;
    tx.commit().await?;
    Ok(user.ok_or_else(invalid_code)?)
}

/// Removes codes and counts of failures that are over; answers how many rows.
///
/// # Errors
/// The database's.
pub async fn prune(app: &App) -> Result<u64, Error> {
    let before = app.clock().now().plus_days(-1);
    let tx = app.db().begin().await?;
    let codes = store::prune_codes(&tx, app.clock().now()).await?;
    let failures = store::prune_failures(&tx, before).await?;
    // Who never followed the link of the mail holds an address that may be somebody else's.
    let seconds = code::seconds(CodePurpose::EmailVerify);
    let unverified = user::prune_unverified(&tx, app.clock().now().plus_seconds(-seconds)).await?;
    tx.commit().await?;
    Ok(codes + failures + unverified)
}
