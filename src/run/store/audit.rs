//! The audit log.

use std::net::IpAddr;

use async_trait::async_trait;

use super::StoreError;
use crate::types::{AuditAction, KeyId, RunId, Timestamp, UserName};

/// Who did what, to what, and with which outcome. It contains no prompt, password or other secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Time at which the action was completed.
    pub created_at: Timestamp,
    /// Who did it; `None` for the command line, and for a failed login with an unknown name.
    pub username: Option<UserName>,
    /// The API key that authenticated the request, if any.
    pub key: Option<KeyId>,
    /// Client address of the request; `None` for the command line.
    pub address: Option<IpAddr>,
    /// What was done.
    pub action: AuditAction,
    /// `ok`, or the stable code of the error.
    pub outcome: String,
    /// The run that was affected.
    pub run: Option<RunId>,
    /// The user who was affected.
    pub target_username: Option<UserName>,
    /// The API key that was affected.
    pub target_key: Option<KeyId>,
    /// Details written by the server, for example a new role or a key's scopes.
    pub detail: Option<String>,
}

/// An entry with its position in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Its number. Later entries have greater ones.
    pub id: u64,
    /// The entry.
    pub entry: AuditEntry,
}

/// Selects audit entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only actions of this user.
    pub username: Option<UserName>,
    /// Only this action.
    pub action: Option<AuditAction>,
    /// Only actions on this run.
    pub run: Option<RunId>,
    /// Only actions at or after this time.
    pub since: Option<Timestamp>,
    /// Only entries with a smaller number: the last one of the previous page.
    pub before: Option<u64>,
}

/// Stores the audit log.
///
/// Implementors must never change or remove an entry.
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds an entry.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was added then.
    async fn add_audit(&self, entry: AuditEntry) -> Result<(), StoreError>;

    /// At most `limit` entries that match the filter, newest first. Damaged rows are left
    /// out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn audit(&self, filter: AuditFilter, limit: usize) -> Result<Vec<AuditRecord>, StoreError>;
}
