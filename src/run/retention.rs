//! Retention: removes old conversations and trims logs when the store grows too large.
//!
//! ```text
//! by age    conversations whose last run ended long enough ago: events, rows, agent output, fresh workspaces
//! by size   logs and agent output of the runs that ended first; a run's row and the end of its log stay
//! unasked   agent output and the content of fresh workspaces, which no one asked to keep, each by an age of its own
//! ```
//! Both work in small steps with pauses in between, as does the removal of the events of deleted runs, because each step occupies the writer, on which live runs wait. A step records in
//! the same transaction which directories it leaves on disk, so after a crash the next server removes them.

use std::sync::Arc;
use std::time::Duration;

use super::config::RetentionPolicy;
use super::idempotency::oldest_key;
use super::manager::RunManager;
use super::store::{FreshWorkspace, RetentionStep, RetentionStore, StoreError};
use crate::types::{Clock, Timestamp};

/// Time between two sweeps.
const INTERVAL: Duration = Duration::from_mins(1);

/// Bytes of events that one step removes, approximately: a few milliseconds of the writer's time.
const STEP_BYTES: usize = 1024 * 1024;

/// Pause after a large step, in which the writer serves live runs.
const PAUSE: Duration = Duration::from_millis(20);

/// Number of removed or trimmed runs after which a pause is made even if the steps were small.
const RUNS_PER_PAUSE: u64 = 32;

/// Number of idempotency keys that one step forgets.
const KEYS_PER_STEP: usize = 1000;

/// Number of directories removed before their entries are deleted together.
const REMOVAL_BATCH: usize = 64;

/// Maximum number of workspaces that one sweep measures.
const MEASURED_PER_SWEEP: usize = 256;

/// Free space in the database file above which a sweep shrinks the file even if it removed nothing itself: an earlier server may have
/// stopped before shrinking.
const SHRINK_ABOVE: u64 = 64 * 1024 * 1024;

/// How long a workspace that could not be removed is left alone, such as one with work that is not committed.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// How long the snapshots of a working directory are kept after the last one. The changes of ended runs do not need them.
const SNAPSHOT_AGE: Duration = Duration::from_hours(7 * 24);

/// How long the copy of a remote repository is kept after it was last used.
const CLONE_AGE: Duration = Duration::from_hours(30 * 24);

/// Maximum size of all snapshots, in bytes. Those of directories in which runs have worked first are removed before others.
const MAX_SNAPSHOT_BYTES: u64 = 20 * 1024 * 1024 * 1024;

/// What one sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Number of runs removed because of their age.
    pub removed: u64,
    /// Number of runs whose logs were trimmed because of the store's size.
    pub trimmed: u64,
    /// Bytes of events removed.
    pub bytes: u64,
    /// Number of runs whose agents' output was removed because of its age.
    pub outputs: u64,
    /// Number of workspaces emptied because of their age.
    pub workspaces: u64,
    /// Whether the store is still larger than allowed because no log is left to trim.
    pub over_limit: bool,
}

/// Enforces the retention policy of one store.
pub struct Retention {
    runs: RunManager,
    store: Arc<dyn RetentionStore>,
    clock: Arc<dyn Clock>,
    policy: RetentionPolicy,
    pause: Duration,
}

impl Retention {
    /// Enforces the policy of `runs` on `store`, which must be the store of `runs`.
    pub fn new(runs: RunManager, store: Arc<dyn RetentionStore>, clock: Arc<dyn Clock>) -> Self {
        let policy = runs.inner.config.retention;
        Self { runs, store, clock, policy, pause: PAUSE }
    }

