//! How many runs work at once, and who waits: a [`Schedule`] that many tasks share.

mod schedule;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::types::{RunId, UserName};

pub(super) use schedule::Caps;
use schedule::{QueueFull, Schedule};

/// Places for runs, and lines for those that find none.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    schedule: Schedule,
    /// Whom to tell that a run's turn has come.
    calls: HashMap<RunId, oneshot::Sender<()>>,
}

/// A run that waits. Given up when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    membership: Membership,
    called: oneshot::Receiver<()>,
    /// How many runs stood before it when it came.
    pub(super) position: u64,
}

/// A run's place among those that work, given up when dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _presence: Membership,
}

/// That a run is here, waiting or working. Dropping it takes the run out and calls whoever there is room for then.
#[derive(Debug)]
struct Membership {
    admission: Admission,
    run: RunId,
}

impl Admission {
    pub(super) fn new(caps: Caps) -> Self {
        Self { state: Arc::new(Mutex::new(State { schedule: Schedule::new(caps), calls: HashMap::new() })) }
    }

    /// A place in the queue for `run`, of `user` for `agent`; `None` if it would have to wait and the queue is full. A run that is
    /// `aside` holds up nobody until [`Ticket::admitted`] is asked for; any other has its place in the line, or its place among
    /// those that work, from this moment on.
    pub(super) fn queue(&self, run: RunId, user: &UserName, agent: &str, aside: bool) -> Option<Ticket> {
        let mut state = self.state();
        match state.schedule.arrive(run, user.clone(), agent.to_owned(), aside) {
            Ok(()) => {}
            Err(QueueFull) => return None,
        }
        let position = state.schedule.position(run).unwrap_or(0);
        let (call, called) = oneshot::channel();
        state.calls.insert(run, call);
        state.call_if_working(run);
        Some(Ticket { membership: Membership { admission: self.clone(), run }, called, position })
    }

    /// The place of a run whose agent works already, so that nobody can make it wait: an earlier server gave it one.
    pub(super) fn admit_existing(&self, run: RunId, user: &UserName, agent: &str) -> Slot {
        self.state().schedule.admit_existing(run, user.clone(), agent.to_owned());
        Slot { _presence: Membership { admission: self.clone(), run } }
    }

    /// How many runs stand before this one now; `None` for a run that does not wait.
    pub(super) fn position(&self, run: RunId) -> Option<u64> {
        self.state().schedule.position(run)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn call_if_working(&mut self, run: RunId) {
        if self.schedule.works(run)
            && let Some(call) = self.calls.remove(&run)
        {
            // Whoever waited may be gone; then the place is given up with the ticket.
            let _ = call.send(());
        }
    }
}

impl Ticket {
    /// Waits for a place. Dropping the future gives up the wait, and the place if it had come in the same moment.
    pub(super) async fn admitted(self) -> Slot {
        let Self { membership, called, position: _ } = self;
        {
            let mut state = membership.admission.state();
            state.schedule.enqueue(membership.run);
            state.call_if_working(membership.run);
        }
        // The caller is kept as long as the run is here, so there is always a call.
        let _ = called.await;
        Slot { _presence: membership }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.calls.remove(&self.run);
        for run in state.schedule.leave(self.run) {
            state.call_if_working(run);
        }
    }
}
