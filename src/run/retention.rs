//! Lets old runs and logs go, as the operator says how long and how much is kept.
//!
//! ```text
//! by age    conversations of which every run ended long enough ago: events, rows, agents' output, fresh workspaces
//! by size   the logs of the runs that ended first, and their agents' output; a run's row and the end of its log stay
//! ```
//! Both go in small steps with pauses between them, since each step is the writer's, whom live runs wait for. What a step takes from the
//! store and leaves on disk is written down with it, so a server that dies in the middle leaves nothing behind that the next one does
//! not find.

use std::sync::Arc;
use std::time::Duration;

use super::manager::RunManager;
use super::store::{RetentionStore, Step, StoreError};
use crate::types::{Clock, Timestamp};

/// How often it is looked whether something is old or too much.
const EVERY: Duration = Duration::from_mins(1);

/// Bytes of events that one step removes, about: some milliseconds of the writer's time.
const STEP: usize = 1024 * 1024;

/// How long the writer is left alone after a step that was long.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs after which it is left alone, however short their steps were.
const RUNS: u64 = 32;

/// Folders that are removed before they are forgotten together.
const FOLDERS: usize = 64;

/// Free space in the file that is worth giving back to the disk where nothing was removed just now: an earlier server may not have come
/// to it.
const MUCH: u64 = 64 * 1024 * 1024;

/// What is kept. Without a bound, everything is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// How long a conversation is kept after its last run's end.
    pub age: Option<Duration>,
    /// How many bytes the store may take before the oldest logs are cut.
    pub bytes: Option<u64>,
}

impl Keep {
    /// The moment before which a conversation must have ended to be old.
    pub fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let age = i64::try_from(self.age?.as_millis()).unwrap_or(i64::MAX);
        Some(Timestamp::from_millis(now.as_millis().saturating_sub(age)))
    }
}

/// What one look has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Runs that were removed since they were old.
    pub removed: u64,
    /// Runs whose logs were cut for want of room.
    pub cut: u64,
    /// Bytes of events that are gone.
    pub bytes: u64,
    /// Whether the store is larger than it may be all the same: nothing is left that can be cut.
    pub stuck: bool,
}

/// Looks after one store.
pub struct Retention {
    runs: RunManager,
    store: Arc<dyn RetentionStore>,
    clock: Arc<dyn Clock>,
    keep: Keep,
    pause: Duration,
}

impl Retention {
    /// Keeps in `store`, which is that of `runs`, what `keep` says.
    pub fn new(runs: RunManager, store: Arc<dyn RetentionStore>, clock: Arc<dyn Clock>, keep: Keep) -> Self {
        Self { runs, store, clock, keep, pause: PAUSE }
    }

