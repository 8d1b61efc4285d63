//! Reads the feed by cursor, on behalf of one caller.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::changes::{Next, Tip};
use super::{Changes, FeedCursor};
use crate::run::store::StoreError;
use crate::run::view::RunView;
use crate::types::{Caller, RunId};

/// One event of the feed with the position after it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = FeedEvent)]
pub struct FeedItem {
    /// Position after this event. Pass it as `Last-Event-ID` or `after` to resume the feed there.
    #[schema(value_type = String, pattern = "^[0-9a-f]{16}-[0-9]+$")]
    pub cursor: FeedCursor,
    /// The event.
    #[serde(flatten)]
    pub event: FeedEvent,
}

/// An event of the feed.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = FeedChange)]
pub enum FeedEvent {
    /// The first event, unless `reset` is. All further changes are reported.
    Ready {
        /// Whether the feed resumed without loss after the given cursor. If false, list the runs now.
        resumed: bool,
    },
    /// A run was created or has changed.
    Run {
        /// The run's current state, as a summary.
        run: Box<RunView>,
    },
    /// A run was deleted.
    RunDeleted {
        /// Its id.
        run_id: RunId,
    },
    /// Changes were lost: list the runs again. All further changes are reported.
    Reset {},
}

impl FeedEvent {
    /// The event's name: the `type` of its JSON and the `event` of its frame.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::Run { .. } => "run",
            Self::RunDeleted { .. } => "run_deleted",
            Self::Reset {} => "reset",
        }
    }
}

/// Reads runs for the feed.
#[async_trait]
pub(in crate::run) trait RunSource: std::fmt::Debug + Send + Sync {
    /// The current state of a run; `None` if it does not exist or `caller` may not see it.
    ///
    /// # Errors
    /// [`StoreError`] if the run cannot be read.
    async fn current(&self, caller: &Caller, run: RunId) -> Result<Option<RunView>, StoreError>;
}

/// A reader of the feed. Holds only a cursor.
///
/// It can be dropped at any time; no other reader is affected.
#[derive(Debug)]
pub struct Feed {
    runs: Arc<dyn RunSource>,
    changes: Changes,
    caller: Caller,
    tip: watch::Receiver<Tip>,
    /// Number of the last change that was reported or skipped.
    cursor: u64,
    /// The event to report first.
    first: Option<FeedEvent>,
}

impl Feed {
    /// A reader of changes after `after`, or from now on.
    pub(in crate::run) fn new(runs: Arc<dyn RunSource>, changes: Changes, caller: Caller, after: Option<FeedCursor>) -> Self {
        let tip = changes.subscribe();
        let last = tip.borrow().last;
        let resumed = after.and_then(|after| changes.number(after));
        let (cursor, first) = match (after, resumed) {
            (None, _) => (last, FeedEvent::Ready { resumed: false }),
            (Some(_), None) => (last, FeedEvent::Reset {}),
            (Some(_), Some(number)) => match changes.next(number, &caller) {
                Next::Lost(last) => (last, FeedEvent::Reset {}),
                Next::Change(..) | Next::Nothing(_) => (number, FeedEvent::Ready { resumed: true }),
            },
        };
        Self { runs, changes, caller, tip, cursor, first: Some(first) }
    }

    /// The next event; `None` when the server shuts down. Cancel-safe: no event is lost if the future is dropped.
    ///
    /// # Errors
    /// [`StoreError`] if a run cannot be read. A new reader can resume after the last cursor that was received.
    pub async fn next(&mut self) -> Option<Result<FeedItem, StoreError>> {
        if let Some(first) = self.first.take() {
            return Some(Ok(self.item(first)));
        }
        loop {
            // Read before the changes, so that a change in between wakes this reader.
            let tip = *self.tip.borrow_and_update();
            match self.changes.next(self.cursor, &self.caller) {
                Next::Lost(last) => {
                    self.cursor = last;
                    return Some(Ok(self.item(FeedEvent::Reset {})));
                }
                Next::Change(number, change) if change.is_deleted => {
                    self.cursor = number;
                    return Some(Ok(self.item(FeedEvent::RunDeleted { run_id: change.run })));
                }
                Next::Change(number, change) => match self.runs.current(&self.caller, change.run).await {
                    Ok(Some(run)) => {
                        self.cursor = number;
                        return Some(Ok(self.item(FeedEvent::Run { run: Box::new(run) })));
                    }
                    // Deleted since, which is reported as another change.
                    Ok(None) => self.cursor = number,
                    Err(error) => return Some(Err(error)),
                },
                Next::Nothing(_) if tip.closed => return None,
                Next::Nothing(last) => {
                    // Changes that the caller may not see need not be recorded for this reader.
                    self.cursor = last;
                    self.tip.changed().await.ok()?;
                }
            }
        }
    }

    fn item(&self, event: FeedEvent) -> FeedItem {
        FeedItem { cursor: self.changes.cursor(self.cursor), event }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I6, W2.

    use super::*;
    use crate::run::RunManager;
    use crate::types::{UserRef, UserRole};

    fn name(item: Option<Result<FeedItem, StoreError>>) -> &'static str {
        item.unwrap().unwrap().event.name()
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_gets_a_reset_and_continues() {
        let dir = tempfile::tempdir().unwrap();
        let runs = RunManager::without_agents(dir.path());
        let changes = Changes::new();
        let caller = Caller { user: UserRef::named("ann"), role: UserRole::User };
        let mut feed = Feed::new(Arc::new(runs.clone()), changes.clone(), caller.clone(), None);
        let cursor = feed.next().await.unwrap().unwrap().cursor;
        for _ in 0..10_000 {
            changes.notify_deleted(RunId::new(), caller.user.id);
        }
        assert_eq!(name(feed.next().await), "reset");
        changes.notify_deleted(RunId::new(), caller.user.id);
        assert_eq!(name(feed.next().await), "run_deleted");
        let mut late = Feed::new(Arc::new(runs), changes.clone(), caller, Some(cursor));
        assert_eq!(name(late.next().await), "reset", "a reader that resumes too late");
        changes.close();
        assert!(late.next().await.is_none() && feed.next().await.is_none());
    }

    #[tokio::test]
    async fn runs_of_other_users_are_skipped() {
        let dir = tempfile::tempdir().unwrap();
        let runs = RunManager::without_agents(dir.path());
        let changes = Changes::new();
        let (ann, bob) = (runs.add_ended_run(UserRef::named("ann")).await, runs.add_ended_run(UserRef::named("bob")).await);
        let caller = |role| Caller { user: UserRef::named("ann"), role };
        let mut own = Feed::new(Arc::new(runs.clone()), changes.clone(), caller(UserRole::User), None);
        let mut all = Feed::new(Arc::new(runs), changes.clone(), caller(UserRole::Admin), None);
        assert_eq!((name(own.next().await), name(all.next().await)), ("ready", "ready"));
        changes.notify(bob.run_id, UserRef::named("bob").id);
        changes.notify(ann.run_id, UserRef::named("ann").id);
        changes.close();
        let next_run = async |feed: &mut Feed| match feed.next().await?.unwrap().event {
            FeedEvent::Run { run } => Some(run.run_id),
            _ => None,
        };
        assert_eq!((next_run(&mut own).await, next_run(&mut own).await), (Some(ann.run_id), None));
        assert_eq!((next_run(&mut all).await, next_run(&mut all).await), (Some(bob.run_id), Some(ann.run_id)));
    }
}
