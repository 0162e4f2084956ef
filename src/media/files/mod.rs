//! Uploaded files: kept for [`KEPT_DAYS`] days as `uploads/upload_…` in the data directory, with a row each.
//!
//! An upload is written beside its final place, brought to the disk, and only then renamed and recorded: what has a row
//! has its whole file. Servers and workers on several machines share the data directory.

pub mod graphql;
mod jobs;
mod model;
mod service;
mod store;
#[cfg(test)]
mod tests;

pub use entity::upload::Model as Upload;
pub use jobs::UploadSweep;
pub use model::KEPT_DAYS;
pub use service::{StoredUpload, UploadProblem, find, get_many, locate, may_send, receive};
