//! The audit log: who did what to what, from where, and with which outcome.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::Principal;
use crate::run::store::{AuditEntry, AuditFilter, AuditRecord, AuditStore, StoreError};
use crate::types::{AuditAction, Clock, KeyId, RunId, UserName};

/// An action that is about to be performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    user: Option<UserName>,
    key: Option<KeyId>,
    address: Option<IpAddr>,
    action: AuditAction,
    target: Target,
    detail: Option<String>,
}

/// The target of an action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The caller, or not known yet.
    #[default]
    None,
    /// A run.
    Run(RunId),
    /// A user.
    User(UserName),
    /// An API key.
    Key(KeyId),
}

impl AuditEvent {
    /// An action of an authenticated caller at this address.
    pub fn by_principal(principal: &Principal, address: Option<IpAddr>, action: AuditAction) -> Self {
        Self { user: Some(principal.caller.user.clone()), key: principal.key(), ..Self::by_user(None, address, action) }
    }

    /// An action without a token: a login, or one of the command line. Pass only names of existing users, because a mistyped login may
    /// contain a password.
    pub fn by_user(user: Option<UserName>, address: Option<IpAddr>, action: AuditAction) -> Self {
        Self { user, key: None, address, action, target: Target::None, detail: None }
    }

    /// Sets the target.
    #[must_use]
    pub fn to(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// Sets the details. Never pass text that a client wrote freely: the log contains no prompts and no passwords.
    #[must_use]
    pub fn detail(self, detail: String) -> Self {
        Self { detail: Some(detail).filter(|detail| !detail.is_empty()), ..self }
    }
}

/// Writes and reads the audit log. A clone is another handle.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
}

impl Audit {
    /// The log in `store`. Actions run to completion in `tasks`.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        Self { store, clock, tasks }
    }

    /// Performs `action` and records it: on success with the target that `target` returns, on failure with the stable `code` of the error.
    ///
    /// Both happen in a task of their own, so a client that disconnects neither stops the action nor keeps it out of the log. `None` if the
    /// action panicked; only the server's log records that.
    pub async fn perform<T, E>(
        &self,
        event: AuditEvent,
        action: impl Future<Output = Result<T, E>> + Send + 'static,
        target: impl FnOnce(&T) -> Option<Target> + Send + 'static,
        code: impl FnOnce(&E) -> &'static str + Send + 'static,
    ) -> Option<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.spawn(event, action, target, code).await.ok()
    }

    /// The same without waiting. Dropping the handle does not stop the action.
    pub fn spawn<T, E>(
        &self,
        event: AuditEvent,
        action: impl Future<Output = Result<T, E>> + Send + 'static,
        target: impl FnOnce(&T) -> Option<Target> + Send + 'static,
        code: impl FnOnce(&E) -> &'static str + Send + 'static,
    ) -> JoinHandle<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let audit = self.clone();
        self.tasks.spawn(async move {
            let result = action.await;
            let (target, outcome) = match &result {
                Ok(value) => (target(value), "ok"),
                Err(error) => (None, code(error)),
            };
            audit.record(AuditEvent { target: target.unwrap_or(event.target), ..event }, outcome).await;
            result
        })
    }

    /// Records an action with its outcome: `ok`, or the stable code of the error. If the entry cannot be written, the action stands, and
    /// the server's log contains the entry.
    pub async fn record(&self, event: AuditEvent, outcome: &str) {
        let AuditEvent { user, key, address, action, target, detail } = event;
        let (run, target_username, target_key) = match target {
            Target::None => (None, None, None),
            Target::Run(run) => (Some(run), None, None),
            Target::User(user) => (None, Some(user), None),
            Target::Key(key) => (None, None, Some(key)),
        };
        let entry = AuditEntry {
            created_at: self.clock.now(),
            username: user,
            key,
            address,
            action,
            outcome: outcome.to_owned(),
            run,
            target_username,
            target_key,
            detail,
        };
        if let Err(error) = self.store.add_audit(entry.clone()).await {
            tracing::error!(%error, ?entry, "cannot write an entry of the audit log");
        }
    }

    /// Up to `limit` matching entries, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn read(&self, filter: AuditFilter, limit: usize) -> Result<Vec<AuditRecord>, StoreError> {
        self.store.audit(filter, limit).await
    }
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").finish_non_exhaustive()
    }
}
