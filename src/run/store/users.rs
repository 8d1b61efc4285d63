//! Users, as the store keeps them.

use async_trait::async_trait;

use super::StoreError;
use crate::types::{UserName, UserRole};

/// A user's row.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The name, which is the key.
    pub name: UserName,
    /// What the user may do.
    pub role: UserRole,
    /// Argon2id hash in PHC form.
    pub password_hash: String,
    /// Whether the password is still the documented default, which works from this machine only.
    pub default_password: bool,
    /// Grows when a password is set: tokens name the generation that they were made in, and older ones are worthless.
    pub generation: i64,
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// Keeps users.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// The user of that name, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError>;

    /// Adds the user unless there is one of that name. Gives whether it was added.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was added then.
    async fn add_user(&self, user: UserRecord) -> Result<bool, StoreError>;

    /// Sets a password of the user's own: the default flag is cleared and the generation grows by one, so every older token ends.
    /// Gives whether there is such a user.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn set_password(&self, name: &UserName, password_hash: String) -> Result<bool, StoreError>;
}
