//! The file of the master key: one key a line, 32 bytes as base64; the first is in use, the others are still known.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entity::data_key;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::cipher::Key;
use crate::error::Error;

/// Why the master key cannot be used; each says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// There is none.
    #[error(
        "the file of the master key, `{file}`, is not there, but secrets of this database are sealed under the master \
         key {wanted}: put the file back, or set `master_key_file`"
    )]
    Missing {
        /// Where it was looked for.
        file: String,
        /// The id of the key.
        wanted: String,
    },
    /// It is another one.
    #[error(
        "secrets of this database are sealed under the master key {wanted}, which is not in `{file}`: put the right file \
         there, or set `master_key_file`"
    )]
    Another {
        /// Where it was looked for.
        file: String,
        /// The id of the key.
        wanted: String,
    },
    /// The file holds something else.
    #[error("line {line} of `{file}` is not a master key: 32 bytes as base64, 44 characters")]
    Malformed {
        /// Which file.
        file: String,
        /// Which line.
        line: usize,
    },
    /// The file cannot be read or written.
    #[error("the file of the master key, `{file}`, cannot be {what}: {error}")]
    File {
        /// Which file.
        file: String,
        /// "read" or "written".
        what: &'static str,
        /// Why.
        error: io::Error,
    },
    /// The random numbers of the machine, or a data key that was changed.
    #[error("a data key cannot be opened: {0}")]
    DataKey(#[source] Error),
}

/// Where the master key stands.
#[derive(Debug)]
pub struct MasterFile {
    file: PathBuf,
}

/// A key of the file with its id.
struct Master {
    id: String,
    key: Key,
}

impl Master {
    fn new(key: Key) -> Self {
        // The id tells keys apart and nothing of the key.
        let hash = blake3::derive_key("leadline 2026 master key id", key.bytes());
        let id = hash[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        Self { id, key }
    }
}

/// Authenticated with a data key.
fn associated(id: Uuid) -> Vec<u8> {
    format!("data_key:{id}").into_bytes()
}

impl MasterFile {
    /// The file at a path; it may not exist yet.
    #[must_use]
    pub fn new(file: PathBuf) -> Self {
        Self { file }
    }

    /// The path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file
    }

    fn name(&self) -> String {
        self.file.display().to_string()
    }

    fn problem(&self, what: &'static str) -> impl FnOnce(io::Error) -> MasterError + use<> {
        let file = self.name();
        move |error| MasterError::File { file, what, error }
    }

    /// The keys of the file; none when there is no file.
    fn read(&self) -> Result<Vec<Master>, MasterError> {
        let text = match fs::read_to_string(&self.file) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.problem("read")(error)),
        };
        let mut keys = Vec::new();
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bytes = Zeroizing::new(STANDARD.decode(line).unwrap_or_default());
            let key = Key::from_bytes(&bytes).ok_or_else(|| MasterError::Malformed {
                file: self.name(),
                line: n + 1,
            })?;
            keys.push(Master::new(key));
        }
        Ok(keys)
    }

    /// Opens a data key.
    pub(super) fn unwrap(&self, data_key: &data_key::Model) -> Result<Key, MasterError> {
        let keys = self.read()?;
        let wanted = || data_key.master.clone();
        if keys.is_empty() {
            return Err(MasterError::Missing {
                file: self.name(),
                wanted: wanted(),
            });
        }
        let master = keys
            .iter()
            .find(|master| master.id == data_key.master)
            .ok_or_else(|| MasterError::Another {
                file: self.name(),
                wanted: wanted(),
            })?;
        let bytes = master
            .key
            .open(&associated(data_key.id), &data_key.wrapped)
            .map_err(MasterError::DataKey)?;
        Key::from_bytes(&bytes)
            .ok_or_else(|| MasterError::DataKey(Error::internal(anyhow::anyhow!("it has another length"))))
    }

    /// Seals a data key under the key in use; makes the file when there is none. Answers the master key's id, too.
    pub(super) fn wrap(&self, id: Uuid, key: &Key) -> Result<(String, Vec<u8>), MasterError> {
        let mut keys = self.read()?;
        if keys.is_empty() {
            self.create()?;
            // Another process may have been first: what stands in the file now is the key.
            keys = self.read()?;
        }
        let master = keys.first().ok_or_else(|| MasterError::Malformed {
            file: self.name(),
            line: 1,
        })?;
        let wrapped = master
            .key
            .seal(Uuid::nil(), &associated(id), key.bytes())
            .map_err(MasterError::DataKey)?;
        Ok((master.id.clone(), wrapped))
    }

    /// Makes the file, for its owner alone, unless there is one with a key.
    pub(super) fn create(&self) -> Result<(), MasterError> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder).map_err(self.problem("written"))?;
        }
        let key = Key::random().map_err(MasterError::DataKey)?;
        let beside = self.beside();
        self.write(&beside, &[&key])?;
        // A link is made whole or not at all, and never over what is there.
        let linked = fs::hard_link(&beside, &self.file);
        fs::remove_file(&beside).map_err(self.problem("written"))?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(self.problem("written")(error)),
            _ => self.sync_folder(),
        }
    }

    /// Puts a new key before those of the file.
    pub(super) fn add(&self) -> Result<(), MasterError> {
        let old = self.read()?;
        let new = Key::random().map_err(MasterError::DataKey)?;
        let keys: Vec<&Key> = std::iter::once(&new)
            .chain(old.iter().map(|master| &master.key))
            .collect();
        self.replace(&keys)
    }

    /// Leaves the key in use in the file, and those that are named.
    pub(super) fn keep(&self, named: &[String]) -> Result<(), MasterError> {
        let keys = self.read()?;
        let kept = keys
            .iter()
            .enumerate()
            .filter(|(place, master)| *place == 0 || named.contains(&master.id));
        let kept: Vec<&Key> = kept.map(|(_, master)| &master.key).collect();
        self.replace(&kept)
    }

    fn replace(&self, keys: &[&Key]) -> Result<(), MasterError> {
        let beside = self.beside();
        self.write(&beside, keys)?;
        fs::rename(&beside, &self.file).map_err(self.problem("written"))?;
        self.sync_folder()
    }

    /// Brings the file's name to the disk: a database must not outlive the key that it names.
    fn sync_folder(&self) -> Result<(), MasterError> {
        #[cfg(unix)]
        if let Some(folder) = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(self.problem("written"))?;
        }
        Ok(())
    }

    fn beside(&self) -> PathBuf {
        let mut name = self.file.clone().into_os_string();
        name.push(format!(".{}", std::process::id()));
        name.into()
    }

    fn write(&self, path: &Path, keys: &[&Key]) -> Result<(), MasterError> {
        let mut text = Zeroizing::new(String::from(
            "# Master key of Leadline. Keep a copy away from the database: without it, sealed secrets are lost.\n",
        ));
        for key in keys {
            text.push_str(&Zeroizing::new(STANDARD.encode(key.bytes())));
            text.push('\n');
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let written = options.open(path).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.map_err(self.problem("written"))
    }
}
