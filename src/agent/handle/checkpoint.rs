//! The commands sent to an agent, and its history as a server sees it that found the agent again.

use serde::{Deserialize, Serialize};

use crate::types::Answer;

/// What we do to an agent beside reading it. The shim writes it down before the agent can see a byte of it, so a later server
/// knows what the agent was told, and repeats it to the parser at the same checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// A request was answered.
    Answer {
        /// Which one.
        request: String,
        /// How.
        answer: Answer,
    },
    /// Another turn was begun with this message.
    Message {
        /// Its text.
        text: String,
    },
    /// This message was added to the turn.
    Steer {
        /// Its text.
        text: String,
    },
    /// The turn was to stop.
    Interrupt,
    /// No further message comes.
    Finish,
    /// The agent was to be ended.
    Stop {
        /// Why, in the words of whoever wanted it.
        reason: String,
    },
}

/// One thing of an agent's past, as a server sees it that has found the agent again. In their order.
#[derive(Clone, Debug, PartialEq)]
pub enum HistoryEntry {
    /// The log has it.
    Logged(super::Item),
    /// The log does not have it yet.
    New(super::Item),
    /// It was done to the agent.
    Command(Command),
}
