//! One agent working on one run: a task that owns it, and the handle to that task.
//!
//! The task holds the connection to the agent's shim (or the in-process future) and the parser. The driver of the run holds the
//! [`AgentHandle`]: updates come up through one bounded channel, commands go down through another. While the driver takes no updates,
//! the task does not read on and the shim stops reading the agent's stdout, so an agent that is faster than the log blocks on its own
//! pipe and delays no other run.
//!
//! The process itself belongs to the shim. The task may therefore end, and the task of a later server continues: it decodes the same
//! output with a new parser, and what the log already covers is only summarized in a [`History`].

mod borrowing;
mod connection;
mod decoder;
mod end_state;
mod ending;
mod history;
mod in_process;
mod lending;
mod program;
mod replay;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::common::attachments;
use super::input_files::InputPlace;
use super::{Item, Message, UserMessage};
use crate::process::shim::StoppedBy;
use crate::process::{Exit, Leftovers};
use crate::types::{Answer, Cause, Failure, OutputCheckpoint, RunIsolation, RunLimits};

pub use history::{Command, History, Logged, MessageDigest};
pub(super) use in_process::start as start_in_process;
pub use program::GracePeriods;
pub(super) use program::{RunningProgram, reattach, start};

/// Maximum length of an agent's stderr file in bytes.
pub(super) const MAX_STDERR: u64 = decoder::STDERR_LOG as u64;

/// Batches that may wait for the driver. Output that arrives while one waits becomes the next batch, so more would only be smaller.
const UPDATES: usize = 1;
/// Commands that may wait for the agent's task. A run has a handful in its lifetime.
const COMMANDS: usize = 16;

/// News from an agent's task.
#[derive(Debug)]
pub enum Update {
    /// Everything that happened to the agent before it was reattached. Always the first update of such an agent, and only of those.
    Restored {
        /// What happened.
        history: Box<History>,
        /// How far the history reaches, to be stored with its new items.
        checkpoint: OutputCheckpoint,
        /// The remainder of the time limit, without [`SLACK`]; `None` if there is no limit.
        left: Option<Duration>,
    },
    /// Items in order. Never empty.
    Items {
        /// The items.
        items: Vec<Item>,
        /// How far they reach, to be stored with them.
        checkpoint: OutputCheckpoint,
    },
    /// The agent wrote output that yields no item.
    Activity,
    /// The agent has ended: none of its processes is alive, or those that remain were given up. Always the last update, exactly once.
    Ended(AgentEnd),
}

/// By how much the shim's time limit exceeds the run's, so that a running server acts first and interrupts the agent in its own protocol.
pub const SLACK: Duration = Duration::from_secs(5);

/// How an agent ended, as plain facts. The driver decides what they mean for the run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentEnd {
    /// The last items. They are stored together with the run's end, since no checkpoint follows.
    pub items: Vec<Item>,
    /// How its process exited; `None` if it never started or the exit is unknown.
    pub exit: Option<Exit>,
    /// The end of its stderr.
    pub stderr_tail: String,
    /// The adapter's diagnosis of an exit without a result.
    pub failure: Option<Failure>,
    /// It had to be stopped after its result, so its exit is no measure of its work.
    pub exit_grace_expired: bool,
    /// The kernel killed one of its processes because memory ran out. Known only with a control group.
    pub out_of_memory: bool,
    /// Why its shim ended it without a command, if it did.
    pub stopped_by: Option<StoppedBy>,
    /// Its shim is dead and the agent with it, or the record of its last actions is lost: what happened, for people.
    pub lost: Option<String>,
    /// Number of processes that could not be ended.
    pub left_behind: usize,
}

/// The driver's handle to an agent.
///
/// Dropping it kills the agent at once, with everything that it started, unless it was [detached](Self::detach).
#[derive(Debug)]
pub struct AgentHandle {
    updates: mpsc::Receiver<Update>,
    commands: mpsc::Sender<Control>,
    leftovers: Option<Leftovers>,
    restrictions: Restrictions,
    inputs: Option<Arc<InputPlace>>,
    ended: bool,
}

/// What is enforced on the processes of an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Restrictions {
    /// Their resource limits; `None` if there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<RunLimits>,
    /// Their isolation; `None` for an agent that is part of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<RunIsolation>,
    /// Why the configuration in the working directory may have an effect although it is to be ignored, if it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unignored: Option<Box<str>>,
    /// Whether the program was not tested, so that nothing is known of what it keeps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untested: bool,
    /// Names of variables with keys of the operator that it can read although it runs in a sandbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readable_keys: Option<Box<ReadableKeys>>,
}

/// Names of variables, at least one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ReadableKeys(pub Vec<String>);

/// An agent that an earlier server started.
#[derive(Debug)]
pub struct ReattachedAgent {
    /// Its handle.
    pub handle: AgentHandle,
    /// The handover that the earlier server left with its shim; empty if none.
    pub handover: String,
}

