//! The bounded record of which runs changed, without what they changed to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::FeedCursor;
use crate::types::{Caller, RunId, UserId};

/// Maximum number of runs with a recorded change: about 1 MiB. A reader that missed more changes than that must list the runs again.
const MAX_RECORDED: usize = 4096;

/// Which runs changed, in order. Cloning returns another handle to the same record.
#[derive(Clone, Debug)]
pub(in crate::run) struct Changes {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: u64,
    recent: Mutex<Recent>,
    tip: watch::Sender<Tip>,
}

/// The end of the feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// Number of the last change.
    pub(super) last: u64,
    /// Whether no change follows because the server shuts down.
    pub(super) closed: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) run: RunId,
    pub(super) owner: UserId,
    pub(super) is_deleted: bool,
}

/// The last change of each of the most recently changed runs.
#[derive(Debug, Default)]
struct Recent {
    last: u64,
    /// Number of the last change that was dropped without a newer one of its run.
    dropped: u64,
    by_number: BTreeMap<u64, Change>,
    number_of: HashMap<RunId, u64>,
}

/// What follows a position in the feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A change with its number.
    Change(u64, Change),
    /// No visible change up to this number.
    Nothing(u64),
    /// Some changes were dropped; the feed continues after this number.
    Lost(u64),
}

impl Changes {
    pub(in crate::run) fn new() -> Self {
        let mut epoch = [0; 8];
        // Without a random source, a fresh run id distinguishes processes well enough: it contains the time.
        if getrandom::fill(&mut epoch).is_err() {
            epoch.copy_from_slice(&RunId::new().to_string().as_bytes()[4..12]);
        }
        let shared =
            Shared { epoch: u64::from_be_bytes(epoch), recent: Mutex::default(), tip: watch::Sender::new(Tip { last: 0, closed: false }) };
        Self { shared: Arc::new(shared) }
    }

    /// Records that a run changed. To be called after the change is visible, so that woken readers find it.
    pub(in crate::run) fn notify(&self, run: RunId, owner: UserId) {
        self.push(Change { run, owner, is_deleted: false });
    }

    /// Records that a run was deleted.
    pub(in crate::run) fn notify_deleted(&self, run: RunId, owner: UserId) {
        self.push(Change { run, owner, is_deleted: true });
    }

    /// Ends the feed for all readers.
    pub(in crate::run) fn close(&self) {
        self.shared.tip.send_modify(|tip| tip.closed = true);
    }

