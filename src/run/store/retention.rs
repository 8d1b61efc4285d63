//! Removal of old runs and events.

use async_trait::async_trait;

use super::{Conversation, StoreError};
use crate::types::{RunId, SessionId, Timestamp, UserId};

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
    /// The agents' conversations of the sessions that were removed with them.
    pub conversations: Vec<Conversation>,
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

/// A session's fresh workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreshWorkspace {
    /// The session.
    pub session: SessionId,
    /// Its first run, after which the workspace is named.
    pub first_run: RunId,
    /// Number of the session's runs that ended since it was measured.
    pub unmeasured: i64,
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

    /// Decides that the agents' output of at most `limit` runs that ended before this time is removed, the oldest first: it no longer counts,
    /// and is among the pending removals. Returns the number of these runs.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn expire_output(&self, before: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// At most `limit` fresh workspaces of sessions, or of one session, whose runs all ended before this time, and which were not emptied
    /// since, or [kept](Self::workspace_kept) until after this time. Damaged rows are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn expired_workspaces(
        &self,
        before: Timestamp,
        session: Option<SessionId>,
        limit: usize,
    ) -> Result<Vec<FreshWorkspace>, StoreError>;

    /// Records that the workspace of a session was kept: it still counts, and is among the [expired](Self::expired_workspaces) ones again
    /// from this `before` on.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn workspace_kept(&self, session: SessionId, until: Timestamp) -> Result<(), StoreError>;

    /// At most `limit` fresh workspaces that may have changed since they were measured. Damaged rows are left out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn unmeasured_workspaces(&self, limit: usize) -> Result<Vec<FreshWorkspace>, StoreError>;

    /// Records the size of a workspace as it was when it was returned as unmeasured, or later.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn workspace_measured(&self, workspace: FreshWorkspace, bytes: u64) -> Result<(), StoreError>;

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
