//! Messages of a conversation.

use serde::Deserialize;
use utoipa::ToSchema;

/// Role of the author of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ChatRole)]
pub(super) enum Role {
    /// The developer of the client.
    System,
    /// The newer name of `system`.
    Developer,
    /// The user.
    User,
    /// The agent.
    Assistant,
}

impl Role {
    /// The tag of the role in a prompt.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::System | Self::Developer => "instructions",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// A message that consists of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextMessage {
    pub(super) role: Role,
    pub(super) text: String,
}