    /// Sweeps now and then every minute, forever. Dropping the future is safe at any point: the next server continues the work.
    pub async fn run(&self) {
        let mut was_over_limit = false;
        loop {
            match self.sweep().await {
                Ok(RetentionReport { removed, trimmed, bytes, outputs, workspaces, over_limit }) => {
                    if removed + trimmed + bytes + outputs + workspaces > 0 {
                        tracing::info!(removed, trimmed, bytes, outputs, workspaces, "removed or trimmed old runs");
                    }
                    if over_limit && !was_over_limit {
                        tracing::warn!("store exceeds OPENRUNNER_MAX_STORE_MB, and no ended run has a log left to trim");
                    }
                    was_over_limit = over_limit;
                }
                Err(error) => tracing::warn!(%error, "could not remove old runs; retrying in a minute"),
            }
            // A deletion leaves events, which are removed without delay.
            let _ = tokio::time::timeout(INTERVAL, self.runs.inner.deletions.notified()).await;
        }
    }

    /// Forgets expired idempotency keys, removes expired conversations and what deleted runs have left, trims logs while the store is too
    /// large, and returns free space to the disk.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails. Completed steps are not undone.
    pub async fn sweep(&self) -> Result<RetentionReport, StoreError> {
        let mut report = RetentionReport::default();
        while self.runs.inner.store.forget_keys(oldest_key(self.clock.now()), KEYS_PER_STEP).await? {
            tokio::time::sleep(self.pause).await;
        }
        self.store.forget_damaged_removals().await?;
        self.remove_directories().await?;
        self.remove_deleted(&mut report).await?;
        if let Some(cutoff) = self.policy.cutoff(self.clock.now()) {
            loop {
                let step = self.store.remove_oldest(cutoff).await?;
                if !step.found {
                    break;
                }
                self.complete(step, &mut report).await?;
                self.remove_deleted(&mut report).await?;
            }
        }
        self.remove_unasked(&mut report).await?;
        self.remove_snapshots().await?;
        self.combine_packs().await;
        self.remove_clones().await?;
        self.remove_uploads().await?;
        self.measure_workspaces().await?;
        if let Some(max) = self.policy.max_bytes {
            while self.store.size().await?.used > max {
                let step = self.store.trim_oldest(self.clock.now(), STEP_BYTES).await?;
                if !step.found {
                    report.over_limit = true;
                    break;
                }
                self.complete(step, &mut report).await?;
            }
        }
        if report.bytes > 0 || report.removed > 0 || self.store.size().await?.free > SHRINK_ABOVE {
            while self.store.shrink(STEP_BYTES).await? {
                tokio::time::sleep(self.pause).await;
            }
        }
        Ok(report)
    }

    /// Removes old output of agents, and the content of old workspaces.
    async fn remove_unasked(&self, report: &mut RetentionReport) -> Result<(), StoreError> {
        if let Some(cutoff) = self.policy.output_cutoff(self.clock.now()) {
            loop {
                let expired = self.store.expire_output(cutoff, REMOVAL_BATCH).await?;
                report.outputs += expired as u64;
                self.remove_directories().await?;
                if expired < REMOVAL_BATCH {
                    break;
                }
                tokio::time::sleep(self.pause).await;
            }
        }
        if let Some(cutoff) = self.policy.workspace_cutoff(self.clock.now()) {
            loop {
                let expired = self.store.expired_workspaces(cutoff, None, REMOVAL_BATCH).await?;
                let mut emptied = 0;
                for workspace in &expired {
                    emptied += u64::from(self.empty_workspace(*workspace, cutoff).await?);
                }
                report.workspaces += emptied;
                // Those in use are left for a later sweep.
                if emptied < REMOVAL_BATCH as u64 {
                    break;
                }
                tokio::time::sleep(self.pause).await;
            }
        }
        Ok(())
    }

