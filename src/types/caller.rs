//! The authenticated user on whose behalf an operation is performed.

use utoipa::ToSchema;

use super::{UserName, string_enum};

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

/// An authenticated user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Name of the user.
    pub user: UserName,
    /// Role of the user.
    pub role: UserRole,
}

impl Caller {
    /// Whether the user is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == UserRole::Admin
    }

    /// Whether the caller may access what `owner` owns. The only ownership rule.
    pub fn may_see(&self, owner: &UserName) -> bool {
        self.is_admin() || self.user == *owner
    }
}
