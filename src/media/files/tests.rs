use bytes::Bytes;
use entity::Timestamp;
use entity::id::UploadId;
use futures_util::stream;
use tempfile::TempDir;

use super::service::sweep;
use super::{UploadProblem, find, locate, receive};
use crate::app::{App, Storage};
use crate::clock::Clock;
use crate::db::{Db, DbOptions};
use crate::error::{Error, Failure};
use crate::identity::{Caller, Scopes};

const START: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

async fn house() -> (TempDir, App) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let url = format!("sqlite:{}", dir.path().join("test.db").display());
    let db = Db::open(&DbOptions::new(url)).await.expect("opens");
    db.migrate().await.expect("migrates");
    let storage = Storage {
        data_dir: dir.path().to_owned(),
        upload_max_bytes: 10,
    };
    (dir, App::with_storage(db, Clock::fixed(START), storage))
}

fn body(parts: &[&'static str]) -> stream::Iter<std::vec::IntoIter<Result<Bytes, &'static str>>> {
    let parts: Vec<_> = parts
        .iter()
        .map(|part| match *part {
            "broken" => Err("connection reset"),
            part => Ok(Bytes::from_static(part.as_bytes())),
        })
        .collect();
    stream::iter(parts)
}

fn files(dir: &TempDir) -> Vec<String> {
    let folder = dir.path().join("uploads");
    std::fs::read_dir(folder)
        .map(|entries| {
            entries
                .map(|entry| entry.expect("readable").file_name().into_string().expect("UTF-8"))
                .collect()
        })
        .unwrap_or_default()
}

#[tokio::test]
async fn an_upload_is_kept_whole_with_its_digest() {
    let (dir, app) = house().await;
    let caller = Caller::operator();
    let upload = receive(&app, &caller, "x/leads.csv", body(&["a,b\n", "1,2\n"]))
        .await
        .expect("received");
    assert_eq!(
        (upload.file_name.as_str(), upload.size_bytes, upload.created_at),
        ("leads.csv", 8, START)
    );
    assert_eq!(upload.digest, blake3::hash(b"a,b\n1,2\n").to_hex().to_string());
    let stored = locate(&app, &caller, upload.id).await.expect("is there");
    assert_eq!(
        std::fs::read_to_string(&stored.path).expect("readable"),
        "a,b\n1,2\n"
    );
    assert_eq!(files(&dir), [upload.id.to_string()]);
    assert_eq!(find(&app, &caller, upload.id).await.expect("reads"), Some(upload));
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_behind() {
    let (dir, app) = house().await;
    for (parts, code) in [
        (&["12345", "67890", "1"][..], UploadProblem::TooLarge),
        (&[][..], UploadProblem::Empty),
        (&["12345", "broken"][..], UploadProblem::BrokenOff),
    ] {
        match receive(&app, &Caller::operator(), "leads.csv", body(parts)).await {
            Err(Failure::Problems(problems)) => assert_eq!(problems[0].code, code),
            other => panic!("expected {code:?}, got {other:?}"),
        }
    }
    let reader = Caller::token(
        entity::id::TokenId::at(START),
        Scopes::parse("leads:read").expect("valid"),
    );
    let refused = receive(&app, &reader, "leads.csv", body(&["1"])).await;
    assert!(matches!(refused, Err(Failure::Error(Error::Forbidden(_)))));
    assert_eq!(files(&dir), Vec::<String>::new());
}

#[tokio::test]
async fn after_seven_days_an_upload_and_what_was_left_half_received_are_removed() {
    let (dir, app) = house().await;
    let caller = Caller::operator();
    let old = receive(&app, &caller, "old.csv", body(&["1"]))
        .await
        .expect("received");
    let folder = dir.path().join("uploads");
    let orphan = UploadId::at(START);
    std::fs::write(folder.join(format!("{orphan}.part")), "half").expect("writes");
    std::fs::write(folder.join("notes.txt"), "not ours").expect("writes");
    app.clock().set(START.plus_days(5));
    let young = receive(&app, &caller, "young.csv", body(&["2"]))
        .await
        .expect("received");
    app.clock().set(START.plus_days(7).plus_seconds(1));
    sweep(&app).await.expect("sweeps");
    let mut left = files(&dir);
    left.sort();
    assert_eq!(left, ["notes.txt".to_owned(), young.id.to_string()]);
    assert!(matches!(
        locate(&app, &caller, old.id).await,
        Err(Error::NotFound(_))
    ));
    assert_eq!(find(&app, &caller, old.id).await.expect("reads"), None);
    assert_eq!(
        locate(&app, &caller, young.id)
            .await
            .map(|stored| stored.file_name)
            .expect("is there"),
        "young.csv"
    );
}
