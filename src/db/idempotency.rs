//! Calls that may be repeated: the same key and input have one effect and one answer.
//!
//! A use case that creates something opens its transaction and [begins](Repeatable::begin) with the caller's key. The
//! first call goes on, and [finishes](Repeatable::finish) with its outcome (ids and words, no personal data) in the
//! same transaction; a repetition gets that outcome instead. Twins at the same moment: the second waits for the first
//! to commit (SQLite: for the writer; PostgreSQL: on the key's row) and answers its outcome; when the first fails or
//! refuses and rolls back, the second is the first.
//!
//! ```ignore
//! let call = Repeatable::new(&caller.actor.id, "leadCreate", key, &change)?;
//! if let Some(outcome) = call.begin(&tx, now).await? {
//!     return Ok(serde_json::from_value(outcome)?);
//! }
//! // … the work …
//! call.finish(&tx, &json!({ "lead": id })).await?;
//! tx.commit().await?;
//! ```

use std::fmt::Debug;

use entity::{Timestamp, idempotency};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Conflict, Tx, insert_many, sql};
use crate::error::Error;

/// Longest key, in bytes.
const LONGEST: usize = 200;

/// A key that a caller chose for a call, with the input it was chosen for.
#[derive(Clone, Debug)]
pub struct CallKey {
    key: String,
    input: String,
}

impl CallKey {
    /// The key of a call, when it has one. `input` is what the caller sent, before anything such as the moment is put
    /// where it says nothing.
    #[must_use]
    pub fn of(key: Option<&String>, input: &impl Debug) -> Option<Self> {
        key.map(|key| Self {
            key: key.clone(),
            input: format!("{input:?}"),
        })
    }
}

/// A call that is done once where it has a key, and as often as it is made where it has none.
#[derive(Debug)]
pub struct Once<'a>(Option<Repeatable<'a>>);

impl<'a> Once<'a> {
    /// A call of `operation` by `caller`.
    ///
    /// # Errors
    /// As [`Repeatable::new`].
    pub fn new(key: Option<&'a CallKey>, caller: &'a str, operation: &'static str) -> Result<Self, Error> {
        let call = key.map(|CallKey { key, input }| Repeatable::new(caller, operation, key, input));
        Ok(Self(call.transpose()?))
    }

    /// The outcome of the first call, for a repetition.
    ///
    /// # Errors
    /// As [`Repeatable::begin`].
    pub async fn before<T: DeserializeOwned>(&self, tx: &Tx, now: Timestamp) -> Result<Option<T>, Error> {
        let Some(call) = &self.0 else { return Ok(None) };
        let outcome = call.begin(tx, now).await?;
        Ok(outcome.map(serde_json::from_value).transpose()?)
    }

    /// Keeps the outcome of the first call.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep(&self, tx: &Tx, outcome: &impl Serialize) -> Result<(), Error> {
        if let Some(call) = &self.0 {
            call.finish(tx, &serde_json::to_value(outcome)?).await?;
        }
        Ok(())
    }
}

/// A call with an idempotency key.
#[derive(Debug)]
pub struct Repeatable<'a> {
    caller: &'a str,
    operation: &'static str,
    key: &'a str,
    digest: String,
}

impl<'a> Repeatable<'a> {
    /// A call of `operation` with a key of the caller's choosing. `input` is compared by its `Debug` form, of which
    /// only a digest is kept.
    ///
    /// # Errors
    /// [`Error::BadInput`] for a key that is empty, longer than 200 bytes or has control characters.
    pub fn new(
        caller: &'a str,
        operation: &'static str,
        key: &'a str,
        input: &impl Debug,
    ) -> Result<Self, Error> {
        if key.is_empty() || key.len() > LONGEST || key.chars().any(char::is_control) {
            return Err(Error::BadInput(format!(
                "an `idempotencyKey` has 1 to {LONGEST} bytes and no control characters, e.g. a random UUID"
            )));
        }
        let digest = blake3::hash(format!("{input:?}").as_bytes()).to_hex().to_string();
        Ok(Self {
            caller,
            operation,
            key,
            digest,
        })
    }

    /// Takes the key: `None` for the first call, which goes on; the outcome of the first call for a repetition.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the key was used with another input or for another operation; the database's.
    pub async fn begin(&self, tx: &Tx, now: Timestamp) -> Result<Option<serde_json::Value>, Error> {
        let row = idempotency::Model {
            caller: self.caller.to_owned(),
            key: self.key.to_owned(),
            operation: self.operation.to_owned(),
            input_digest: self.digest.clone(),
            outcome: String::new(),
            created_at: now,
        };
        if insert_many(tx, &[row], Conflict::Keep("(caller, key)")).await? == 1 {
            return Ok(None);
        }
        let before = idempotency::Entity::find_by_id((self.caller.to_owned(), self.key.to_owned()))
            .one(&**tx)
            .await?
            .ok_or_else(|| Error::Unavailable("the idempotency key has just expired; try again".into()))?;
        if before.operation != self.operation {
            return Err(Error::Conflict(format!(
                "the idempotency key was used for `{}` before; use another one",
                before.operation
            )));
        }
        if before.input_digest != self.digest {
            return Err(Error::Conflict(
                "the idempotency key was used with another input before; use another one".into(),
            ));
        }
        Ok(Some(serde_json::from_str(&before.outcome)?))
    }

    /// Keeps the outcome for repetitions.
    ///
    /// # Errors
    /// The database's.
    pub async fn finish(&self, tx: &Tx, outcome: &serde_json::Value) -> Result<(), DbErr> {
        tx.execute_raw(sql(
            tx.backend(),
            "UPDATE idempotency SET outcome = ? WHERE caller = ? AND key = ?",
            [outcome.to_string().into(), self.caller.into(), self.key.into()],
        ))
        .await
        .map(drop)
    }
}
