//! What runs have changed in their working directories.

use super::RunManager;
use crate::process::WorkingDir;
use crate::run::errors::FindError;
use crate::run::store::{RunRecord, StoreError};
use crate::types::{Caller, RunId, SessionId};
use crate::workspace::{
    ChangeRecord, Changes, Skipped, SnapshotError, SnapshotKind, SnapshotStore, StoredChanges, TreeId, decompress, part_of,
};

/// Why the content of files is not served.
pub(super) const PRIVATE: &str =
    "the working directory contains settings or keys of the server, so its files are not served; the operator can move either";

/// What a run, or one of its turns, has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunChanges {
    /// The changed files.
    pub changes: Changes,
    /// The snapshot before.
    pub from: TreeId,
    /// The snapshot after; of a live run as it is now.
    pub snapshot: TreeId,
    /// Some of the files and directories whose changes are not recorded.
    pub skipped: Vec<Skipped>,
    /// Number of those.
    pub skipped_total: usize,
}

/// Why changes cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// The run was not found.
    #[error(transparent)]
    Find(#[from] FindError),
    /// The session was not found.
    #[error("session {0} not found")]
    NoSession(SessionId),
    /// The run has no such turn.
    #[error("the run has no turn {0}")]
    NoTurn(usize),
    /// The file was not changed.
    #[error("the run has not changed {0:?}; see /changes for the files that it has")]
    NoFile(String),
    /// They were not recorded, or not kept.
    #[error("{0}")]
    Unavailable(String),
    /// Files with secrets of the server are, or may be, in the working directory, so their content is not served.
    #[error("{PRIVATE}")]
    Private,
}

impl From<StoreError> for ChangesError {
    fn from(error: StoreError) -> Self {
        Self::Find(error.into())
    }
}

impl From<SnapshotError> for ChangesError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Git(error) => {
                tracing::warn!(%error, "could not compare two snapshots");
                Self::Unavailable("the snapshots of the run are no longer kept, or damaged".into())
            }
            SnapshotError::Io(error) => {
                tracing::warn!(%error, "could not read a working directory");
                Self::Unavailable("the working directory cannot be read".into())
            }
            error => Self::Unavailable(error.to_string()),
        }
    }
}

/// Two snapshots to compare.
struct Span {
    store: SnapshotStore,
    from: TreeId,
    to: TreeId,
}

/// Where changes come from.
enum Origin {
    /// The end of the run is stored, with its changes.
    Stored(StoredChanges),
    /// Snapshots are compared.
    Compared(Span, ChangeRecord),
}

impl RunManager {
    /// What a run has changed, or one of its turns, counted from 1. Of a live run, or its present turn, as of now.
    ///
    /// # Errors
    /// [`ChangesError`], by cause.
    pub async fn changes(&self, caller: &Caller, run: RunId, turn: Option<usize>) -> Result<RunChanges, ChangesError> {
        match self.origin(caller, run, turn).await? {
            Origin::Stored(StoredChanges { record, patch: _ }) => {
                let ChangeRecord { start, skipped, skipped_total, end, .. } = record;
                let end = end.ok_or_else(not_kept)?;
                Ok(RunChanges { changes: end.changes, from: start, snapshot: end.tree, skipped, skipped_total })
            }
            Origin::Compared(Span { store, from, to }, record) => {
                let ChangeRecord { skipped, skipped_total, .. } = record;
                Ok(RunChanges { changes: store.changes(from, to).await?, from, snapshot: to, skipped, skipped_total })
            }
        }
    }

