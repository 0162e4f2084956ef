//! Table `upload`.

use sea_orm::entity::prelude::*;

use crate::{Timestamp, id::UploadId};

/// A file that was uploaded, kept in the data directory.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "upload")]
pub struct Model {
    /// The upload.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UploadId,
    /// What its owner calls it.
    pub file_name: String,
    /// Its size.
    pub size_bytes: i64,
    /// BLAKE3 of its content, hexadecimal.
    pub digest: String,
    /// Who uploaded it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

impl ActiveModelBehavior for ActiveModel {}
