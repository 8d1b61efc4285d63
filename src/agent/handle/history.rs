//! The history of an agent: the journaled commands to it, and its items.

use serde::{Deserialize, Serialize};

use crate::types::Answer;

/// A command to an agent. The shim journals it before the agent can see a byte of it, so that a later server can repeat it to a new
/// parser at the same position in the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Answer a request.
    Answer {
        /// The request's id.
        request: String,
        /// The answer.
        answer: Answer,
    },
    /// Start another turn with this message.
    Message {
        /// Its text.
        text: String,
    },
    /// Add this message to the current turn.
    Steer {
        /// Its text.
        text: String,
    },
    /// Interrupt the current turn.
    Interrupt,
    /// The agent has been silent for as long as its parser allows.
    Silence,
    /// No further message follows.
    Finish,
    /// End the agent.
    Stop {
        /// Why, as text for the run's record.
        reason: String,
    },
}

/// An entry in the history of a reattached agent, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum HistoryEntry {
    /// An item that the log already covers.
    Logged(super::Item),
    /// An item that the log does not cover yet.
    New(super::Item),
    /// A command to the agent.
    Command(Command),
}
