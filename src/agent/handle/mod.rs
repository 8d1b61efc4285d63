//! One agent at work on one run: a light actor and the handle to it.
//!
//! Each run's agent has a task of its own that holds the connection to the agent's shim (or the in-process future) and the parser.
//! The driver of the run holds the [`AgentHandle`]: updates come up through a bounded channel, commands go down through another.
//! While the driver does not take updates, the task does not read on, the shim stops reading the agent's stdout, and an agent that
//! is faster than the log waits at its own pipe and nobody else does.
//!
//! The process itself belongs to the shim. So the task can end and another one, of a later server, can go on where it was: it reads
//! the same output through a fresh parser, and what the log has already is [`HistoryEntry`].

mod checkpoint;
mod decoder;
mod in_process;
mod program;
mod replay;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Item;
use crate::process::shim::StoppedBy;
use crate::process::{Exit, Leftovers};
use crate::types::{Answer, Cause, Failure, OutputCheckpoint, RunLimits};

pub use checkpoint::{Command, HistoryEntry};
pub(super) use in_process::start as start_in_process;
pub use program::Limits;
pub(super) use program::{Program, find_again, start};

/// Most that is kept of an agent's stderr, in bytes.
pub(super) const MAX_STDERR: u64 = decoder::STDERR_LOG as u64;

/// Batches that may wait for the driver. What comes while one waits gathers and becomes the next, so more would only be smaller ones.
const UPDATES: usize = 1;
/// Commands that may wait for the agent's task: a run has a handful in its life.
const COMMANDS: usize = 16;

/// What has happened to an agent.
#[derive(Debug)]
pub enum Update {
    /// Everything that happened to it before it was found again. Always the first update of such an agent, and never of another.
    Restored {
        /// In order.
        history: Vec<HistoryEntry>,
        /// How far this reaches, to be stored with what is new in it.
        checkpoint: OutputCheckpoint,
        /// What is left of the time limit, [`SLACK`] not counted; `None` if there is none.
        left: Option<Duration>,
    },
    /// It did or said these things, in this order. Never empty.
    Items {
        /// The things.
        items: Vec<Item>,
        /// How far they reach, to be stored with them.
        checkpoint: OutputCheckpoint,
    },
    /// It is over: nothing of it is alive, or what is left was declared lost. Always the last update, always one.
    Ended(AgentEnd),
}

/// By how much a shim's time limit is later than the run's, so that a server that is there is the first to act: it asks the agent in
/// the agent's own words before it has it ended.
pub const SLACK: Duration = Duration::from_secs(5);

/// How an agent ended, as plain facts: what they mean for the run is judged elsewhere.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentEnd {
    /// What it said with its last breath: to be stored together with the run's end, since no checkpoint comes after it.
    pub items: Vec<Item>,
    /// How its process ended; `None` if it never had one or nobody could tell.
    pub exit: Option<Exit>,
    /// The end of its standard error.
    pub stderr_tail: String,
    /// What its adapter makes of an exit without a result.
    pub failure: Option<Failure>,
    /// It had to be stopped after its result, so its exit says nothing about its work.
    pub lingered: bool,
    /// The kernel killed something of it for want of memory. Known only where a control group tells.
    pub out_of_memory: bool,
    /// Why its shim ended it of its own accord, if it did.
    pub stopped_by: Option<StoppedBy>,
    /// Its shim was killed, and it with it: what it did at the last is not known.
    pub lost: bool,
    /// Processes of the run that could not be ended.
    pub left_behind: usize,
}

/// The driver's end of an agent.
///
/// Dropping it kills the agent at once, with everything that it started, unless it was let go before.
#[derive(Debug)]
pub struct AgentHandle {
    updates: mpsc::Receiver<Update>,
    commands: mpsc::Sender<Control>,
    leftovers: Option<Leftovers>,
    held_to: Option<RunLimits>,
    ended: bool,
}

