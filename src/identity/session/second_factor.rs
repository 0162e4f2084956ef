//! The second factor: codes by time (TOTP, RFC 6238: SHA-1, six digits, 30 seconds, one step to either side) of an app on the
//! user's phone, and recovery codes for when it is lost.

use std::fmt;

use entity::Area;
use entity::id::UserId;
use rand::TryRng;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

use super::store;
use crate::app::App;
use crate::db::Tx;
use crate::error::{Error, Outcome, Problem};
use crate::identity::passwords::{self, Password, Verdict};
use crate::identity::throttle::Guess;
use crate::identity::user::{self, User};
use crate::identity::{Caller, Scope};
use crate::vault::Place;

/// Bytes of a seed: 160 bits, as RFC 4226 recommends.
const SEED_LEN: usize = 20;
/// Recovery codes that a user gets.
const RECOVERY_CODES: usize = 10;
/// What recovery codes are made of: no letter or digit that looks like another.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789-";

/// What can be wrong with a call about the second factor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "SecondFactorErrorCode")]
pub enum SecondFactorProblem {
    /// The password is another one, or there is none.
    WrongPassword,
    /// The code is another one, or was used.
    WrongCode,
    /// There is a second factor already.
    AlreadyOn,
    /// There is no second factor, or it was not begun.
    NotOn,
}

/// A second factor that is being set up; the only time its seed can be read.
pub struct NewSecondFactor {
    /// For typing in, base32.
    pub secret: String,
    /// For a QR code, `otpauth://…`.
    pub url: String,
}

impl fmt::Debug for NewSecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewSecondFactor(***)")
    }
}

fn totp(seed: &[u8], email: &str) -> Result<Totp, Error> {
    Builder::new()
        .with_secret(totp_rs::Secret::new(seed.into()))
        .with_issuer(Some("Leadline"))
        .with_account_name(email.replace(':', " "))
        .build()
        .map_err(|error| Error::internal(anyhow::anyhow!("a second factor cannot be made: {error}")))
}

async fn seed_of(app: &App, tx: &Tx, user: &User) -> Result<Option<Totp>, Error> {
    let Some(sealed) = &user.totp_seed else {
        return Ok(None);
    };
    let seed = app
        .vault()
        .open(&**tx, Place::TOTP_SEED, user.id.0, sealed)
        .await?;
    Ok(Some(totp(&seed, &user.email)?))
}

/// Whether a code is right; it is used up then.
async fn totp_is_right(app: &App, tx: &Tx, user: &User, code: &str) -> Result<bool, Error> {
    let digits: String = code.chars().filter(|ch| !ch.is_whitespace()).collect();
    if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(false);
    }
    let Some(totp) = seed_of(app, tx, user).await? else {
        return Ok(false);
    };
    let seconds = app.clock().now().micros().max(0).unsigned_abs() / 1_000_000;
    let Some(step) = totp.check(&digits, seconds) else {
        return Ok(false);
    };
    // RFC 6238 §5.2: a code is good once.
    Ok(user::set_totp_step(tx, user.id, i64::try_from(step).map_err(Error::internal)?).await?)
}

fn recovery_hash(user: UserId, code: &str) -> Vec<u8> {
    let code: String = code
        .chars()
        .filter(|ch| ch.is_alphanumeric())
        .map(|ch| ch.to_ascii_lowercase())
        .collect();
    blake3::hash(format!("{user}:{code}").as_bytes())
        .as_bytes()
        .to_vec()
}

/// Whether this is a code of the user's second factor, or one of their recovery codes; it is used up then.
pub(super) async fn is_right(app: &App, tx: &Tx, user: &User, code: &str) -> Result<bool, Error> {
    if totp_is_right(app, tx, user, code).await? {
        return Ok(true);
    }
    let hash = recovery_hash(user.id, code);
    Ok(store::use_recovery_code(tx, user.id, &hash, app.clock().now()).await?)
}

