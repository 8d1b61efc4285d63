//! What the demo agent and we say to each other: one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::types::{Decision, StreamEvent};

/// From us to it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToAgent {
    /// What to do. The first line.
    Prompt { text: String },
    /// The answer to a permission request.
    Decision { id: String, decision: Decision },
}

/// From it to us: an event of a run as it is, or one of two words about itself.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum FromAgent {
    About(About),
    Event(StreamEvent),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum About {
    /// It is up.
    Ready { version: String, model: String },
    /// The turn is over, with this result.
    TurnEnded { result: String },
}
