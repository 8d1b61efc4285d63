//! The stored form of text that is withheld because it may be the beginning of a secret.

use serde::{Deserialize, Serialize};

/// The ends of an agent's texts that are withheld at some point of a run's log, because each may be the beginning of a secret. It is safe
/// to store: it contains no text, and is useless without the secrets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Withheld(pub Vec<WithheldText>);

/// What is withheld of one text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithheldText {
    /// The text.
    #[serde(flatten)]
    pub text: SplitText,
    /// Its withheld end.
    #[serde(flatten)]
    pub pending: PendingDigest,
}

/// A text that arrives in pieces, as several events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitText {
    /// The type of its events.
    pub kind: SplitTextKind,
    /// Id of the message or tool call.
    pub id: Option<String>,
    /// The tool call whose sub-agent produces it.
    pub parent_tool_call_id: Option<String>,
}

/// The types of events that carry pieces of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitTextKind {
    /// [`StreamEvent::Token`](super::StreamEvent::Token)
    Token,
    /// [`StreamEvent::Thinking`](super::StreamEvent::Thinking)
    Thinking,
    /// [`StreamEvent::ToolOutput`](super::StreamEvent::ToolOutput)
    ToolOutput,
}

/// Identifies a withheld piece of text to a reader that knows the secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingDigest {
    /// Length of the withheld text, in bytes.
    pub length: usize,
    /// Length of its beginning that belongs to a secret whose mask was emitted already, in bytes.
    pub covered: usize,
    /// SHA-256 of the withheld text.
    pub digest: [u8; 32],
}
