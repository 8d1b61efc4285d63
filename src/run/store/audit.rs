//! The audit log, as the store keeps it.

use std::net::IpAddr;

use async_trait::async_trait;

use super::StoreError;
use crate::types::{AuditAction, KeyId, RunId, Timestamp, UserName};

/// Who did what to what, and how it came out. It holds no prompt, no password and nothing that lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When it was over.
    pub created_at: Timestamp,
    /// Who did it; `None` for the command line, and for a failed login under a name that nobody has.
    pub username: Option<UserName>,
    /// The API key that it was done with, if it was one.
    pub key: Option<KeyId>,
    /// Where the request came from; `None` for the command line.
    pub address: Option<IpAddr>,
    /// What was done.
    pub action: AuditAction,
    /// `ok`, or the stable code of the refusal.
    pub outcome: String,
    /// The run that it was done to.
    pub run: Option<RunId>,
    /// The user whom it was done to.
    pub target_username: Option<UserName>,
    /// The API key that it was done to.
    pub target_key: Option<KeyId>,
    /// What exactly, in words of ours: a new role, a key's scopes.
    pub detail: Option<String>,
}

/// An entry with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number. Later entries have greater ones.
    pub id: u64,
    /// What it says.
    pub entry: AuditEntry,
}

/// Which entries are wanted. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only what this user did.
    pub username: Option<UserName>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only what was done to this run.
    pub run: Option<RunId>,
    /// Only what was done at this moment or later.
    pub since: Option<Timestamp>,
    /// Only those older than the entry of this number, which is where the last page ended.
    pub before: Option<u64>,
}

/// Keeps the audit log.
///
/// Implementors owe: an entry is never changed and never removed.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was added then.
    async fn add_audit(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// At most `limit` entries that fit the filter, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or a row is damaged.
    async fn audit(&self, filter: AuditFilter, limit: usize) -> Result<Vec<AuditRecord>, StoreError>;
}
