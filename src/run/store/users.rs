//! Users, as the store keeps them.

use async_trait::async_trait;

use super::StoreError;
use crate::types::{Budget, BudgetChange, UserName, UserRole};

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
    /// What the user may use in a day, as far as that was set for this one.
    pub budget: Budget,
}

/// What is to become of a user; `None` leaves that as it is.
#[derive(Clone, Default)]
pub struct UserEdit {
    /// What the user may do.
    pub role: Option<UserRole>,
    /// Hash of a password of the user's own.
    pub password_hash: Option<String>,
    /// What the user may use in a day.
    pub budget: BudgetChange,
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// How a change to a user came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// It was made.
    Done,
    /// There is no such user. Nothing was changed.
    NotFound,
    /// It would have left nobody who is an admin. Nothing was changed.
    LastAdmin,
}

/// Keeps users.
///
/// Implementors owe: once there is an admin there always is one, whatever is asked and however much at once.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// The user of that name, or `None`.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError>;

    /// At most `limit` users whose names come after `after`, by name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or a row is damaged.
    async fn users(&self, after: Option<UserName>, limit: usize) -> Result<Vec<UserRecord>, StoreError>;

    /// Adds the user unless there is one of that name. Gives whether it was added. A name that a removed user had goes on from that
    /// one's generation, whatever the record says, so that no old token fits.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was added then.
    async fn add_user(&self, user: UserRecord) -> Result<bool, StoreError>;

    /// Changes the user: all that is asked or nothing. With a password the default flag is cleared and the generation grows by one, so every older token ends.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn change_user(&self, name: &UserName, edit: UserEdit) -> Result<UserChange, StoreError>;

    /// Removes the user together with their API keys. Their runs stay.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn remove_user(&self, name: &UserName) -> Result<UserChange, StoreError>;

    /// Sets a password as [`UserStore::change_user`] does. Gives whether there is such a user.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn set_password(&self, name: &UserName, password_hash: String) -> Result<bool, StoreError> {
        Ok(self.change_user(name, UserEdit { password_hash: Some(password_hash), ..UserEdit::default() }).await? == UserChange::Done)
    }
}
