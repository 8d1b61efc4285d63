//! Errors of a store.

use super::UsedKey;
use crate::types::{RunId, Seq};

/// Why a store operation failed. Except for [`StoreError::KeyUsed`], the caller of the API is not at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full, broken or not writable. Nothing was written.
    #[error("cannot write to the store: {0}")]
    Write(String),
    /// The store cannot be read.
    #[error("cannot read from the store: {0}")]
    Read(String),
    /// No connection can be opened for reading, usually because file descriptors ran out.
    #[error("cannot open another connection to the store: {0}")]
    NoReader(String),
    /// A batch does not begin at the end of the log, or the run has ended. Nothing was written.
    #[error("event {first} is not the next one of run {run}")]
    NotNext {
        /// The run.
        run: RunId,
        /// First number of the batch.
        first: Seq,
    },
    /// The idempotency key was used before. Nothing was written.
    #[error("the idempotency key was already used for run {}", .0.run)]
    KeyUsed(UsedKey),
    /// A row cannot be decoded. Other rows are not affected.
    #[error("row {id} of table {table} is damaged: {problem}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// Key of the row.
        id: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The store was closed because the server shuts down.
    #[error("the store is closed")]
    Closed,
}
