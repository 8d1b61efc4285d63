//! Where runs, their events and users are kept.

#[cfg(test)]
pub(super) mod contract;
mod error;
mod runs;
mod sqlite;
mod users;

pub use error::StoreError;
pub use runs::{Chunk, Idempotency, RunChange, RunFilter, RunRecord, RunStore, SessionRecord, UsedKey};
pub use sqlite::{OpenError, SqliteStore};
pub use users::{UserRecord, UserStore};
