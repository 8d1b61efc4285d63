//! Where a turn stands.

use crate::types::TurnEnd;

/// The turn that goes on, or the last one.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) phase: Phase,
    pub(super) interrupt: Interrupt,
    /// Messages to add to it as soon as it has begun.
    pub(super) steers: Vec<String>,
    /// Whether Codex has said that it began.
    pub(super) begun: bool,
}

impl Turn {
    /// Whether a turn of this process has begun: what Codex says before that is about earlier processes.
    pub(super) fn has_been(&self) -> bool {
        self.begun || matches!(self.phase, Phase::Idle)
    }
}

/// Where a turn stands.
#[derive(Debug, Default)]
pub(super) enum Phase {
    /// The thread for the first one is being opened.
    #[default]
    Opening,
    /// It was sent, and has not begun.
    Starting,
    /// It goes on, under this id.
    Running(String),
    /// It is over, except for commands that are being ended, as was asked for so many times. Then this is its end.
    Cleaning(TurnEnd, u8),
    /// It is over.
    Idle,
}

/// Whether the turn is to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Interrupt {
    #[default]
    No,
    /// It is, as soon as it has begun: until `turn/started` Codex finds "no active turn to interrupt" (tried with 0.169.0).
    Wanted,
    /// Codex was told.
    Sent,
}
