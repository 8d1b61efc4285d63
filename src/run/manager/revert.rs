//! Reverts of the working directories of runs to earlier states.

use tokio::task::spawn_blocking;

use super::RunManager;
use super::changes::ChangesError;
use super::files::FilesError;
use crate::run::store::StoreError;
use crate::types::{Caller, RunId, SessionId};
use crate::workspace::{FilePath, Reverted, SnapshotStore, TreeId};

/// The state to which a directory is reverted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevertTo {
    /// After this turn of the run, counted from 1; 0 stands for the start of the run.
    Turn(usize),
    /// A snapshot of the run, or one from before a revert of its session.
    Snapshot(TreeId),
}

/// Why a directory was not reverted.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// The run, the state or the directory is not available.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A run of the session has not ended.
    #[error("session {0} has a run that has not ended; wait for its end, or cancel it")]
    Busy(SessionId),
    /// The snapshot is none of the run, and none from before a revert.
    #[error("the run has no snapshot {0}")]
    NoSnapshot(TreeId),
}

impl From<StoreError> for RevertError {
    fn from(error: StoreError) -> Self {
        Self::Files(error.into())
    }
}

impl From<ChangesError> for RevertError {
    fn from(error: ChangesError) -> Self {
        Self::Files(error.into())
    }
}

impl RunManager {
    /// Reverts the files below `paths`, or all, in the working directory of a run. No run of its session begins meanwhile.
    ///
    /// # Errors
    /// [`RevertError`], by cause. Repeating it completes one that was interrupted.
    pub async fn revert(&self, caller: &Caller, run: RunId, to: RevertTo, paths: &[FilePath]) -> Result<Reverted, RevertError> {
        let run = self.find_with_files(caller, run).await?;
        let _idle = self.inner.sessions.try_acquire(run.session).ok_or(RevertError::Busy(run.session))?;
        // Of another server, perhaps.
        if !self.unfinished(run.session).await?.is_empty() {
            return Err(RevertError::Busy(run.session));
        }
        let session = run.session.to_string();
        let (store, tree) = match to {
            RevertTo::Turn(turn) => self.state_after(&run, turn).await?,
            RevertTo::Snapshot(tree) => {
                let store = self
                    .inner
                    .context
                    .snapshots
                    .of(&run.spec.working_dir, &run.owner.id.to_string())
                    .ok_or_else(|| self.not_recorded(&run))?;
                let record = self.inner.store.changes(run.id).await?.map(|stored| stored.record);
                let is_own = record.is_some_and(|record| record.contains(tree));
                if !is_own && !remembers(store.clone(), session.clone(), tree).await? {
                    return Err(RevertError::NoSnapshot(tree));
                }
                (store, tree)
            }
        };
        let directory = self.open_directory(caller, &run).await.map_err(FilesError::from)?;
        let reverted = store.revert(directory.handle(), &session, tree, paths).await.map_err(FilesError::from)?;
        tracing::info!(run.id = %run.id, files = reverted.files, by = %caller.user, "reverted a working directory");
        Ok(reverted)
    }
}

/// Snapshots are shared by all sessions in a directory, so only those of the session are offered.
async fn remembers(store: SnapshotStore, session: String, tree: TreeId) -> Result<bool, RevertError> {
    let found = spawn_blocking(move || store.remembers(&session, tree)).await;
    let found = found.unwrap_or_else(|died| Err(std::io::Error::other(died)));
    Ok(found.map_err(|error| FilesError::from(crate::workspace::SnapshotError::Io(error)))?)
}
