//! Exit codes. `docs/cli.md` and `--help` list them.

use std::process::ExitCode;

use crate::types::RunStatus;

/// How a command ended. The value of each variant is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Success; for a run, `completed`.
    Success = 0,
    /// Any error without a code of its own; for a run, `failed`.
    Failed = 1,
    /// The arguments or the request are invalid. clap uses the same code.
    Usage = 2,
    /// No server answers, or the connection was lost for good.
    Unreachable = 3,
    /// Not logged in, or not allowed.
    Denied = 4,
    /// The run, session or server does not exist.
    NotFound = 5,
    /// The command ended while the run continues.
    Detached = 6,
    /// The run was interrupted because its server stopped; retrying may help (`EX_TEMPFAIL` in sysexits.h).
    Interrupted = 75,
    /// The run timed out, as with `timeout(1)`.
    TimedOut = 124,
    /// The run was cancelled, as a shell reports a program ended by Ctrl-C.
    Cancelled = 130,
}

impl Exit {
    /// The exit code for a run with this status. A live run means that the command has detached from it.
    pub(super) fn from_status(status: RunStatus) -> Self {
        match status {
            RunStatus::Completed => Self::Success,
            RunStatus::Failed => Self::Failed,
            RunStatus::TimedOut => Self::TimedOut,
            RunStatus::Cancelled => Self::Cancelled,
            RunStatus::Interrupted => Self::Interrupted,
            RunStatus::Queued | RunStatus::Starting | RunStatus::Running | RunStatus::Waiting | RunStatus::Stopping => Self::Detached,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// The table of exit codes for `--help`. A macro, so that it can be part of a constant text.
macro_rules! exit_codes {
    () => {
        "\
Exit codes:
  0    success; for a run: completed
  1    error; for a run: failed
  2    invalid arguments or request
  3    no server answers
  4    not logged in, or not allowed
  5    no such run, session or server
  6    the command ended, the run continues
  75   the run was interrupted because its server stopped
  124  the run timed out
  130  the run was cancelled"
    };
}
pub(super) use exit_codes;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_final_status_has_its_own_exit_code() {
        let ended = RunStatus::ALL.into_iter().filter(|status| status.is_ended());
        let codes: Vec<_> = ended.map(|status| (status.as_str(), Exit::from_status(status) as u8)).collect();
        assert_eq!(codes, [("completed", 0), ("failed", 1), ("cancelled", 130), ("timed_out", 124), ("interrupted", 75)]);
        assert_eq!(Exit::from_status(RunStatus::Running), Exit::Detached);
    }
}
