//! Files that users upload for their prompts and messages.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::RunManager;
use crate::run::uploads::{Upload, UploadError};
use crate::types::{Caller, UploadId};
use crate::workspace::files::Piece;

impl RunManager {
    /// Stores an upload of the caller, whose content is received. Dropping the sender before the end leaves nothing.
    ///
    /// # Errors
    /// [`UploadError`], by cause. Nothing is left then.
    pub async fn upload(&self, caller: &Caller, name: String, content: mpsc::Receiver<Piece>) -> Result<(UploadId, Upload), UploadError> {
        self.inner.quotas.check_stored(caller.user.id).await?;
        let (id, upload) = self.inner.uploads.store(caller.user.id, name, content, self.inner.log.now()).await?;
        tracing::info!(file.id = %id, size = upload.size, by = %caller.user, "stored an upload");
        Ok((id, upload))
    }

    /// What is known about an upload of the caller. Uploads of others do not exist, for admins as well: their content would become visible
    /// in the caller's run.
    ///
    /// # Errors
    /// [`UploadError::NotFound`].
    pub fn find_upload(&self, caller: &Caller, id: UploadId) -> Result<Upload, UploadError> {
        self.inner.uploads.find(Some(caller.user.id), id, self.inner.log.now())
    }

    /// Reads the content of an upload that was found.
    ///
    /// # Errors
    /// [`UploadError`]; [`UploadError::NotFound`] if it was removed meanwhile.
    pub async fn read_upload(&self, id: UploadId, upload: &Upload) -> Result<Bytes, UploadError> {
        self.inner.uploads.read(id, upload).await
    }

    /// Removes an upload of the caller, or as an admin any upload. Runs that use it keep their copies.
    ///
    /// # Errors
    /// [`UploadError`], by cause.
    pub async fn remove_upload(&self, caller: &Caller, id: UploadId) -> Result<(), UploadError> {
        let owner = (!caller.is_admin()).then_some(caller.user.id);
        self.inner.uploads.find(owner, id, self.inner.log.now())?;
        self.inner.uploads.remove(id).await?;
        tracing::info!(file.id = %id, by = %caller.user, "removed an upload");
        Ok(())
    }
}
