//! How a run is contained. Its resource limits are enforced by a control group where one is available, else by resource limits (rlimits)
//! that each process inherits; a command prefix isolates it.

use std::io;
use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::cgroup::{Group, Groups};
use super::isolation::FileRules;
use super::{Account, CommandPrefix, Marker, ProcessLimits};

/// How a server limits its runs.
#[derive(Clone, Debug, Default)]
pub struct LimitsPolicy {
    groups: Option<Groups>,
    limits: ProcessLimits,
    /// Root is exempt from `RLIMIT_NPROC`.
    is_root: bool,
}

/// How one run is limited and isolated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containment {
    /// Control group that is created for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PathBuf>,
    /// Limits that the control group enforces on all processes together.
    #[serde(default)]
    pub group_limits: ProcessLimits,
    /// Limits that each process inherits.
    #[serde(default)]
    pub process_limits: ProcessLimits,
    /// The program that isolates it from the server and from other runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<CommandPrefix>,
    /// The files that it may open, if no such program isolates it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<FileRules>,
    /// The account that it runs under, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<Account>,
}

impl LimitsPolicy {
    /// Enforces `limits` through control groups in `groups`, and through inherited limits as far as groups do not.
    pub fn new(groups: Option<Groups>, limits: ProcessLimits) -> Self {
        Self { groups, limits, is_root: rustix::process::geteuid().is_root() }
    }

    /// How the run with this marker is limited.
    pub fn containment(&self, run: &Marker) -> Containment {
        let group_limits = self.groups.as_ref().map_or(ProcessLimits::default(), |groups| groups.enforceable(self.limits));
        // Limits that the group does not enforce apply to each process.
        let rest = |limit: Option<u64>, enforced: Option<u64>| limit.filter(|_| enforced.is_none());
        let process_limits = ProcessLimits {
            memory_bytes: rest(self.limits.memory_bytes, group_limits.memory_bytes),
            processes: rest(self.limits.processes, group_limits.processes).filter(|_| !self.is_root),
            // No such rlimit exists.
            cpu_weight: None,
        };
        let group = self.groups.as_ref().map(|groups| groups.path_of(run));
        Containment { group, group_limits, process_limits, ..Containment::default() }
    }

    /// Where runs get their control groups, if they get any.
    pub fn groups(&self) -> Option<&Groups> {
        self.groups.as_ref()
    }

    /// Which of the wanted bounds no run is held to here.
    pub fn unenforceable(&self) -> ProcessLimits {
        let Containment { group_limits, process_limits, .. } = self.containment(&Marker::new("any"));
        let missing = |limit: Option<u64>, group: Option<u64>, process: Option<u64>| limit.filter(|_| group.is_none() && process.is_none());
        ProcessLimits {
            memory_bytes: missing(self.limits.memory_bytes, group_limits.memory_bytes, process_limits.memory_bytes),
            processes: missing(self.limits.processes, group_limits.processes, process_limits.processes),
            cpu_weight: missing(self.limits.cpu_weight, group_limits.cpu_weight, process_limits.cpu_weight),
        }
    }
}

impl Containment {
    /// Creates the control group of the run, if it has one.
    ///
    /// # Errors
    /// If the group or its limits cannot be created.
    pub(super) fn make_group(&self) -> io::Result<Option<Group>> {
        self.group.as_deref().map(|path| Group::create(path, self.group_limits)).transpose()
    }

    /// Moves the calling process into the group and applies the limits. Children inherit both.
    ///
    /// # Errors
    /// If the system refuses.
    pub(super) fn enter(&self) -> io::Result<()> {
        if let Some(path) = &self.group {
            let with_path = |error: io::Error| io::Error::new(error.kind(), format!("control group {}: {error}", path.display()));
            Group::at(path.clone()).enter().map_err(with_path)?;
        }
        // A core dump contains the environment, and with it secrets.
        lower(Resource::Core, 0)?;
        if let Some(bytes) = self.process_limits.memory_bytes {
            lower(Resource::Data, bytes)?;
        }
        if let Some(count) = self.process_limits.processes {
            lower(Resource::Nproc, count)?;
        }
        Ok(())
    }
}

/// Lowers the soft and the hard limit of a resource to `max`, unless they are lower already.
fn lower(resource: Resource, max: u64) -> io::Result<()> {
    let current = getrlimit(resource);
    let lowered = |limit: Option<u64>| Some(limit.map_or(max, |limit| limit.min(max)));
    Ok(setrlimit(resource, Rlimit { current: lowered(current.current), maximum: lowered(current.maximum) })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: ProcessLimits = ProcessLimits { memory_bytes: Some(1), processes: Some(2), cpu_weight: Some(3) };

    #[test]
    fn limits_that_no_group_enforces_apply_to_each_process_and_the_rest_is_reported() {
        let mut policy = LimitsPolicy { groups: None, limits: ALL, is_root: false };
        let containment = policy.containment(&Marker::new("run"));
        assert_eq!((containment.group, containment.group_limits), (None, ProcessLimits::default()));
        assert_eq!(containment.process_limits, ProcessLimits { cpu_weight: None, ..ALL });
        assert_eq!(policy.unenforceable(), ProcessLimits { cpu_weight: Some(3), ..ProcessLimits::default() });
        policy.is_root = true;
        assert_eq!(
            policy.containment(&Marker::new("run")).process_limits,
            ProcessLimits { memory_bytes: Some(1), ..ProcessLimits::default() }
        );
        assert_eq!(policy.unenforceable(), ProcessLimits { memory_bytes: None, ..ALL });
    }
}
