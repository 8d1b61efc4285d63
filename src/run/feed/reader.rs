//! Reads the feed by cursor, for one caller.

use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::changes::{Next, Tip};
use super::{Changes, FeedCursor};
use crate::run::errors::FindError;
use crate::run::store::StoreError;
use crate::run::{RunManager, RunView};
use crate::types::{Caller, RunId};

/// One event of the feed, with the place after it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = FeedEvent)]
pub struct FeedItem {
    /// The place after this event: with it as `Last-Event-ID` or `after` the feed goes on there.
    #[schema(value_type = String, pattern = "^[0-9a-f]{16}-[0-9]+$")]
    pub cursor: FeedCursor,
    /// What is told.
    #[serde(flatten)]
    pub event: FeedEvent,
}

/// What the feed tells.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = FeedChange)]
pub enum FeedEvent {
    /// Always the first, unless `reset` is: whatever changes from now on is told.
    Ready {
        /// Whether nothing was missed since the place that was given. If false, list the runs now.
        resumed: bool,
    },
    /// A run is new, or has changed.
    Run {
        /// The run as it stands when this is told.
        run: Box<RunView>,
    },
    /// A run was deleted.
    RunDeleted {
        /// Which one.
        run_id: RunId,
    },
    /// What has changed since is not known: list the runs again. Whatever changes from now on is told.
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

/// A reader of the feed. Holds a cursor and nothing else.
///
/// Dropping it at any time costs nobody anything.
#[derive(Debug)]
pub struct Feed {
    runs: RunManager,
    changes: Changes,
    caller: Caller,
    tip: watch::Receiver<Tip>,
    /// Number of the last change that was told or passed over.
    cursor: u64,
    greeting: Option<FeedEvent>,
}

impl Feed {
    /// From this moment on, or from a place where the caller was before.
    pub(in crate::run) fn new(runs: RunManager, changes: Changes, caller: Caller, after: Option<FeedCursor>) -> Self {
        let tip = changes.subscribe();
        let last = tip.borrow().last;
        let resumed = after.and_then(|after| changes.number(after));
        let (cursor, greeting) = match (after, resumed) {
            (None, _) => (last, FeedEvent::Ready { resumed: false }),
            (Some(_), None) => (last, FeedEvent::Reset {}),
            (Some(_), Some(number)) => match changes.next(number, &caller) {
                Next::Lost(last) => (last, FeedEvent::Reset {}),
                Next::Change(..) | Next::Nothing(_) => (number, FeedEvent::Ready { resumed: true }),
            },
        };
        Self { runs, changes, caller, tip, cursor, greeting: Some(greeting) }
    }

    /// The next event; `None` when the server goes away. May be dropped at any time without losing one.
    ///
    /// # Errors
    /// [`StoreError`] if a run cannot be read. The reader may come again with the last cursor that it has seen.
    pub async fn next(&mut self) -> Option<Result<FeedItem, StoreError>> {
        if let Some(greeting) = self.greeting.take() {
            return Some(Ok(self.item(greeting)));
        }
        loop {
            // Asked before the changes are looked at, so that what comes meanwhile is not missed.
            let tip = *self.tip.borrow_and_update();
            match self.changes.next(self.cursor, &self.caller) {
                Next::Lost(last) => {
                    self.cursor = last;
                    return Some(Ok(self.item(FeedEvent::Reset {})));
                }
                Next::Change(number, change) if change.is_gone => {
                    self.cursor = number;
                    return Some(Ok(self.item(FeedEvent::RunDeleted { run_id: change.run })));
                }
                Next::Change(number, change) => match self.runs.get(&self.caller, change.run).await {
                    Ok(run) => {
                        self.cursor = number;
                        return Some(Ok(self.item(FeedEvent::Run { run: Box::new(run) })));
                    }
                    // Deleted meanwhile, which comes as a change of its own.
                    Err(FindError::NotFound(_)) => self.cursor = number,
                    Err(FindError::Store(error)) => return Some(Err(error)),
                },
                Next::Nothing(_) if tip.closed => return None,
                Next::Nothing(last) => {
                    // Changes of others need not be remembered for this reader.
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
    use super::*;
    use crate::types::UserRole;

    fn name(item: Option<Result<FeedItem, StoreError>>) -> &'static str {
        item.unwrap().unwrap().event.name()
    }

    #[tokio::test]
    async fn w2_a_reader_that_falls_behind_is_told_to_list_again_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunManager::without_agents(folder.path());
        let changes = Changes::new();
        let caller = Caller { user: "ann".parse().unwrap(), role: UserRole::User };
        let mut feed = Feed::new(runs.clone(), changes.clone(), caller.clone(), None);
        let place = feed.next().await.unwrap().unwrap().cursor;
        for _ in 0..10_000 {
            changes.tell_gone(RunId::new(), &caller.user);
        }
        assert_eq!(name(feed.next().await), "reset");
        changes.tell_gone(RunId::new(), &caller.user);
        assert_eq!(name(feed.next().await), "run_deleted");
        let mut late = Feed::new(runs, changes.clone(), caller, Some(place));
        assert_eq!(name(late.next().await), "reset", "a reader that comes again too late");
        changes.close();
        assert!(late.next().await.is_none() && feed.next().await.is_none());
    }

    #[tokio::test]
    async fn i6_a_run_of_somebody_else_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let runs = RunManager::without_agents(folder.path());
        let changes = Changes::new();
        let (ann, bob) = (runs.ended_run_of("ann").await, runs.ended_run_of("bob").await);
        let caller = |role| Caller { user: "ann".parse().unwrap(), role };
        let mut own = Feed::new(runs.clone(), changes.clone(), caller(UserRole::User), None);
        let mut all = Feed::new(runs, changes.clone(), caller(UserRole::Admin), None);
        assert_eq!((name(own.next().await), name(all.next().await)), ("ready", "ready"));
        changes.tell(bob.run_id, &bob.owner);
        changes.tell(ann.run_id, &ann.owner);
        changes.close();
        let told = async |feed: &mut Feed| match feed.next().await?.unwrap().event {
            FeedEvent::Run { run } => Some(run.run_id),
            _ => None,
        };
        assert_eq!((told(&mut own).await, told(&mut own).await), (Some(ann.run_id), None));
        assert_eq!((told(&mut all).await, told(&mut all).await), (Some(bob.run_id), Some(ann.run_id)));
    }
}
