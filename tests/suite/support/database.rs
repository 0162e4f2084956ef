//! A fresh database for one test.

use std::path::Path;
use std::sync::OnceLock;

use leadline::db::{Db, DbOptions};
use tempfile::TempDir;

use super::postgres::Postgres;
use super::{aside, scratch};

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A fresh database, migrated where that could be prepared, and a data folder; both go when it is dropped.
#[derive(Debug)]
pub struct Database {
    url: String,
    folder: TempDir,
    of_shared: Option<String>,
}

impl Database {
    /// A fresh one; `None`, said aloud, when the machine lacks what it takes.
    pub fn create(backend: Backend) -> Option<Self> {
        let folder = scratch("leadline-database-");
        let (url, of_shared) = match backend {
            Backend::Sqlite => (sqlite(folder.path()), None),
            Backend::Postgres => {
                let name = fresh_name();
                (Postgres::shared()?.create(&name), Some(name))
            }
        };
        Some(Self {
            url,
            folder,
            of_shared,
        })
    }

    /// A fresh one on a server of one's own, which must be dropped after it.
    pub fn create_on(postgres: &Postgres) -> Self {
        Self {
            url: postgres.create(&fresh_name()),
            folder: scratch("leadline-database-"),
            of_shared: None,
        }
    }

    /// Which database it is.
    pub fn backend(&self) -> Backend {
        if self.url.starts_with("postgres") {
            Backend::Postgres
        } else {
            Backend::Sqlite
        }
    }

    /// Its address, for the setting `database_url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its data folder, for the setting `data_dir`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Opens it beside whoever else has it open.
    pub async fn open(&self) -> Db {
        Db::open(&DbOptions::new(&self.url)).await.expect("it opens")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(name) = &self.of_shared
            && let Some(postgres) = Postgres::shared()
        {
            postgres.remove(name);
        }
    }
}

fn fresh_name() -> String {
    format!("test_{}", uuid::Uuid::now_v7().simple())
}

/// Writes a migrated file; migrated once, as that costs more than all the rest.
fn sqlite(folder: &Path) -> String {
    static TEMPLATE: OnceLock<Vec<u8>> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let folder = scratch("leadline-database-");
        let file = folder.path().join("template.db");
        aside(async || {
            let db = Db::open(&DbOptions::new(format!("sqlite:{}", file.display())))
                .await
                .expect("it opens");
            db.migrate().await.expect("it migrates");
            db.close().await.expect("it closes");
        });
        std::fs::read(&file).expect("it is there")
    });
    let file = folder.join("leadline.db");
    std::fs::write(&file, template).expect("it can be written");
    format!("sqlite:{}", file.display())
}