    /// The patch of a run, or of one of its turns, in the format of git; or the part of it that concerns the file at `path`.
    ///
    /// # Errors
    /// [`ChangesError`], by cause.
    pub async fn patch(&self, caller: &Caller, run: RunId, turn: Option<usize>, path: Option<&str>) -> Result<Vec<u8>, ChangesError> {
        if self.is_private(&self.find_visible_run(caller, run).await?.spec.working_dir).await {
            return Err(ChangesError::Private);
        }
        match self.origin(caller, run, turn).await? {
            Origin::Stored(StoredChanges { record, patch: compressed }) => {
                let too_large = || ChangesError::Unavailable("the patch of the run is too large to be kept, or was trimmed".into());
                let files = record.end.ok_or_else(not_kept)?.changes.files;
                let compressed = compressed.ok_or_else(too_large)?;
                let damaged = |error: std::io::Error| ChangesError::Unavailable(format!("the stored patch is damaged: {error}"));
                let read = tokio::task::spawn_blocking(move || decompress(&compressed)).await;
                let whole = read.unwrap_or_else(|died| Err(std::io::Error::other(died))).map_err(damaged)?;
                let Some(path) = path else { return Ok(whole) };
                let index = files.iter().position(|file| file.path == path).ok_or_else(|| ChangesError::NoFile(path.into()))?;
                part_of(&whole, &files, index).map(<[u8]>::to_vec).ok_or_else(not_kept)
            }
            Origin::Compared(Span { store, from, to }, _) => {
                let Some(path) = path else { return Ok(store.patch(from, to, None).await?) };
                let files = store.changes(from, to).await?.files;
                let file = files.iter().find(|file| file.path == path).ok_or_else(|| ChangesError::NoFile(path.into()))?;
                Ok(store.patch(from, to, Some(file)).await?)
            }
        }
    }

    /// The snapshots before a run, and after it or now, with their store.
    pub(super) async fn changed_span(&self, run: &RunRecord) -> Result<(SnapshotStore, TreeId, TreeId), ChangesError> {
        let record = self.inner.store.changes(run.id).await?.ok_or_else(|| self.not_recorded(run))?.record;
        let store =
            self.inner.context.snapshots.of(&run.spec.working_dir, &run.owner.id.to_string()).ok_or_else(|| self.not_recorded(run))?;
        let to = match record.end {
            Some(end) => end.tree,
            None if run.ended_at.is_some() => return Err(not_kept()),
            None => snapshot_now(&store, run).await?,
        };
        Ok((store, record.start, to))
    }

    async fn origin(&self, caller: &Caller, id: RunId, turn: Option<usize>) -> Result<Origin, ChangesError> {
        let run = self.find_visible_run(caller, id).await?;
        let Some(stored) = self.inner.store.changes(id).await? else { return Err(self.not_recorded(&run)) };
        if turn.is_none() && run.ended_at.is_some() {
            return Ok(Origin::Stored(stored));
        }
        let record = stored.record;
        let (from, to) = match turn {
            None => (record.start, None),
            Some(turn) => record.turn(turn).ok_or(ChangesError::NoTurn(turn))?,
        };
        let store =
            self.inner.context.snapshots.of(&run.spec.working_dir, &run.owner.id.to_string()).ok_or_else(|| self.not_recorded(&run))?;
        let to = match to {
            Some(to) => to,
            None if run.ended_at.is_some() => return Err(not_kept()),
            None => snapshot_now(&store, &run).await?,
        };
        Ok(Origin::Compared(Span { store, from, to }, record))
    }

    pub(super) fn not_recorded(&self, run: &RunRecord) -> ChangesError {
        let reason = if !self.records_changes() {
            "the server does not record changes: git is not installed, or OPENRUNNER_CHANGES is off"
        } else if run.launched_at.is_none() {
            "the agent of the run has not been started"
        } else {
            "the changes of the run were not recorded; a notice in its log says why"
        };
        ChangesError::Unavailable(reason.into())
    }
}

/// A snapshot of the working directory of a live run.
pub(super) async fn snapshot_now(store: &SnapshotStore, run: &RunRecord) -> Result<TreeId, ChangesError> {
    let path = run.spec.working_dir.clone();
    let opened = tokio::task::spawn_blocking(move || WorkingDir::open(&path)).await;
    let working_dir = opened.unwrap_or_else(|died| Err(std::io::Error::other(died))).map_err(SnapshotError::Io)?;
    Ok(store.snapshot(working_dir.handle(), &run.session.to_string(), SnapshotKind::Later).await?.tree)
}

pub(super) fn not_kept() -> ChangesError {
    ChangesError::Unavailable("the changes at the end of the run were not recorded; the log of the run says why".into())
}
