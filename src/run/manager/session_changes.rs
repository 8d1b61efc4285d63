//! What a whole conversation has changed in its working directory: from the start of its first run to the end of its last one.

use super::RunManager;
use super::changes::{ChangesError, RunChanges, not_kept, snapshot_now};
use crate::run::errors::SessionError;
use crate::run::store::{RunFilter, RunRecord};
use crate::types::{Caller, SessionId};
use crate::workspace::{ChangeRecord, Skipped, SnapshotStore, TreeId};

/// Maximum number of runs of a session that are looked at, from the newest.
const MAX_RUNS: usize = 200;

/// What a session is compared with.
struct SessionSpan {
    store: SnapshotStore,
    from: TreeId,
    to: TreeId,
    skipped: Vec<Skipped>,
    skipped_total: usize,
    /// Whether the content of its files is not served.
    is_private: bool,
}

impl RunManager {
    /// What the runs of a session have changed in its working directory together; with a live run, as of now.
    ///
    /// # Errors
    /// [`ChangesError`], by cause.
    pub async fn session_changes(&self, caller: &Caller, session: SessionId) -> Result<RunChanges, ChangesError> {
        let SessionSpan { store, from, to, skipped, skipped_total, is_private: _ } = self.session_span(caller, session).await?;
        Ok(RunChanges { changes: store.changes(from, to).await?, from, snapshot: to, skipped, skipped_total })
    }

    /// The same as a patch in the format of git.
    ///
    /// # Errors
    /// [`ChangesError`], by cause.
    pub async fn session_patch(&self, caller: &Caller, session: SessionId) -> Result<Vec<u8>, ChangesError> {
        let SessionSpan { store, from, to, is_private, .. } = self.session_span(caller, session).await?;
        if is_private {
            return Err(ChangesError::Private);
        }
        Ok(store.patch(from, to, None).await?)
    }

    async fn session_span(&self, caller: &Caller, id: SessionId) -> Result<SessionSpan, ChangesError> {
        let unavailable = |reason: &str| ChangesError::Unavailable(reason.into());
        let session = self.find_visible_session(caller, id).await.map_err(|error| match error {
            SessionError::NotFound(id) => ChangesError::NoSession(id),
            SessionError::Store(error) => error.into(),
        })?;
        let store = self.inner.context.snapshots.of(&session.working_dir, &session.owner.id.to_string());
        let store =
            store.ok_or_else(|| unavailable("the server does not record changes: git is not installed, or OPENRUNNER_CHANGES is off"))?;
        let mut runs = self.inner.store.runs(RunFilter { session: Some(id), ..RunFilter::default() }, MAX_RUNS).await?;
        // Before the session moved, it worked elsewhere.
        runs.retain(|run| run.spec.working_dir == session.working_dir);
        let (mut first, mut last): (Option<TreeId>, Option<(RunRecord, ChangeRecord)>) = (None, None);
        for run in runs {
            let Some(stored) = self.inner.store.changes(run.id).await? else { continue };
            first = Some(stored.record.start);
            if last.is_none() {
                last = Some((run, stored.record));
            }
        }
        let (Some(from), Some((run, record))) = (first, last) else {
            return Err(unavailable("the changes of the session were not recorded"));
        };
        let to = match record.end {
            Some(end) => end.tree,
            None if run.ended_at.is_some() => return Err(not_kept()),
            None => snapshot_now(&store, &run).await?,
        };
        let is_private = self.is_private(&session.working_dir).await;
        Ok(SessionSpan { store, from, to, skipped: record.skipped, skipped_total: record.skipped_total, is_private })
    }
}
