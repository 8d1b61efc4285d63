//! Users.

use async_trait::async_trait;

use super::{Audited, StoreError};
use crate::types::{Amount, Budget, BudgetChange, Limit, PerQuota, QuotaChange, UserId, UserName, UserRef, UserRole};

/// A stored user.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The id. What belongs to the user refers to it.
    pub id: UserId,
    /// The name, which no other present user has.
    pub name: UserName,
    /// What the user may do.
    pub role: UserRole,
    /// Argon2id hash in PHC format.
    pub password_hash: String,
    /// Whether the password is the documented default, which works only from this machine.
    pub default_password: bool,
    /// Incremented when a password is set. A token contains the generation in which it was issued; tokens of earlier ones are invalid.
    pub generation: i64,
    /// The user's own daily budget.
    pub budget: Budget,
    /// The user's own quotas; `None` where the server's applies.
    pub quotas: PerQuota<Option<Limit<Amount>>>,
}

impl UserRecord {
    /// The reference that is stored with what belongs to the user.
    pub fn reference(&self) -> UserRef {
        UserRef { id: self.id, name: self.name.clone() }
    }
}

/// Selects what belongs to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerFilter {
    /// Of this user.
    Id(UserId),
    /// Of every user who has or had this name. Only for admins, who see what belonged to a removed user under the user's name.
    Name(UserName),
}

/// A change to a user. `None` keeps a value.
#[derive(Clone, Default)]
pub struct UserEdit {
    /// The new role.
    pub role: Option<UserRole>,
    /// Hash of the new password.
    pub password_hash: Option<String>,
    /// Changes to the daily budget.
    pub budget: BudgetChange,
    /// Changes to the quotas.
    pub quotas: QuotaChange,
}

impl std::fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserRecord").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// The outcome of a change to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserChange {
    /// The change was made.
    Done,
    /// The user does not exist. Nothing was changed.
    NotFound,
    /// The change would have removed the last admin. Nothing was changed.
    LastAdmin,
}

/// Stores users. A change and its audit entry are stored together or not at all; the entry is left out if nothing is changed.
///
/// Implementors must never remove the last admin, even with concurrent changes.
#[async_trait]
pub trait UserStore: Send + Sync {
    /// The user with this name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn user(&self, name: &UserName) -> Result<Option<UserRecord>, StoreError>;

    /// The user with this id; `None` if the user was removed.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails or the row is damaged.
    async fn user_by_id(&self, id: UserId) -> Result<Option<UserRecord>, StoreError>;

    /// At most `limit` users whose names sort after `after`, in the order of names. Damaged rows are left
    /// out.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn users(&self, after: Option<UserName>, limit: usize) -> Result<Vec<UserRecord>, StoreError>;

    /// Whether there is a user, also one whose row is damaged.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails.
    async fn has_users(&self) -> Result<bool, StoreError>;

    /// Adds a user unless the name or the id is taken. Returns whether it was added. The name of a removed user is not taken, the id is.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was added then.
    async fn add_user(&self, user: UserRecord, audit: Option<Audited>) -> Result<bool, StoreError>;

    /// Applies all changes of `edit` or none. A new password clears the default flag and increments the generation, which invalidates all
    /// existing tokens of the user.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn change_user(&self, id: UserId, edit: UserEdit, audit: Option<Audited>) -> Result<UserChange, StoreError>;

    /// Removes a user and the user's API keys. The user's runs stay, and admins see them under the user's name.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was removed then.
    async fn remove_user(&self, id: UserId, audit: Option<Audited>) -> Result<UserChange, StoreError>;

    /// Sets a password as [`UserStore::change_user`] does, without an audit entry. Returns whether the user exists.
    ///
    /// # Errors
    /// [`StoreError`] if the store fails; nothing was changed then.
    async fn set_password(&self, id: UserId, password_hash: String) -> Result<bool, StoreError> {
        let edit = UserEdit { password_hash: Some(password_hash), ..UserEdit::default() };
        Ok(self.change_user(id, edit, None).await? == UserChange::Done)
    }
}
