//! New keys in place of old ones, while servers run.

use entity::Timestamp;
use uuid::Uuid;

use super::{Place, Vault, store};
use crate::db::{Db, Tx};
use crate::error::Error;

/// Values sealed anew in one transaction.
const BATCH: u64 = 200;

/// What a rotation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Values that were sealed anew.
    pub values: usize,
    /// Old data keys that nothing was sealed under any more, and which are gone.
    pub removed: usize,
}

impl Vault {
    /// Puts a new data key in place of the one in use and seals everything anew under it, a few values at a time. Killed
    /// half-way it leaves values under both, which both open; the next rotation takes them along.
    ///
    /// The key that was in use until now stays for one rotation more: a transaction that began before may still seal
    /// under it.
    ///
    /// # Errors
    /// The database's; a master key that is missing or another one.
    pub async fn rotate_data_key(&self, db: &Db, now: Timestamp) -> Result<Rotation, Error> {
        let tx = db.begin().await?;
        store::lock(&tx).await?;
        let old = store::all(&*tx).await?;
        // Two keys of the same moment must not be confused, nor a clock that went backwards bring the old one back.
        let newest = old.first().map_or(now, |key| key.created_at);
        let at = now.max(Timestamp::from_micros(newest.micros() + 1));
        let (row, _) = self.made(at)?;
        store::insert(&tx, row).await?;
        tx.commit().await?;
        let mut done = Rotation::default();
        for key in &old {
            for place in Place::ALL {
                done.values += self.seal_anew(db, now, place, key.id).await?;
            }
        }
        for key in old.iter().skip(1) {
            let tx = db.begin().await?;
            if is_unused(&tx, key.id).await? {
                store::delete(&tx, key.id).await?;
                tx.commit().await?;
                done.removed += 1;
            }
        }
        Ok(done)
    }

    /// Puts a new master key in place of the one in use. The file knows both until all data keys are sealed under the new
    /// one, so that it can be killed at any point.
    ///
    /// # Errors
    /// As [`Self::rotate_data_key`]; a file that cannot be written.
    pub async fn rotate_master_key(&self, db: &Db) -> Result<(), Error> {
        // One rotation at a time, and no data key is made meanwhile: it would be sealed under what is forgotten next.
        let tx = db.begin().await?;
        store::lock(&tx).await?;
        let keys = store::all(&*tx).await?;
        let keys = keys
            .iter()
            .map(|key| Ok((key.id, self.opened(key)?)))
            .collect::<Result<Vec<_>, Error>>()?;
        self.master.add().map_err(Error::internal)?;
        for (id, key) in keys {
            let (master, wrapped) = self.master.wrap(id, &key).map_err(Error::internal)?;
            store::rewrap(&tx, id, master, wrapped).await?;
        }
        tx.commit().await?;
        // What data keys are sealed under now, by whomever.
        let tx = db.begin().await?;
        store::lock(&tx).await?;
        let named: Vec<String> = store::all(&*tx)
            .await?
            .into_iter()
            .map(|key| key.master)
            .collect();
        self.master.keep(&named).map_err(Error::internal)?;
        Ok(tx.commit().await?)
    }

    async fn seal_anew(&self, db: &Db, now: Timestamp, place: Place, under: Uuid) -> Result<usize, Error> {
        let mut count = 0;
        loop {
            let tx = db.begin().await?;
            let values = store::sealed(&tx, place, under, BATCH).await?;
            if values.is_empty() {
                return Ok(count);
            }
            for (row, sealed) in values {
                let plain = self.open(&*tx, place, &row, &sealed).await?;
                let anew = self.seal(&tx, now, place, &row, &plain).await?;
                store::replace(&tx, place, &row, &sealed, anew).await?;
                count += 1;
            }
            tx.commit().await?;
        }
    }
}

async fn is_unused(tx: &Tx, id: Uuid) -> Result<bool, Error> {
    for place in Place::ALL {
        if !store::sealed(tx, place, id, 1).await?.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}
