//! Decides the isolation level of each run: what the operator has set, what the run asks for, and what this machine can hold.

use std::path::{Path, PathBuf};

use crate::process::isolation::{Guard, View};
use crate::process::isolation_probe::Unavailable;
use crate::process::{CommandPrefix, WorkingDir};
use crate::types::{IsolationLevel, RunIsolation};

/// The isolation of a server's agents. The default isolates none.
#[derive(Clone, Debug)]
pub struct IsolationPolicy {
    /// The level of runs that do not ask for one, as far as this machine can hold it.
    wanted: IsolationLevel,
    /// Whether no run gets a lower level.
    is_required: bool,
    /// The means of level `guard`, or why it cannot be held.
    guard: Result<Guard, Unavailable>,
}

/// Why a run cannot have the isolation level that it asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadIsolation {
    /// This machine cannot hold the level.
    #[error("this server cannot hold isolation level {}: {reason}", level.as_str())]
    Unavailable {
        /// The requested level.
        level: IsolationLevel,
        /// What is missing.
        reason: String,
    },
    /// Only admins may lower the level.
    #[error("only admins may choose an isolation level below {}", .0.as_str())]
    NeedsAdmin(IsolationLevel),
    /// The operator requires a higher level.
    #[error("the operator requires isolation level {} (OPENRUNNER_ISOLATION)", .0.as_str())]
    BelowRequired(IsolationLevel),
}

impl Default for IsolationPolicy {
    fn default() -> Self {
        let guard = Err(Unavailable { reason: "it was not set up".to_owned(), remedy: String::new() });
        Self { wanted: IsolationLevel::None, is_required: false, guard }
    }
}

impl IsolationPolicy {
    /// `wanted` for every run, as far as this machine can hold it; `guard` is the result of trying it. If the level `is_required`, no run
    /// gets a lower one.
    ///
    /// # Errors
    /// If the level is required and this machine cannot hold it.
    pub fn new(wanted: IsolationLevel, is_required: bool, guard: Result<Guard, Unavailable>) -> Result<Self, Unavailable> {
        match &guard {
            Err(unavailable) if is_required && wanted == IsolationLevel::Guard => Err(unavailable.clone()),
            _ => Ok(Self { wanted, is_required, guard }),
        }
    }

    /// The isolation of runs that do not ask for a level.
    pub fn default_isolation(&self) -> RunIsolation {
        let reason = match (&self.guard, self.wanted) {
            (Err(unavailable), IsolationLevel::Guard) => Some(unavailable.reason.clone()),
            (_, IsolationLevel::None) => Some("OPENRUNNER_ISOLATION is none".to_owned()),
            (Ok(_), IsolationLevel::Guard) => None,
        };
        let level = if reason.is_some() { IsolationLevel::None } else { self.wanted };
        RunIsolation { level, reason }
    }

    /// Why the level that the operator wants is not held, if it is not.
    pub fn shortfall(&self) -> Option<&Unavailable> {
        self.guard.as_ref().err().filter(|_| self.wanted == IsolationLevel::Guard)
    }

    /// The isolation of a run that asks for `level`.
    ///
    /// # Errors
    /// [`BadIsolation`], by cause.
    pub fn check(&self, level: Option<IsolationLevel>, is_admin: bool) -> Result<RunIsolation, BadIsolation> {
        let default = self.default_isolation();
        let Some(level) = level else { return Ok(default) };
        if level < default.level && self.is_required {
            return Err(BadIsolation::BelowRequired(self.wanted));
        }
        if level < default.level && !is_admin {
            return Err(BadIsolation::NeedsAdmin(default.level));
        }
        match (level, &self.guard) {
            (IsolationLevel::Guard, Err(unavailable)) => Err(BadIsolation::Unavailable { level, reason: unavailable.reason.clone() }),
            (IsolationLevel::Guard, Ok(_)) => Ok(RunIsolation { level, reason: None }),
            (IsolationLevel::None, _) if level < default.level => {
                Ok(RunIsolation { level, reason: Some("the run asked for it".to_owned()) })
            }
            (IsolationLevel::None, _) => Ok(default),
        }
    }

    /// The isolation of a run of an agent that is part of the server's process.
    ///
    /// # Errors
    /// If the run asks for a level.
    pub(super) fn check_in_process(level: Option<IsolationLevel>) -> Result<(), BadIsolation> {
        match level {
            None | Some(IsolationLevel::None) => Ok(()),
            Some(level) => Err(BadIsolation::Unavailable { level, reason: "the agent is part of the server's process".to_owned() }),
        }
    }

    /// How a run at `level` sees the machine.
    ///
    /// # Errors
    /// If the level cannot be held now.
    pub(super) fn place(&self, level: IsolationLevel, run: &RunPlace<'_>) -> std::io::Result<Placed> {
        match (level, &self.guard) {
            (IsolationLevel::None, _) => Ok(Placed { prefix: None, temp_dir: run.temp_dir.to_owned() }),
            (IsolationLevel::Guard, Ok(guard)) => {
                let view = View { working_dir: run.working_dir.path(), temp_dir: run.temp_dir, home: run.home, program: run.program };
                Ok(Placed { prefix: Some(guard.prefix(view)?), temp_dir: guard.temp_dir().to_owned() })
            }
            (IsolationLevel::Guard, Err(unavailable)) => Err(std::io::Error::other(unavailable.clone())),
        }
    }
}

/// The paths of one run.
pub(super) struct RunPlace<'a> {
    pub(super) working_dir: &'a WorkingDir,
    /// Its directory for temporary files.
    pub(super) temp_dir: &'a Path,
    pub(super) home: &'a Path,
    pub(super) program: &'a Path,
}

/// How a run is started at its level.
pub(super) struct Placed {
    pub(super) prefix: Option<CommandPrefix>,
    /// Its directory for temporary files, as it sees it.
    pub(super) temp_dir: PathBuf,
}

#[cfg(test)]
mod tests {
    //! Rules: G2, G3.

    use super::*;

    fn missing() -> Unavailable {
        Unavailable { reason: "bwrap is missing".to_owned(), remedy: "install it".to_owned() }
    }

    #[test]
    fn a_required_level_that_cannot_be_held_is_an_error_and_a_wanted_one_is_reported() {
        assert_eq!(IsolationPolicy::new(IsolationLevel::Guard, true, Err(missing())).unwrap_err(), missing());
        let policy = IsolationPolicy::new(IsolationLevel::Guard, false, Err(missing())).unwrap();
        let reported = RunIsolation { level: IsolationLevel::None, reason: Some("bwrap is missing".to_owned()) };
        assert_eq!(policy.check(None, false), Ok(reported));
        assert_eq!(policy.shortfall(), Some(&missing()));
    }

    #[test]
    fn a_run_that_asks_for_a_level_gets_it_or_is_refused() {
        let policy = IsolationPolicy::new(IsolationLevel::None, false, Err(missing())).unwrap();
        for is_admin in [false, true] {
            let refused = policy.check(Some(IsolationLevel::Guard), is_admin).unwrap_err();
            assert!(matches!(refused, BadIsolation::Unavailable { level: IsolationLevel::Guard, .. }));
            assert!(refused.to_string().contains("bwrap is missing"));
        }
        assert_eq!(policy.check(Some(IsolationLevel::None), false), policy.check(None, false));
        assert_eq!(policy.shortfall(), None, "the operator wants none");
    }
}
