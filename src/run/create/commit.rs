//! Stores a new run and hands it to its driver.

use std::path::PathBuf;

use bytes::Bytes;
use serde_json::json;

use super::reserve::Reservation;
use crate::redact::Secrets;
use crate::run::driver::Driver;
use crate::run::errors::CreateError;
use crate::run::events::LogWriter;
use crate::run::idempotency::IdempotencyKey;
use crate::run::manager::RunManager;
use crate::run::run_secrets::RunSecrets;
use crate::run::state::StopReason;
use crate::run::store::{Audited, NewWebhook, RunRecord, SessionUse, StoreError};
use crate::run::view::RunView;
use crate::types::{Caller, Cause, Failure, Level, NoticeCode, RunId, RunSpec, RunStatus, Seq, SessionId, StreamEvent, Withheld};

/// A validated run that is not stored yet.
pub(super) struct NewRecord {
    /// The specification, with an empty working directory that the reservation replaces.
    pub(super) spec: RunSpec,
    pub(super) session: SessionId,
    pub(super) session_use: SessionUse,
    /// The content of the attachments in `spec`.
    pub(super) attachments: Vec<Bytes>,
    /// The directory that the session leaves.
    pub(super) moved_from: Option<PathBuf>,
    pub(super) widened: Vec<String>,
    pub(super) secrets: RunSecrets,
    /// What is masked in the run's events.
    pub(super) masked: Secrets,
    pub(super) webhooks: Vec<NewWebhook>,
    /// Whether the agent could answer its own requests.
    pub(super) weak_guarantee: bool,
}

impl RunManager {
    /// Stores a run with its first events and its key, starts its driver, and then interrupts other runs of its session as requested.
    ///
    /// # Errors
    /// [`CreateError::NoSession`] if the session was deleted meanwhile; [`CreateError::Store`] if the store fails. The run does not exist then,
    /// and the reservation is released.
    pub(super) async fn commit(
        &self,
        reservation: Reservation,
        caller: &Caller,
        new: NewRecord,
        key: Option<IdempotencyKey>,
        audit: Option<Audited>,
    ) -> Result<RunView, CreateError> {
        let inner = &self.inner;
        let Reservation { turn, interrupted, registration, inbox, ticket, directory } = reservation;
        let NewRecord { mut spec, session, session_use, attachments, moved_from, widened, secrets, masked, webhooks, weak_guarantee } = new;
        directory.path().clone_into(&mut spec.working_dir);
        let id = registration.run();
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
            waits_until: None,
            started_at: None,
            ended_at: None,
            last_seq: Seq::FIRST,
            checkpoint: None,
            withheld: Withheld::default(),
            done: None,
            webhooks,
            attachments,
        };
        let mut first = vec![StreamEvent::RunQueued { position: ticket.position }];
        if let Some(from) = moved_from {
            let message = "the session continues in another working directory".to_owned();
            let data = Some(json!({ "from": from.to_string_lossy(), "to": spec.working_dir.to_string_lossy() }));
            first.push(StreamEvent::Notice { level: Level::Info, code: NoticeCode::SessionMoved, message, data });
        }
        if weak_guarantee {
            let message =
                "a default password is in use, so the agent could log in and answer its own requests; change the default passwords";
            first.push(StreamEvent::notice(Level::Warning, NoticeCode::WeakGuarantee, message));
        }
        let key = key.map(|key| key.into_record(caller, record.created_at));
        let mut log = match inner.log.create(record.clone(), session_use, &first, key, audit.map(|audit| audit.on_run(id))).await {
            Ok(log) => log,
            // Deleted since it was found.
            Err(StoreError::NoSession(session)) => return Err(CreateError::NoSession(session)),
            Err(error @ (StoreError::KeyUsed(_) | StoreError::OverQuota(_))) => return Err(error.into()),
            Err(error) => match self.adopt(id).await {
                Ok(Some(log)) => log,
                Ok(None) => return Err(error.into()),
                Err(_unknown) => {
                    let (manager, failure) = (self.clone(), Failure::new(Cause::Storage, "the run could not be created"));
                    inner.tasks.spawn(async move {
                        if manager.end_undriven(registration, failure).await {
                            directory.keep();
                        }
                    });
                    return Err(error.into());
                }
            },
        };
        directory.keep();
        registration.activate();
        log.set_secrets(masked);
        if !record.webhooks.is_empty() {
            inner.config.webhooks.notify();
        }
        tracing::info!(run.id = %id, owner = %caller.user, agent = spec.agent_type, "run created");
        inner.context.metrics.record_created(&spec.agent_type);
        inner.changes.notify(id, caller.user.id);
        let driver = Driver::new(&spec, session, secrets, log, inbox, inner.context.clone());
        self.drive(registration, driver.run(ticket, turn));
        for handle in interrupted {
            // If it cannot be stored that the run is stopping, it stops nevertheless.
            let _ = handle.stop(StopReason::Cancel, None).await;
        }
        Ok(RunView::new(record, inner.admission.position(id)))
    }

    /// The log of a run that is stored although its store reported an error, because the reply was lost; `None` if it is not stored.
    ///
    /// # Errors
    /// [`StoreError`] if it is not known whether the run is stored.
    async fn adopt(&self, id: RunId) -> Result<Option<LogWriter>, StoreError> {
        let Some(run) = self.inner.store.run(id).await? else { return Ok(None) };
        let lease = self.inner.store.take_lease(id).await?;
        tracing::warn!(run.id = %id, "a run was stored although its store reported an error");
        Ok(Some(self.inner.log.reopen(lease, &run, self.inner.log.secrets().clone())))
    }
}
