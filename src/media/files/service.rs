//! Use cases of uploads.

use std::collections::HashMap;
use std::fmt::Display;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use entity::Area;
use entity::id::UploadId;
use futures_util::{Stream, StreamExt};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::model::{PART, clean_name, expiry, file_has_expired};
use super::{Upload, store};
use crate::app::App;
use crate::error::{Error, Outcome, Problem};
use crate::identity::{Caller, Scope, audit};

/// How long the sender may be silent.
const SILENCE: Duration = Duration::from_secs(60);
/// Written to the file at once.
const BUFFER: usize = 256 << 10;
/// Expired uploads removed at once.
const SWEEP: u64 = 500;

/// What can be wrong with an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadProblem {
    /// The file is larger than the setting `upload_max_bytes` allows.
    TooLarge,
    /// The file has no content.
    Empty,
    /// The sender broke off.
    BrokenOff,
}

/// An upload with the place of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredUpload {
    /// What the sender called it.
    pub file_name: String,
    /// Its size.
    pub size_bytes: i64,
    /// Where it is.
    pub path: PathBuf,
}

/// A file that is being written; removed when it is dropped before it is kept.
struct Unfinished {
    path: PathBuf,
    keep: bool,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.keep {
            // A leftover is removed by the sweep.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Whether somebody may send files: they are for imports.
///
/// # Errors
/// None of the scopes `leads:write`, `engagement:write`, `revenue:write`, `settings:write`.
pub fn may_send(caller: &Caller) -> Result<(), Error> {
    caller.require_any(&[Area::Leads, Area::Engagement, Area::Revenue, Area::Settings].map(Scope::Write))
}

/// Receives a file.
///
/// # Errors
/// [`UploadProblem`]s; no scope of [`may_send`]; a full or unwritable disk; the database's. Nothing is kept then.
pub async fn receive<E: Display>(
    app: &App,
    caller: &Caller,
    file_name: &str,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Outcome<Upload, UploadProblem> {
    may_send(caller)?;
    let now = app.clock().now();
    let id = UploadId::at(now);
    let folder = folder(app);
    let wanted = path(app, id);
    tokio::fs::create_dir_all(&folder)
        .await
        .map_err(|error| disk(&folder, error))?;
    let mut unfinished = Unfinished {
        path: folder.join(format!("{id}{PART}")),
        keep: false,
    };
    let (size, digest) = write(&unfinished.path, app.storage().upload_max_bytes, body).await?;
    tokio::fs::rename(&unfinished.path, &wanted)
        .await
        .map_err(|error| disk(&wanted, error))?;
    unfinished.path = wanted;
    sync_folder(folder).await?;
    let upload = Upload {
        id,
        file_name: clean_name(file_name),
        size_bytes: i64::try_from(size).map_err(Error::internal)?,
        digest,
        created_by: caller.actor.id.clone(),
        created_at: now,
    };
    let tx = app.db().begin().await?;
    store::insert(&tx, &upload).await?;
    // From here on the outcome may be unknown when the connection breaks: a file too many is harmless.
    unfinished.keep = true;
    tx.commit().await?;
    // Behind it: a file that is there and not noted is seen in its import, one that was noted and is not there nowhere.
    let detail = json!({ "upload": upload.id, "sizeBytes": upload.size_bytes });
    audit::note(app, caller, "FILE_UPLOADED", &detail).await?;
    metrics::counter!("leadline_upload_bytes_total").increment(size);
    Ok(upload)
}

/// Writes the body to a new file and brings it to the disk; its size and its digest.
async fn write<E: Display>(
    path: &Path,
    limit: u64,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Outcome<(u64, String), UploadProblem> {
    let problem = |code, message: String| Problem::new("", code, message);
    let file = tokio::fs::File::create_new(path)
        .await
        .map_err(|error| disk(path, error))?;
    let mut file = tokio::io::BufWriter::with_capacity(BUFFER, file);
    let mut hasher = blake3::Hasher::new();
    let mut size = 0_u64;
    let mut body = std::pin::pin!(body);
    loop {
        let chunk = match tokio::time::timeout(SILENCE, body.next()).await {
            Ok(None) => break,
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(error))) => {
                return Err(
                    problem(UploadProblem::BrokenOff, format!("the upload broke off: {error}")).into(),
                );
            }
            Err(_) => {
                let message = format!("nothing came for {} s", SILENCE.as_secs());
                return Err(problem(UploadProblem::BrokenOff, message).into());
            }
        };
        size += chunk.len() as u64;
        if size > limit {
            let message =
                format!("the file is larger than {limit} bytes, the most that `upload_max_bytes` allows");
            return Err(problem(UploadProblem::TooLarge, message).into());
        }
        hasher.update(&chunk);
        file.write_all(&chunk).await.map_err(|error| disk(path, error))?;
    }
    if size == 0 {
        return Err(problem(UploadProblem::Empty, "the file is empty".to_owned()).into());
    }
    file.flush().await.map_err(|error| disk(path, error))?;
    file.into_inner()
        .sync_all()
        .await
        .map_err(|error| disk(path, error))?;
    Ok((size, hasher.finalize().to_hex().to_string()))
}

/// Brings a renamed file's name to the disk.
async fn sync_folder(folder: PathBuf) -> Result<(), Error> {
    let synced = tokio::task::spawn_blocking(move || {
        let result = std::fs::File::open(&folder).and_then(|opened| opened.sync_all());
        result.map_err(|error| disk(&folder, error))
    });
    synced.await.map_err(Error::internal)?
}

fn disk(path: &Path, error: std::io::Error) -> Error {
    let path = path.display();
    tracing::error!(%path, %error, "cannot store an upload");
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Error::Unavailable("the server's disk is full; the upload was not kept".into())
        }
        _ => Error::internal(error),
    }
}

