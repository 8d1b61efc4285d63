//! The audit log: who did what to what, from where, and how it came out.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use super::Principal;
use crate::run::store::{AuditEntry, AuditFilter, AuditRecord, AuditStore, StoreError};
use crate::types::{AuditAction, Clock, KeyId, RunId, UserName};

/// Something that somebody is about to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    user: Option<UserName>,
    key: Option<KeyId>,
    address: Option<IpAddr>,
    action: AuditAction,
    target: Target,
    detail: Option<String>,
}

/// To what something is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// To nothing but oneself, or to something that is not known yet.
    #[default]
    Nothing,
    /// To a run.
    Run(RunId),
    /// To a user.
    User(UserName),
    /// To an API key.
    Key(KeyId),
}

impl AuditEvent {
    /// Somebody with a token or key does this, from that address.
    pub fn of(principal: &Principal, address: Option<IpAddr>, action: AuditAction) -> Self {
        Self { user: Some(principal.caller.user.clone()), key: principal.key(), ..Self::of_user(None, address, action) }
    }

    /// Somebody does this who has no token: who logs in, or the command line. Give a name only if it is a user's, since whoever mistypes
    /// a login may have put a password there.
    pub fn of_user(user: Option<UserName>, address: Option<IpAddr>, action: AuditAction) -> Self {
        Self { user, key: None, address, action, target: Target::Nothing, detail: None }
    }

    /// To this.
    #[must_use]
    pub fn to(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// What exactly, in words of ours. Never what a client wrote freely: the log holds no prompt and no password.
    #[must_use]
    pub fn detail(self, detail: String) -> Self {
        Self { detail: Some(detail).filter(|detail| !detail.is_empty()), ..self }
    }
}

/// Writes and reads the audit log. Cloning gives another handle.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
}

impl Audit {
    /// The log in `store`. What is being done is done in `tasks`, to the end.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        Self { store, clock, tasks }
    }

    /// Carries out `work` and writes down that it was done, with what `about` says that it was done to, or why it was not: `code` gives
    /// the stable code of a refusal.
    ///
    /// Both happen in a task of its own: a client who leaves in the middle neither stops the deed nor keeps it out of the log. `None`
    /// if the work panicked, which is in no log but the server's.
    pub async fn carry_out<T, E>(
        &self,
        deed: AuditEvent,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
        about: impl FnOnce(&T) -> Option<Target> + Send + 'static,
        code: impl FnOnce(&E) -> &'static str + Send + 'static,
    ) -> Option<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.begin(deed, work, about, code).await.ok()
    }

    /// The same for whoever does not wait: it is done whether or not the handle is kept.
    pub fn begin<T, E>(
        &self,
        deed: AuditEvent,
        work: impl Future<Output = Result<T, E>> + Send + 'static,
        about: impl FnOnce(&T) -> Option<Target> + Send + 'static,
        code: impl FnOnce(&E) -> &'static str + Send + 'static,
    ) -> JoinHandle<Result<T, E>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let audit = self.clone();
        self.tasks.spawn(async move {
            let done = work.await;
            let (target, outcome) = match &done {
                Ok(value) => (about(value), "ok"),
                Err(error) => (None, code(error)),
            };
            audit.record(AuditEvent { target: target.unwrap_or(deed.target), ..deed }, outcome).await;
            done
        })
    }

    /// Writes down how a deed came out: `ok`, or the stable code of the refusal. If that cannot be written, the deed stands, and the
    /// server's log says what is missing here.
    pub async fn record(&self, deed: AuditEvent, outcome: &str) {
        let AuditEvent { user, key, address, action, target, detail } = deed;
        let (run, target_user, target_key) = match target {
            Target::Nothing => (None, None, None),
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
            target_username: target_user,
            target_key,
            detail,
        };
        if let Err(error) = self.store.add_audit(entry.clone()).await {
            tracing::error!(%error, ?entry, "an entry of the audit log could not be written");
        }
    }

    /// At most `limit` entries that fit the filter, newest first.
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