/// New recovery codes in place of all that the user had: ten letters and digits each, about 48 bits.
async fn replace_codes(tx: &Tx, user: UserId) -> Result<Vec<String>, Error> {
    let mut codes = Vec::with_capacity(RECOVERY_CODES);
    for _ in 0..RECOVERY_CODES {
        let mut code = String::with_capacity(11);
        while code.len() < 11 {
            if code.len() == 5 {
                code.push('-');
                continue;
            }
            let mut byte = Zeroizing::new([0_u8; 1]);
            rand::rngs::SysRng
                .try_fill_bytes(&mut *byte)
                .map_err(Error::internal)?;
            let ch = char::from(ALPHABET[usize::from(byte[0] & 31)]);
            // The last place of the alphabet stands for none.
            if ch != '-' {
                code.push(ch);
            }
        }
        codes.push(code);
    }
    let hashes = codes.iter().map(|code| recovery_hash(user, code)).collect();
    store::replace_recovery_codes(tx, user, hashes).await?;
    Ok(codes)
}

fn already_on() -> Problem<SecondFactorProblem> {
    let message = "there is a second factor already; switch it off first";
    Problem::new("", SecondFactorProblem::AlreadyOn, message)
}

fn wrong_code() -> Problem<SecondFactorProblem> {
    let message = "the code is another one, or was used; the app shows the next within 30 seconds";
    Problem::new("code", SecondFactorProblem::WrongCode, message)
}

/// The caller, who has proved by their password that it is them at the keyboard.
async fn proved(app: &App, caller: &Caller, password: &Password) -> Outcome<User, SecondFactorProblem> {
    let id = caller.require_user()?;
    let user = user::find(app.db().read(), id).await?;
    let user = user.ok_or_else(|| Error::NotFound("the user is gone".to_owned()))?;
    let guess = Guess::of_account(&user.email, caller.origin.address);
    let turn = passwords::turn(app)?;
    guess.count(app).await?;
    let verdict = passwords::verify(app, turn, password, user.password_hash.as_deref()).await?;
    if verdict == Verdict::Wrong {
        let message = "the password is another one";
        return Err(Problem::new("password", SecondFactorProblem::WrongPassword, message).into());
    }
    let tx = app.db().begin().await?;
    guess.was_right(&tx).await?;
    tx.commit().await?;
    Ok(user)
}

/// Makes a seed for the caller's app. It counts from [`confirm_second_factor`] on.
///
/// # Errors
/// [`SecondFactorProblem`]s; [`Error::Forbidden`] for who is no user.
pub async fn begin_second_factor(
    app: &App,
    caller: &Caller,
    password: &Password,
) -> Outcome<NewSecondFactor, SecondFactorProblem> {
    let user = proved(app, caller, password).await?;
    if user.totp_confirmed_at.is_some() {
        return Err(already_on().into());
    }
    let mut seed = Zeroizing::new([0_u8; SEED_LEN]);
    rand::rngs::SysRng
        .try_fill_bytes(&mut *seed)
        .map_err(Error::internal)?;
    let totp = totp(&*seed, &user.email)?;
    let tx = app.db().begin().await?;
    // As it is now: another call may have switched it on meanwhile.
    if user::locked(&tx, user.id)
        .await?
        .is_none_or(|user| user.totp_confirmed_at.is_some())
    {
        return Err(already_on().into());
    }
    let now = app.clock().now();
    let sealed = app
        .vault()
        .seal(&tx, now, Place::TOTP_SEED, user.id.0, &*seed)
        .await?;
    user::set_second_factor(&tx, user.id, Some(sealed), None).await?;
    tx.commit().await?;
    let url = totp
        .to_url()
        .map_err(|error| Error::internal(anyhow::anyhow!("{error}")))?;
    Ok(NewSecondFactor {
        secret: totp.secret().to_base32(),
        url,
    })
}

