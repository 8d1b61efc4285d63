//! The memory of what has changed: bounded, and without what it changed to.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::FeedCursor;
use crate::types::{Caller, RunId, UserName};

/// How many runs are remembered to have changed: about 1 MiB. A reader that was away for longer than so many others lists again.
const REMEMBERED: usize = 4096;

/// Which runs have changed, in order. Cloning gives another handle to the same.
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

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// Number of the last change.
    pub(super) last: u64,
    /// Whether nothing follows: the server goes away.
    pub(super) closed: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) run: RunId,
    pub(super) owner: UserName,
    /// Whether the run is there no more.
    pub(super) is_gone: bool,
}

/// The last change of each run, for the runs that changed last.
#[derive(Debug, Default)]
struct Recent {
    last: u64,
    /// Number of the last change that was forgotten before a newer one of its run came.
    forgotten: u64,
    by_number: BTreeMap<u64, Change>,
    number_of: HashMap<RunId, u64>,
}

/// What follows a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A change with its number.
    Change(u64, Change),
    /// Nothing up to this number.
    Nothing(u64),
    /// Some of what followed is forgotten; it goes on after this number.
    Lost(u64),
}

impl Changes {
    pub(in crate::run) fn new() -> Self {
        let mut epoch = [0; 8];
        // Without randomness the process's number and the clock would do as well; both are in an id of ours.
        if getrandom::fill(&mut epoch).is_err() {
            epoch.copy_from_slice(&RunId::new().to_string().as_bytes()[4..12]);
        }
        let shared =
            Shared { epoch: u64::from_be_bytes(epoch), recent: Mutex::default(), tip: watch::Sender::new(Tip { last: 0, closed: false }) };
        Self { shared: Arc::new(shared) }
    }

    /// Says that a run has changed. Comes after the change itself, so that whoever is woken finds it.
    pub(in crate::run) fn tell(&self, run: RunId, owner: &UserName) {
        self.push(Change { run, owner: owner.clone(), is_gone: false });
    }

    /// Says that a run is there no more.
    pub(in crate::run) fn tell_gone(&self, run: RunId, owner: &UserName) {
        self.push(Change { run, owner: owner.clone(), is_gone: true });
    }

    /// Tells all readers that nothing follows.
    pub(in crate::run) fn close(&self) {
        self.shared.tip.send_modify(|tip| tip.closed = true);
    }

    /// What tells of one run.
    pub(in crate::run) fn teller(&self, run: RunId, owner: UserName) -> ChangeNotifier {
        ChangeNotifier { changes: self.clone(), run, owner }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Tip> {
        self.shared.tip.subscribe()
    }

    pub(super) fn cursor(&self, number: u64) -> FeedCursor {
        FeedCursor { epoch: self.shared.epoch, number }
    }

    /// The number of a place, if it is one of this process that it can have told.
    pub(super) fn number(&self, cursor: FeedCursor) -> Option<u64> {
        let last = self.recent().last;
        Some(cursor.number).filter(|number| cursor.epoch == self.shared.epoch && *number <= last)
    }

    /// The first change after number `after` that the caller may see. This is where the feed is judged by owner.
    pub(super) fn next(&self, after: u64, caller: &Caller) -> Next {
        self.recent().next(after, caller)
    }

    fn push(&self, change: Change) {
        let last = self.recent().push(change);
        // Two who push at once may come here the other way round.
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
        if self.by_number.len() > REMEMBERED
            && let Some((number, oldest)) = self.by_number.pop_first()
        {
            self.number_of.remove(&oldest.run);
            self.forgotten = number;
        }
        self.last
    }

    fn next(&self, after: u64, caller: &Caller) -> Next {
        if after < self.forgotten {
            return Next::Lost(self.last);
        }
        let mut following = self.by_number.range(after.saturating_add(1)..);
        let theirs = following.find(|(_, change)| caller.may_see(&change.owner));
        theirs.map_or(Next::Nothing(self.last), |(number, change)| Next::Change(*number, change.clone()))
    }
}

/// Tells of one run, on behalf of its driver.
#[derive(Clone, Debug)]
pub(in crate::run) struct ChangeNotifier {
    changes: Changes,
    run: RunId,
    owner: UserName,
}

impl ChangeNotifier {
    /// Says that the run has changed.
    pub(in crate::run) fn tell(&self) {
        self.changes.tell(self.run, &self.owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::UserRole;

    fn caller(user: &str, role: UserRole) -> Caller {
        Caller { user: user.parse().unwrap(), role }
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
    fn of_many_changes_of_one_run_the_last_is_told() {
        let (changes, ann) = (Changes::new(), "ann".parse().unwrap());
        let (one, other) = (RunId::new(), RunId::new());
        for run in [one, other, one, one] {
            changes.tell(run, &ann);
        }
        assert_eq!(numbers(&changes, 0, &caller("ann", UserRole::User)), [2, 4]);
        assert_eq!(numbers(&changes, 2, &caller("ann", UserRole::User)), [4]);
    }

    #[test]
    fn i6_a_change_is_shown_to_its_owner_and_to_admins() {
        let changes = Changes::new();
        changes.tell(RunId::new(), &"ann".parse().unwrap());
        changes.tell_gone(RunId::new(), &"bob".parse().unwrap());
        assert_eq!(numbers(&changes, 0, &caller("ann", UserRole::User)), [1]);
        assert_eq!(numbers(&changes, 0, &caller("bob", UserRole::User)), [2]);
        assert_eq!(numbers(&changes, 0, &caller("root", UserRole::Admin)), [1, 2]);
        assert_eq!(changes.next(0, &caller("carol", UserRole::User)), Next::Nothing(2));
    }

    #[test]
    fn w3_what_is_remembered_is_bounded_and_whoever_missed_something_is_told() {
        let (changes, ann) = (Changes::new(), "ann".parse().unwrap());
        let reader = caller("ann", UserRole::User);
        changes.tell(RunId::new(), &ann);
        let rest = u64::try_from(REMEMBERED).unwrap();
        for _ in 0..rest {
            changes.tell(RunId::new(), &ann);
        }
        assert_eq!(changes.recent().by_number.len(), REMEMBERED);
        assert_eq!(changes.recent().number_of.len(), REMEMBERED);
        assert_eq!(changes.next(0, &reader), Next::Lost(rest + 1));
        assert_eq!(numbers(&changes, 1, &reader).len(), REMEMBERED, "who has seen the first one has missed nothing");
    }

    #[test]
    fn w2_a_place_of_another_process_or_ahead_of_this_one_is_none() {
        let (changes, other) = (Changes::new(), Changes::new());
        changes.tell(RunId::new(), &"ann".parse().unwrap());
        assert_eq!(changes.number(changes.cursor(1)), Some(1));
        assert_eq!(changes.number(changes.cursor(2)), None);
        assert_eq!(changes.number(other.cursor(1)), None);
    }
}
