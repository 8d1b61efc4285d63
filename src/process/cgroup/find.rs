//! Finds the folder in which this server may make control groups.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::group::{Group, put};
use crate::process::{Marker, ProcessLimits};

/// The group into which the server moves if it has to leave the folder itself: the kernel divides memory and processors only among
/// groups, never between a group and processes beside it. The name that the systemd unit of our documents gives it as well.
const OWN_LEAF: &str = "server";

/// Where the runs of this server get their control groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    folder: PathBuf,
    memory: bool,
    pids: bool,
    cpu: bool,
}

/// A folder that the operator has named and in which no control groups can be made.
#[derive(Debug, thiserror::Error)]
#[error("{folder}: {problem}")]
pub struct CgroupError {
    folder: PathBuf,
    problem: String,
}

impl Groups {
    /// The folder that was handed to this server, if one was: by systemd (`Delegate=yes`), or because the server's own group is the
    /// uppermost that it can see, as in a container. A group that somebody else manages is never touched.
    ///
    /// Where systemd has handed over the very group that the server is in, the server moves into a group below it.
    pub fn delegated() -> Option<Self> {
        let own = Own::find()?;
        let above = own.group.parent().filter(|above| *above != own.mount && is_delegated(above));
        if is_delegated(&own.group) {
            Self::below_own(&own)
        } else if let Some(above) = above {
            Self::in_folder(above, &own)
        } else if own.group == own.mount {
            Self::in_folder(&own.group, &own)
        } else {
            None
        }
    }

    /// The folder that the operator has named.
    ///
    /// # Errors
    /// If it is no control group, or no groups can be made in it.
    pub fn named(folder: &Path) -> Result<Self, CgroupError> {
        let bad = |problem: &str| CgroupError { folder: folder.to_owned(), problem: problem.to_owned() };
        if !folder.join("cgroup.controllers").exists() {
            return Err(bad("this is no control group of version 2; they are mostly below /sys/fs/cgroup"));
        }
        let own = Own::find().ok_or_else(|| bad("the server's own control group cannot be found, so nothing can be moved from it"))?;
        let found = if own.group == folder { Self::below_own(&own) } else { Self::in_folder(folder, &own) };
        found.ok_or_else(|| bad("no groups can be made there, or no process can be moved there; it must belong to the server's account"))
    }

    /// Moves this process out of the way first: its own group is to be divided.
    fn below_own(own: &Own) -> Option<Self> {
        let leaf = own.group.join(OWN_LEAF);
        if let Err(error) = fs::create_dir(&leaf)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return None;
        }
        Group::at(leaf).enter().ok()?;
        Self::in_folder(&own.group, own)
    }

    /// The folder, if processes of ours can be moved into groups in it. `own` is where they come from.
    fn in_folder(folder: &Path, own: &Own) -> Option<Self> {
        // A process is moved only by who may write to the list of the group above both ends.
        let above_both = folder.ancestors().find(|above| own.group.starts_with(above))?;
        let may_write = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
        let trial = folder.join(format!("openrunner-trial-{}", std::process::id()));
        fs::create_dir(&trial).ok()?;
        let can = may_write(&above_both.join("cgroup.procs")) && may_write(&trial.join("cgroup.kill"));
        let _ = fs::remove_dir(trial);
        can.then(|| Self::with_controllers(folder))
    }

    /// Passes on every controller that there is. Each that cannot be, since processes are in the folder itself, is one bound fewer.
    fn with_controllers(folder: &Path) -> Self {
        let list = folder.join("cgroup.subtree_control");
        for controller in ["+memory", "+pids", "+cpu"] {
            let _ = put(&list, controller);
        }
        let passed_on = fs::read_to_string(list).unwrap_or_default();
        let has = |name: &str| passed_on.split_whitespace().any(|controller| controller == name);
        Self { folder: folder.to_owned(), memory: has("memory"), pids: has("pids"), cpu: has("cpu") }
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the group of a run is to be.
    pub(in crate::process) fn of(&self, run: &Marker) -> PathBuf {
        self.folder.join(run.value())
    }

    /// Those of the bounds that a group in it can hold its processes to.
    pub(in crate::process) fn enforceable(&self, bounds: ProcessLimits) -> ProcessLimits {
        ProcessLimits {
            memory_bytes: bounds.memory_bytes.filter(|_| self.memory),
            processes: bounds.processes.filter(|_| self.pids),
            cpu_weight: bounds.cpu_weight.filter(|_| self.cpu),
        }
    }
}

