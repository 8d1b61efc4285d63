//! What a run changes in its working directory: snapshots before the agent is launched, after its turns, and after its end.
//!
//! Snapshots are made by tasks of their own. The first is waited for, because it must not contain what the agent does, and so is the last,
//! because its event precedes `done`; both for a bounded time.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use super::Driver;
use crate::agent::handle::AgentHandle;
use crate::process::WorkingDir;
use crate::redact::Secrets;
use crate::run::shutdown::Shutdown;
use crate::run::store::RunChange;
use crate::types::{Level, NoticeCode, SessionId, StreamEvent, UserId};
use crate::workspace::{
    ChangeRecord, Changes, EndRecord, MAX_TURNS, Snapshot, SnapshotError, SnapshotKind, SnapshotStore, Snapshots, StoredChanges, TreeId,
    compress,
};

/// How long the start of an agent waits for the first snapshot. In a directory that was looked at before it takes milliseconds.
const START_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end of a run waits for the last snapshot.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The same once the server shuts down: the end of the run is more important than its changes.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// The result of a snapshot.
pub(super) type Taken = Result<(Snapshot, Changes), String>;

/// Records the changes of one run.
#[derive(Debug)]
pub(in crate::run) struct Tracker {
    source: Source,
    record: ChangeRecord,
    /// The last snapshot that an event reported; the first one without an event.
    reported: TreeId,
    /// The snapshot that is being made.
    pending: Option<JoinHandle<Taken>>,
}

/// Where snapshots come from. Clones are handles to the same.
#[derive(Clone, Debug)]
struct Source {
    snapshots: Snapshots,
    store: SnapshotStore,
    working_dir: Arc<WorkingDir>,
    /// Names the index.
    session: String,
}

/// The first snapshot, while it is made.
pub(super) struct Beginning {
    source: Source,
    task: JoinHandle<Result<Snapshot, SnapshotError>>,
    deadline: Instant,
}

/// The last snapshot, while it is made.
#[derive(Debug)]
pub(super) struct Finishing {
    task: JoinHandle<Result<Last, SnapshotError>>,
    deadline: Instant,
    shutdown: Shutdown,
    record: ChangeRecord,
    reported: TreeId,
}

/// What is known after the last snapshot.
#[derive(Debug)]
struct Last {
    snapshot: Snapshot,
    changes: Changes,
    patch: Option<Vec<u8>>,
}

impl Tracker {
    /// Begins to record the changes of a run that is about to start. `None` if changes are not recorded.
    pub(super) fn begin(snapshots: &Snapshots, working_dir: &WorkingDir, session: SessionId, owner: UserId) -> Option<Beginning> {
        let source = Source::new(snapshots, working_dir, session, owner)?;
        let from = source.clone();
        // A task of its own: if it takes too long now, the next run in the directory finds its result.
        let task = snapshots.spawn(async move { from.snapshot(SnapshotKind::Start).await })?;
        Some(Beginning { source, task, deadline: Instant::now() + START_TIMEOUT })
    }

    /// Continues to record the changes of a run that an earlier server drove.
    pub(in crate::run) fn resume(
        snapshots: &Snapshots,
        working_dir: &WorkingDir,
        session: SessionId,
        owner: UserId,
        record: ChangeRecord,
    ) -> Option<Self> {
        let reported = record.turns.last().copied().unwrap_or(record.start);
        Some(Self { source: Source::new(snapshots, working_dir, session, owner)?, record, reported, pending: None })
    }

    fn stored(&self) -> StoredChanges {
        StoredChanges { record: self.record.clone(), patch: None }
    }
}

impl Source {
    fn new(snapshots: &Snapshots, working_dir: &WorkingDir, session: SessionId, owner: UserId) -> Option<Self> {
        let store = snapshots.of(working_dir.path(), &owner.to_string())?;
        let working_dir = working_dir.try_clone().ok()?;
        Some(Self { snapshots: snapshots.clone(), store, working_dir: Arc::new(working_dir), session: session.to_string() })
    }

    async fn snapshot(&self, kind: SnapshotKind) -> Result<Snapshot, SnapshotError> {
        self.store.snapshot(self.working_dir.handle(), &self.session, kind).await
    }

