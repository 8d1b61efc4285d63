//! Where runs, their events and users are kept.

mod users;

pub use users::{UserRecord, UserStore};

/// Why the store could not do what it was asked. The caller did nothing wrong.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, broken or not writable. Nothing was written.
    #[error("the store cannot write: {0}")]
    Write(String),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Read(String),
    /// A row is there but does not decode. Others are not touched by it.
    #[error("row {id} of {table} is damaged: {problem}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The row's key.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The store has been closed: the server is going away.
    #[error("the store is closed")]
    Closed,
}
