//! The upkeep of uploads.

use std::time::Duration;

use async_trait::async_trait;

use super::service;
use crate::app::App;
use crate::error::Error;
use crate::jobs::Chore;

/// Removes uploads after [`KEPT_DAYS`](super::KEPT_DAYS) days.
#[derive(Clone, Copy, Debug)]
pub struct UploadSweep;

#[async_trait]
impl Chore for UploadSweep {
    fn name(&self) -> &'static str {
        "files.sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, app: &App) -> Result<(), Error> {
        service::sweep(app).await
    }
}
