//! What is written into the audit log.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that somebody did, or tried to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditAction)]
pub enum Action {
    /// Asked for a token by name and password.
    #[serde(rename = "login")]
    Login,
    /// Ended the token in use.
    #[serde(rename = "logout")]
    Logout,
    /// Changed one's own password.
    #[serde(rename = "password")]
    Password,
    /// Made a user.
    #[serde(rename = "user.create")]
    UserCreate,
    /// Changed a user's role or password.
    #[serde(rename = "user.change")]
    UserChange,
    /// Removed a user.
    #[serde(rename = "user.delete")]
    UserDelete,
    /// Made an API key.
    #[serde(rename = "key.create")]
    KeyCreate,
    /// Revoked an API key.
    #[serde(rename = "key.delete")]
    KeyDelete,
    /// Asked for a ticket for a run's stream.
    #[serde(rename = "ticket")]
    Ticket,
    /// Made a run.
    #[serde(rename = "run.create")]
    RunCreate,
    /// Cancelled a run.
    #[serde(rename = "run.cancel")]
    RunCancel,
    /// Deleted a run.
    #[serde(rename = "run.delete")]
    RunDelete,
    /// Sent a message to a run.
    #[serde(rename = "run.message")]
    RunMessage,
    /// Answered what a run's agent asked.
    #[serde(rename = "run.answer")]
    RunAnswer,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Login,
        Self::Logout,
        Self::Password,
        Self::UserCreate,
        Self::UserChange,
        Self::UserDelete,
        Self::KeyCreate,
        Self::KeyDelete,
        Self::Ticket,
        Self::RunCreate,
        Self::RunCancel,
        Self::RunDelete,
        Self::RunMessage,
        Self::RunAnswer,
    ];

    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Logout => "logout",
            Self::Password => "password",
            Self::UserCreate => "user.create",
            Self::UserChange => "user.change",
            Self::UserDelete => "user.delete",
            Self::KeyCreate => "key.create",
            Self::KeyDelete => "key.delete",
            Self::Ticket => "ticket",
            Self::RunCreate => "run.create",
            Self::RunCancel => "run.cancel",
            Self::RunDelete => "run.delete",
            Self::RunMessage => "run.message",
            Self::RunAnswer => "run.answer",
        }
    }

    /// The action of that name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_has_one_name_everywhere() {
        for action in Action::ALL {
            assert_eq!(serde_json::to_value(action).unwrap(), action.as_str());
            assert_eq!(Action::from_name(action.as_str()), Some(action));
        }
        assert_eq!(Action::from_name("run"), None);
    }
}
