//! Makes runs, each once, however often it is asked for.

use std::sync::Arc;
use std::time::Duration;

use super::RunManager;
use crate::agent::Capabilities;
use crate::run::driver::Driver;
use crate::run::errors::{CreateError, SessionError};
use crate::run::handle::{self, RunHandle};
use crate::run::policy::Policy;
use crate::run::request::{self, Checked, Checks, NewRun, OnBusy};
use crate::run::sessions::Waiting;
use crate::run::state::StopReason;
use crate::run::store::{Idempotency, RunRecord, StoreError, UsedKey};
use crate::run::view::RunView;
use crate::types::{Caller, Level, NoticeCode, PermissionMode, RunId, RunStatus, Seq, SessionId, StreamEvent, Timestamp, Withheld};

/// How long a caller's key is remembered.
pub(in crate::run) const KEEP_KEYS: Duration = Duration::from_hours(24);

/// A caller's key for a request that may be sent again, with what tells that request from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The key.
    pub key: String,
    /// A digest of the request (SHA-256).
    pub fingerprint: [u8; 32],
}

impl IdempotencyKey {
    pub(super) fn used_by(self, caller: &Caller, at: Timestamp) -> Idempotency {
        Idempotency { owner: caller.user.clone(), key: self.key, fingerprint: self.fingerprint, at }
    }
}

impl RunManager {
    /// Makes a run, or finds the one that the same request with the same key made before. When this answers the run is on disk, and
    /// it goes on whether or not anybody listens.
    ///
    /// # Errors
    /// [`CreateError`], by cause.
    pub async fn create(&self, caller: &Caller, new: NewRun, key: Option<IdempotencyKey>) -> Result<RunView, CreateError> {
        let (manager, caller) = (self.clone(), caller.clone());
        // In a task of its own: a caller who leaves in the middle must not leave a run on disk that nobody drives.
        let creating = self.inner.tasks.spawn(async move { manager.create_whole(&caller, new, key).await });
        creating.await.unwrap_or_else(|panic| Err(CreateError::Store(StoreError::Write(panic.to_string()))))
    }

    async fn create_whole(&self, caller: &Caller, new: NewRun, key: Option<IdempotencyKey>) -> Result<RunView, CreateError> {
        let inner = &self.inner;
        if inner.around.shutdown.is_told() {
            return Err(CreateError::Draining);
        }
        // Before anything is done for it: a request that was carried out already must not interrupt or wait for anything again.
        if let Some(key) = &key
            && let Some(used) = inner.store.used_key(&caller.user, &key.key).await?
        {
            return self.made_before(caller, used, key.fingerprint).await;
        }
        inner.around.budgets.check(&caller.user).await?;
        let session = match new.session {
            Some(id) => Some(self.visible_session(caller, id).await.map_err(|error| match error {
                SessionError::NotFound(id) => CreateError::NoSession(id),
                SessionError::Store(error) => error.into(),
            })?),
            None => None,
        };
        let (id, on_busy) = (RunId::new(), new.on_busy);
        let weak_guarantee = new.default_passwords && new.permission_mode != PermissionMode::Auto;
        // Asked only where it matters, since a program that is new has to be looked at first.
        let capabilities = if request::relies_on_capabilities(&new) {
            inner.around.agents.capabilities(request::agent_of(&new, session.as_ref())).await
        } else {
            Capabilities::default()
        };
        let (this, whose, continued) = (Arc::clone(inner), caller.clone(), session.clone());
        let checking = tokio::task::spawn_blocking(move || {
            let checks =
                Checks { agents: &this.around.agents, workspaces: &this.workspaces, user_env: &this.user_env, webhooks: &this.webhooks };
            let checked = request::check(new, id, &whose, continued.as_ref(), capabilities, &checks);
            // Here, since the work grows with the values, and these may be megabytes.
            checked.map(|checked| (this.log.secrets().with(checked.private.values()), checked))
        });
        let checked = checking.await.map_err(|panic| StoreError::Write(panic.to_string()))?;
        let (secrets, Checked { spec, widened, rules, private, webhooks }) = checked?;
        let session = session.map_or_else(SessionId::new, |session| session.id);
        let (turn, is_here) = self.turn_in(session, on_busy).await?;
        let ticket = inner.admission.queue(id, &caller.user, &spec.agent_type, !is_here);
        let ticket = ticket.ok_or(CreateError::QueueFull { max_queue: inner.max_queue })?;
        let record = RunRecord {
            id,
            session,
            owner: caller.user.clone(),
            status: RunStatus::Queued,
            spec: spec.clone(),
            widened,
            created_at: inner.log.now(),
            started_at: None,
            ended_at: None,
            last_seq: Seq::FIRST,
            checkpoint: None,
            withheld: Withheld::default(),
            done: None,
            webhooks,
        };
        let mut first = vec![StreamEvent::RunQueued { position: ticket.position }];
        if weak_guarantee {
            let message = "a default password is enough to speak for this run, so its agent could log in and answer its own requests; set passwords to make permissions a guarantee";
            first.push(StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message));
        }
        let fingerprint = key.as_ref().map(|key| key.fingerprint).unwrap_or_default();
        let key = key.map(|key| key.used_by(caller, record.created_at));
        let mut log = match inner.log.create(record.clone(), &first, key).await {
            Ok(log) => log,
            // The same request came twice at once, and the other one was quicker.
            Err(StoreError::KeyUsed(first)) => {
                self.remove_folders(id).await;
                return self.made_before(caller, first, fingerprint).await;
            }
            Err(error) => return Err(error.into()),
        };
        log.set_secrets(secrets);
        if !record.webhooks.is_empty() {
            inner.webhooks.notify();
        }
        tracing::info!(run.id = %id, owner = %caller.user, agent = spec.agent_type, "the run was created");
        let teller = inner.changes.notifier(id, caller.user.clone());
        let (handle, inbox) = handle::link(session, spec.agent_type.clone(), teller);
        inner.around.metrics.record_created(&spec.agent_type);
        self.live().insert(id, handle);
        inner.changes.notify(id, &caller.user);
        let policy = Policy::new(spec.permission_mode, &inner.rules, rules);
        let driver = Driver::new(spec, session, private, policy, log, inbox, inner.around.clone());
        self.drive(id, driver.run(ticket, turn));
        Ok(RunView::new(record, Some(RunStatus::Queued), inner.admission.position(id)))
    }

    /// The run that an earlier request with the same key made.
    async fn made_before(&self, caller: &Caller, used: UsedKey, fingerprint: [u8; 32]) -> Result<RunView, CreateError> {
        if used.fingerprint != fingerprint {
            return Err(CreateError::KeyReused);
        }
        self.get(caller, used.run).await.map_err(CreateError::from)
    }

    /// A place in the session's queue, as the caller wants it, and whether its turn is here already.
    async fn turn_in(&self, session: SessionId, on_busy: OnBusy) -> Result<(Waiting, bool), CreateError> {
        let sessions = &self.inner.sessions;
        match (sessions.turn_now(session), on_busy) {
            (Some(turn), _) => return Ok((Box::pin(std::future::ready(turn)), true)),
            (None, OnBusy::Queue) => {}
            (None, OnBusy::Reject) => return Err(CreateError::SessionBusy(session)),
            (None, OnBusy::Interrupt) => {
                let live: Vec<RunHandle> = self.live().values().filter(|handle| handle.session == session).cloned().collect();
                for handle in live {
                    handle.stop(StopReason::Cancel).await;
                }
            }
        }
        Ok((sessions.queue(session).await, false))
    }
}