/// An agent of an earlier server.
#[derive(Debug)]
pub struct FoundAgent {
    /// The agent.
    pub handle: AgentHandle,
    /// What that server wanted to be remembered of it; empty if nothing.
    pub memo: String,
}

#[derive(Debug)]
enum Control {
    Answer { request: String, answer: Answer },
    Speak { text: String, how: Delivery, done: oneshot::Sender<bool> },
    Interrupt { done: oneshot::Sender<bool> },
    Limit(Option<Duration>),
    Finish,
    Stop { reason: String, grace: Duration },
    Detach { done: oneshot::Sender<()> },
}

/// How a further message reaches an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// As a turn of its own, after the last one has ended.
    NextTurn,
    /// Into the turn that goes on.
    IntoTurn,
}

impl AgentHandle {
    /// The next update. After [`Update::Ended`] it waits for ever. May be dropped at any time without losing an update.
    pub async fn next(&mut self) -> Update {
        if self.ended {
            return std::future::pending().await;
        }
        let update = match self.updates.recv().await {
            Some(update) => update,
            // The task has gone without a word, which only a fault of ours can do. The process must not stay.
            None => Update::Ended(AgentEnd {
                failure: Some(Failure::new(Cause::Protocol, "the adapter of this agent failed; the server's log tells how")),
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

    /// Answers what the agent has asked.
    pub async fn answer(&self, request: String, answer: Answer) {
        self.command(Control::Answer { request, answer }).await;
    }

    /// Gives the agent a further message. `false` if it cannot be given in this way; nothing was said then.
    pub async fn speak(&self, text: String, how: Delivery) -> bool {
        let (done, said) = oneshot::channel();
        self.command(Control::Speak { text, how, done }).await;
        said.await.unwrap_or(false)
    }

    /// Asks the agent, in its own protocol, to stop its turn. `false` if it cannot be asked; nothing was said then.
    pub async fn interrupt(&self) -> bool {
        let (done, said) = oneshot::channel();
        self.command(Control::Interrupt { done }).await;
        said.await.unwrap_or(false)
    }

    /// Sets the time limit that is kept also while no server is there, [`SLACK`] not counted; `None` lifts it.
    pub async fn limit(&self, left: Option<Duration>) {
        self.command(Control::Limit(left)).await;
    }

    /// Says that no further message comes: the agent is to end by itself, and is stopped if it does not.
    pub async fn finish(&self) {
        self.command(Control::Finish).await;
    }

    /// Ends the agent and everything that it started: interrupted in its own protocol where it has one, then TERM, then KILL after
    /// `grace`. A second call with a shorter grace is obeyed. The first call's `reason` is kept with the agent, for a later server.
    pub async fn stop(&self, reason: String, grace: Duration) {
        self.command(Control::Stop { reason, grace }).await;
    }

    /// What its processes are held to; `None` for nothing.
    pub fn held_to(&self) -> Option<RunLimits> {
        self.held_to
    }

    /// Whether the agent is a process that can go on without this server.
    pub fn outlives_us(&self) -> bool {
        self.leftovers.is_some()
    }

    /// Lets the agent go on without us, where a later server will find it. `false` if it is just ending, or cannot live without this
    /// server. When this answers `true`, everything that it was told has reached its shim.
    pub async fn detach(&self) -> bool {
        let (done, gone) = oneshot::channel();
        self.command(Control::Detach { done }).await;
        gone.await.is_ok()
    }

    async fn command(&self, command: Control) {
        // An agent that has ended needs no commands any more.
        let _ = self.commands.send(command).await;
    }
}

/// The task's end of the two channels.
struct Link {
    updates: mpsc::Sender<Update>,
    commands: mpsc::Receiver<Control>,
}

fn link(leftovers: Option<Leftovers>, held_to: Option<RunLimits>) -> (AgentHandle, Link) {
    let (updates_in, updates) = mpsc::channel(UPDATES);
    let (commands, commands_out) = mpsc::channel(COMMANDS);
    (AgentHandle { updates, commands, leftovers, held_to, ended: false }, Link { updates: updates_in, commands: commands_out })
}
