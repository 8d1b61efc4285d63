//! Why a store could not do what it was asked.

use super::UsedKey;
use crate::types::{RunId, Seq};

/// Why the store could not do what it was asked. The caller of the API did nothing wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, broken or not writable. Nothing was written.
    #[error("the store cannot write: {0}")]
    Write(String),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Read(String),
    /// There is no connection for reading at the moment: mostly for want of descriptors.
    #[error("the store cannot be opened once more: {0}")]
    NoReader(String),
    /// A batch does not begin where the log ends, or the run has ended. Nothing was written.
    #[error("event {first} is not the next one of run {run}")]
    NotNext {
        /// The run.
        run: RunId,
        /// The batch's first number.
        first: Seq,
    },
    /// The caller's key was used before. Nothing was written.
    #[error("the idempotency key was used before, for run {}", .0.run)]
    KeyUsed(UsedKey),
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