    /// A later snapshot, with the changes since the first.
    async fn changes_since(&self, start: TreeId) -> Result<(Snapshot, Changes), SnapshotError> {
        let snapshot = self.snapshot(SnapshotKind::Later).await?;
        let changes = self.store.changes(start, snapshot.tree).await?;
        Ok((snapshot, changes))
    }

    /// The last snapshot. The patch is stored, so the run's `secrets` are masked in it.
    async fn last(&self, start: TreeId, secrets: &Secrets) -> Result<Last, SnapshotError> {
        let (snapshot, mut changes) = self.changes_since(start).await?;
        let patch = match self.store.patch(start, snapshot.tree, None).await {
            Ok(patch) => compress(&mask(patch, secrets)),
            Err(SnapshotError::ChangesTooLarge(_)) => None,
            Err(error) => return Err(error),
        };
        for file in &mut changes.files {
            secrets.redact(&mut file.path);
            if let Some(old_path) = &mut file.old_path {
                secrets.redact(old_path);
            }
        }
        Ok(Last { snapshot, changes, patch })
    }
}

impl Beginning {
    /// Waits for the first snapshot. The error says why changes are not recorded.
    pub(super) async fn started(self) -> Result<Box<Tracker>, String> {
        let snapshot = match timeout_at(self.deadline, self.task).await {
            Ok(Ok(made)) => made.map_err(|error| error.to_string())?,
            Ok(Err(died)) => return Err(died.to_string()),
            Err(_elapsed) => return Err("the working directory could not be read in time; the next run in it will find it read".into()),
        };
        let record = ChangeRecord::new(&snapshot);
        Ok(Box::new(Tracker { source: self.source, record, reported: snapshot.tree, pending: None }))
    }
}

impl Finishing {
    /// Waits for the last snapshot. Returns the events to write before `done`, and what is to be stored. Cancel-safe.
    pub(super) async fn finished(&mut self) -> (Vec<StreamEvent>, StoredChanges) {
        let (shutdown, deadline) = (&self.shutdown, self.deadline);
        let expired = async {
            tokio::select! {
                () = sleep_until(deadline) => {}
                _how = shutdown.requested() => sleep(SHUTDOWN_TIMEOUT).await,
            }
        };
        let taken = tokio::select! {
            biased;
            made = &mut self.task => made.map_err(|died| died.to_string()).and_then(|taken| taken.map_err(|error| error.to_string())),
            () = expired => Err("the working directory could not be read in time".into()),
        };
        let mut record = self.record.clone();
        match taken {
            Ok(Last { snapshot, changes, patch }) => {
                record.set_skipped(&snapshot);
                let event = (snapshot.tree != self.reported).then(|| changes_event(&snapshot, &changes));
                record.end = Some(EndRecord { tree: snapshot.tree, changes });
                (event.into_iter().collect(), StoredChanges { record, patch })
            }
            Err(reason) => (vec![not_recorded(&reason)], StoredChanges { record, patch: None }),
        }
    }
}

/// The snapshot after a turn, when it is made. Cancel-safe.
pub(super) async fn next(tracker: Option<&mut Tracker>) -> Taken {
    let Some(tracker) = tracker else { return std::future::pending().await };
    let Some(task) = &mut tracker.pending else { return std::future::pending().await };
    let taken = task.await.unwrap_or_else(|died| Err(died.to_string()));
    tracker.pending = None;
    taken
}

impl Driver {
    /// Continues to record changes after a restart.
    pub(in crate::run) fn with_tracker(self, tracker: Option<Tracker>) -> Self {
        Self { tracker: tracker.map(Box::new), ..self }
    }

    /// Takes the first snapshot of a run, adds notices about what is not recorded, and returns what is to be stored.
    pub(super) fn begin_changes(
        &mut self,
        tracker: Option<Result<Box<Tracker>, String>>,
        events: &mut Vec<StreamEvent>,
    ) -> Option<Box<StoredChanges>> {
        match tracker? {
            Ok(tracker) => {
                events.extend(skipped(&tracker.record));
                let stored = Box::new(tracker.stored());
                self.tracker = Some(tracker);
                Some(stored)
            }
            Err(reason) => {
                tracing::warn!(run.id = %self.log.run(), reason, "the changes of a run are not recorded");
                events.push(not_recorded(&reason));
                None
            }
        }
    }

