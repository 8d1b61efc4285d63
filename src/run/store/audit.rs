//! The audit log.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use super::StoreError;
use crate::types::{AuditAction, KeyId, RunId, Timestamp, UserId, UserName, UserRef};

/// Who did what, to what, and with which outcome. It contains no prompt, password or other secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Time at which the action began.
    pub created_at: Timestamp,
    /// Who did it; `None` for the command line, and for a failed login with an unknown name.
    pub user: Option<UserRef>,
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
    /// Name of the user who was affected, also if no such user exists.
    pub target_username: Option<UserName>,
    /// The user who was affected; `None` if none was.
    pub target_user: Option<UserId>,
    /// The API key that was affected.
    pub target_key: Option<KeyId>,
    /// Details written by the server, for example a new role or a key's scopes.
    pub detail: Option<String>,
}

/// The entry of an action that is being performed, on its way into the transaction that stores the effect of the action. Either both are
/// stored or neither is. Clones are the same entry.
#[derive(Clone, Debug)]
pub struct Audited {
    // Boxed because it travels in the commands of runs.
    entry: Box<AuditEntry>,
    stored: Arc<AtomicBool>,
}

impl Audited {
    /// The entry of an action that has no effect yet. Its outcome must be `ok`.
    pub fn new(entry: AuditEntry) -> Self {
        Self { entry: Box::new(entry), stored: Arc::default() }
    }

    /// Sets the run that the action affects.
    #[must_use]
    pub fn on_run(mut self, run: RunId) -> Self {
        self.entry.run = Some(run);
        self
    }

    /// Sets the id of the user whom the action affects.
    #[must_use]
    pub fn on_user(mut self, user: UserId) -> Self {
        self.entry.target_user = Some(user);
        self
    }

    /// Sets the key that the action affects. The entry then names no owner, whom the key has.
    #[must_use]
    pub fn on_key(mut self, key: KeyId) -> Self {
        (self.entry.target_username, self.entry.target_key) = (None, Some(key));
        self
    }

    /// The entry.
    pub fn entry(&self) -> &AuditEntry {
        &self.entry
    }

    /// Whether it was committed with an effect.
    pub fn is_stored(&self) -> bool {
        self.stored.load(Ordering::Acquire)
    }

    /// Marks it as committed. For stores.
    pub(super) fn mark_stored(&self) {
        self.stored.store(true, Ordering::Release);
    }
}

impl PartialEq for Audited {
    fn eq(&self, other: &Self) -> bool {
        self.entry == other.entry
    }
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
    /// Only actions of users who had this name at the time.
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

/// Stores the audit log. Entries of changes are added by the methods that make the changes, which take an [`Audited`].
///
/// Implementors must never change an entry, and remove one only in [`AuditStore::remove_audit`].
#[async_trait]
pub trait AuditStore: Send + Sync {
    /// Adds the entry of an action that changes nothing: one that was refused, or one without a stored effect.
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

    /// Removes at most `limit` entries of actions from before `before`, oldest first. The newest entry always stays, so that numbers are not
    /// used twice, and so do all entries of the last day, regardless of `before`. Returns whether there may be more to remove.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn remove_audit(&self, before: Timestamp, limit: usize) -> Result<bool, StoreError>;
}
