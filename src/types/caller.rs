//! The authenticated user on whose behalf an operation is performed.

use std::fmt;

use utoipa::ToSchema;

use super::{UserId, UserName, string_enum};

string_enum! {
    /// Role of a user.
    #[derive(ToSchema)]
    pub enum UserRole {
        /// Full access, also to the runs of other users.
        Admin = "admin",
        /// Access to the user's own runs only. Cannot use arguments that extend an agent's permissions.
        User = "user",
    }
}

/// A user, as stored with what belongs to the user: runs, sessions, keys and audit entries.
///
/// The id decides whose something is. The name is only for display: after the user was removed, another user may have it. Two references are
/// equal if they have the same id.
#[derive(Clone, Debug)]
pub struct UserRef {
    /// The id.
    pub id: UserId,
    /// The name, which never changes.
    pub name: UserName,
}

impl PartialEq for UserRef {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for UserRef {}

impl fmt::Display for UserRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.name, f)
    }
}

#[cfg(test)]
impl UserRef {
    /// A user for tests without a store of users. The same name gives the same user.
    pub(crate) fn named(name: &str) -> Self {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(name);
        let hex = digest.iter().take(16).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
        Self { id: format!("usr_{hex}").parse().unwrap(), name: name.parse().unwrap() }
    }
}

/// An authenticated user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserRef,
    /// Role of the user.
    pub role: UserRole,
}

impl Caller {
    /// Whether the user is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == UserRole::Admin
    }

    /// Whether the caller may access what `owner` owns. The only ownership rule.
    pub fn may_see(&self, owner: UserId) -> bool {
        self.is_admin() || self.user.id == owner
    }
}
