//! The runs that this server drives or is about to create.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::RunHandle;
use crate::types::RunId;

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
    /// Adds a run. Commands sent to `handle` wait for its driver.
    pub(in crate::run) fn reserve(&self, run: RunId, handle: RunHandle) -> Registration {
        self.entries().insert(run, Entry { handle, state: EntryState::Reserved });
        Registration { registry: self.clone(), run }
    }

    /// Adds a run that is about to be stored, after it has joined the queue of its session with `join`, which must not block. Also returns
    /// the session's runs that were added before. Joining and adding are one step, so these are the runs ahead in the queue.
    ///
    /// # Errors
    /// The error of `join`. Nothing is added then.
    pub(in crate::run) fn reserve_with<T, E>(
        &self,
        run: RunId,
        handle: RunHandle,
        join: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Registration, T, Vec<RunHandle>), E> {
        let mut entries = self.entries();
        let joined = join()?;
        let ahead = entries.values().filter(|entry| entry.handle.session == handle.session).map(|entry| entry.handle.clone()).collect();
        entries.insert(run, Entry { handle, state: EntryState::Reserved });
        drop(entries);
        Ok((Registration { registry: self.clone(), run }, joined, ahead))
    }

    /// The handle of a run; `None` if this server does not drive it.
    pub(in crate::run) fn get(&self, run: RunId) -> Option<RunHandle> {
        self.entries().get(&run).map(|entry| entry.handle.clone())
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
