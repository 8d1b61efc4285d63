//! When a turn is over: the result has arrived, and the program has nothing left to do.
//!
//! A `result` ends a turn of the program. Its tasks in the background continue, and when one of them ends, the program starts another turn by
//! itself, with another `result`. The turn of the run ends with the last one:
//!
//! ```text
//! message → init … result → (task ends) → task_notification → init … result → idle
//! ╰──────────────────────────── one turn of the run ───────────────────────────╯
//! ```
//!
//! `session_state_changed` becomes `idle` when the program waits for nothing but commands in the background (tested with 2.1.330), so the
//! turn is over when it is idle and no task is alive. Without that line, the turn is over when no task is alive and every task that ended
//! after the result was followed by another result.

use super::tasks::Tasks;
use crate::types::{TaskStatus, TurnEnd};

/// The work that remains after a result.
#[derive(Debug, Default)]
pub(super) struct Background {
    pub(super) tasks: Tasks,
    /// The last result of the turn.
    result: Option<TurnEnd>,
    /// Whether the program is idle. `None` until it reports its state.
    idle: Option<bool>,
    /// Whether there was a task in the background during this turn.
    had_tasks: bool,
    /// Whether the program will start a turn by itself, because a task has ended or a message is queued.
    turn_follows: bool,
}

impl Background {
    /// Keeps the result of a turn of the program. `turn_follows` states whether the program has queued a message for another turn.
    pub(super) fn set_result(&mut self, result: TurnEnd, turn_follows: bool) {
        self.result = Some(result);
        self.turn_follows = turn_follows;
    }

    /// Records that a turn of the program has started.
    pub(super) fn start_turn(&mut self) {
        self.turn_follows = false;
    }

    /// Records that the list of live tasks has changed.
    pub(super) fn tasks_changed(&mut self) {
        self.had_tasks |= self.tasks.any_live();
    }

    /// Records the end of a task. If it was in the background and the program was not in a turn, the program starts one to report it,
    /// unless the task was stopped.
    pub(super) fn task_ended(&mut self, status: Option<TaskStatus>, in_turn: bool) {
        self.turn_follows |= !in_turn && matches!(status, Some(TaskStatus::Completed | TaskStatus::Failed));
    }

    /// Records the program's state.
    pub(super) fn set_idle(&mut self, idle: bool) {
        self.idle = Some(idle);
        self.turn_follows = false;
    }

    /// Takes the result if the turn is over.
    pub(super) fn take_if_over(&mut self) -> Option<TurnEnd> {
        let busy = self.tasks.any_live() || self.turn_follows || (self.had_tasks && self.idle == Some(false));
        if busy { None } else { self.take() }
    }

    /// Takes the result, at the end of the output.
    pub(super) fn take(&mut self) -> Option<TurnEnd> {
        self.had_tasks = false;
        self.result.take()
    }
}
