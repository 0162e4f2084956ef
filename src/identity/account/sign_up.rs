//! Signing up, with an invitation or without.

use std::sync::Arc;

use entity::CodePurpose;

use super::passwords::{invalid_code, invalid_password};
use super::{invitations, mails, store};
use crate::app::App;
use crate::config::SignUp;
use crate::error::{Failure, Outcome, Problem};
use crate::identity::passwords::{self, Password};
use crate::identity::session::{self, SignedIn};
use crate::identity::throttle::Guess;
use crate::identity::user::{self, NewUser, Profile, UserProblem};
use crate::identity::{code, mail};
use crate::origin::Origin;

/// Somebody who wants to become a user.
#[derive(Clone, Debug)]
pub struct SignUpDraft {
    /// Their e-mail address; with an invitation it is the invitation's.
    pub email: Option<String>,
    /// The password they chose.
    pub password: Password,
    /// What they are called.
    pub name: String,
    /// The code of the invitation.
    pub invitation: Option<String>,
}

fn closed(message: &str) -> Failure<UserProblem> {
    Problem::new("", UserProblem::SignUpClosed, message).into()
}

/// Makes a user of somebody. With an invitation they are signed in at once, since the mail showed that the address is theirs;
/// without one (`None`) they get a mail first, and so does who has an account already: nobody learns which addresses have.
///
/// # Errors
/// [`UserProblem`]s; [`Error::RateLimited`](crate::error::Error::RateLimited) after too many.
pub async fn sign_up(
    app: &App,
    origin: &Arc<Origin>,
    public_url: &str,
    draft: SignUpDraft,
) -> Outcome<Option<SignedIn>, UserProblem> {
    let SignUpDraft {
        email,
        password,
        name,
        invitation,
    } = draft;
    let profile = Profile {
        name,
        ..Profile::default()
    };
    let profile = user::checked_profile(profile).map_err(|wrong| {
        let problems = wrong
            .into_iter()
            .map(|(field, message)| Problem::new(field, UserProblem::InvalidProfile, message));
        problems.collect::<Vec<_>>()
    })?;
    match (app.access().sign_up, invitation) {
        (SignUp::Off, _) => Err(closed("nobody can sign up here; ask an administrator")),
        (SignUp::Invitation, None) => Err(closed("an invitation is needed; ask an administrator")),
        (_, Some(code)) => invited(app, origin, &code, profile, &password).await.map(Some),
        (SignUp::Open, None) => {
            let email = email.unwrap_or_default();
            let email = user::checked_email(&email)
                .map_err(|message| Problem::new("email", UserProblem::InvalidEmail, message))?;
            uninvited(app, origin, public_url, email, profile, &password).await?;
            Ok(None)
        }
    }
}

async fn invited(
    app: &App,
    origin: &Arc<Origin>,
    code: &str,
    profile: Profile,
    password: &Password,
) -> Outcome<SignedIn, UserProblem> {
    let tx = app.db().begin().await?;
    let invitation = invitations::of_code(app, &tx, code).await?;
    tx.rollback().await?;
    let invalid = || Problem {
        field: vec!["invitation".to_owned()],
        ..invalid_code()
    };
    let invitation = invitation.ok_or_else(invalid)?;
    password.check(&invitation.email).map_err(invalid_password)?;
    let hash = passwords::hash(app, password).await?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let new = NewUser {
        email: invitation.email.clone(),
        is_verified: true,
        profile,
        role: invitation.role.clone(),
        password_hash: Some(hash),
    };
    let user = user::insert(&tx, &invitation.id.to_string(), now, new).await?;
    if !store::accept(&tx, invitation.id, user.id, now).await? {
        return Err(invalid().into());
    }
    invitations::recorded(app, &tx, &user.id.to_string(), &invitation, "ACCEPTED").await?;
    let signed_in = session::start(app, &tx, origin, user, None).await?;
    tx.commit().await?;
    Ok(signed_in)
}

async fn uninvited(
    app: &App,
    origin: &Arc<Origin>,
    public_url: &str,
    email: String,
    profile: Profile,
    password: &Password,
) -> Outcome<(), UserProblem> {
    password.check(&email).map_err(invalid_password)?;
    Guess::of_mails(&email, origin.address).count(app).await?;
    // Before it is known whether there is an account, so that both take the same time.
    let hash = passwords::hash(app, password).await?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    if user::by_email(&*tx, &email).await?.is_some() {
        mail::queue(app, &tx, mails::known_already(&email, public_url)).await?;
        tx.commit().await?;
        return Ok(());
    }
    let new = NewUser {
        email: email.clone(),
        is_verified: false,
        profile,
        role: app.access().sign_up_role.clone(),
        password_hash: Some(hash),
    };
    let user = user::insert(&tx, "nobody", now, new).await?;
    let (code, _) = code::make(app, &tx, CodePurpose::EmailVerify, Some(user.id), None).await?;
    let link = mails::link(public_url, mails::Page::EmailVerify, &code);
    mail::queue(app, &tx, mails::email_verify(&email, &link)).await?;
    tx.commit().await?;
    Ok(())
}
