//! Invitations: who is invited chooses a password, and has the role that the invitation names.

use entity::id::InvitationId;
use entity::{Area, EventKind};
use serde_json::json;

use super::{Invitation, activity, mails, store};
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Failure, Outcome, Problem};
use crate::events::{self, NewEvent};
use crate::identity::secret::{self, SecretKind};
use crate::identity::user::{self, User, UserProblem};
use crate::identity::{Caller, Scope, mail};

/// Days that an invitation is open.
const OPEN_DAYS: i64 = 7;

/// What can be wrong with a call about invitations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "InvitationErrorCode")]
pub enum InvitationProblem {
    /// The e-mail address is none.
    InvalidEmail,
    /// There is a user of this e-mail address.
    Taken,
    /// There is no such role.
    UnknownRole,
    /// The role may do more than the caller.
    BeyondOwn,
    /// There is no such invitation, or it is open no more.
    NotFound,
}

fn as_invitation(failure: Failure<UserProblem>) -> Failure<InvitationProblem> {
    match failure {
        Failure::Error(error) => Failure::Error(error),
        Failure::Problems(problems) => Failure::Problems(
            problems
                .into_iter()
                .map(|problem| Problem {
                    code: match problem.code {
                        UserProblem::UnknownRole => InvitationProblem::UnknownRole,
                        _ => InvitationProblem::BeyondOwn,
                    },
                    field: problem.field,
                    message: problem.message,
                })
                .collect(),
        ),
    }
}

/// Invites somebody by mail; an invitation of the same address that is open is taken back.
///
/// # Errors
/// [`InvitationProblem`]s; a missing scope `users:write`.
pub async fn invite(
    app: &App,
    caller: &Caller,
    public_url: &str,
    email: &str,
    role: &str,
) -> Outcome<Invitation, InvitationProblem> {
    caller.require(Scope::Write(Area::Users))?;
    caller.require_all_rows()?;
    let email = user::checked_email(email)
        .map_err(|message| Problem::new("email", InvitationProblem::InvalidEmail, message))?;
    let now = app.clock().now();
    let code = secret::make(SecretKind::Invitation)?;
    let invitation = Invitation {
        id: InvitationId::at(now),
        email: email.clone(),
        role: role.to_owned(),
        hash: secret::hash(&code).to_vec(),
        invited_by: caller.actor.id.clone(),
        created_at: now,
        expires_at: now.plus_days(OPEN_DAYS),
        accepted_at: None,
        user_id: None,
        revoked_at: None,
    };
    let tx = app.db().begin().await?;
    activity::assignable(&tx, caller, role)
        .await
        .map_err(as_invitation)?;
    if user::by_email(&*tx, &email).await?.is_some() {
        let message = format!("there is a user `{email}` already");
        return Err(Problem::new("email", InvitationProblem::Taken, message).into());
    }
    store::revoke_of(&tx, &email, now).await?;
    store::insert(&tx, invitation.clone()).await?;
    let link = mails::link(public_url, mails::Page::Invitation, &code);
    mail::queue(app, &tx, mails::invitation(&email, &link, OPEN_DAYS * 86_400)).await?;
    recorded(app, &tx, &caller.actor.id, &invitation, "CREATED").await?;
    tx.commit().await?;
    Ok(invitation)
}

/// Invitations that are open, newest first, at most 1,000.
///
/// # Errors
/// A missing scope `users:read`; the database's.
pub async fn list(app: &App, caller: &Caller) -> Result<Vec<Invitation>, Error> {
    caller.require(Scope::Read(Area::Users))?;
    caller.require_all_rows()?;
    Ok(store::open(app.db().read(), app.clock().now()).await?)
}

/// Takes an invitation back.
///
/// # Errors
/// [`InvitationProblem::NotFound`]; a missing scope `users:write`.
pub async fn revoke(app: &App, caller: &Caller, id: InvitationId) -> Outcome<Invitation, InvitationProblem> {
    caller.require(Scope::Write(Area::Users))?;
    caller.require_all_rows()?;
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let invitation = store::find(&*tx, id).await?;
    let gone = || {
        let message = format!("there is no invitation `{id}`, or it is open no more");
        Problem::new("id", InvitationProblem::NotFound, message)
    };
    let mut invitation = invitation.ok_or_else(gone)?;
    if !store::revoke(&tx, id, now).await? {
        return Err(gone().into());
    }
    invitation.revoked_at = Some(now);
    recorded(app, &tx, &caller.actor.id, &invitation, "REVOKED").await?;
    tx.commit().await?;
    Ok(invitation)
}

/// The invitation of a code, when it is open.
pub(super) async fn of_code(app: &App, tx: &Tx, code: &str) -> Result<Option<Invitation>, Error> {
    let code = code.trim();
    if !secret::is_well_formed(SecretKind::Invitation, code) {
        return Ok(None);
    }
    let invitation = store::by_hash(&**tx, &secret::hash(code)).await?;
    let now = app.clock().now();
    Ok(invitation.filter(|invitation| {
        invitation.accepted_at.is_none() && invitation.revoked_at.is_none() && invitation.expires_at > now
    }))
}

pub(super) async fn recorded(
    app: &App,
    tx: &Tx,
    actor: &str,
    invitation: &Invitation,
    change: &str,
) -> Result<(), Error> {
    let event = NewEvent {
        kind: EventKind::InvitationChanged,
        lead_id: None,
        subject: invitation.id.to_string(),
        payload: json!({ "change": change, "role": invitation.role }),
    };
    Ok(events::append(tx, actor, app.clock().now(), vec![event]).await?)
}

/// The open invitation of an address.
///
/// # Errors
/// The database's.
pub(in crate::identity) async fn open_of(
    app: &App,
    tx: &Tx,
    email: &str,
) -> Result<Option<Invitation>, Error> {
    let open = store::open(&**tx, app.clock().now()).await?;
    Ok(open.into_iter().find(|invitation| invitation.email == email))
}

/// Takes an open invitation, in the transaction that makes the user.
///
/// # Errors
/// [`Error::Conflict`] when somebody else took it at the same moment; the database's.
pub(in crate::identity) async fn take(
    app: &App,
    tx: &Tx,
    invitation: &Invitation,
    user: &User,
) -> Result<(), Error> {
    if !store::accept(tx, invitation.id, user.id, app.clock().now()).await? {
        return Err(Error::Conflict(
            "the invitation was taken or taken back just now".to_owned(),
        ));
    }
    recorded(app, tx, &user.id.to_string(), invitation, "ACCEPTED").await
}