    /// Returns a notifier for one run.
    pub(in crate::run) fn notifier(&self, run: RunId, owner: UserId) -> ChangeNotifier {
        ChangeNotifier { changes: self.clone(), run, owner }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Tip> {
        self.shared.tip.subscribe()
    }

    pub(super) fn cursor(&self, number: u64) -> FeedCursor {
        FeedCursor { epoch: self.shared.epoch, number }
    }

    /// The number of a cursor; `None` if this process cannot have issued it.
    pub(super) fn number(&self, cursor: FeedCursor) -> Option<u64> {
        let last = self.recent().last;
        Some(cursor.number).filter(|number| cursor.epoch == self.shared.epoch && *number <= last)
    }

    /// The first change after number `after` that the caller may see. This is the only ownership check of the feed.
    pub(super) fn next(&self, after: u64, caller: &Caller) -> Next {
        self.recent().next(after, caller)
    }

    fn push(&self, change: Change) {
        let last = self.recent().push(change);
        // Concurrent pushes may arrive here out of order.
        self.shared.tip.send_modify(|tip| tip.last = tip.last.max(last));
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.shared.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn push(&mut self, change: Change) -> u64 {
        self.last += 1;
        if let Some(older) = self.number_of.insert(change.run, self.last) {
            self.by_number.remove(&older);
        }
        self.by_number.insert(self.last, change);
        if self.by_number.len() > MAX_RECORDED
            && let Some((number, oldest)) = self.by_number.pop_first()
        {
            self.number_of.remove(&oldest.run);
            self.dropped = number;
        }
        self.last
    }

    fn next(&self, after: u64, caller: &Caller) -> Next {
        if after < self.dropped {
            return Next::Lost(self.last);
        }
        let mut following = self.by_number.range(after.saturating_add(1)..);
        let visible = following.find(|(_, change)| caller.may_see(change.owner));
        visible.map_or(Next::Nothing(self.last), |(number, change)| Next::Change(*number, change.clone()))
    }
}

/// Records changes of one run, on behalf of its driver.
#[derive(Clone, Debug)]
pub(in crate::run) struct ChangeNotifier {
    changes: Changes,
    run: RunId,
    owner: UserId,
}

impl ChangeNotifier {
    /// Records that the run changed.
    pub(in crate::run) fn notify(&self) {
        self.changes.notify(self.run, self.owner);
    }
}

#[cfg(test)]
mod tests {
    //! Rules: I6, W2, W3.

    use super::*;
    use crate::types::{UserRef, UserRole};

    fn caller(user: &str, role: UserRole) -> Caller {
        Caller { user: UserRef::named(user), role }
    }

    fn numbers(changes: &Changes, mut after: u64, caller: &Caller) -> Vec<u64> {
        let mut numbers = Vec::new();
        while let Next::Change(number, _) = changes.next(after, caller) {
            numbers.push(number);
            after = number;
        }
        numbers
    }

    #[test]
    fn only_the_last_change_of_a_run_is_reported() {
        let (changes, ann) = (Changes::new(), UserRef::named("ann").id);
        let (one, other) = (RunId::new(), RunId::new());
        for run in [one, other, one, one] {
            changes.notify(run, ann);
        }
        assert_eq!(numbers(&changes, 0, &caller("ann", UserRole::User)), [2, 4]);
        assert_eq!(numbers(&changes, 2, &caller("ann", UserRole::User)), [4]);
    }

    #[test]
    fn a_change_is_visible_to_its_owner_and_to_admins() {
        let changes = Changes::new();
        changes.notify(RunId::new(), UserRef::named("ann").id);
        changes.notify_deleted(RunId::new(), UserRef::named("bob").id);
        assert_eq!(numbers(&changes, 0, &caller("ann", UserRole::User)), [1]);
        assert_eq!(numbers(&changes, 0, &caller("bob", UserRole::User)), [2]);
        assert_eq!(numbers(&changes, 0, &caller("root", UserRole::Admin)), [1, 2]);
        assert_eq!(changes.next(0, &caller("carol", UserRole::User)), Next::Nothing(2));
    }

    #[test]
    fn the_record_is_bounded_and_reports_lost_changes() {
        let (changes, ann) = (Changes::new(), UserRef::named("ann").id);
        let reader = caller("ann", UserRole::User);
        changes.notify(RunId::new(), ann);
        let rest = u64::try_from(MAX_RECORDED).unwrap();
        for _ in 0..rest {
            changes.notify(RunId::new(), ann);
        }
        assert_eq!(changes.recent().by_number.len(), MAX_RECORDED);
        assert_eq!(changes.recent().number_of.len(), MAX_RECORDED);
        assert_eq!(changes.next(0, &reader), Next::Lost(rest + 1));
        assert_eq!(numbers(&changes, 1, &reader).len(), MAX_RECORDED, "a reader that has seen the dropped change lost nothing");
    }

    #[test]
    fn a_cursor_of_another_process_or_ahead_of_the_feed_is_invalid() {
        let (changes, other) = (Changes::new(), Changes::new());
        changes.notify(RunId::new(), UserRef::named("ann").id);
        assert_eq!(changes.number(changes.cursor(1)), Some(1));
        assert_eq!(changes.number(changes.cursor(2)), None);
        assert_eq!(changes.number(other.cursor(1)), None);
    }
}
