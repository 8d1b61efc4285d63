//! What a store does so that it does not grow for ever.

use async_trait::async_trait;

use super::StoreError;
use crate::types::{RunId, Timestamp, UserName};

/// How large a store is, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSize {
    /// What is kept takes this much.
    pub used: u64,
    /// Its file has this much besides, which new events fill before it grows.
    pub free: u64,
}

/// What one step has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Runs that were removed, each with its owner.
    pub removed: Vec<(RunId, UserName)>,
    /// Runs whose logs are cut now as far as they can be.
    pub cut: u64,
    /// Bytes of events that are gone.
    pub bytes: u64,
    /// Whether there was anything to do. If not, nothing was done.
    pub found: bool,
}

/// Folders on disk that nobody needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingRemoval {
    /// Whose they are.
    pub run: RunId,
    /// Whether the run itself is gone, and a fresh workspace goes with it; else only its agent's output.
    pub workspace: bool,
}

/// Lets old things go, in steps that are short enough for a writer that others wait for.
///
/// Implementors owe: no step touches a run that has not ended; the last event of a run that stays, its `done`, stays; whatever a step
/// takes from the store and leaves on disk is in [`RetentionStore::pending_removals`] from the same moment on.
#[async_trait]
pub trait RetentionStore: std::fmt::Debug + Send + Sync {
    /// How large the store is.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn size(&self) -> Result<StoreSize, StoreError>;

    /// One step at removing the oldest conversation of which every run ended before that moment: about `budget` bytes of its events, and
    /// all its runs at once when no more than that is left.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn remove_oldest(&self, before: Timestamp, budget: usize) -> Result<Step, StoreError>;

    /// One step at cutting the log of the run that ended first among those whose logs are not cut: about `budget` bytes from its beginning.
    /// Its end stays, and so does its row.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was cut then.
    async fn cut_oldest(&self, now: Timestamp, budget: usize) -> Result<Step, StoreError>;

    /// At most `limit` of the folders that are to be removed.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or a row is damaged.
    async fn pending_removals(&self, limit: usize) -> Result<Vec<PendingRemoval>, StoreError>;

    /// Forgets these folders: they are gone.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; all of them are remembered then.
    async fn forget_removed(&self, gone: Vec<PendingRemoval>) -> Result<(), StoreError>;

    /// Gives about `budget` bytes of what is free back to the disk. Gives whether there is more.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn shrink(&self, budget: usize) -> Result<bool, StoreError>;
}
