//! How far a program has been brought to its end.

use std::time::Duration;

use tokio::time::Instant;

use crate::process::shim::ExitRecord;

/// How far the program has been brought to its end.
#[derive(Default)]
pub(super) struct EndState {
    /// The shim was sent a stop command with this grace period.
    pub(super) stop_sent: Option<Duration>,
    /// The program is to be ended with this grace period as soon as its turn is over.
    pub(super) after_turn: Option<Duration>,
    /// The reason of the stop has been journaled.
    pub(super) stop_recorded: bool,
    pub(super) finish: Finish,
    pub(super) deadline: Option<Deadline>,
}

impl EndState {
    /// When the deadline expires.
    pub(super) fn deadline_at(&self) -> Option<Instant> {
        self.deadline.map(|deadline| match deadline {
            Deadline::Interrupt(at) | Deadline::ExitGrace(at) | Deadline::Unreachable(at) => at,
        })
    }

    pub(super) fn cancel_deadline(&mut self) {
        self.deadline = None;
    }
}

/// Whether the program was told that no further message follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Finish {
    #[default]
    No,
    Requested,
    /// It was, did not exit within the grace period, and was ended.
    GraceExpired,
}

/// What must have happened by when.
#[derive(Clone, Copy)]
pub(super) enum Deadline {
    /// The turn has ended, after it was interrupted in order to stop the program.
    Interrupt(Instant),
    /// The program has exited, after it was told that no message follows.
    ExitGrace(Instant),
    /// The shim, which is to stop the program, can be reached again.
    Unreachable(Instant),
}

/// Why there is no program any more.
pub(super) enum Gone {
    /// It ended, as the shim recorded.
    Ended(Box<ExitRecord>),
    /// The shim could not start it.
    NotStarted { message: String, resource_exhausted: bool },
    /// The shim is dead, and how the program ended is unknown.
    Lost {
        /// Number of processes that could not be ended.
        left_behind: usize,
        /// What happened, for people.
        reason: String,
    },
}

impl Gone {
    /// The shim was killed, and these processes of the run could not be ended.
    pub(super) fn killed(left_behind: usize) -> Self {
        Self::Lost { left_behind, reason: "the agent's shim was killed, and the agent with it".to_owned() }
    }

    /// Number of processes that could not be ended.
    pub(super) fn left_behind(&self) -> usize {
        match self {
            Self::Ended(record) => record.left_behind,
            Self::NotStarted { .. } => 0,
            Self::Lost { left_behind, .. } => *left_behind,
        }
    }
}
