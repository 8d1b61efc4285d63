//! Errors of a store.

use std::fmt;

use super::UsedKey;
use crate::types::{Quota, RunId, Seq, SessionId};

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
    /// A search took longer than this number of seconds.
    #[error("the search took longer than {0} seconds")]
    SearchTimeout(u64),
    /// A batch does not begin at the end of the log. Nothing was written.
    #[error("event {first} is not the next one of run {run}")]
    NotNext {
        /// The run.
        run: RunId,
        /// First number of the batch.
        first: Seq,
    },
    /// The writer does not hold the run's present lease, or the run was deleted. Nothing was written, and nothing it writes ever will be.
    #[error("the lease of run {run} was lost")]
    LeaseLost {
        /// The run.
        run: RunId,
    },
    /// The run has ended and cannot change. Nothing was written.
    #[error("run {run} has ended")]
    Ended {
        /// The run.
        run: RunId,
    },
    /// The run does not exist. Nothing was written.
    #[error("run {0} not found")]
    NoRun(RunId),
    /// The session does not exist or was deleted. Nothing was written.
    #[error("session {0} not found")]
    NoSession(SessionId),
    /// The idempotency key was used before. Nothing was written.
    #[error("the idempotency key was already used for run {}", .0.run)]
    KeyUsed(UsedKey),
    /// A quota of the user is reached. Nothing was written.
    #[error(transparent)]
    OverQuota(OverQuota),
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
    /// An operation panicked. Nothing of it was written; other operations are not affected.
    #[error("internal error of the store: {0}")]
    Internal(String),
    /// The thread that writes has died. Nothing can be written until the server is restarted.
    #[error("the store can no longer write; restart the server")]
    Closed,
}

/// A user's quota is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub struct OverQuota {
    /// The quota.
    pub quota: Quota,
    /// The amount in use.
    pub used: u64,
    /// The amount that is allowed.
    pub allowed: u64,
}

impl fmt::Display for OverQuota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { quota, used, allowed } = self;
        let remedy = if *quota == Quota::Keys { "revoke keys" } else { "delete runs" };
        write!(f, "your quota `{}` is used up ({used} of {allowed}); {remedy}, or ask an admin to raise it", quota.as_str())
    }
}
