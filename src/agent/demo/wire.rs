//! The protocol of the demo agent: one JSON object per line in each direction.

use serde::{Deserialize, Serialize};

use crate::types::{Decision, StreamEvent};

/// A message to the agent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToAgent {
    /// The task. Always the first line.
    Prompt { text: String },
    /// The answer to a permission request.
    Decision { id: String, decision: Decision },
}

/// A message from the agent: a report about its own state, or an event for the log.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum FromAgent {
    Report(Report),
    Event(StreamEvent),
}

/// A change of the agent's state.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Report {
    /// It has started.
    Ready { version: String, model: String },
    /// The turn has ended with this result.
    TurnEnded { result: String },
}
