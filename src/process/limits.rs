//! What the processes of one run may use, and what holds them to it: a control group where there is one, else limits that each of
//! them inherits.

use std::io;
use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

use super::Marker;
use super::cgroup::{Group, Groups};

/// What the processes of one run may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessLimits {
    /// Memory, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processes and threads at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Share of the processors where there are not enough: 1 to 10000, and 100 is everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_weight: Option<u64>,
}

impl ProcessLimits {
    /// No bound at all.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a server can hold its runs to.
#[derive(Clone, Debug, Default)]
pub struct LimitsPolicy {
    groups: Option<Groups>,
    bounds: ProcessLimits,
    /// Nothing stops root from having more processes than its limit.
    is_root: bool,
}

/// What one run is held in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Containment {
    /// The control group that is made for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<PathBuf>,
    /// What all its processes together are held to by that group.
    #[serde(default)]
    pub together: ProcessLimits,
    /// What each of its processes is held to by inherited limits.
    #[serde(default)]
    pub each: ProcessLimits,
}

impl LimitsPolicy {
    /// Holds runs to `bounds` by groups in `groups`, and by inherited limits as far as those do not do it.
    pub fn new(groups: Option<Groups>, bounds: ProcessLimits) -> Self {
        Self { groups, bounds, is_root: rustix::process::geteuid().is_root() }
    }

    /// What a run of this marker is held in.
    pub fn containment(&self, run: &Marker) -> Containment {
        let together = self.groups.as_ref().map_or(ProcessLimits::default(), |groups| groups.holds(self.bounds));
        // `or` the other way round: what the group does not hold, each process is held to.
        let rest = |wanted: Option<u64>, held: Option<u64>| wanted.filter(|_| held.is_none());
        let each = ProcessLimits {
            memory_bytes: rest(self.bounds.memory_bytes, together.memory_bytes),
            processes: rest(self.bounds.processes, together.processes).filter(|_| !self.is_root),
            // There is no such limit of single processes.
            cpu_weight: None,
        };
        Containment { group: self.groups.as_ref().map(|groups| groups.of(run)), together, each }
    }

    /// Which of the wanted bounds no run is held to here.
    pub fn unenforceable(&self) -> ProcessLimits {
        let Containment { together, each, .. } = self.containment(&Marker::new("any"));
        let missing = |wanted: Option<u64>, one: Option<u64>, other: Option<u64>| wanted.filter(|_| one.is_none() && other.is_none());
        ProcessLimits {
            memory_bytes: missing(self.bounds.memory_bytes, together.memory_bytes, each.memory_bytes),
            processes: missing(self.bounds.processes, together.processes, each.processes),
            cpu_weight: missing(self.bounds.cpu_weight, together.cpu_weight, each.cpu_weight),
        }
    }
}

impl Containment {
    /// Makes the run's group, if it has one.
    ///
    /// # Errors
    /// If it cannot be made with its bounds.
    pub(super) fn make_group(&self) -> io::Result<Option<Group>> {
        self.group.as_deref().map(|path| Group::make(path, self.together)).transpose()
    }

    /// Puts the calling process in, and so all that it will become or start.
    ///
    /// # Errors
    /// If the system does not let it.
    pub(super) fn enter(&self) -> io::Result<()> {
        if let Some(path) = &self.group {
            let told = |error: io::Error| io::Error::new(error.kind(), format!("the control group {}: {error}", path.display()));
            Group::at(path.clone()).enter().map_err(told)?;
        }
        // What a process dumps when it crashes holds its environment, and so its secrets.
        lower(Resource::Core, 0)?;
        if let Some(bytes) = self.each.memory_bytes {
            lower(Resource::Data, bytes)?;
        }
        if let Some(count) = self.each.processes {
            lower(Resource::Nproc, count)?;
        }
        Ok(())
    }
}

/// Sets both limits of a resource, unless they are lower already.
fn lower(resource: Resource, to: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let least = |limit: Option<u64>| Some(limit.map_or(to, |limit| limit.min(to)));
    Ok(setrlimit(resource, Rlimit { current: least(now.current), maximum: least(now.maximum) })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: ProcessLimits = ProcessLimits { memory_bytes: Some(1), processes: Some(2), cpu_weight: Some(3) };

    #[test]
    fn what_no_group_holds_each_process_is_held_to_and_the_rest_is_said() {
        let mut alone = LimitsPolicy { groups: None, bounds: ALL, is_root: false };
        let containment = alone.containment(&Marker::new("run"));
        assert_eq!((containment.group, containment.together), (None, ProcessLimits::default()));
        assert_eq!(containment.each, ProcessLimits { cpu_weight: None, ..ALL });
        assert_eq!(alone.unenforceable(), ProcessLimits { cpu_weight: Some(3), ..ProcessLimits::default() });
        alone.is_root = true;
        assert_eq!(alone.containment(&Marker::new("run")).each, ProcessLimits { memory_bytes: Some(1), ..ProcessLimits::default() });
        assert_eq!(alone.unenforceable(), ProcessLimits { memory_bytes: None, ..ALL });
    }
}
