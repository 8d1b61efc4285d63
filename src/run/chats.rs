//! The sessions of clients' chats: clients that send their history instead of a session id are recognized by a digest of it.

use super::errors::SessionError;
use super::manager::RunManager;
use super::store::{ChatDigest, StoreError};
use crate::types::{Caller, SessionId};

impl RunManager {
    /// The caller's session for a chat that has a name. It keeps the chat.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn named_chat(&self, caller: &Caller, chat: ChatDigest) -> Result<Option<SessionId>, StoreError> {
        let found = self.inner.store.chat_session(caller.user.id, chat).await?;
        self.usable(caller, found).await
    }

    /// The caller's session at this point of a chat. It is at no point of a chat afterwards, until [`set_chat`](Self::set_chat): another
    /// request with the same history gets another session, because this one goes on.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn take_chat(&self, caller: &Caller, chat: ChatDigest) -> Result<Option<SessionId>, StoreError> {
        // Reading first avoids a write for every chat that is not known.
        if self.inner.store.chat_session(caller.user.id, chat).await?.is_none() {
            return Ok(None);
        }
        let found = self.inner.store.take_chat_session(caller.user.id, chat).await?;
        self.usable(caller, found).await
    }

    /// Records the chat that a session belongs to, or at which point of a chat it is.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    pub async fn set_chat(&self, session: SessionId, chat: ChatDigest) -> Result<(), StoreError> {
        self.inner.store.set_chat(session, Some(chat)).await
    }

    /// The session, unless its working directory is gone: then it could not continue.
    async fn usable(&self, caller: &Caller, found: Option<SessionId>) -> Result<Option<SessionId>, StoreError> {
        let Some(id) = found else { return Ok(None) };
        let session = match self.session(caller, id).await {
            Ok(session) => session,
            Err(SessionError::NotFound(_)) => return Ok(None),
            Err(SessionError::Store(error)) => return Err(error),
        };
        let is_directory = tokio::fs::metadata(&session.working_dir).await.is_ok_and(|found| found.is_dir());
        Ok(is_directory.then_some(id))
    }
}
