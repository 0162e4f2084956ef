//! The vault over a real database (SQLite; the end-to-end tests cover both).

use std::path::Path;

use entity::{CodePurpose, one_time_code};
use sea_orm::{EntityTrait as _, IntoActiveModel as _, PaginatorTrait as _};

use super::*;
use crate::db::{Db, DbOptions};

const NOW: Timestamp = Timestamp(1_772_323_200_000_000);
const PLACE: Place = Place::CODE_PAYLOAD;

async fn opened(folder: &Path) -> (Db, Vault) {
    let url = format!("sqlite:{}", folder.join("test.db").display());
    let db = Db::open(&DbOptions::new(url)).await.expect("opens");
    db.migrate().await.expect("migrates");
    (db, Vault::new(folder.join("keys").join(MASTER_FILE)))
}

async fn keep(db: &Db, vault: &Vault, row: u8, plain: &str) {
    let tx = db.begin().await.expect("begins");
    let sealed = vault
        .seal(&tx, NOW, PLACE, [row], plain.as_bytes())
        .await
        .expect("seals");
    let code = one_time_code::Model {
        hash: vec![row],
        purpose: CodePurpose::OpenId,
        user_id: None,
        payload: Some(sealed),
        created_at: NOW,
        expires_at: NOW,
    };
    one_time_code::Entity::insert(code.into_active_model())
        .exec_without_returning(&*tx)
        .await
        .expect("inserts");
    tx.commit().await.expect("commits");
}

async fn kept(db: &Db, row: u8) -> Vec<u8> {
    let code = one_time_code::Entity::find_by_id(vec![row]).one(db.read()).await;
    code.expect("reads").expect("is there").payload.expect("has one")
}

async fn read(db: &Db, vault: &Vault, row: u8) -> String {
    let sealed = kept(db, row).await;
    let plain = vault.open(db.read(), PLACE, [row], &sealed).await.expect("opens");
    String::from_utf8(plain.to_vec()).expect("as it was")
}

#[tokio::test]
async fn what_is_sealed_is_opened_in_its_place_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (db, vault) = opened(folder.path()).await;
    keep(&db, &vault, 1, "a seed").await;
    let sealed = kept(&db, 1).await;
    assert!(!sealed.windows(4).any(|part| part == b"seed"), "not in the clear");
    assert_eq!(read(&db, &vault, 1).await, "a seed");
    // Another process with the same file.
    let other = Vault::new(vault.master.path().to_owned());
    other.check(db.read()).await.expect("the right key");
    assert_eq!(read(&db, &other, 1).await, "a seed");
    // Another row, another column, a changed byte, a cut.
    let refused = async |place: Place, row: u8, sealed: &[u8]| {
        vault.open(db.read(), place, [row], sealed).await.is_err()
    };
    assert!(refused(PLACE, 2, &sealed).await);
    assert!(refused(Place::TOTP_SEED, 1, &sealed).await);
    for n in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[n] ^= 1;
        assert!(refused(PLACE, 1, &changed).await, "byte {n}");
    }
    for n in 0..sealed.len() {
        assert!(refused(PLACE, 1, &sealed[..n]).await, "cut at {n}");
    }
}

#[tokio::test]
async fn a_master_key_that_is_missing_or_another_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (db, vault) = opened(folder.path()).await;
    vault.check(db.read()).await.expect("nothing is sealed yet");
    keep(&db, &vault, 1, "a seed").await;
    let said = async |path: &Path| {
        let vault = Vault::new(path.to_owned());
        let error = vault.check(db.read()).await.expect_err("not the key").to_string();
        let sealed = kept(&db, 1).await;
        assert!(vault.open(db.read(), PLACE, [1], &sealed).await.is_err());
        error
    };
    let missing = said(&folder.path().join("nowhere")).await;
    assert!(
        missing.contains("is not there") && missing.contains("put the file back"),
        "{missing}"
    );
    let other = folder.path().join("other");
    Vault::new(other.clone()).master.create().expect("makes one");
    let another = said(&other).await;
    assert!(another.contains("is not in"), "{another}");
    std::fs::write(&other, "# fine\nnonsense\n").expect("writes");
    let malformed = said(&other).await;
    assert!(malformed.starts_with("line 2 of"), "{malformed}");
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let (db, vault) = opened(folder.path()).await;
    keep(&db, &vault, 1, "a seed").await;
    vault.rotate_master_key(&db).await.expect("rotates");
    let mode = std::fs::metadata(vault.master.path())
        .expect("is there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn keys_are_rotated_while_others_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let (db, vault) = opened(folder.path()).await;
    let running = Vault::new(vault.master.path().to_owned());
    for row in 0..5 {
        keep(&db, &vault, row, &format!("seed {row}")).await;
    }
    assert_eq!(read(&db, &running, 3).await, "seed 3");
    let before = kept(&db, 3).await;
    let master = std::fs::read(vault.master.path()).expect("reads");
    let done = vault.rotate_data_key(&db, NOW).await.expect("rotates");
    assert_eq!(
        done,
        Rotation {
            values: 5,
            removed: 0
        }
    );
    vault.rotate_master_key(&db).await.expect("rotates");
    assert_ne!(std::fs::read(vault.master.path()).expect("reads"), master);
    assert_ne!(
        cipher::key_of(&kept(&db, 3).await).expect("sealed"),
        cipher::key_of(&before).expect("sealed")
    );
    for row in 0..5 {
        assert_eq!(read(&db, &running, row).await, format!("seed {row}"));
    }
    // What the other process seals from now on is under the new key.
    keep(&db, &running, 9, "late").await;
    let fresh = Vault::new(vault.master.path().to_owned());
    fresh.check(db.read()).await.expect("the new master key");
    assert_eq!(read(&db, &fresh, 9).await, "late");
    let done = fresh.rotate_data_key(&db, NOW).await.expect("rotates");
    assert_eq!(
        done,
        Rotation {
            values: 6,
            removed: 1
        }
    );
    assert_eq!(
        data_key::Entity::find().count(db.read()).await.expect("counts"),
        2
    );
    assert_eq!(read(&db, &vault, 9).await, "late");
}

#[tokio::test]
async fn a_rotation_that_was_killed_is_gone_on_with() {
    let folder = tempfile::tempdir().expect("a folder");
    let (db, vault) = opened(folder.path()).await;
    keep(&db, &vault, 1, "a seed").await;
    // Killed after the file was written, before the data keys were sealed anew.
    vault.master.add().expect("adds");
    let fresh = Vault::new(vault.master.path().to_owned());
    assert_eq!(read(&db, &fresh, 1).await, "a seed");
    fresh.rotate_master_key(&db).await.expect("rotates");
    let fresh = Vault::new(vault.master.path().to_owned());
    assert_eq!(read(&db, &fresh, 1).await, "a seed");
    let text = std::fs::read_to_string(vault.master.path()).expect("reads");
    assert_eq!(text.lines().filter(|line| !line.starts_with('#')).count(), 1);
}
