//! Uploads in GraphQL. The files themselves come by `POST /uploads`.

use async_graphql::{Context, Object, Result};
use entity::Timestamp;
use entity::id::UploadId;

use crate::api::types::{Access, scoped};

/// An uploaded file.
pub struct Upload(pub super::Upload);

#[Object]
impl Upload {
    /// The upload's id.
    async fn id(&self) -> UploadId {
        self.0.id
    }
    /// What its sender called it.
    async fn file_name(&self) -> &str {
        &self.0.file_name
    }
    /// Its size in bytes, a whole number.
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact up to 8 PiB; `Int` ends at 2 GiB"
    )]
    async fn size_bytes(&self) -> f64 {
        self.0.size_bytes as f64
    }
    /// BLAKE3 of its content, 64 hexadecimal digits.
    async fn digest(&self) -> &str {
        &self.0.digest
    }
    /// Who sent it: `token_…`, `operator`.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }
    /// When it was received.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }
    /// When it is removed.
    async fn expires_at(&self) -> Timestamp {
        self.0.created_at.plus_days(super::KEPT_DAYS)
    }
}

/// Queries about uploads.
#[derive(Default)]
pub struct UploadQuery;

#[scoped]
#[Object]
impl UploadQuery {
    /// An uploaded file; null when there is none with this id, or not any more.
    #[scope("leads:read")]
    async fn upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The upload's id, `upload_…`.")] id: UploadId,
    ) -> Result<Option<Upload>> {
        Ok(super::find(ctx.app(), ctx.caller()?, id).await?.map(Upload))
    }
}
