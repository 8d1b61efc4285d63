//! The audit log: who did what to what, from where, and with which outcome.
//!
//! Every action has an entry of its own, except for failed logins, of which anyone can make any number; see [`failed_logins`](super::failed_logins).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Principal;
use super::failed_logins::FailedLogins;
use crate::run::store::{AuditEntry, AuditFilter, AuditRecord, AuditStore, Audited, StoreError};
use crate::types::{AuditAction, Clock, KeyId, RunId, Timestamp, UserName, UserRef};

/// Interval at which failed logins are recorded and old entries are removed.
const INTERVAL: Duration = Duration::from_mins(1);

/// Number of entries that one step removes: a few milliseconds of the store's writer.
const ENTRIES_PER_STEP: usize = 500;

/// Pause between two steps, in which the writer serves others.
const PAUSE: Duration = Duration::from_millis(20);

/// An action that is about to be performed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    user: Option<UserRef>,
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

impl Target {
    fn write(self, entry: &mut AuditEntry) {
        match self {
            Self::None => {}
            Self::Run(run) => entry.run = Some(run),
            Self::User(user) => entry.target_username = Some(user),
            Self::Key(key) => entry.target_key = Some(key),
        }
    }
}

impl AuditEvent {
    /// An action of an authenticated caller at this address.
    pub fn by_principal(principal: &Principal, address: Option<IpAddr>, action: AuditAction) -> Self {
        Self { user: Some(principal.caller.user.clone()), key: principal.key(), ..Self::by_user(None, address, action) }
    }

    /// An action without a token: a login, or one of the command line. Pass only existing users, because a mistyped login may
    /// contain a password.
    pub fn by_user(user: Option<UserRef>, address: Option<IpAddr>, action: AuditAction) -> Self {
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

    /// The entry of the action if it succeeds.
    fn into_entry(self, at: Timestamp) -> AuditEntry {
        let Self { user, key, address, action, target, detail } = self;
        let mut entry = AuditEntry {
            created_at: at,
            user,
            key,
            address,
            action,
            outcome: "ok".to_owned(),
            run: None,
            target_user: None,
            target_username: None,
            target_key: None,
            detail,
        };
        target.write(&mut entry);
        entry
    }
}

/// Writes and reads the audit log. A clone is another handle.
#[derive(Clone)]
pub struct Audit {
    store: Arc<dyn AuditStore>,
    clock: Arc<dyn Clock>,
    tasks: TaskTracker,
    failed_logins: Arc<FailedLogins>,
}

impl Audit {
    /// The log in `store`. Actions run to completion in `tasks`.
    pub fn new(store: Arc<dyn AuditStore>, clock: Arc<dyn Clock>, tasks: TaskTracker) -> Self {
        Self { store, clock, tasks, failed_logins: Arc::default() }
    }

    /// Performs `action` and records it. The action gets its entry to store it together with its effect. If it succeeds without having stored
    /// it, because it had no effect to store, the entry is added afterwards, with the target that `target` returns. If it fails, an entry with
    /// the stable `code` of the error is added; for a failed login possibly later, together with others.
    ///
    /// # Errors
    /// Those of `action`.
    pub async fn perform<T, E, A>(
        &self,
        event: AuditEvent,
        action: impl FnOnce(Audited) -> A,
        target: impl FnOnce(&T) -> Option<Target>,
        code: impl FnOnce(&E) -> &'static str,
    ) -> Result<T, E>
    where
        A: Future<Output = Result<T, E>>,
    {
        let mut entry = event.into_entry(self.clock.now());
        let audited = Audited::new(entry.clone());
        let result = action(audited.clone()).await;
        match &result {
            Ok(_) if audited.is_stored() => return result,
            Ok(value) => target(value).into_iter().for_each(|target| target.write(&mut entry)),
            Err(error) => {
                code(error).clone_into(&mut entry.outcome);
                if entry.action == AuditAction::Login && !self.failed_logins.count(&entry) {
                    return result;
                }
            }
        }
        // The action stands. Nothing was changed, or it is too late to refuse.
        self.add(entry).await;
        result
    }

    async fn add(&self, entry: AuditEntry) {
        if let Err(error) = self.store.add_audit(entry.clone()).await {
            tracing::error!(%error, ?entry, "cannot write an entry of the audit log");
        }
    }

    /// Records failed logins and removes entries older than `max_age`, every minute until `stop`. Then it records the last failed logins that it
    /// knows of. Dropping the future may lose such entries.
    pub async fn run(&self, max_age: Duration, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(INTERVAL)).await.is_some() {
            self.record_failed_logins().await;
            if let Some(Err(error)) = stop.run_until_cancelled(self.remove_old(max_age)).await {
                tracing::warn!(%error, "could not remove old entries of the audit log; retrying in a minute");
            }
        }
        self.record_failed_logins().await;
    }

    /// Adds the entries of failed logins that have not been recorded yet.
    async fn record_failed_logins(&self) {
        for entry in self.failed_logins.take() {
            self.add(entry).await;
        }
    }

