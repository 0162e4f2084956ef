//! Secrets at rest: what Leadline has to read again, such as credentials and seeds of second factors, is sealed before it is
//! written.
//!
//! XChaCha20-Poly1305 under a data key; the data keys stand in the database, sealed under a master key that stands in a file
//! beside it ([`MasterFile`]). Who has a dump of the database alone reads nothing, and a sealed value put into another
//! row or column is refused: its place is authenticated with it ([`Place`]).
//!
//! Form of a sealed value: one byte of version, the id of the data key (16), a random nonce (24), the sealed bytes.
//!
//! What need not be read again (passwords, tokens, codes) is hashed instead, and has no business here.

mod cipher;
mod master;
mod rotation;
mod store;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use entity::{Timestamp, data_key};
use uuid::Uuid;

use self::cipher::Key;
pub use self::cipher::Unsealed;
pub use self::master::{MasterError, MasterFile};
pub use self::rotation::Rotation;
use crate::db::{ConnectionTrait, Tx};
use crate::error::Error;

/// The file of the master key when the settings name none, in the data directory.
pub const MASTER_FILE: &str = "master.key";

/// Where a sealed value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    table: &'static str,
    key: &'static str,
    column: &'static str,
}

impl Place {
    /// The seed of a user's second factor.
    pub const TOTP_SEED: Self = Self::new("user_account", "id", "totp_seed");
    /// What belongs to a code that is good once.
    pub const CODE_PAYLOAD: Self = Self::new("one_time_code", "hash", "payload");
    /// A key that signs access tokens.
    pub const SIGNING_KEY: Self = Self::new("signing_key", "id", "secret");
    /// The text of a mail.
    pub const MAIL_BODY: Self = Self::new("mail", "id", "body");
    /// What was entered as secret to connect a platform.
    pub const CONNECTION_SECRETS: Self = Self::new("connection", "id", "secrets");
    /// What a platform handed out.
    pub const CONNECTION_CREDENTIALS: Self = Self::new("connection", "id", "credentials");
    /// A text that a model wrote.
    pub const TEXT_ANSWER: Self = Self::new("text_answer", "generation_id", "text");

    /// All of them: what a rotation seals anew.
    const ALL: [Self; 7] = [
        Self::TOTP_SEED,
        Self::CODE_PAYLOAD,
        Self::SIGNING_KEY,
        Self::MAIL_BODY,
        Self::CONNECTION_SECRETS,
        Self::CONNECTION_CREDENTIALS,
        Self::TEXT_ANSWER,
    ];

    const fn new(table: &'static str, key: &'static str, column: &'static str) -> Self {
        Self { table, key, column }
    }

    /// What is authenticated with the value of a row.
    fn associated(self, row: &[u8]) -> Vec<u8> {
        let mut bytes = format!("{}.{}:", self.table, self.column).into_bytes();
        bytes.extend_from_slice(row);
        bytes
    }
}

/// Seals and opens; one for each process.
#[derive(Debug)]
pub struct Vault {
    master: MasterFile,
    /// Data keys that were opened before. Sealing asks the database which is in use.
    known: RwLock<HashMap<Uuid, Arc<Key>>>,
}

impl Vault {
    /// A vault under the master key of a file, which is made when the first secret is sealed.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self {
            master: MasterFile::new(file),
            known: RwLock::default(),
        }
    }

    /// Seals a value for its place in a row, to be written in the same transaction.
    ///
    /// # Errors
    /// The database's; a master key that is missing or another one.
    pub async fn seal(
        &self,
        tx: &Tx,
        now: Timestamp,
        place: Place,
        row: impl AsRef<[u8]>,
        plain: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let row = place.associated(row.as_ref());
        let (id, key) = match store::in_use(&**tx).await? {
            Some(data_key) => (data_key.id, self.opened(&data_key)?),
            None => self.first(tx, now).await?,
        };
        key.seal(id, &row, plain)
    }

    /// Opens what [`Self::seal`] made for the same place.
    ///
    /// # Errors
    /// The database's; a master key that is missing or another one; a value that was changed or comes from another place.
    pub async fn open(
        &self,
        db: &impl ConnectionTrait,
        place: Place,
        row: impl AsRef<[u8]>,
        sealed: &[u8],
    ) -> Result<Unsealed, Error> {
        let id = cipher::key_of(sealed)?;
        let key = self.key(db, id).await?;
        key.open(&place.associated(row.as_ref()), sealed)
    }

    /// Where the master key stands.
    #[must_use]
    pub fn master_file(&self) -> &Path {
        self.master.path()
    }

    /// Tells whether the secrets of the database can be read, before anybody needs one.
    ///
    /// # Errors
    /// A master key that is missing or another one, with how to mend it; the database's.
    pub async fn check(&self, db: &impl ConnectionTrait) -> Result<(), CheckError> {
        for data_key in store::all(db).await? {
            self.master.unwrap(&data_key)?;
        }
        Ok(())
    }

    async fn key(&self, db: &impl ConnectionTrait, id: Uuid) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.known(id) {
            return Ok(key);
        }
        let data_key = store::find(db, id).await?.ok_or_else(|| {
            Error::internal(anyhow::anyhow!(
                "a value is sealed under the unknown data key {id}"
            ))
        })?;
        self.opened(&data_key)
    }

    fn known(&self, id: Uuid) -> Option<Arc<Key>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).map(Arc::clone)
    }

    fn opened(&self, data_key: &data_key::Model) -> Result<Arc<Key>, Error> {
        if let Some(key) = self.known(data_key.id) {
            return Ok(key);
        }
        let key = Arc::new(self.master.unwrap(data_key).map_err(Error::internal)?);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(data_key.id, Arc::clone(&key));
        Ok(key)
    }

    /// The first data key, in the transaction of the first secret.
    async fn first(&self, tx: &Tx, now: Timestamp) -> Result<(Uuid, Arc<Key>), Error> {
        // The master key is not to be another one in between.
        store::lock(tx).await?;
        let (row, key) = self.made(now)?;
        store::insert(tx, row.clone()).await?;
        Ok((row.id, Arc::new(key)))
    }

    fn made(&self, now: Timestamp) -> Result<(data_key::Model, Key), Error> {
        let key = Key::random()?;
        let id = Uuid::new_v4();
        let (master, wrapped) = self.master.wrap(id, &key).map_err(Error::internal)?;
        let row = data_key::Model {
            id,
            master,
            wrapped,
            created_at: now,
        };
        Ok((row, key))
    }
}

/// Why the secrets of a database cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The master key.
    #[error(transparent)]
    Master(#[from] MasterError),
    /// The database.
    #[error(transparent)]
    Database(#[from] crate::db::DbErr),
}

#[cfg(test)]
mod tests;
