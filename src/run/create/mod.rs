//! Creation of runs, idempotent with an idempotency key.

mod validate;

use std::sync::Arc;

use self::validate::{Checked, ValidationContext};
use crate::agent::Capabilities;
use crate::run::driver::Driver;
use crate::run::errors::{CreateError, SessionError};
use crate::run::idempotency::IdempotencyKey;
use crate::run::live;
use crate::run::manager::RunManager;
use crate::run::policy::Policy;
use crate::run::request::{NewRun, OnBusy};
use crate::run::sessions::SessionTurn;
use crate::run::state::StopReason;
use crate::run::store::{RunRecord, SessionUse, StoreError, UsedKey};
use crate::run::view::RunView;
use crate::types::{Caller, Level, NoticeCode, PermissionMode, RunId, RunStatus, Seq, SessionId, StreamEvent, Withheld};

impl RunManager {
    /// Creates a run, or returns the one that the same request with the same key created before. When this returns, the run is stored.
    /// Dropping the future does not cancel the creation.
    ///
    /// # Errors
    /// [`CreateError`], by cause.
    pub async fn create(&self, caller: &Caller, new: NewRun, key: Option<IdempotencyKey>) -> Result<RunView, CreateError> {
        let (manager, caller) = (self.clone(), caller.clone());
        // In its own task: a client that disconnects must not leave a stored run without a driver.
        let creation = self.inner.tasks.spawn(async move { manager.create_run(&caller, new, key).await });
        creation.await.unwrap_or_else(|panic| Err(CreateError::Store(StoreError::Write(panic.to_string()))))
    }

    async fn create_run(&self, caller: &Caller, new: NewRun, key: Option<IdempotencyKey>) -> Result<RunView, CreateError> {
        let inner = &self.inner;
        if inner.context.shutdown.is_requested() {
            return Err(CreateError::Draining);
        }
        // First of all: a repeated request must not interrupt or wait for another run again.
        if let Some(key) = &key
            && let Some(used) = inner.store.used_key(&caller.user, &key.key).await?
        {
            return self.existing_run(caller, used, key.fingerprint).await;
        }
        inner.context.budgets.check(&caller.user).await?;
        let session = match new.session {
            Some(id) => Some(self.find_visible_session(caller, id).await.map_err(|error| match error {
                SessionError::NotFound(id) => CreateError::NoSession(id),
                SessionError::Store(error) => error.into(),
            })?),
            None => None,
        };
        let (id, on_busy) = (RunId::new(), new.on_busy);
        let weak_guarantee = new.default_passwords && new.permission_mode != PermissionMode::Auto;
        // Only if needed, because an agent that was just installed must be probed first.
        let capabilities = if validate::needs_capabilities(&new) {
            inner.context.agents.capabilities(validate::agent_type_of(&new, session.as_ref())).await
        } else {
            Capabilities::default()
        };
        let (shared, owner, continued) = (Arc::clone(inner), caller.clone(), session.clone());
        let validation = tokio::task::spawn_blocking(move || {
            let context = ValidationContext { agents: &shared.context.agents, workspaces: &shared.workspaces, config: &shared.config };
            let checked = validate::validate(new, id, &owner, continued.as_ref(), capabilities, &context);
            // On the blocking thread, because the values may be megabytes.
            checked.map(|checked| (shared.log.secrets().with(checked.secrets.values()), checked))
        });
        let checked = validation.await.map_err(|panic| StoreError::Write(panic.to_string()))?;
        let (masked, Checked { spec, widened, rules, secrets, webhooks }) = checked.map_err(CreateError::Invalid)?;
        let session_use = if session.is_some() { SessionUse::Continues } else { SessionUse::Starts };
        let session = session.map_or_else(SessionId::new, |session| session.id);
        let (turn, is_free) = self.join_session(session, on_busy).await?;
        let ticket = inner.admission.queue(id, &caller.user, &spec.agent_type, !is_free);
        let ticket = ticket.ok_or(CreateError::QueueFull { max_queue: inner.config.max_queue })?;
        let record = RunRecord {
            id,
            session,
            owner: caller.user.clone(),
            status: RunStatus::Queued,
            spec: spec.clone(),
            widened,
            lease: None,
            created_at: inner.log.now(),
            launched_at: None,
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
            let message =
                "a default password is in use, so the agent could log in and answer its own requests; change the default passwords";
            first.push(StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message));
        }
        let fingerprint = key.as_ref().map(|key| key.fingerprint).unwrap_or_default();
        let key = key.map(|key| key.into_record(caller, record.created_at));
        let mut log = match inner.log.create(record.clone(), session_use, &first, key).await {
            Ok(log) => log,
            // Deleted since it was found.
            Err(StoreError::NoSession(session)) => return Err(CreateError::NoSession(session)),
            // A concurrent request with the same key was stored first.
            Err(StoreError::KeyUsed(first)) => {
                self.remove_directories(id).await;
                return self.existing_run(caller, first, fingerprint).await;
            }
            Err(error) => return Err(error.into()),
        };
        log.set_secrets(masked);
        if !record.webhooks.is_empty() {
            inner.config.webhooks.notify();
        }
        tracing::info!(run.id = %id, owner = %caller.user, agent = spec.agent_type, "run created");
        let notifier = inner.changes.notifier(id, caller.user.clone());
        let (handle, inbox) = live::channel(session, spec.agent_type.clone(), notifier);
        inner.context.metrics.record_created(&spec.agent_type);
        let registration = inner.live.reserve(id, handle);
        registration.activate();
        inner.changes.notify(id, &caller.user);
        let policy = Policy::new(spec.permission_mode, &inner.config.permission_rules, rules);
        let driver = Driver::new(spec, session, secrets, policy, log, inbox, inner.context.clone());
        self.drive(registration, driver.run(ticket, turn));
        Ok(RunView::new(record, Some(RunStatus::Queued), inner.admission.position(id)))
    }

    /// The run that an earlier request with the same key created.
    async fn existing_run(&self, caller: &Caller, used: UsedKey, fingerprint: [u8; 32]) -> Result<RunView, CreateError> {
        if used.fingerprint != fingerprint {
            return Err(CreateError::KeyReused);
        }
        self.get(caller, used.run).await.map_err(CreateError::from)
    }

    /// Joins the session's queue as `on_busy` demands. Also returns whether the session is free.
    async fn join_session(&self, session: SessionId, on_busy: OnBusy) -> Result<(SessionTurn, bool), CreateError> {
        let sessions = &self.inner.sessions;
        match (sessions.try_acquire(session), on_busy) {
            (Some(guard), _) => return Ok((Box::pin(std::future::ready(guard)), true)),
            (None, OnBusy::Queue) => {}
            (None, OnBusy::Reject) => return Err(CreateError::SessionBusy(session)),
            (None, OnBusy::Interrupt) => {
                for handle in self.inner.live.of_session(session) {
                    handle.stop(StopReason::Cancel).await;
                }
            }
        }
        Ok((sessions.queue(session).await, false))
    }
}
