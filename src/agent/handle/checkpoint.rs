//! How far a run's log has come in what its agent wrote, and what was said to the agent on the way.

use serde::{Deserialize, Serialize};

use crate::types::Answer;

/// How much of an agent's output, and of what we said to it, the stored events cover.
///
/// It is stored with the events, both or neither. So a server that reads the same output again knows which of the events that come
/// of it are in the log, whatever moment the server before it died at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OutputCheckpoint {
    /// Bytes of stdout that were understood.
    pub out: u64,
    /// Bytes of stderr that were understood.
    pub err: u64,
    /// The end of stdout was understood, too: a last line may come only with it.
    pub out_ended: bool,
    /// The same for stderr.
    pub err_ended: bool,
    /// How many calls were carried out: some agents' parsers tell something when they are answered or interrupted.
    pub calls: u64,
}

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
