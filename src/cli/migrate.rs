//! `leadline migrate`: brings the schema up to date.

use super::failure::Failure;
use super::output::print;
use super::runtime::block_on;
use crate::assembly;
use crate::config::Settings;
use crate::telemetry;

pub(super) fn run(settings: &Settings) -> Result<(), Failure> {
    block_on(async {
        telemetry::start_logging(settings)?;
        let db = assembly::open(settings).await?;
        let pending = db.pending_migrations().await?;
        db.migrate().await?;
        // The process ends: closing only tidies up.
        let _ = db.close().await;
        let mut text: String = pending.iter().map(|name| format!("applied {name}\n")).collect();
        text.push_str("the schema is up to date\n");
        print(&text)
    })
}