    /// Empties a workspace unless its session is in use. Returns whether it was emptied.
    async fn empty_workspace(&self, workspace: FreshWorkspace, cutoff: Timestamp) -> Result<bool, StoreError> {
        // A run that continues the session waits for the guard.
        let Some(_guard) = self.runs.inner.sessions.try_acquire(workspace.session) else { return Ok(false) };
        // A run may have used it since it was found.
        if self.store.expired_workspaces(cutoff, Some(workspace.session), 1).await?.is_empty() {
            return Ok(false);
        }
        if self.runs.has_worktree(workspace.first_run).await {
            if self.runs.has_uncommitted_work(workspace.first_run).await {
                tracing::info!(session.id = %workspace.session, "kept an old worktree, because it has work that is not committed");
                self.keep_workspace(workspace, cutoff).await?;
                return Ok(false);
            }
            if let Err(error) = self.runs.inner.context.worktrees.forget(&workspace.first_run.to_string()).await {
                tracing::warn!(session.id = %workspace.session, %error, "could not remove the record of a worktree");
            }
        }
        let workspaces = self.runs.inner.workspaces.clone();
        let emptying = tokio::task::spawn_blocking(move || workspaces.empty_fresh(workspace.first_run));
        if let Err(error) = emptying.await.unwrap_or_else(|died| Err(std::io::Error::other(died))) {
            tracing::warn!(session.id = %workspace.session, %error, "could not empty an old workspace");
            self.keep_workspace(workspace, cutoff).await?;
            return Ok(false);
        }
        self.runs.inner.quotas.workspace_emptied(workspace.session).await?;
        Ok(true)
    }

    /// Leaves a workspace alone for some time: it would be found again and again, before others. It still counts towards the quota.
    async fn keep_workspace(&self, workspace: FreshWorkspace, cutoff: Timestamp) -> Result<(), StoreError> {
        let kept_for = i64::try_from(KEPT_FOR.as_millis()).unwrap_or(i64::MAX);
        self.store.workspace_kept(workspace.session, Timestamp::from_millis(cutoff.as_millis().saturating_add(kept_for))).await
    }

