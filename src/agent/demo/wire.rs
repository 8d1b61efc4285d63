//! The protocol of the demo agent: one JSON object per line in each direction.

use serde::{Deserialize, Serialize};

use crate::types::{Cause, Decision, StreamEvent};

/// A message to the agent.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToAgent {
    /// Starts a turn. Always the first line.
    Prompt {
        text: String,
        /// The conversation to continue, in the first line only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<String>,
        /// What the model of another agent would read besides the prompt, in the first line only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instructions: Option<String>,
    },
    /// Adds a message to the current turn. If the turn has ended meanwhile, the message starts the next one. Either way the agent reports
    /// [`Report::Steered`] when it takes the message, except after a failed turn.
    Steer { text: String },
    /// Interrupts the current turn. Without one it is ignored.
    Interrupt,
    /// The answer to a permission request.
    Decision {
        id: String,
        decision: Decision,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        option_id: Option<String>,
    },
    /// The answers to questions.
    Answers { id: String, answers: Vec<Vec<String>> },
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
    /// It has started, and works in this conversation.
    Ready {
        version: String,
        model: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        conversation: Option<String>,
    },
    /// It has taken the oldest steering message that it has not reported yet.
    Steered,
    /// The turn has ended with this result.
    TurnEnded { result: String },
    /// The turn has failed. Unless it was interrupted, no further one follows.
    TurnFailed { cause: Cause, message: String },
}