#[derive(Debug)]
enum Control {
    Answer { request: String, answer: Answer },
    Message { message: Message, delivery: Delivery, done: oneshot::Sender<bool> },
    Interrupt { done: oneshot::Sender<bool> },
    SetTimeLimit(Option<Duration>),
    Finish,
    Stop { reason: String, grace: Duration },
    Detach { done: oneshot::Sender<()> },
}

/// How a further message reaches an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As a turn of its own, after the last one has ended.
    NextTurn,
    /// Into the current turn.
    IntoTurn,
}

impl AgentHandle {
    /// The next update. Pending forever after [`Update::Ended`]. Cancel-safe: dropping the future loses no update.
    pub async fn next(&mut self) -> Update {
        if self.ended {
            return std::future::pending().await;
        }
        let update = match self.updates.recv().await {
            Some(update) => update,
            // Only a bug ends the task without a last update. The process must not survive it.
            None => Update::Ended(AgentEnd {
                failure: Some(Failure::new(Cause::Protocol, "the adapter of this agent failed; see the server's log")),
                left_behind: match &self.leftovers {
                    Some(leftovers) => leftovers.kill(Duration::ZERO).await.count,
                    None => 0,
                },
                ..AgentEnd::default()
            }),
        };
        self.ended = matches!(update, Update::Ended(_));
        update
    }

    /// Answers a request of the agent. Returns whether its task took the answer; it does not if the agent has ended.
    pub async fn answer(&self, request: String, answer: Answer) -> bool {
        self.send(Control::Answer { request, answer }).await
    }

    /// Gives the agent a further message, whose files are written before. Returns `false` if it cannot be delivered in this way; the agent
    /// does not know of it then.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub async fn send_message(&self, message: UserMessage, delivery: Delivery) -> std::io::Result<bool> {
        let message = self.write_files(message).await?;
        let (done, outcome) = oneshot::channel();
        self.send(Control::Message { message, delivery, done }).await;
        Ok(outcome.await.unwrap_or(false))
    }

    async fn write_files(&self, message: UserMessage) -> std::io::Result<Message> {
        let UserMessage { text, number, attachments: attached } = message;
        let files = attachments::files(&attached);
        let dir = match (&self.inputs, number) {
            _ if files.is_empty() => PathBuf::new(),
            (Some(inputs), Some(number)) => {
                let inputs = Arc::clone(inputs);
                tokio::task::spawn_blocking(move || inputs.add(number, &files)).await.map_err(std::io::Error::other)??
            }
            _ => return Err(std::io::Error::other("the agent cannot be given files")),
        };
        Ok(Message::new(text, number, &attached, &dir))
    }

    /// Interrupts the current turn in the agent's own protocol. Returns `false`, without any effect, if that is not possible.
    pub async fn interrupt(&self) -> bool {
        let (done, outcome) = oneshot::channel();
        self.send(Control::Interrupt { done }).await;
        outcome.await.unwrap_or(false)
    }

    /// Sets the time limit, without [`SLACK`], that the shim enforces while no server is connected. `None` lifts it.
    pub async fn set_time_limit(&self, left: Option<Duration>) {
        self.send(Control::SetTimeLimit(left)).await;
    }

    /// Tells the agent that no further message follows. It is stopped unless it exits within the grace period.
    pub async fn finish(&self) {
        self.send(Control::Finish).await;
    }

    /// Ends the agent and everything that it started: an interrupt in its own protocol if it has one, then TERM, then KILL after
    /// `grace`. A second call with a shorter grace period takes precedence. The first call's `reason` is journaled for a later server.
    pub async fn stop(&self, reason: String, grace: Duration) {
        self.send(Control::Stop { reason, grace }).await;
    }

    /// What is enforced on its processes.
    pub fn restrictions(&self) -> &Restrictions {
        &self.restrictions
    }

    /// Whether the agent is a process that can outlive this server.
    pub fn can_detach(&self) -> bool {
        self.leftovers.is_some()
    }

    /// Detaches from the agent, to which a later server can reattach. Returns `false` if it is ending or cannot outlive this server.
    /// On `true`, all earlier commands have been sent to its shim.
    pub async fn detach(&self) -> bool {
        let (done, detached) = oneshot::channel();
        self.send(Control::Detach { done }).await;
        detached.await.is_ok()
    }

    /// Returns whether the agent's task took the command. It does not if the agent has ended, which needs no commands.
    async fn send(&self, control: Control) -> bool {
        self.commands.send(control).await.is_ok()
    }
}

/// The task's end of the two channels.
struct Link {
    updates: mpsc::Sender<Update>,
    commands: mpsc::Receiver<Control>,
}

fn link(leftovers: Option<Leftovers>, restrictions: Restrictions) -> (AgentHandle, Link) {
    let (updates_in, updates) = mpsc::channel(UPDATES);
    let (commands, commands_out) = mpsc::channel(COMMANDS);
    (
        AgentHandle { updates, commands, leftovers, restrictions, inputs: None, ended: false },
        Link { updates: updates_in, commands: commands_out },
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
