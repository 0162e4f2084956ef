//! Refreshing a session.

use std::sync::Arc;

use entity::EndReason;

use super::service::{ended, new_tokens};
use super::{Refresh, SignedIn, judge, store};
use crate::app::App;
use crate::error::Error;
use crate::identity::secret::{self, SecretKind};
use crate::identity::user;
use crate::origin::Origin;

/// Takes a refresh token for the next pair. A token that was used before ends the session, but for the immediate parent of
/// the newest within [a moment](super::GRACE_SECONDS).
///
/// # Errors
/// [`Error::Unauthenticated`] says why the token is good for nothing; the database's.
pub async fn refresh(app: &App, origin: &Arc<Origin>, token: &str) -> Result<SignedIn, Error> {
    let refuse = |message: &str| Err(Error::Unauthenticated(message.to_owned()));
    let token = token.trim();
    if !secret::is_well_formed(SecretKind::Refresh, token) {
        return refuse("the refresh token is malformed: it was cut or mistyped");
    }
    let now = app.clock().now();
    let tx = app.db().begin().await?;
    let Some(token) = store::token(&*tx, &secret::hash(token)).await? else {
        return refuse("the refresh token is unknown; sign in again");
    };
    let session = store::locked(&tx, token.session_id).await?;
    let Some(session) = session.filter(|session| session.ended_at.is_none() && session.expires_at > now)
    else {
        return refuse("the session is over; sign in again");
    };
    let user = user::find(&*tx, session.user_id).await?;
    let Some(user) = user.filter(|user| user.deactivated_at.is_none()) else {
        return refuse("the user was deactivated");
    };
    let address = origin.address_text();
    let used = store::Use {
        now,
        address: &address,
        user_agent: origin.user_agent.as_deref().unwrap_or_default(),
    };
    let mut session = session;
    let generation = match judge(token.generation, session.generation, session.refreshed_at, now) {
        Refresh::Next(generation) => {
            let expires_at = now.plus_days(i64::from(app.access().session_days));
            store::advance(&tx, session.id, generation, expires_at, &used).await?;
            session.generation = generation;
            session.expires_at = expires_at;
            generation
        }
        Refresh::Again(generation) => generation,
        Refresh::Reused => {
            ended(app, &tx, &user.id.to_string(), &session, EndReason::Reused).await?;
            tx.commit().await?;
            tracing::warn!(session = %session.id, user = %user.id, address, "a used refresh token came back; its session was ended");
            return refuse("the refresh token was used before, so the session was ended; sign in again");
        }
    };
    let tokens = new_tokens(app, &tx, &session, generation, session.expires_at).await?;
    tx.commit().await?;
    Ok(SignedIn {
        user,
        session,
        tokens,
    })
}
