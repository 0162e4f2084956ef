//! What the database knows of the deployment as a whole.

use entity::{Timestamp, idempotency, setting};
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter};

use super::Db;

const DEPLOYMENT: &str = "deployment";
const KEY: &str = "deployment_key";

/// The random id of this deployment (32 hexadecimal digits), made when it is first asked for: tells deployments apart
/// that share an outside service.
///
/// # Errors
/// The database's.
pub async fn deployment_id(db: &Db, now: Timestamp) -> Result<String, DbErr> {
    kept(db, now, DEPLOYMENT, || format!("{:032x}", rand::random::<u128>())).await
}

/// The secret key of this deployment, made when it is first asked for: what it signs, such as links, only its own
/// servers can have made. Never shown; whoever signs with it says for what.
///
/// # Errors
/// The database's; a row that is no key.
pub async fn deployment_key(db: &Db, now: Timestamp) -> Result<[u8; 32], DbErr> {
    // The generator of threads is a cryptographic one, seeded by the system.
    let fresh = || blake3::Hash::from_bytes(rand::random()).to_hex().to_string();
    let written = kept(db, now, KEY, fresh).await?;
    let key = blake3::Hash::from_hex(&written);
    key.map(|key| *key.as_bytes())
        .map_err(|_| DbErr::Custom(format!("the setting `{KEY}` is not a key")))
}

/// A value that is made once for the deployment.
async fn kept(db: &Db, now: Timestamp, key: &str, fresh: impl FnOnce() -> String) -> Result<String, DbErr> {
    if let Some(row) = setting::Entity::find_by_id(key.to_owned()).one(db.read()).await? {
        return Ok(row.value);
    }
    // Two processes may come here at once: the first row stays.
    setting::Entity::insert(setting::ActiveModel {
        key: Set(key.to_owned()),
        version: Set(1),
        value: Set(fresh()),
        updated_at: Set(now),
        updated_by: Set("system".to_owned()),
    })
    .on_conflict(OnConflict::column(setting::Column::Key).do_nothing().to_owned())
    .exec_without_returning(db.write())
    .await?;
    let row = setting::Entity::find_by_id(key.to_owned())
        .one(db.write())
        .await?;
    row.map(|row| row.value)
        .ok_or_else(|| DbErr::RecordNotFound(key.to_owned()))
}

/// Forgets the outcomes of idempotent calls made before a moment; answers how many.
///
/// # Errors
/// The database's.
pub async fn forget_outcomes(db: &Db, before: Timestamp) -> Result<u64, DbErr> {
    let removed = idempotency::Entity::delete_many()
        .filter(idempotency::Column::CreatedAt.lt(before))
        .exec(db.write())
        .await?;
    Ok(removed.rows_affected)
}
