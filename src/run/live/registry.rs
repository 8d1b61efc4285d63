//! The runs that this server drives or is about to create.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RunHandle;
use crate::types::{RunId, SessionId};

/// The runs that this server drives or is about to create, by id. Clones share them.
///
/// An entry exists from before the run is stored until after its end is stored, so a stored run without an entry is not driven by this
/// server. The reverse does not hold: whether a run exists or has ended is decided by its row alone.
#[derive(Clone, Debug, Default)]
pub(in crate::run) struct Registry {
    entries: Arc<Mutex<HashMap<RunId, Entry>>>,
}

#[derive(Debug)]
struct Entry {
    handle: RunHandle,
    state: EntryState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EntryState {
    /// The run may not be stored yet.
    Reserved,
    /// The run is stored and has a driver.
    Live,
}

/// An entry of the registry. Dropping it removes the entry.
#[derive(Debug)]
pub(in crate::run) struct Registration {
    registry: Registry,
    run: RunId,
}

impl Registry {
    /// Adds a run that is about to be stored. Commands sent to `handle` wait for its driver.
    pub(in crate::run) fn reserve(&self, run: RunId, handle: RunHandle) -> Registration {
        self.entries().insert(run, Entry { handle, state: EntryState::Reserved });
        Registration { registry: self.clone(), run }
    }

    /// The handle of a run; `None` if this server does not drive it.
    pub(in crate::run) fn get(&self, run: RunId) -> Option<RunHandle> {
        self.entries().get(&run).map(|entry| entry.handle.clone())
    }

    /// The handles of a session's runs, including those that are about to be stored.
    pub(in crate::run) fn of_session(&self, session: SessionId) -> Vec<RunHandle> {
        self.entries().values().filter(|entry| entry.handle.session == session).map(|entry| entry.handle.clone()).collect()
    }

    /// The handles of all runs that are stored.
    pub(in crate::run) fn live(&self) -> Vec<RunHandle> {
        self.entries().values().filter(|entry| entry.state == EntryState::Live).map(|entry| entry.handle.clone()).collect()
    }

    /// Number of entries.
    pub(in crate::run) fn len(&self) -> usize {
        self.entries().len()
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<RunId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    /// The run.
    pub(in crate::run) fn run(&self) -> RunId {
        self.run
    }

    /// Marks the run as stored.
    pub(in crate::run) fn activate(&self) {
        if let Some(entry) = self.registry.entries().get_mut(&self.run) {
            entry.state = EntryState::Live;
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.registry.entries().remove(&self.run);
    }
}