/// Switches the second factor on, once the caller's app shows the right code; answers recovery codes.
///
/// # Errors
/// [`SecondFactorProblem`]s; [`Error::Forbidden`] for who is no user.
pub async fn confirm_second_factor(
    app: &App,
    caller: &Caller,
    code: &str,
) -> Outcome<Vec<String>, SecondFactorProblem> {
    let id = caller.require_user()?;
    let guess = Guess::of_second_factor(&id.to_string(), caller.origin.address);
    guess.count(app).await?;
    let tx = app.db().begin().await?;
    let user = user::locked(&tx, id).await?;
    let user = user.ok_or_else(|| Error::NotFound("the user is gone".to_owned()))?;
    if user.totp_confirmed_at.is_some() {
        let message = "there is a second factor already";
        return Err(Problem::new("", SecondFactorProblem::AlreadyOn, message).into());
    }
    if user.totp_seed.is_none() {
        let message = "begin by `secondFactorBegin`";
        return Err(Problem::new("", SecondFactorProblem::NotOn, message).into());
    }
    if !totp_is_right(app, &tx, &user, code).await? {
        return Err(wrong_code().into());
    }
    let now = app.clock().now();
    let step = user::find(&*tx, id).await?.and_then(|user| user.totp_last_step);
    user::set_second_factor(&tx, id, user.totp_seed.clone(), Some(now)).await?;
    if let Some(step) = step {
        user::set_totp_step(&tx, id, step).await?;
    }
    let codes = replace_codes(&tx, id).await?;
    user::recorded(&tx, &caller.actor.id, now, id, "SECOND_FACTOR_ON").await?;
    guess.was_right(&tx).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Switches the second factor off; it takes the password and a code.
///
/// # Errors
/// [`SecondFactorProblem`]s; [`Error::Forbidden`] for who is no user.
pub async fn disable_second_factor(
    app: &App,
    caller: &Caller,
    password: &Password,
    code: &str,
) -> Outcome<User, SecondFactorProblem> {
    let tx = with_code(app, caller, password, code).await?;
    let id = caller.require_user()?;
    switch_off(&tx, id).await?;
    let now = app.clock().now();
    user::recorded(&tx, &caller.actor.id, now, id, "SECOND_FACTOR_OFF").await?;
    let user = user::find(&*tx, id).await?;
    tx.commit().await?;
    user.ok_or_else(|| Error::NotFound("the user is gone".to_owned()).into())
}

/// New recovery codes in place of the old ones; it takes the password and a code.
///
/// # Errors
/// [`SecondFactorProblem`]s; [`Error::Forbidden`] for who is no user.
pub async fn new_recovery_codes(
    app: &App,
    caller: &Caller,
    password: &Password,
    code: &str,
) -> Outcome<Vec<String>, SecondFactorProblem> {
    let tx = with_code(app, caller, password, code).await?;
    let id = caller.require_user()?;
    let codes = replace_codes(&tx, id).await?;
    let now = app.clock().now();
    user::recorded(&tx, &caller.actor.id, now, id, "RECOVERY_CODES").await?;
    tx.commit().await?;
    Ok(codes)
}

/// A transaction in which the caller's password and code were right, and the code is used up.
async fn with_code(
    app: &App,
    caller: &Caller,
    password: &Password,
    code: &str,
) -> Outcome<Tx, SecondFactorProblem> {
    let user = proved(app, caller, password).await?;
    let guess = Guess::of_second_factor(&user.id.to_string(), caller.origin.address);
    guess.count(app).await?;
    let tx = app.db().begin().await?;
    let user = user::locked(&tx, user.id).await?;
    let user = user.ok_or_else(|| Error::NotFound("the user is gone".to_owned()))?;
    if user.totp_confirmed_at.is_none() {
        let message = "there is no second factor";
        return Err(Problem::new("", SecondFactorProblem::NotOn, message).into());
    }
    if !is_right(app, &tx, &user, code).await? {
        return Err(wrong_code().into());
    }
    guess.was_right(&tx).await?;
    Ok(tx)
}

/// Takes a user's second factor and recovery codes away.
///
/// # Errors
/// The database's.
pub(in crate::identity) async fn switch_off(tx: &Tx, id: UserId) -> Result<(), Error> {
    user::set_second_factor(tx, id, None, None).await?;
    Ok(store::replace_recovery_codes(tx, id, Vec::new()).await?)
}

/// How many recovery codes a user has left: one's own (`None`: who just came in), or others' with `users:read`.
///
/// # Errors
/// A missing scope; the database's.
pub async fn recovery_codes_left(app: &App, caller: Option<&Caller>, id: UserId) -> Result<u64, Error> {
    if let Some(caller) = caller.filter(|caller| caller.user != Some(id)) {
        caller.require(Scope::Read(Area::Users))?;
        caller.require_all_rows()?;
    }
    Ok(store::recovery_codes_left(app.db().read(), id).await?)
}