    /// Removes snapshots of directories in which no run has worked for long.
    async fn remove_snapshots(&self) -> Result<(), StoreError> {
        let snapshots = self.runs.inner.context.snapshots.clone();
        match tokio::task::spawn_blocking(move || snapshots.remove_unused(SNAPSHOT_AGE, MAX_SNAPSHOT_BYTES)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(stores)) => tracing::info!(stores, "removed old snapshots of working directories"),
            Ok(Err(error)) => tracing::warn!(%error, "could not remove old snapshots of working directories"),
            Err(panic) => return Err(StoreError::Internal(panic.to_string())),
        }
        Ok(())
    }

    /// Removes copies of remote repositories that are no longer used.
    async fn remove_clones(&self) -> Result<(), StoreError> {
        let (clones, worktrees) = (self.runs.inner.context.clones.clone(), self.runs.inner.context.worktrees.clone());
        match tokio::task::spawn_blocking(move || clones.remove_unused(CLONE_AGE, &worktrees.repositories()?)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(clones)) => tracing::info!(clones, "removed unused copies of remote repositories"),
            Ok(Err(error)) => tracing::warn!(%error, "could not remove unused copies of remote repositories"),
            Err(panic) => return Err(StoreError::Internal(panic.to_string())),
        }
        Ok(())
    }

    /// Combines the packs of snapshots.
    async fn combine_packs(&self) {
        match self.runs.inner.context.snapshots.combine_packs().await {
            Ok(0) => {}
            Ok(stores) => tracing::debug!(stores, "combined the packs of snapshots"),
            Err(error) => tracing::warn!(%error, "could not combine the packs of snapshots"),
        }
    }

    /// Removes expired uploads.
    async fn remove_uploads(&self) -> Result<(), StoreError> {
        let (uploads, now) = (self.runs.inner.uploads.clone(), self.clock.now());
        match tokio::task::spawn_blocking(move || uploads.remove_expired(now)).await {
            Ok(Ok(_removed)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "could not remove expired uploads"),
            Err(panic) => return Err(StoreError::Internal(panic.to_string())),
        }
        Ok(())
    }

    /// Measures workspaces that may have changed, one after the other.
    async fn measure_workspaces(&self) -> Result<(), StoreError> {
        for workspace in self.store.unmeasured_workspaces(MEASURED_PER_SWEEP).await? {
            let workspaces = self.runs.inner.workspaces.clone();
            let measuring = tokio::task::spawn_blocking(move || workspaces.size_of_fresh(workspace.first_run));
            match measuring.await {
                Ok(Ok(bytes)) => self.store.workspace_measured(workspace, bytes).await?,
                Ok(Err(error)) => tracing::warn!(session.id = %workspace.session, %error, "could not measure a workspace"),
                Err(panic) => return Err(StoreError::Internal(panic.to_string())),
            }
        }
        Ok(())
    }

    /// Removes the events of deleted runs.
    async fn remove_deleted(&self, report: &mut RetentionReport) -> Result<(), StoreError> {
        loop {
            let step = self.store.remove_deleted(STEP_BYTES).await?;
            if !step.found {
                return Ok(());
            }
            self.complete(step, report).await?;
        }
    }

    /// Reports a step, removes the directories it left, and pauses if it was large.
    async fn complete(&self, step: RetentionStep, report: &mut RetentionReport) -> Result<(), StoreError> {
        report.bytes += step.bytes;
        report.trimmed += step.trimmed;
        report.removed += step.removed.len() as u64;
        for (run, owner) in &step.removed {
            self.runs.inner.changes.notify_deleted(*run, *owner);
        }
        for conversation in step.conversations {
            self.runs.inner.conversations.delete(conversation);
        }
        if step.trimmed > 0 || !step.removed.is_empty() {
            self.remove_directories().await?;
        }
        if step.bytes >= STEP_BYTES as u64 / 4 || (report.removed + report.trimmed).is_multiple_of(RUNS_PER_PAUSE) {
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }

    /// Removes the directories of runs that are already gone from the store.
    async fn remove_directories(&self) -> Result<(), StoreError> {
        loop {
            let pending = self.store.pending_removals(REMOVAL_BATCH).await?;
            if pending.is_empty() {
                return Ok(());
            }
            for removal in &pending {
                if removal.workspace && self.runs.has_worktree(removal.run).await && self.runs.has_uncommitted_work(removal.run).await {
                    tracing::warn!(run.id = %removal.run, "kept the worktree of a removed session in workspaces/, because it has work that is not committed");
                    self.runs.remove_output(removal.run).await;
                } else if removal.workspace {
                    self.runs.remove_directories(removal.run).await;
                } else {
                    self.runs.remove_output(removal.run).await;
                }
            }
            // Also forgets those that could not be removed: they are in the log, and would block the others forever.
            self.store.forget_removed(pending).await?;
        }
    }
}

