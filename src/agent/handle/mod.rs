//! One agent at work on one run: a light actor and the handle to it.
//!
//! Each run's agent has a task of its own that owns the process (or the in-process future), the parser and the pipes. The driver of
//! the run holds the [`AgentHandle`]: updates come up through a bounded channel, commands go down through another. While the driver
//! does not take updates, the task does not read the agent's stdout, so an agent that is faster than the log waits at its own pipe
//! and nobody else does.

mod in_process;
mod program;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Item;
use crate::process::{Exit, Tree};
use crate::types::{Answer, Cause, Failure};

pub(super) use in_process::start as start_in_process;
pub use program::Limits;
pub(super) use program::start as start_program;

/// Batches that may wait for the driver. One is a whole read of the pipe, so two keep both sides busy.
const UPDATES: usize = 2;
/// Commands that may wait for the agent's task: a run has a handful in its life.
const COMMANDS: usize = 16;

/// What has happened to an agent.
#[derive(Debug)]
pub enum Update {
    /// It did or said these things, in this order. Never empty.
    Items(Vec<Item>),
    /// It is over: nothing of it is alive, or what is left was declared lost. Always the last update, always one.
    Ended(AgentEnd),
}

/// How an agent ended, as plain facts: what they mean for the run is judged elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentEnd {
    /// How its process ended; `None` if it never had one or nobody could tell.
    pub exit: Option<Exit>,
    /// The end of its standard error.
    pub stderr_tail: String,
    /// What its adapter makes of an exit without a result.
    pub failure: Option<Failure>,
    /// It had to be stopped after its result, so its exit says nothing about its work.
    pub lingered: bool,
    /// Processes of the run that could not be ended.
    pub left_behind: usize,
}

/// The driver's end of an agent.
///
/// Dropping it kills the agent at once, with everything that it started.
#[derive(Debug)]
pub struct AgentHandle {
    updates: mpsc::Receiver<Update>,
    commands: mpsc::Sender<Command>,
    tree: Option<Tree>,
    ended: bool,
}

#[derive(Debug)]
enum Command {
    Answer { request: String, answer: Answer },
    Speak { text: String, how: Speech, done: oneshot::Sender<bool> },
    Interrupt { done: oneshot::Sender<bool> },
    Finish,
    Stop { grace: Duration },
}

/// How a further message reaches an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
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
                left_behind: match &self.tree {
                    Some(tree) => tree.end(Duration::ZERO).await.left,
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
        self.command(Command::Answer { request, answer }).await;
    }

    /// Gives the agent a further message. `false` if it cannot be given in this way; nothing was said then.
    pub async fn speak(&self, text: String, how: Speech) -> bool {
        let (done, said) = oneshot::channel();
        self.command(Command::Speak { text, how, done }).await;
        said.await.unwrap_or(false)
    }

    /// Asks the agent, in its own protocol, to stop its turn. `false` if it cannot be asked; nothing was said then.
    pub async fn interrupt(&self) -> bool {
        let (done, said) = oneshot::channel();
        self.command(Command::Interrupt { done }).await;
        said.await.unwrap_or(false)
    }

    /// Says that no further message comes: the agent is to end by itself, and is stopped if it does not.
    pub async fn finish(&self) {
        self.command(Command::Finish).await;
    }

    /// Ends the agent and everything that it started: interrupted in its own protocol where it has one, then TERM, then KILL after
    /// `grace`. A second call with a shorter grace is obeyed.
    pub async fn stop(&self, grace: Duration) {
        self.command(Command::Stop { grace }).await;
    }

    async fn command(&self, command: Command) {
        // An agent that has ended needs no commands any more.
        let _ = self.commands.send(command).await;
    }
}

/// The task's end of the two channels.
struct Link {
    updates: mpsc::Sender<Update>,
    commands: mpsc::Receiver<Command>,
}

fn link(tree: Option<Tree>) -> (AgentHandle, Link) {
    let (updates_in, updates) = mpsc::channel(UPDATES);
    let (commands, commands_out) = mpsc::channel(COMMANDS);
    (AgentHandle { updates, commands, tree, ended: false }, Link { updates: updates_in, commands: commands_out })
}
