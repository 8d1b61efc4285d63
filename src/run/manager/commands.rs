//! What people do to runs: answer them, talk to them, stop and delete them.

use super::{IdempotencyKey, RunManager};
use crate::run::errors::{AnswerError, DeleteError, FindError, MessageError};
use crate::run::handle::MessageRejected;
use crate::run::state::StopReason;
use crate::run::store::{StoreError, UsedKey};
use crate::run::view::RunView;
use crate::types::{Answer, Caller, MessageMode, RunId};

impl RunManager {
    /// Answers what the run's agent has asked. When this is `Ok` the answer is on disk and on its way to the agent.
    ///
    /// # Errors
    /// [`AnswerError`], by cause.
    pub async fn answer(&self, caller: &Caller, id: RunId, request: String, answer: Answer) -> Result<(), AnswerError> {
        self.visible(caller, id).await?;
        let handle = self.live().get(&id).cloned();
        let Some(handle) = handle else { return Err(AnswerError::Ended(id)) };
        tracing::info!(run.id = %id, request.id = request, by = %caller.user, "a request is being answered");
        Ok(handle.answer(request, answer).await.ok_or(AnswerError::Ended(id))??)
    }

    /// Gives a live run a further message. When this is `Ok` the message is on disk.
    ///
    /// # Errors
    /// [`MessageError`], by cause.
    pub async fn message(
        &self,
        caller: &Caller,
        id: RunId,
        text: String,
        mode: MessageMode,
        key: Option<IdempotencyKey>,
    ) -> Result<(), MessageError> {
        let run = self.visible(caller, id).await?;
        let fingerprint = key.as_ref().map(|key| key.fingerprint).unwrap_or_default();
        let judge = |used: UsedKey| if (used.run, used.fingerprint) == (id, fingerprint) { Ok(()) } else { Err(MessageError::KeyReused) };
        if let Some(key) = &key
            && let Some(used) = self.inner.store.used_key(&caller.user, &key.key).await.map_err(FindError::from)?
        {
            return judge(used);
        }
        if text.trim().is_empty() || text.contains('\0') {
            return Err(MessageError::Empty);
        }
        if !self.inner.around.agents.capabilities(&run.spec.agent_type).await.messages {
            return Err(MessageError::NotSupported(run.spec.agent_type));
        }
        // The run is its owner's, whoever speaks to it.
        self.inner.around.budgets.check(&run.owner).await?;
        let key = key.map(|key| key.used_by(caller, self.inner.log.now()));
        let handle = self.live().get(&id).cloned();
        let taken = match handle {
            Some(handle) => handle.message(text, mode, key).await,
            None => Err(MessageRejected::Ended),
        };
        match taken {
            Ok(()) => Ok(()),
            Err(MessageRejected::Ended) => Err(MessageError::Ended { run: id, session: run.session }),
            Err(MessageRejected::Store(StoreError::KeyUsed(used))) => judge(used),
            Err(other) => Err(MessageError::Not(other)),
        }
    }

    /// Stops a run. Once it is stopping or has ended, this changes nothing.
    ///
    /// # Errors
    /// [`FindError`], by cause.
    pub async fn cancel(&self, caller: &Caller, id: RunId) -> Result<RunView, FindError> {
        self.visible(caller, id).await?;
        let handle = self.live().get(&id).cloned();
        if let Some(handle) = handle {
            handle.stop(StopReason::Cancel).await;
            handle.stopping().await;
        }
        self.get(caller, id).await
    }

    /// Deletes an ended run with its events, its agent's output and, if it had a fresh one, its workspace.
    ///
    /// # Errors
    /// [`DeleteError`], by cause.
    pub async fn delete(&self, caller: &Caller, id: RunId) -> Result<(), DeleteError> {
        let run = self.visible(caller, id).await?;
        if run.ended_at.is_none() {
            return Err(DeleteError::Alive(id));
        }
        self.inner.store.delete_run(id).await.map_err(FindError::from)?;
        self.inner.changes.notify_deleted(id, &run.owner);
        self.remove_folders(id).await;
        tracing::info!(run.id = %id, by = %caller.user, "the run was deleted");
        Ok(())
    }

    /// Removes what a run that is gone has on disk beside its rows: its workspace, if it was a fresh one, and its agent's output.
    pub(in crate::run) async fn remove_folders(&self, id: RunId) {
        let (workspaces, process) = (self.inner.workspaces.clone(), self.inner.around.process_folder(id));
        let removing = move || workspaces.remove_fresh(id).and(process.remove());
        if let Ok(Err(error)) = tokio::task::spawn_blocking(removing).await {
            tracing::warn!(run.id = %id, %error, "the folders of a run that is gone could not be removed");
        }
    }

    /// Removes the output of an ended run's agent, and leaves its workspace.
    pub(in crate::run) async fn remove_output(&self, id: RunId) {
        let process = self.inner.around.process_folder(id);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || process.remove()).await {
            tracing::warn!(run.id = %id, %error, "the output of a run whose log was cut could not be removed");
        }
    }
}