impl std::fmt::Debug for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retention").field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    //! Rules: C6.

    use super::*;
    use crate::run::store::SqliteStore;
    use crate::types::RunId;

    #[derive(Debug)]
    struct FixedClock(i64);

    impl Clock for FixedClock {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }
    }

    struct Fixture {
        dir: tempfile::TempDir,
        runs: RunManager,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let runs = RunManager::without_agents(dir.path());
            Self { dir, runs }
        }

        /// Retention of this store with `policy` at the time `now`.
        fn retention(&self, policy: RetentionPolicy, now: i64) -> Retention {
            let store = SqliteStore::open_alongside_server(self.dir.path()).unwrap();
            let retention = Retention::new(self.runs.clone(), Arc::new(store), Arc::new(FixedClock(now)));
            Retention { policy, pause: Duration::ZERO, ..retention }
        }

        /// A run that ended at `millis` and has a workspace, agent output, and a log of `size` bytes.
        async fn ended_run(&self, millis: i64, size: usize) -> RunId {
            use crate::run::store::contract::{done, record};
            use crate::run::store::{Chunk, RunChange, SessionUse};
            use crate::types::Seq;

            let mut run = record("ann", "demo", None);
            run.spec.working_dir = self.directories(run.id)[0].clone();
            let chunk = |number, body: Vec<u8>| {
                let seq = Seq::new(number).unwrap();
                vec![Chunk { first: seq, last: seq, body: body.into() }]
            };
            let store = &self.runs.inner.store;
            let body = [vec![b'x'; size - 1], vec![b'\n']].concat();
            let lease = store.create_run(run.clone(), SessionUse::Starts, chunk(1, body), None, None).await.unwrap();
            let change = RunChange { done: Some((done(), Timestamp::from_millis(millis))), ..RunChange::default() };
            store.append(&lease, chunk(2, b"{}\n".to_vec()), change).await.unwrap();
            for dir in self.directories(run.id) {
                std::fs::create_dir_all(&dir).unwrap();
                std::fs::write(dir.join("out"), "x").unwrap();
            }
            run.id
        }

        /// A run's workspace and the directory of its agent's output.
        fn directories(&self, run: RunId) -> [std::path::PathBuf; 2] {
            ["workspaces", "runs"].map(|name| self.dir.path().join(name).join(run.to_string()))
        }

        fn existing(&self, run: RunId) -> [bool; 2] {
            self.directories(run).map(|dir| dir.exists())
        }
    }

    const DAY: i64 = 24 * 60 * 60 * 1000;
    const KEEP_ALL: RetentionPolicy = RetentionPolicy { max_age: None, max_bytes: None, output_age: None, workspace_age: None };
    const ONE_DAY: RetentionPolicy = RetentionPolicy { max_age: Some(Duration::from_hours(24)), ..KEEP_ALL };

    #[tokio::test]
    async fn expired_conversations_are_removed_with_their_directories() {
        let fixture = Fixture::new();
        let (old, young) = (fixture.ended_run(0, 1).await, fixture.ended_run(1, 1).await);
        let report = fixture.retention(ONE_DAY, DAY + 1).sweep().await.unwrap();
        assert_eq!((report.removed, report.trimmed, report.over_limit), (1, 0, false));
        assert_eq!((fixture.existing(old), fixture.existing(young)), ([false, false], [true, true]));
        assert!(fixture.runs.inner.store.run(young).await.unwrap().is_some());
        assert_eq!(fixture.retention(ONE_DAY, DAY + 1).sweep().await.unwrap(), RetentionReport::default(), "a second sweep finds nothing");
    }

    #[tokio::test]
    async fn the_oldest_logs_are_trimmed_first_and_workspaces_stay() {
        let fixture = Fixture::new();
        let (older, newer) = (fixture.ended_run(1, 2_000_000).await, fixture.ended_run(2, 2_000_000).await);
        let policy = RetentionPolicy { max_bytes: Some(3_000_000), ..KEEP_ALL };
        let report = fixture.retention(policy, 9).sweep().await.unwrap();
        assert_eq!((report.trimmed, report.bytes, report.over_limit), (1, 2_000_000, false));
        assert_eq!((fixture.existing(older), fixture.existing(newer)), ([true, false], [true, true]));
        let report = fixture.retention(RetentionPolicy { max_bytes: Some(1), ..policy }, 9).sweep().await.unwrap();
        assert!(report.over_limit, "rows and the ends of logs stay, however small the limit is");
        assert!(fixture.runs.inner.store.run(older).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn old_output_is_removed_and_everything_else_of_the_run_stays() {
        let fixture = Fixture::new();
        let (old, young) = (fixture.ended_run(0, 1).await, fixture.ended_run(1, 1).await);
        let policy = RetentionPolicy { output_age: Some(Duration::from_hours(24)), ..KEEP_ALL };
        let report = fixture.retention(policy, DAY + 1).sweep().await.unwrap();
        assert_eq!(report, RetentionReport { outputs: 1, ..RetentionReport::default() });
        assert_eq!((fixture.existing(old), fixture.existing(young)), ([true, false], [true, true]));
        assert_eq!(fixture.runs.inner.store.chunks(old, 0, usize::MAX).await.unwrap().len(), 2);
        assert_eq!(fixture.retention(policy, DAY + 1).sweep().await.unwrap(), RetentionReport::default());
    }

    #[tokio::test]
    async fn an_old_workspace_is_emptied_unless_its_session_is_in_use() {
        let fixture = Fixture::new();
        let (old, young) = (fixture.ended_run(2_000, 1).await, fixture.ended_run(2_001, 1).await);
        let session = fixture.runs.inner.store.run(old).await.unwrap().unwrap().session;
        let policy = RetentionPolicy { workspace_age: Some(Duration::from_hours(24)), ..KEEP_ALL };
        let retention = fixture.retention(policy, DAY + 2_001);
        let files = |run| std::fs::read_dir(&fixture.directories(run)[0]).unwrap().count();
        let in_use = fixture.runs.inner.sessions.try_acquire(session).unwrap();
        assert_eq!(retention.sweep().await.unwrap(), RetentionReport::default());
        assert_eq!((files(old), files(young)), (1, 1));
        drop(in_use);
        assert_eq!(retention.sweep().await.unwrap(), RetentionReport { workspaces: 1, ..RetentionReport::default() });
        assert_eq!((files(old), files(young)), (0, 1));
        assert_eq!(retention.sweep().await.unwrap(), RetentionReport::default());
    }

    #[tokio::test]
    async fn a_sweep_measures_the_workspaces_of_ended_runs() {
        let fixture = Fixture::new();
        let run = fixture.ended_run(0, 1).await;
        let owner = fixture.runs.inner.store.run(run).await.unwrap().unwrap().owner;
        let measured = async || fixture.runs.quotas(&owner).await.unwrap().workspace_bytes.used.get();
        assert_eq!(measured().await, 0);
        std::fs::write(fixture.directories(run)[0].join("large"), vec![1; 1_000_000]).unwrap();
        fixture.retention(KEEP_ALL, 0).sweep().await.unwrap();
        assert!(measured().await >= 1_000_000);
    }

    #[tokio::test]
    async fn idempotency_keys_expire_after_a_day_while_the_server_runs() {
        use crate::run::store::contract::record;
        use crate::run::store::{Chunk, Idempotency, SessionUse};
        use crate::types::Seq;

        let fixture = Fixture::new();
        let run = record("ann", "demo", None);
        let key = Idempotency { owner: run.owner.id, key: "k".into(), fingerprint: [0; 32], at: Timestamp::from_millis(1_000) };
        let first = vec![Chunk { first: Seq::FIRST, last: Seq::FIRST, body: bytes::Bytes::from_static(b"{}\n") }];
        let (owner, store) = (run.owner.id, &fixture.runs.inner.store);
        store.create_run(run, SessionUse::Starts, first, Some(key), None).await.unwrap();
        fixture.retention(RetentionPolicy::default(), 1_000 + DAY).sweep().await.unwrap();
        assert!(store.used_key(owner, "k").await.unwrap().is_some());
        fixture.retention(RetentionPolicy::default(), 1_001 + DAY).sweep().await.unwrap();
        assert!(store.used_key(owner, "k").await.unwrap().is_none());
    }

    #[tokio::test]
    async fn without_limits_everything_is_kept() {
        let fixture = Fixture::new();
        let run = fixture.ended_run(0, 1).await;
        assert_eq!(fixture.retention(RetentionPolicy::default(), 9_999 * DAY).sweep().await.unwrap(), RetentionReport::default());
        assert_eq!(fixture.existing(run), [true, true]);
    }

    #[tokio::test]
    async fn directories_left_by_a_crashed_server_are_removed_by_the_next_sweep() {
        let fixture = Fixture::new();
        let run = fixture.ended_run(0, 1).await;
        let store = SqliteStore::open_alongside_server(fixture.dir.path()).unwrap();
        assert_eq!(store.remove_oldest(Timestamp::from_millis(DAY)).await.unwrap().removed.len(), 1);
        assert_eq!(fixture.existing(run), [true, true], "the server died here");
        fixture.retention(RetentionPolicy::default(), 0).sweep().await.unwrap();
        assert_eq!(fixture.existing(run), [false, false]);
    }
}