    /// Looks now and every minute. May be dropped at any time: the next server goes on where this one was.
    pub async fn keep_on(&self) {
        let mut was_stuck = false;
        loop {
            match self.look().await {
                Ok(RetentionReport { removed, cut, bytes, stuck }) => {
                    if removed + cut + bytes > 0 {
                        tracing::info!(removed, cut, bytes, "old runs were removed, or their logs cut");
                    }
                    if stuck && !was_stuck {
                        tracing::warn!("the store is larger than it may be, and no ended run has a log left to cut");
                    }
                    was_stuck = stuck;
                }
                Err(error) => tracing::warn!(%error, "what is old cannot be removed at the moment"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Removes what is old, cuts what is too much, and gives the room back to the disk.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails. What was done until then stays done.
    pub async fn look(&self) -> Result<RetentionReport, StoreError> {
        let mut kept = RetentionReport::default();
        self.clear().await?;
        if let Some(since) = self.keep.since(self.clock.now()) {
            loop {
                let step = self.store.remove_oldest(since, STEP).await?;
                if !step.found {
                    break;
                }
                self.after(step, &mut kept).await?;
            }
        }
        if let Some(most) = self.keep.bytes {
            while self.store.size().await?.used > most {
                let step = self.store.cut_oldest(self.clock.now(), STEP).await?;
                if !step.found {
                    kept.stuck = true;
                    break;
                }
                self.after(step, &mut kept).await?;
            }
        }
        if kept.bytes > 0 || kept.removed > 0 || self.store.size().await?.free > MUCH {
            while self.store.shrink(STEP).await? {
                tokio::time::sleep(self.pause).await;
            }
        }
        Ok(kept)
    }

    async fn after(&self, step: Step, kept: &mut RetentionReport) -> Result<(), StoreError> {
        kept.bytes += step.bytes;
        kept.cut += step.cut;
        kept.removed += step.removed.len() as u64;
        for (run, owner) in &step.removed {
            self.runs.inner.changes.notify_deleted(*run, owner);
        }
        if step.cut > 0 || !step.removed.is_empty() {
            self.clear().await?;
        }
        if step.bytes >= STEP as u64 / 4 || (kept.removed + kept.cut).is_multiple_of(RUNS) {
            tokio::time::sleep(self.pause).await;
        }
        Ok(())
    }

    /// Removes the folders of which the store has said that they are to go.
    async fn clear(&self) -> Result<(), StoreError> {
        loop {
            let pending_removals = self.store.pending_removals(FOLDERS).await?;
            if pending_removals.is_empty() {
                return Ok(());
            }
            for pending_removals in &pending_removals {
                if pending_removals.workspace {
                    self.runs.remove_folders(pending_removals.run).await;
                } else {
                    self.runs.remove_output(pending_removals.run).await;
                }
            }
            // One that could not be removed has been told in the log, and would be in the way of the others for ever.
            self.store.forget_removed(pending_removals).await?;
        }
    }
}

impl std::fmt::Debug for Retention {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Retention").field("keep", &self.keep).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::store::SqliteStore;
    use crate::types::RunId;

    #[derive(Debug)]
    struct At(i64);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            Timestamp::from_millis(self.0)
        }
    }

    struct Place {
        folder: tempfile::TempDir,
        runs: RunManager,
    }

    impl Place {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let runs = RunManager::without_agents(folder.path());
            Self { folder, runs }
        }

        /// Retention of this store at that moment.
        fn keeping(&self, keep: Keep, now: i64) -> Retention {
            let store = SqliteStore::open_beside_a_server(self.folder.path()).unwrap();
            let retention = Retention::new(self.runs.clone(), Arc::new(store), Arc::new(At(now)), keep);
            Retention { pause: Duration::ZERO, ..retention }
        }

        /// A run that ended at that moment, with a workspace and an agent's output of that many bytes, which are its log's, too.
        async fn ended(&self, millis: i64, size: usize) -> RunId {
            use crate::run::store::contract::{done, record};
            use crate::run::store::{Chunk, RunChange};
            use crate::types::Seq;

            let run = record("ann", "demo", None);
            let chunk = |number, body: Vec<u8>| {
                let seq = Seq::new(number).unwrap();
                vec![Chunk { first: seq, last: seq, body: body.into() }]
            };
            let store = &self.runs.inner.store;
            store.create_run(run.clone(), chunk(1, vec![b'x'; size]), None).await.unwrap();
            let change = RunChange { done: Some((done(), Timestamp::from_millis(millis))), ..RunChange::default() };
            store.append(run.id, chunk(2, b"{}\n".to_vec()), change).await.unwrap();
            for folder in self.folders(run.id) {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(folder.join("out"), "x").unwrap();
            }
            run.id
        }

        /// The workspace of a run and the folder of its agent's output.
        fn folders(&self, run: RunId) -> [std::path::PathBuf; 2] {
            ["workspaces", "runs"].map(|name| self.folder.path().join(name).join(run.to_string()))
        }

        fn has(&self, run: RunId) -> [bool; 2] {
            self.folders(run).map(|folder| folder.exists())
        }
    }

    const DAY: i64 = 24 * 60 * 60 * 1000;
    const A_DAY: Keep = Keep { age: Some(Duration::from_hours(24)), bytes: None };

    #[tokio::test]
    async fn what_is_old_goes_with_all_that_is_on_disk_and_the_rest_stays() {
        let place = Place::new();
        let (old, young) = (place.ended(0, 1).await, place.ended(1, 1).await);
        let kept = place.keeping(A_DAY, DAY + 1).look().await.unwrap();
        assert_eq!((kept.removed, kept.cut, kept.stuck), (1, 0, false));
        assert_eq!((place.has(old), place.has(young)), ([false, false], [true, true]));
        assert!(place.runs.inner.store.run(young).await.unwrap().is_some());
        assert_eq!(place.keeping(A_DAY, DAY + 1).look().await.unwrap(), RetentionReport::default(), "again it finds nothing");
    }

    #[tokio::test]
    async fn what_is_too_much_is_cut_oldest_first_and_workspaces_stay() {
        let place = Place::new();
        let (older, newer) = (place.ended(1, 2_000_000).await, place.ended(2, 2_000_000).await);
        let keep = Keep { age: None, bytes: Some(3_000_000) };
        let kept = place.keeping(keep, 9).look().await.unwrap();
        assert_eq!((kept.cut, kept.bytes, kept.stuck), (1, 2_000_000, false));
        assert_eq!((place.has(older), place.has(newer)), ([true, false], [true, true]));
        assert!(
            place.keeping(Keep { bytes: Some(1), ..keep }, 9).look().await.unwrap().stuck,
            "rows and ends stay, however little is allowed"
        );
        assert!(place.runs.inner.store.run(older).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn without_bounds_everything_is_kept() {
        let place = Place::new();
        let run = place.ended(0, 1).await;
        assert_eq!(place.keeping(Keep::default(), 9_999 * DAY).look().await.unwrap(), RetentionReport::default());
        assert_eq!(place.has(run), [true, true]);
    }

    #[tokio::test]
    async fn what_a_server_that_died_did_not_come_to_goes_with_the_next_look() {
        let place = Place::new();
        let run = place.ended(0, 1).await;
        let store = SqliteStore::open_beside_a_server(place.folder.path()).unwrap();
        assert_eq!(store.remove_oldest(Timestamp::from_millis(DAY), STEP).await.unwrap().removed.len(), 1);
        assert_eq!(place.has(run), [true, true], "it died here");
        place.keeping(Keep::default(), 0).look().await.unwrap();
        assert_eq!(place.has(run), [false, false]);
    }
}
