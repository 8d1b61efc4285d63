//! Which session continues a client's chat.

use async_trait::async_trait;

use super::StoreError;
use crate::types::{SessionId, UserId};

/// Identifies a chat of one owner: a digest of its name, or of all that was said so far.
pub type ChatDigest = [u8; 32];

/// Stores the chat that each session belongs to. It is part of the session: it is bounded by the number of sessions, and removed with them.
#[async_trait]
pub trait ChatStore: Send + Sync {
    /// Records the chat of a session; `None` for none. Does nothing if the session does not exist.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was written then.
    async fn set_chat(&self, session: SessionId, chat: Option<ChatDigest>) -> Result<(), StoreError>;

    /// The newest session of `owner` with this chat.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn chat_session(&self, owner: UserId, chat: ChatDigest) -> Result<Option<SessionId>, StoreError>;

    /// The newest session of `owner` with this chat, which it has no longer when this returns: of several callers only one gets it.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was written then.
    async fn take_chat_session(&self, owner: UserId, chat: ChatDigest) -> Result<Option<SessionId>, StoreError>;
}