/// Where this process is now.
#[derive(Debug, PartialEq, Eq)]
struct Own {
    /// Where groups are shown.
    mount: PathBuf,
    group: PathBuf,
}

impl Own {
    fn find() -> Option<Self> {
        let own = Self::from(&fs::read_to_string("/proc/self/cgroup").ok()?, &fs::read_to_string("/proc/self/mounts").ok()?)?;
        // What is mounted there may be another part of the tree than the one whose names we were told.
        let members = fs::read_to_string(own.group.join("cgroup.procs")).ok()?;
        let pid = std::process::id().to_string();
        members.lines().any(|line| line == pid).then_some(own)
    }

    /// From `/proc/self/cgroup` (cgroups(7): the line of version 2 begins with `0::`) and `/proc/self/mounts` (fstab(5)).
    fn from(groups: &str, mounts: &str) -> Option<Self> {
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let mount = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (folder, kind) = (fields.next()?, fields.next()?);
            // A blank in a name is written as its number; nobody mounts control groups at such a place.
            (kind == "cgroup2" && !folder.contains('\\')).then(|| PathBuf::from(folder))
        })?;
        // One that is above what we can see begins with `..`.
        let below = path.strip_prefix('/').filter(|path| !path.split('/').any(|part| part == ".."))?;
        let group = if below.is_empty() { mount.clone() } else { mount.join(below) };
        Some(Self { mount, group })
    }
}

/// Whether systemd says that it has handed this group over: systemd.resource-control(5) names the attributes under `Delegate=`.
#[cfg(target_os = "linux")]
fn is_delegated(group: &Path) -> bool {
    let says_so = |name: &str| {
        let mut value = [0; 8];
        rustix::fs::getxattr(group, name, &mut value[..]).is_ok_and(|length| value[..length] == *b"1")
    };
    says_so("user.delegate") || says_so("trusted.delegate")
}

/// There is no systemd here.
#[cfg(not(target_os = "linux"))]
fn is_delegated(_group: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_is_found_also_beside_groups_of_version_1() {
        let hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        let unified = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nsdelegate 0 0\n";
        let cases = [
            ("1:cpu:/x\n0::/\n", hybrid, Some(("/sys/fs/cgroup/unified", "/sys/fs/cgroup/unified"))),
            ("0::/a.slice/b.service\n", unified, Some(("/sys/fs/cgroup", "/sys/fs/cgroup/a.slice/b.service"))),
            ("0::/../b.service\n", unified, None),
            ("1:cpu:/x\n", hybrid, None),
            ("0::/\n", "proc /proc proc rw 0 0\n", None),
        ];
        for (groups, mounts, expected) in cases {
            let expected = expected.map(|(mount, group)| Own { mount: mount.into(), group: group.into() });
            assert_eq!(Own::from(groups, mounts), expected, "{groups}");
        }
    }

    #[test]
    fn what_is_no_control_group_is_refused_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = Groups::named(folder.path()).unwrap_err().to_string();
        assert!(error.contains(folder.path().to_str().unwrap()) && error.contains("/sys/fs/cgroup"), "{error}");
    }

    #[test]
    fn a_bound_is_held_only_where_its_controller_is() {
        let folder = tempfile::tempdir().unwrap();
        // The kernel would take the words that are written into it, and give back those that it could do.
        std::os::unix::fs::symlink("/dev/null", folder.path().join("cgroup.subtree_control")).unwrap();
        let wanted = ProcessLimits { memory_bytes: Some(1), processes: Some(2), cpu_weight: Some(3) };
        let none = Groups::with_controllers(folder.path());
        assert_eq!(none.enforceable(wanted), ProcessLimits::default());
        let some = Groups { memory: true, cpu: true, ..none };
        assert_eq!(some.enforceable(wanted), ProcessLimits { processes: None, ..wanted });
    }
}
