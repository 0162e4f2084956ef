//! What every use case needs: the database, the clock, the event bus, the data directory. Knows no wing.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use integrations::Registry;
use integrations::transport::{Egress, HttpTransport, Policy};
use phonenumber::country;

use crate::clock::Clock;
use crate::config::{AccessSettings, PlatformSettings};
use crate::db::Db;
use crate::events::Bus;
use crate::jobs::Hub;
use crate::vault::{MASTER_FILE, Vault};

/// Where files are kept, and how large they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The directory for uploads and generated files; servers and workers of one deployment share it.
    pub data_dir: PathBuf,
    /// Largest upload, in bytes.
    pub upload_max_bytes: u64,
}

impl Storage {
    /// Beside an SQLite database, else in the directory for temporary files; uploads of up to 512 MiB.
    #[must_use]
    pub fn beside(db: &Db) -> Self {
        let folder = db.file().and_then(std::path::Path::parent);
        Self {
            data_dir: folder.map_or_else(|| std::env::temp_dir().join("leadline"), PathBuf::from),
            upload_max_bytes: 512 << 20,
        }
    }
}

/// The outside platforms that this process offers, and the way to them.
#[derive(Debug)]
pub struct Platforms {
    /// Those that are offered.
    pub registry: Registry,
    /// HTTP to them.
    pub transport: HttpTransport,
    /// For how long texts of models are kept, in hours.
    pub text_kept_hours: u32,
}

impl Platforms {
    /// As the settings say.
    ///
    /// # Errors
    /// A platform that is switched off and unknown.
    pub fn new(settings: &PlatformSettings) -> Result<Self, integrations::UnknownKey> {
        let egress = if settings.private_networks {
            Egress::Anywhere
        } else {
            Egress::Public
        };
        Ok(Self {
            registry: Registry::new(integrations::all(), &settings.off)?,
            transport: HttpTransport::new(egress, Policy::default()).expect("TLS is compiled in"),
            text_kept_hours: settings.text_kept_hours,
        })
    }
}

impl Default for Platforms {
    fn default() -> Self {
        Self::new(&PlatformSettings::default()).expect("none is switched off")
    }
}

/// The running application; cheap to clone.
#[derive(Clone, Debug)]
pub struct App {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: Db,
    clock: Clock,
    bus: Arc<Bus>,
    jobs: Hub,
    storage: Storage,
    region: Option<country::Id>,
    access: AccessSettings,
    vault: Vault,
    platforms: Platforms,
    memory: Memory,
}

/// What the rooms keep in memory, by type.
type Memory = Mutex<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>;

impl App {
    /// Puts the parts together, with files [beside](Storage::beside) the database; nothing runs yet.
    #[must_use]
    pub fn new(db: Db, clock: Clock) -> Self {
        let storage = Storage::beside(&db);
        Self::with_storage(db, clock, storage)
    }

    /// Puts the parts together; nothing runs yet.
    #[must_use]
    pub fn with_storage(db: Db, clock: Clock, storage: Storage) -> Self {
        let bus = Arc::new(Bus::new(db.clone()));
        let vault = Vault::new(storage.data_dir.join(MASTER_FILE));
        Self {
            inner: Arc::new(Inner {
                db,
                clock,
                bus,
                jobs: Hub::default(),
                storage,
                region: None,
                access: AccessSettings::default(),
                vault,
                platforms: Platforms::default(),
                memory: Memory::default(),
            }),
        }
    }

    /// With the country of phone numbers that are written without a country code.
    ///
    /// # Panics
    /// When the application is shared already.
    #[must_use]
    pub fn in_region(mut self, region: Option<country::Id>) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("set before the application is shared");
        inner.region = region;
        self
    }

    /// With settings of who comes in, and how.
    ///
    /// # Panics
    /// When the application is shared already.
    #[must_use]
    pub fn with_access(mut self, access: AccessSettings) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("set before the application is shared");
        if let Some(file) = &access.master_key_file {
            inner.vault = Vault::new(file.clone());
        }
        inner.access = access;
        self
    }

    /// With other platforms than all.
    ///
    /// # Panics
    /// When the application is shared already.
    #[must_use]
    pub fn with_platforms(mut self, platforms: Platforms) -> Self {
        let inner = Arc::get_mut(&mut self.inner).expect("set before the application is shared");
        inner.platforms = platforms;
        self
    }

    /// The outside platforms.
    #[must_use]
    pub fn platforms(&self) -> &Platforms {
        &self.inner.platforms
    }

    /// Who comes in, and how.
    #[must_use]
    pub fn access(&self) -> &AccessSettings {
        &self.inner.access
    }

    /// Seals and opens secrets at rest.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    /// The database.
    #[must_use]
    pub fn db(&self) -> &Db {
        &self.inner.db
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }

    /// The live end of the event log.
    #[must_use]
    pub fn bus(&self) -> &Arc<Bus> {
        &self.inner.bus
    }

    /// What this process knows of background work: the queue, the jobs it runs.
    #[must_use]
    pub fn jobs(&self) -> &Hub {
        &self.inner.jobs
    }

    /// Where files are kept.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    /// The country of phone numbers that are written without a country code; none: such numbers are refused.
    #[must_use]
    pub fn region(&self) -> Option<country::Id> {
        self.inner.region
    }

    /// What a room keeps in memory for this application (a cache of definitions, say): made when it is first asked
    /// for, one for each type.
    #[must_use]
    pub fn memory<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut memory = self.inner.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = memory
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()));
        Arc::clone(kept).downcast().expect("kept under its own type")
    }
}
