//! Operations that change runs: answer, message, cancel, delete. A change is stored together with its audit entry.

use super::RunManager;
use crate::process::remove_tree;
use crate::run::attachments;
use crate::run::errors::{AnswerError, DeleteError, FindError, MessageError, RetryError};
use crate::run::idempotency::IdempotencyKey;
use crate::run::live::{AnswerRejected, MessageRejected};
use crate::run::queued_message::{MessageInput, NewMessage};
use crate::run::state::StopReason;
use crate::run::store::{Audited, Deleted, DeliveryRetry, StoreError, UsedKey};
use crate::run::view::RunView;
use crate::types::{Answer, Caller, RunId};

impl RunManager {
    /// Answers a request of the run's agent. On success the answer is stored, and the agent's task has it.
    ///
    /// # Errors
    /// [`AnswerError`], by cause.
    pub async fn answer(
        &self,
        caller: &Caller,
        id: RunId,
        request: String,
        answer: Answer,
        audit: Option<Audited>,
    ) -> Result<(), AnswerError> {
        self.find_visible_run(caller, id).await?;
        let handle = self.inner.live.get(id);
        let Some(handle) = handle else { return Err(AnswerError::Ended(id)) };
        tracing::info!(run.id = %id, request.id = request, by = %caller.user, "answering a request");
        match handle.answer(request, answer, audit).await {
            Err(AnswerRejected::Ended) => Err(AnswerError::Ended(id)),
            answered => Ok(answered?),
        }
    }

    /// Sends a further message to a live run. On success the message is stored.
    ///
    /// # Errors
    /// [`MessageError`], by cause.
    pub async fn message(
        &self,
        caller: &Caller,
        id: RunId,
        message: MessageInput,
        key: Option<IdempotencyKey>,
        audit: Option<Audited>,
    ) -> Result<(), MessageError> {
        let MessageInput { text, attachments: attached, mode } = message;
        let run = self.find_visible_run(caller, id).await?;
        let fingerprint = key.as_ref().map(|key| key.fingerprint).unwrap_or_default();
        let check_reuse =
            |used: UsedKey| if (used.run, used.fingerprint) == (id, fingerprint) { Ok(()) } else { Err(MessageError::KeyReused) };
        if let Some(key) = &key
            && let Some(used) = self.inner.store.used_key(caller.user.id, &key.key).await.map_err(FindError::from)?
        {
            return check_reuse(used);
        }
        if text.trim().is_empty() || text.contains('\0') {
            return Err(MessageError::InvalidText);
        }
        // Without waiting: the program of a run that is starting may be under inspection.
        let capabilities = self.inner.context.agents.known_capabilities(&run.spec.agent_type);
        if !capabilities.messages {
            return Err(MessageError::NotSupported(run.spec.agent_type));
        }
        let faults = attachments::check(&attached, &run.spec.agent_type, Some(capabilities));
        if !faults.is_empty() {
            return Err(MessageError::Attachments(faults));
        }
        let message = NewMessage { text, attachments: attached.into_iter().map(|new| new.attachment).collect() };
        // The run counts towards its owner's budget, also if an admin sends the message.
        self.inner.context.budgets.check(&run.owner).await?;
        self.inner.quotas.check_stored(run.owner.id).await.map_err(FindError::from)?;
        let key = key.map(|key| key.into_record(caller, self.inner.log.now()));
        let handle = self.inner.live.get(id);
        let accepted = match handle {
            Some(handle) => handle.message(message, mode, key, audit).await,
            None => Err(MessageRejected::Ended),
        };
        match accepted {
            Ok(()) => Ok(()),
            Err(MessageRejected::Ended) => Err(MessageError::Ended { run: id, session: run.session }),
            Err(MessageRejected::Store(StoreError::KeyUsed(used))) => check_reuse(used),
            Err(other) => Err(MessageError::Rejected(other)),
        }
    }

    /// Attempts a failed delivery of a webhook again, at once. The following events of the run are then sent as well.
    ///
    /// # Errors
    /// [`RetryError`], by cause.
    pub async fn retry_delivery(&self, caller: &Caller, id: String, audit: Option<Audited>) -> Result<(), RetryError> {
        let owner = Some(caller.user.id).filter(|_| !caller.is_admin());
        match self.inner.store.retry_delivery(owner, id, self.inner.log.now(), audit).await? {
            DeliveryRetry::Retried(webhook) => {
                self.inner.config.webhooks.retry(webhook);
                Ok(())
            }
            DeliveryRetry::NotFailed(status) => Err(RetryError::NotFailed(status)),
            DeliveryRetry::NotFound => Err(RetryError::NotFound),
        }
    }

    /// Cancels a run. Returns when it is stored that the run is stopping or has ended. Has no effect on a run that is stopping or has ended.
    ///
    /// # Errors
    /// [`FindError`], by cause. If the status could not be stored, the run is being stopped nevertheless.
    pub async fn cancel(&self, caller: &Caller, id: RunId, audit: Option<Audited>) -> Result<RunView, FindError> {
        self.find_visible_run(caller, id).await?;
        let handle = self.inner.live.get(id);
        if let Some(handle) = handle {
            handle.stop(StopReason::Cancel, audit).await?;
        }
        self.get(caller, id).await
    }

    /// Deletes an ended run with its events and its agent's output. With the last run of a session, the session is deleted, and its workspace
    /// if that was created for it.
    ///
    /// # Errors
    /// [`DeleteError`], by cause.
    pub async fn delete(&self, caller: &Caller, id: RunId, audit: Option<Audited>) -> Result<(), DeleteError> {
        let run = self.find_visible_run(caller, id).await?;
        let (workspace, conversation) = match self.inner.store.begin_delete(id, audit).await.map_err(FindError::from)? {
            Deleted::Done { workspace, conversation } => (workspace, conversation),
            Deleted::NotFound => return Err(FindError::NotFound(id).into()),
            Deleted::Live => return Err(DeleteError::Live(id)),
        };
        self.inner.changes.notify_deleted(id, run.owner.id);
        // Retention removes the events in steps, and the directories if this does not come to it.
        self.inner.deletions.notify_one();
        if let Some(conversation) = conversation {
            self.inner.conversations.delete(conversation);
        }
        self.remove_output(id).await;
        if let Some(first_run) = workspace {
            self.remove_directories(first_run).await;
        }
        tracing::info!(run.id = %id, by = %caller.user, "run deleted");
        Ok(())
    }

    /// Removes the directories of the run that a deleted session started with: its workspace, if that was created for it, its home directory
    /// in a sandbox, and its agent's output.
    pub(in crate::run) async fn remove_directories(&self, id: RunId) {
        let config = &self.inner.context.config;
        if let Err(error) = self.inner.context.worktrees.forget(&id.to_string()).await {
            tracing::warn!(run.id = %id, %error, "could not remove the record of a worktree");
        }
        let (workspaces, home, process) = (self.inner.workspaces.clone(), config.private_home(id), config.process_dir(id));
        let removing = move || workspaces.remove_fresh(id).and(remove_tree(&home)).and(process.remove());
        if let Ok(Err(error)) = tokio::task::spawn_blocking(removing).await {
            tracing::warn!(run.id = %id, %error, "could not remove the directories of a deleted session");
        }
    }

    /// Removes the output of an ended run's agent, but not the workspace of its session.
    pub(in crate::run) async fn remove_output(&self, id: RunId) {
        let process = self.inner.context.config.process_dir(id);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || process.remove()).await {
            tracing::warn!(run.id = %id, %error, "could not remove the output of a run that was deleted or trimmed");
        }
    }
}
