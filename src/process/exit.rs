//! Exit status of a process.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Exit status of a process: a code or a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// It was killed by this signal.
    Signal(i32),
}

impl Exit {
    /// Whether it exited with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// The exit status of a program whose monitor exited with this status. Like a shell, bubblewrap exits with 128 plus the number of the
    /// signal that killed the program.
    pub(super) fn of_monitored(self) -> Self {
        match self {
            Self::Code(code @ 129..=192) => Self::Signal(code - 128),
            other => other,
        }
    }

    /// The exit code, unless it was killed by a signal.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal(_) => None,
        }
    }

    /// The signal that killed it.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Code(_) => None,
            Self::Signal(signal) => Some(signal),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, Some(signal)) => Self::Signal(signal),
            // `wait` returns only exited processes, which have one or the other.
            (None, None) => Self::Code(-1),
        }
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_monitor_passes_on_codes_and_signals() {
        let monitored = [0, 1, 127, 128, 137, 143, 193, 255].map(|code| Exit::Code(code).of_monitored());
        let [code, signal] = [Exit::Code as fn(i32) -> Exit, Exit::Signal];
        assert_eq!(monitored, [code(0), code(1), code(127), code(128), signal(9), signal(15), code(193), code(255)]);
        assert_eq!(Exit::Signal(9).of_monitored(), Exit::Signal(9), "the monitor itself was killed");
    }
}
