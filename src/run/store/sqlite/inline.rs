//! The only connection of a store in memory, which tests use.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// Shared by the store's reads and writes, which run on the tasks of their callers.
#[derive(Clone, Debug)]
pub(super) struct Inline(Arc<Mutex<Connection>>);

impl Inline {
    pub(super) fn new(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
