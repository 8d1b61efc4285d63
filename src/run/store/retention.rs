//! Removal of old runs and events.

use async_trait::async_trait;

use super::StoreError;
use crate::types::{RunId, Timestamp, UserId};

/// Size of a store, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// Space in use.
    pub used: u64,
    /// Additional free space in the file, which is filled before the file grows.
    pub free: u64,
}

/// What one step of retention did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionStep {
    /// Runs that were removed, with their owners.
    pub removed: Vec<(RunId, UserId)>,
    /// Number of runs whose logs are now trimmed completely.
    pub trimmed: u64,
    /// Size of the removed events, in bytes.
    pub bytes: u64,
    /// Whether anything matched. If false, nothing was done and no further step is needed.
    pub found: bool,
}

/// A run whose directories on disk are to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRemoval {
    /// The run.
    pub run: RunId,
    /// Whether the session that started with the run was deleted, so that its fresh workspace is removed too; otherwise only the output of
    /// the run's agent is.
    pub workspace: bool,
}

/// Removes old data, in steps short enough not to delay other writes.
///
/// Implementors must not change a run that has not ended, and must keep the last event of a run that stays, its `done`. What a step removes
/// from the store but leaves on disk must be in [`RetentionStore::pending_removals`] from the same transaction on.
#[async_trait]
pub trait RetentionStore: std::fmt::Debug + Send + Sync {
    /// The size of the store.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn size(&self) -> Result<StoreSize, StoreError>;

    /// One step in deleting the oldest session whose runs all ended before `before`: deletes some of its runs as
    /// [`RunStore::begin_delete`](super::RunStore::begin_delete) does, and the session with the last of them.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was deleted then.
    async fn remove_oldest(&self, before: Timestamp) -> Result<RetentionStep, StoreError>;

    /// One step in removing what deleted runs have left in the store: about `budget` bytes. If nothing was found, nothing is left.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn remove_deleted(&self, budget: usize) -> Result<RetentionStep, StoreError>;

    /// One step in trimming the log of the run that ended first among those with untrimmed logs: removes about `budget` bytes from its
    /// beginning. The end of the log and the run itself stay.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn trim_oldest(&self, now: Timestamp, budget: usize) -> Result<RetentionStep, StoreError>;

    /// At most `limit` runs whose directories are to be removed. Damaged rows are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn pending_removals(&self, limit: usize) -> Result<Vec<PendingRemoval>, StoreError>;

    /// Deletes entries whose directories were removed.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; no entry was deleted then.
    async fn forget_removed(&self, removed: Vec<PendingRemoval>) -> Result<(), StoreError>;

    /// Deletes entries whose run is damaged: they name no directory.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; no entry was deleted then.
    async fn forget_damaged_removals(&self) -> Result<(), StoreError>;

    /// Returns about `budget` bytes of free space to the disk. Returns whether there is more.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn shrink(&self, budget: usize) -> Result<bool, StoreError>;
}
