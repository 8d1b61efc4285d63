//! API keys, as the store keeps them.

use std::collections::BTreeSet;

use async_trait::async_trait;

use super::StoreError;
use crate::types::{KeyId, Scope, Timestamp, UserName};

/// An API key's row. The key itself is in no store.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyRecord {
    /// The key's public name.
    pub id: KeyId,
    /// Whose it is.
    pub owner: UserName,
    /// What the owner calls it.
    pub name: String,
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// What it may be used for.
    pub scopes: BTreeSet<Scope>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself; `None` for never.
    pub expires_at: Option<Timestamp>,
    /// About when it was last used; `None` if it never was.
    pub last_used_at: Option<Timestamp>,
}

impl std::fmt::Debug for ApiKeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKeyRecord").field("id", &self.id).field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// Keeps API keys.
///
/// Implementors owe: a user's keys are gone as soon as the user is.
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Adds a key. Gives whether there is such an owner; without one nothing is added.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was added then.
    async fn add_key(&self, key: ApiKeyRecord) -> Result<bool, StoreError>;

    /// The key of that id, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn key(&self, id: KeyId) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// The key whose hash begins with these bytes, or `None`. Whether the rest fits is the caller's to compare, in constant time.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn key_by_hash(&self, begins: [u8; 8]) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// At most `limit` keys of `owner`, or of everyone, that are older than `before`, newest first.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or a row is damaged.
    async fn keys(&self, owner: Option<UserName>, before: Option<KeyId>, limit: usize) -> Result<Vec<ApiKeyRecord>, StoreError>;

    /// Removes a key. Gives whether there was one.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn remove_key(&self, id: KeyId) -> Result<bool, StoreError>;

    /// Writes down that a key was used at that moment.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn key_used(&self, id: KeyId, at: Timestamp) -> Result<(), StoreError>;
}
