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
    hall: Arc<Mutex<Hall>>,
}

#[derive(Debug)]
struct Hall {
    schedule: Schedule,
    /// Whom to tell that a run's turn has come.
    calls: HashMap<RunId, oneshot::Sender<()>>,
}

/// A run that waits. Given up when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    presence: Presence,
    called: oneshot::Receiver<()>,
    /// How many runs stood before it when it came.
    pub(super) position: u64,
}

/// A run's place among those that work, given up when dropped.
#[derive(Debug)]
pub(super) struct Place {
    _presence: Presence,
}

/// That a run is here, waiting or working. Dropping it takes the run out and calls whoever there is room for then.
#[derive(Debug)]
struct Presence {
    admission: Admission,
    run: RunId,
}

impl Admission {
    pub(super) fn new(caps: Caps) -> Self {
        Self { hall: Arc::new(Mutex::new(Hall { schedule: Schedule::new(caps), calls: HashMap::new() })) }
    }

    /// A place in the queue for `run`, of `user` for `agent`; `None` if it would have to wait and the queue is full. A run that is
    /// `aside` holds up nobody until [`Ticket::admitted`] is asked for; any other has its place in the line, or its place among
    /// those that work, from this moment on.
    pub(super) fn queue(&self, run: RunId, user: &UserName, agent: &str, aside: bool) -> Option<Ticket> {
        let mut hall = self.hall();
        match hall.schedule.arrive(run, user.clone(), agent.to_owned(), aside) {
            Ok(()) => {}
            Err(QueueFull) => return None,
        }
        let position = hall.schedule.position(run).unwrap_or(0);
        let (call, called) = oneshot::channel();
        hall.calls.insert(run, call);
        hall.call_if_working(run);
        Some(Ticket { presence: Presence { admission: self.clone(), run }, called, position })
    }

    /// The place of a run whose agent works already, so that nobody can make it wait: an earlier server gave it one.
    pub(super) fn seat(&self, run: RunId, user: &UserName, agent: &str) -> Place {
        self.hall().schedule.seat(run, user.clone(), agent.to_owned());
        Place { _presence: Presence { admission: self.clone(), run } }
    }

    /// How many runs stand before this one now; `None` for a run that does not wait.
    pub(super) fn position(&self, run: RunId) -> Option<u64> {
        self.hall().schedule.position(run)
    }

    fn hall(&self) -> MutexGuard<'_, Hall> {
        self.hall.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hall {
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
    pub(super) async fn admitted(self) -> Place {
        let Self { presence, called, position: _ } = self;
        {
            let mut hall = presence.admission.hall();
            hall.schedule.line_up(presence.run);
            hall.call_if_working(presence.run);
        }
        // The caller is kept as long as the run is here, so there is always a call.
        let _ = called.await;
        Place { _presence: presence }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut hall = self.admission.hall();
        hall.calls.remove(&self.run);
        for run in hall.schedule.leave(self.run) {
            hall.call_if_working(run);
        }
    }
}
