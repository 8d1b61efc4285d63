//! Who asks.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::UserName;

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    /// Everything, on everyone's runs.
    Admin,
    /// Own runs only, and no flags that widen what an agent may do.
    User,
}

impl UserRole {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::User => "user",
        }
    }

    /// The role of that name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Admin, Self::User].into_iter().find(|role| role.as_str() == name)
    }
}

/// A user whose identity has been checked. Whoever holds one has passed the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Who it is.
    pub user: UserName,
    /// What they may do.
    pub role: UserRole,
}

impl Caller {
    /// Whether this is an admin.
    pub fn is_admin(&self) -> bool {
        self.role == UserRole::Admin
    }

    /// Whether what `owner` owns is the caller's to see: the one rule of ownership.
    pub fn may_see(&self, owner: &UserName) -> bool {
        self.is_admin() || self.user == *owner
    }
}
