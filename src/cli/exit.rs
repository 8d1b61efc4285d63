//! How a command ends, as a number that scripts can rely on. `docs/cli.md` lists the numbers.

use std::io;
use std::process::ExitCode;

use super::client::ClientError;
use crate::types::RunStatus;

/// How a command ended. The value of each variant is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done; of a run: `completed`.
    Done = 0,
    /// Something went wrong that has no number of its own; of a run: `failed`.
    Failed = 1,
    /// What was typed, or what was asked of the server, cannot be done as it stands. clap ends with the same number.
    Usage = 2,
    /// No server answers, or the connection to it was lost for good.
    Unreachable = 3,
    /// Not logged in, or not allowed.
    Denied = 4,
    /// There is no such run, session or server.
    NotFound = 5,
    /// The command was left while its run goes on.
    Left = 6,
    /// The run was interrupted, since its server went away: trying again may help (`EX_TEMPFAIL` of sysexits.h).
    Interrupted = 75,
    /// The run ran out of time: what `timeout(1)` gives.
    TimedOut = 124,
    /// The run was cancelled: what a shell gives for a program that died of Ctrl-C.
    Cancelled = 130,
}

impl Exit {
    /// How a command ends whose run has ended so. A run that has not ended was left.
    pub(super) fn of(status: RunStatus) -> Self {
        match status {
            RunStatus::Completed => Self::Done,
            RunStatus::Failed => Self::Failed,
            RunStatus::TimedOut => Self::TimedOut,
            RunStatus::Cancelled => Self::Cancelled,
            RunStatus::Interrupted => Self::Interrupted,
            RunStatus::Queued | RunStatus::Starting | RunStatus::Running | RunStatus::Waiting | RunStatus::Stopping => Self::Left,
        }
    }

    /// How a command ends that met this error.
    pub(super) fn of_error(error: &anyhow::Error) -> Self {
        for cause in error.chain() {
            if let Some(error) = cause.downcast_ref::<ClientError>() {
                return error.exit();
            }
            if let Some(Stop { exit, .. }) = cause.downcast_ref::<Stop>() {
                return *exit;
            }
        }
        Self::Failed
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A reason to end that a person is told, with the exit code that goes with it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Stop {
    exit: Exit,
    message: String,
}

impl Stop {
    /// What was typed cannot be done: the message says what to type instead.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into() }
    }

    /// What was named is not there.
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self { exit: Exit::NotFound, message: message.into() }
    }

    /// Nobody is logged in.
    pub(super) fn denied(message: impl Into<String>) -> Self {
        Self { exit: Exit::Denied, message: message.into() }
    }
}

/// Whether an error only says that whoever read our output has seen enough, as in `openrunner ls | head`.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_of_a_run_has_a_number_of_its_own() {
        let ended = RunStatus::ALL.into_iter().filter(|status| status.is_ended());
        let codes: Vec<_> = ended.map(|status| (status.as_str(), Exit::of(status) as u8)).collect();
        assert_eq!(codes, [("completed", 0), ("failed", 1), ("cancelled", 130), ("timed_out", 124), ("interrupted", 75)]);
        assert_eq!(Exit::of(RunStatus::Running), Exit::Left);
    }

    #[test]
    fn an_error_keeps_its_number_under_what_is_said_about_it() {
        let error = anyhow::Error::new(Stop::denied("no")).context("while asking");
        assert_eq!(Exit::of_error(&error), Exit::Denied);
        assert_eq!(Exit::of_error(&anyhow::anyhow!("anything")), Exit::Failed);
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_errors() {
        let error = |kind| anyhow::Error::new(io::Error::from(kind)).context("cannot write");
        assert!(is_closed_pipe(&error(io::ErrorKind::BrokenPipe)));
        assert!(!is_closed_pipe(&error(io::ErrorKind::StorageFull)));
    }
}
