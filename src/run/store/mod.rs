//! Where runs, their events and users are kept.

#[cfg(test)]
pub(super) mod contract;
mod error;
mod runs;
mod sqlite;
mod users;

pub use error::StoreError;
pub use runs::{Chunk, RunChange, RunFilter, RunRecord, RunStore};
pub use sqlite::{OpenError, SqliteStore};
pub use users::{UserRecord, UserStore};
