//! The cause of an exit without a result, for programs of which only the last line on stderr is known.

use crate::agent::acp::cause_from_text;
use crate::process::Exit;
use crate::types::Failure;

/// The failure that the last line of `stderr_tail` names. `None` if the exit was successful or the line names none.
pub(super) fn diagnose(exit: Exit, stderr_tail: &str) -> Option<Failure> {
    if exit.is_success() {
        return None;
    }
    let last = stderr_tail.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    cause_from_text(last).map(|cause| Failure::new(cause, last))
}