    /// Removes the entries older than `max_age`, in small steps.
    async fn remove_old(&self, max_age: Duration) -> Result<(), StoreError> {
        let age = i64::try_from(max_age.as_millis()).unwrap_or(i64::MAX);
        let before = Timestamp::from_millis(self.clock.now().as_millis().saturating_sub(age));
        while self.store.remove_audit(before, ENTRIES_PER_STEP).await? {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// The same in a task of its own, so that a client that disconnects neither stops the action nor keeps it out of the log. Dropping the
    /// handle does not stop the action. If it panics, only the server's log records that.
    pub fn spawn<T, E, A>(
        &self,
        event: AuditEvent,
        action: impl FnOnce(Audited) -> A + Send + 'static,
        target: impl FnOnce(&T) -> Option<Target> + Send + 'static,
        code: impl FnOnce(&E) -> &'static str + Send + 'static,
    ) -> JoinHandle<Result<T, E>>
    where
        A: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Send + 'static,
    {
        let audit = self.clone();
        self.tasks.spawn(async move { audit.perform(event, action, target, code).await })
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

#[cfg(test)]
mod tests {
    //! Rules: D12.

    use super::*;
    use crate::auth::UserError;
    use crate::auth::tests::auth_over;
    use crate::run::store::SqliteStore;
    use crate::types::UserRole;

    #[tokio::test]
    async fn each_action_has_one_entry_whether_or_not_it_stores_an_effect() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let (auth, clock) = auth_over(store.clone(), None).await.unwrap();
        let audit = Audit::new(store, clock, TaskTracker::new());
        let carol: UserName = "carol".parse().unwrap();
        let event = |action| AuditEvent::by_user(None, None, action).to(Target::User(carol.clone()));
        let code = |_error: &UserError| "refused";

        let add = |audited| auth.add_user(carol.clone(), UserRole::User, "long enough", Some(audited));
        let id = audit.perform(event(AuditAction::UserCreate), add, |_id| None, code).await.unwrap();
        // Without an effect.
        let run = RunId::new();
        audit.perform(event(AuditAction::Ticket), |_| async { Ok::<_, UserError>(()) }, |()| Some(Target::Run(run)), code).await.unwrap();
        let again = |audited| auth.add_user(carol.clone(), UserRole::User, "long enough", Some(audited));
        let refused = audit.perform(event(AuditAction::UserCreate), again, |_id| None, code).await;
        assert!(matches!(refused, Err(UserError::Exists(_))), "{refused:?}");

        let entries = audit.read(AuditFilter::default(), 9).await.unwrap();
        let entries: Vec<_> = entries.into_iter().map(|record| record.entry).collect();
        let brief: Vec<_> = entries.iter().map(|entry| (entry.action, entry.outcome.as_str(), entry.run)).collect();
        let expected =
            [(AuditAction::UserCreate, "refused", None), (AuditAction::Ticket, "ok", Some(run)), (AuditAction::UserCreate, "ok", None)];
        assert_eq!(brief, expected);
        assert!(entries.iter().all(|entry| entry.target_username.as_ref() == Some(&carol)));
        assert_eq!(entries.iter().filter_map(|entry| entry.target_user).collect::<Vec<_>>(), [id], "only the change has the id");
    }

    #[tokio::test]
    async fn failed_logins_of_one_client_have_two_entries_per_minute() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let (_auth, clock) = auth_over(store.clone(), None).await.unwrap();
        let audit = Audit::new(store, clock, TaskTracker::new());
        let event = || AuditEvent::by_user(None, Some(IpAddr::from([203, 0, 113, 9])), AuditAction::Login);
        let fail = || audit.perform(event(), |_audit| async { Err::<(), _>(()) }, |()| None, |()| "wrong_credentials");
        for _ in 0..100 {
            fail().await.unwrap_err();
        }
        let details = async || {
            let entries = audit.read(AuditFilter::default(), 200).await.unwrap();
            entries.into_iter().map(|record| record.entry.detail).collect::<Vec<_>>()
        };
        assert_eq!(details().await, [None]);
        audit.record_failed_logins().await;
        assert_eq!(details().await, [Some("attempts=99".to_owned()), None]);
        // A success is never delayed.
        audit.perform(event(), |_audit| async { Ok::<_, ()>(()) }, |()| None, |()| "").await.unwrap();
        assert_eq!(details().await.len(), 3);
    }

    #[tokio::test]
    async fn old_entries_are_removed_and_the_newest_stays() {
        use std::sync::atomic::Ordering;

        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(directory.path()).unwrap());
        let (_auth, clock) = auth_over(store.clone(), None).await.unwrap();
        // The store trusts its own clock that entries are old enough to be removed.
        clock.0.store(1_000, Ordering::Relaxed);
        let audit = Audit::new(store, clock.clone(), TaskTracker::new());
        let act = || audit.perform(AuditEvent::by_user(None, None, AuditAction::Ticket), |_| async { Ok::<_, ()>(()) }, |()| None, |()| "");
        for _ in 0..=ENTRIES_PER_STEP {
            act().await.unwrap();
        }
        let day = Duration::from_hours(24);
        let left = async || audit.read(AuditFilter::default(), 2 * ENTRIES_PER_STEP).await.unwrap().len();
        clock.0.fetch_add(24 * 60 * 60 * 1000, Ordering::Relaxed);
        audit.remove_old(day).await.unwrap();
        assert_eq!(left().await, ENTRIES_PER_STEP + 1, "a day old, and not older");
        act().await.unwrap();
        clock.0.fetch_add(1, Ordering::Relaxed);
        audit.remove_old(day).await.unwrap();
        assert_eq!(left().await, 1);
        clock.0.fetch_add(48 * 60 * 60 * 1000, Ordering::Relaxed);
        audit.remove_old(day).await.unwrap();
        assert_eq!(left().await, 1, "the newest keeps the numbers growing");
    }
}
