//! Revoked tokens.

use async_trait::async_trait;

use super::{Audited, StoreError};
use crate::types::{Timestamp, TokenId};

/// Stores tokens that were revoked before they expired.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// Revokes a token until it would have expired, and deletes entries that expired before `now`. Idempotent.
    /// The audit entry is stored together with that.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn revoke_token(&self, id: TokenId, expires_at: Timestamp, now: Timestamp, audit: Option<Audited>) -> Result<(), StoreError>;

    /// Whether a token was revoked.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn is_revoked(&self, id: TokenId) -> Result<bool, StoreError>;
}