    /// Begins the snapshot after a turn that is followed by another one. The agent goes on meanwhile, so a snapshot may contain what it does
    /// at once.
    pub(super) fn take_snapshot(&mut self) {
        let Some(tracker) = &mut self.tracker else { return };
        let (source, start) = (tracker.source.clone(), tracker.record.start);
        if tracker.pending.is_some() || tracker.record.turns.len() >= MAX_TURNS {
            return;
        }
        let task = async move { source.changes_since(start).await.map_err(|error| error.to_string()) };
        tracker.pending = tracker.source.snapshots.spawn(task);
    }

    /// Writes the changes after a turn.
    pub(super) async fn record_snapshot(&mut self, taken: Taken, agent: Option<&AgentHandle>) {
        let run = self.log.run();
        let Some(tracker) = &mut self.tracker else { return };
        let (snapshot, changes) = match taken {
            Ok(taken) => taken,
            Err(reason) => {
                tracing::warn!(run.id = %run, reason, "the changes of a turn are not recorded");
                // Turns are counted by their snapshots.
                tracker.record.turns.push(tracker.reported);
                return;
            }
        };
        tracker.record.turns.push(snapshot.tree);
        tracker.record.set_skipped(&snapshot);
        let event = (snapshot.tree != tracker.reported).then(|| changes_event(&snapshot, &changes));
        tracker.reported = snapshot.tree;
        let events: Vec<StreamEvent> = event.into_iter().collect();
        let change = RunChange { changes: Some(Box::new(tracker.stored())), ..RunChange::default() };
        // What cannot be written now is written with the end of the run.
        if self.held.is_empty()
            && let Err(error) = self.store(&events, change, agent).await
        {
            tracing::warn!(run.id = %run, %error, "could not write the changes of a turn");
        }
    }

    /// Begins the last snapshot. `None` if changes are not recorded.
    pub(super) fn finish_changes(&mut self) -> Option<Finishing> {
        let Tracker { source, record, reported, pending } = *self.tracker.take()?;
        let (start, secrets) = (record.start, self.log.secrets().clone());
        let snapshots = source.snapshots.clone();
        // After a pending one: both wait for the store.
        drop(pending);
        let task = snapshots.spawn(async move { source.last(start, &secrets).await })?;
        Some(Finishing { task, deadline: Instant::now() + END_TIMEOUT, shutdown: self.context.shutdown.clone(), record, reported })
    }
}

fn changes_event(snapshot: &Snapshot, changes: &Changes) -> StreamEvent {
    let Changes { total, insertions, deletions, .. } = changes;
    StreamEvent::Changes { files: *total as u64, insertions: *insertions, deletions: *deletions, snapshot: snapshot.tree.to_string() }
}

fn not_recorded(reason: &str) -> StreamEvent {
    StreamEvent::notice(Level::Warning, NoticeCode::ChangesIncomplete, format!("the changes of this run are not recorded: {reason}"))
}

/// The notice about what snapshots do not contain.
fn skipped(record: &ChangeRecord) -> Option<StreamEvent> {
    if record.skipped_total == 0 {
        return None;
    }
    let message = format!("the changes of {} large or unreadable files and directories are not recorded", record.skipped_total);
    let data = Some(json!({ "skipped": record.skipped, "total": record.skipped_total }));
    Some(StreamEvent::Notice { level: Level::Info, code: NoticeCode::ChangesIncomplete, message, data })
}

/// Masks secrets in a patch. Bytes that are not UTF-8 are kept if there is nothing to mask.
fn mask(patch: Vec<u8>, secrets: &Secrets) -> Vec<u8> {
    if secrets.is_empty() {
        return patch;
    }
    let text = String::from_utf8_lossy(&patch);
    let mut masked = text.to_string();
    secrets.redact(&mut masked);
    if masked == *text { patch } else { masked.into_bytes() }
}
