//! The state of the current turn.

use crate::agent::Message;
use crate::types::TurnEnd;

/// The current turn, or the last one.
#[derive(Debug, Default)]
pub(super) struct TurnState {
    pub(super) phase: Phase,
    pub(super) interrupt: InterruptState,
    /// Messages to add to the turn when it has started.
    pub(super) steers: Vec<Message>,
    /// Whether Codex has reported its start.
    pub(super) started: bool,
}

impl TurnState {
    /// Whether a turn of this process has started. Usage reported before that belongs to earlier processes.
    pub(super) fn has_started(&self) -> bool {
        self.started || matches!(self.phase, Phase::AwaitingSteers { .. } | Phase::InBackground { .. } | Phase::Idle)
    }
}

/// The phase of a turn.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// The thread of the first turn is being opened.
    #[default]
    Opening,
    /// The turn was sent and has not started.
    Starting,
    /// The turn with this id is running.
    Running(String),
    /// The turn has ended with `end`, but commands that it started are still running. Codex was asked to terminate them `rounds` times so
    /// far.
    Cleaning { end: TurnEnd, rounds: u8 },
    /// The turn has ended with `end`, and Codex has not responded to all steering messages.
    AwaitingSteers { end: TurnEnd },
    /// The turn has ended with `end`, and commands that it started continue in the background.
    InBackground { end: TurnEnd },
    /// The turn has ended.
    Idle,
}

/// The state of an interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum InterruptState {
    #[default]
    NotRequested,
    /// Requested before the turn has started, and sent when it starts: before `turn/started`, Codex rejects it with "no active turn to
    /// interrupt" (tested with 0.169.0).
    Pending,
    /// Sent to Codex.
    Sent,
}
