//! Codes that are good once: links in mails, the second step of a sign-in, the way back from an OpenID Connect provider.

use entity::id::UserId;
use entity::{CodePurpose, Timestamp, one_time_code};

use super::secret::{self, SecretKind};
use super::store;
use crate::app::App;
use crate::db::{ConnectionTrait, Tx};
use crate::error::Error;
use crate::vault::{Place, Unsealed};

/// A code that came back.
pub struct Redeemed {
    /// Whose it is.
    pub user_id: Option<UserId>,
    /// What was kept for its return.
    pub payload: Option<Unsealed>,
}

/// How long a code is good, in seconds.
pub(super) const fn seconds(purpose: CodePurpose) -> i64 {
    match purpose {
        CodePurpose::SetUp => 24 * 3600,
        CodePurpose::EmailVerify => 3 * 24 * 3600,
        CodePurpose::PasswordReset => 3600,
        CodePurpose::SecondFactor => 5 * 60,
        CodePurpose::OpenId | CodePurpose::Platform => 10 * 60,
    }
}

/// Makes a code. Of a user and purpose the newest alone is good, but for those of sign-ins that go on side by side.
///
/// # Errors
/// The database's and the vault's.
pub(super) async fn make(
    app: &App,
    tx: &Tx,
    purpose: CodePurpose,
    user_id: Option<UserId>,
    payload: Option<&[u8]>,
) -> Result<(String, Timestamp), Error> {
    let code = unkept()?;
    let expires_at = keep(app, tx, purpose, &code, user_id, payload).await?;
    Ok((code, expires_at))
}

/// A code that nobody knows yet.
///
/// # Errors
/// When the machine has no random numbers.
pub fn unkept() -> Result<String, Error> {
    secret::make(SecretKind::Code)
}

/// Until when a code made now is good.
pub(super) fn expiry(app: &App, purpose: CodePurpose) -> Timestamp {
    app.clock().now().plus_seconds(seconds(purpose))
}

/// Keeps a code for when it comes back.
///
/// # Errors
/// The database's and the vault's.
pub async fn keep(
    app: &App,
    tx: &Tx,
    purpose: CodePurpose,
    code: &str,
    user_id: Option<UserId>,
    payload: Option<&[u8]>,
) -> Result<Timestamp, Error> {
    let now = app.clock().now();
    let hash = secret::hash(code);
    let payload = match payload {
        Some(plain) => Some(
            app.vault()
                .seal(tx, now, Place::CODE_PAYLOAD, hash, plain)
                .await?,
        ),
        None => None,
    };
    match purpose {
        CodePurpose::SecondFactor | CodePurpose::OpenId | CodePurpose::Platform => {}
        _ => store::delete_codes(tx, purpose, user_id).await?,
    }
    let expires_at = expiry(app, purpose);
    let row = one_time_code::Model {
        hash: hash.to_vec(),
        purpose,
        user_id,
        payload,
        created_at: now,
        expires_at,
    };
    store::insert_code(tx, row).await?;
    Ok(expires_at)
}

/// Makes the codes of a user void by which somebody may come in who knew the password before, or reads their mails.
///
/// # Errors
/// The database's.
pub(super) async fn forget_ways_in(tx: &Tx, user: UserId) -> Result<(), Error> {
    for purpose in [CodePurpose::PasswordReset, CodePurpose::SecondFactor] {
        store::delete_codes(tx, purpose, Some(user)).await?;
    }
    Ok(())
}

/// Takes a code: it is gone with the transaction. `None` when it was used, has expired or never was.
///
/// # Errors
/// The database's and the vault's.
pub async fn redeem(app: &App, tx: &Tx, purpose: CodePurpose, code: &str) -> Result<Option<Redeemed>, Error> {
    let Some(row) = found(app, &**tx, purpose, code).await? else {
        return Ok(None);
    };
    // Twins: the second finds nothing to delete.
    if !store::delete_code(tx, &row.hash).await? {
        return Ok(None);
    }
    let payload = match &row.payload {
        Some(sealed) => Some(
            app.vault()
                .open(&**tx, Place::CODE_PAYLOAD, &row.hash, sealed)
                .await?,
        ),
        None => None,
    };
    Ok(Some(Redeemed {
        user_id: row.user_id,
        payload,
    }))
}

/// Whose a code is, without taking it.
///
/// # Errors
/// The database's.
pub(super) async fn owner(
    app: &App,
    tx: &Tx,
    purpose: CodePurpose,
    code: &str,
) -> Result<Option<UserId>, Error> {
    Ok(found(app, &**tx, purpose, code)
        .await?
        .and_then(|row| row.user_id))
}

/// Whether a code is good, without taking it.
///
/// # Errors
/// The database's.
pub(super) async fn is_good(app: &App, tx: &Tx, purpose: CodePurpose, code: &str) -> Result<bool, Error> {
    Ok(found(app, &**tx, purpose, code).await?.is_some())
}

/// What is kept for a code's return, without taking it. `None` when it was used, has expired or never was.
///
/// # Errors
/// The database's and the vault's.
pub async fn kept(
    app: &App,
    db: &impl ConnectionTrait,
    purpose: CodePurpose,
    code: &str,
) -> Result<Option<Unsealed>, Error> {
    let Some(row) = found(app, db, purpose, code).await? else {
        return Ok(None);
    };
    match &row.payload {
        Some(sealed) => {
            let opened = app.vault().open(db, Place::CODE_PAYLOAD, &row.hash, sealed);
            Ok(Some(opened.await?))
        }
        None => Ok(None),
    }
}

async fn found(
    app: &App,
    db: &impl ConnectionTrait,
    purpose: CodePurpose,
    code: &str,
) -> Result<Option<one_time_code::Model>, Error> {
    let code = code.trim();
    if !secret::is_well_formed(SecretKind::Code, code) {
        return Ok(None);
    }
    let now = app.clock().now();
    let row = store::code(db, &secret::hash(code)).await?;
    Ok(row.filter(|row| row.purpose == purpose && row.expires_at > now))
}