/// An upload; `None` when there is none with this id.
///
/// # Errors
/// A missing scope `leads:read`; the database's.
pub async fn find(app: &App, caller: &Caller, id: UploadId) -> Result<Option<Upload>, Error> {
    caller.require(Scope::Read(Area::Leads))?;
    let upload = store::find(app.db().read(), id).await?;
    Ok(upload.filter(|upload| caller.sees_made_by(&upload.created_by)))
}

/// Uploads by id; those that are not there are left out.
///
/// # Errors
/// The database's. Whoever shows them asks for the scope, and [whose](Caller::sees_made_by) they are.
pub async fn get_many(app: &App, ids: &[UploadId]) -> Result<HashMap<UploadId, Upload>, Error> {
    Ok(store::by_ids(app.db().read(), ids).await?)
}

/// The file of an upload, for the work that reads it in somebody's name. Whoever calls has made sure of the scope.
///
/// # Errors
/// [`Error::NotFound`] when there is no such upload, or not any more; the database's.
pub async fn locate(app: &App, caller: &Caller, id: UploadId) -> Result<StoredUpload, Error> {
    let path = path(app, id);
    let there = tokio::fs::try_exists(&path).await.map_err(Error::internal)?;
    let upload = store::find(app.db().read(), id).await?;
    match upload.filter(|upload| caller.sees_made_by(&upload.created_by)) {
        Some(Upload {
            file_name,
            size_bytes,
            ..
        }) if there => Ok(StoredUpload {
            file_name,
            size_bytes,
            path,
        }),
        Some(_) => Err(Error::NotFound(format!(
            "the file of `{id}` is not in this machine's data directory; servers and workers have to share it"
        ))),
        None => Err(Error::NotFound(format!(
            "there is no upload `{id}`; uploads are kept for {} days",
            super::KEPT_DAYS
        ))),
    }
}

/// Removes uploads that have expired, and files that no row knows.
pub(super) async fn sweep(app: &App) -> Result<(), Error> {
    let now = app.clock().now();
    loop {
        let ids = store::older_than(app.db().read(), expiry(now), SWEEP).await?;
        if ids.is_empty() {
            break;
        }
        // Files first: a row without a file is found again, a file without a row would wait for the walk below.
        for id in &ids {
            remove_file(&path(app, *id)).await?;
        }
        let tx = app.db().begin().await?;
        store::remove(&tx, &ids).await?;
        tx.commit().await?;
        tracing::info!(removed = ids.len(), "removed expired uploads");
    }
    let folder = folder(app);
    let mut entries = match tokio::fs::read_dir(&folder).await {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::internal(error)),
    };
    while let Some(entry) = entries.next_entry().await.map_err(Error::internal)? {
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| file_has_expired(name, now))
        {
            remove_file(&entry.path()).await?;
        }
    }
    Ok(())
}

async fn remove_file(path: &Path) -> Result<(), Error> {
    match tokio::fs::remove_file(path).await {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::internal(error)),
        _ => Ok(()),
    }
}

fn folder(app: &App) -> PathBuf {
    app.storage().data_dir.join("uploads")
}

fn path(app: &App, id: UploadId) -> PathBuf {
    folder(app).join(id.to_string())
}
