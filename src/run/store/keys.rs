//! API keys.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::{Audited, StoreError};
use crate::types::{KeyDefaults, KeyId, Scope, Timestamp, UserId, UserRef};

/// A stored API key. The key itself is not stored.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// Public id of the key.
    pub id: KeyId,
    /// Its owner.
    pub owner: UserRef,
    /// The owner's name for it.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// Approximately when it was last used; `None` if never.
    pub last_used_at: Option<Timestamp>,
    /// What requests get unless they state it themselves.
    pub defaults: KeyDefaults,
}

impl std::fmt::Debug for ApiKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyRecord").field("id", &self.id).field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Stores API keys. A change and its audit entry are stored together or not at all; the entry is left out if nothing is changed.
///
/// Implementors must remove a user's keys together with the user.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Adds a key. Returns false, and adds nothing, if its owner does not exist.
    ///
    /// # Errors
    /// [`StoreError::OverQuota`] if the owner has too many keys; any other [`StoreError`] if the store fails. Nothing was added then.
    async fn add_key(&self, key: ApiKeyRecord, audit: Option<Audited>) -> Result<bool, StoreError>;

    /// The key with this id.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn key(&self, id: KeyId) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// The key whose hash begins with these bytes. The caller must compare the rest of the hash, in constant time.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn key_by_hash(&self, prefix: [u8; 8]) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// At most `limit` keys of `owner`, or of all users, that are older than `before`, newest first. Damaged rows are left
    /// out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn keys(&self, owner: Option<UserId>, before: Option<KeyId>, limit: usize) -> Result<Vec<ApiKeyRecord>, StoreError>;

    /// Removes a key. Returns whether it existed.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn remove_key(&self, id: KeyId, audit: Option<Audited>) -> Result<bool, StoreError>;

    /// Records when a key was used.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn key_used(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError>;
}
