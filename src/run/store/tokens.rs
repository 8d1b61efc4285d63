//! Tokens that were logged out, as the store keeps them.

use async_trait::async_trait;

use super::StoreError;
use crate::types::{Timestamp, TokenId};

/// Remembers tokens that are not good any more although their time is not over.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Remembers this token until it would have ended, and forgets those that have ended by `now`. A second time changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn revoke_token(&self, id: TokenId, expires_at: Timestamp, now: Timestamp) -> Result<(), StoreError>;

    /// Whether this token was revoked.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn is_revoked(&self, id: TokenId) -> Result<bool, StoreError>;
}
