//! Admission: limits the number of concurrent runs and queues the others. Makes a [`Schedule`] usable from many tasks.

mod schedule;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::types::{RunId, UserId};

use schedule::Schedule;
pub(super) use schedule::{Limits, QueueFull};

/// Slots for runs, and queues of the runs that wait for one. Clones share both.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    schedule: Schedule,
    /// Notifies waiting runs of their admission.
    notifiers: HashMap<RunId, oneshot::Sender<()>>,
}

/// A waiting run. Dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct Ticket {
    membership: Membership,
    admitted: oneshot::Receiver<()>,
    /// Number of runs ahead when the ticket was issued.
    pub(super) position: u64,
}

/// A slot that a run occupies. Dropping it releases the slot.
#[derive(Debug)]
pub(super) struct Slot {
    membership: Membership,
}

/// Membership of a waiting or active run in the schedule. Dropping it removes the run and admits those for which there is room then.
#[derive(Debug)]
struct Membership {
    admission: Admission,
    run: RunId,
}

impl Admission {
    pub(super) fn new(limits: Limits) -> Self {
        Self { state: Arc::new(Mutex::new(State { schedule: Schedule::new(limits), notifiers: HashMap::new() })) }
    }

    /// Adds a run. A `parked` run neither occupies a slot nor delays others until [`Ticket::admitted`] is called; any other run is enqueued,
    /// or gets a slot, immediately.
    ///
    /// # Errors
    /// [`QueueFull`] if it would have to wait and may not.
    pub(super) fn queue(&self, run: RunId, user: UserId, agent: &str, parked: bool) -> Result<Ticket, QueueFull> {
        let mut state = self.state();
        state.schedule.add(run, user, agent.to_owned(), parked)?;
        Ok(self.ticket(&mut state, run))
    }

    /// Adds a run that an earlier server had accepted, as [`Admission::queue`] does, but regardless of the limits of the queue.
    pub(super) fn requeue(&self, run: RunId, user: UserId, agent: &str, parked: bool) -> Ticket {
        let mut state = self.state();
        state.schedule.readd(run, user, agent.to_owned(), parked);
        self.ticket(&mut state, run)
    }

    /// The ticket of a run that was just added.
    fn ticket(&self, state: &mut State, run: RunId) -> Ticket {
        let position = state.schedule.position(run).unwrap_or(0);
        let (notifier, admitted) = oneshot::channel();
        state.notifiers.insert(run, notifier);
        state.notify_if_active(run);
        Ticket { membership: Membership { admission: self.clone(), run }, admitted, position }
    }

    /// The slot of a run that an earlier server admitted and whose agent is running already. May exceed the limits.
    pub(super) fn admit_existing(&self, run: RunId, user: UserId, agent: &str) -> Slot {
        self.state().schedule.admit_existing(run, user, agent.to_owned());
        Slot { membership: Membership { admission: self.clone(), run } }
    }

    /// Number of runs ahead of this one; `None` for a run that is not waiting.
    pub(super) fn position(&self, run: RunId) -> Option<u64> {
        self.state().schedule.position(run)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Releases the slot of a run that will need one again. The run is parked: it neither occupies a slot nor delays others until
    /// [`Ticket::admitted`] is called.
    pub(super) fn park(self) -> Ticket {
        let Self { membership } = self;
        let (notifier, admitted) = oneshot::channel();
        {
            let mut state = membership.admission.state();
            for run in state.schedule.park(membership.run) {
                state.notify_if_active(run);
            }
            state.notifiers.insert(membership.run, notifier);
        }
        Ticket { membership, admitted, position: 0 }
    }
}

impl State {
    fn notify_if_active(&mut self, run: RunId) {
        if self.schedule.is_active(run)
            && let Some(notifier) = self.notifiers.remove(&run)
        {
            // If the receiver is gone, its ticket is about to be dropped and releases the slot.
            let _ = notifier.send(());
        }
    }
}

impl Ticket {
    /// Waits for a slot. Dropping the future leaves the queue, and releases the slot if it was assigned in the same moment.
    pub(super) async fn admitted(self) -> Slot {
        let Self { membership, admitted, position: _ } = self;
        {
            let mut state = membership.admission.state();
            state.schedule.enqueue(membership.run);
            state.notify_if_active(membership.run);
        }
        // The notifier is kept as long as the membership exists, so it is always used.
        let _ = admitted.await;
        Slot { membership }
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.notifiers.remove(&self.run);
        for run in state.schedule.remove(self.run) {
            state.notify_if_active(run);
        }
    }
}
