//! Finds the control group in which the server can create groups.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::group::{Group, put};
use crate::process::{Marker, ProcessLimits};

/// Name of the group into which the server moves if it has to leave its own: the kernel distributes memory and CPU among groups, never
/// between a group and processes beside it. The documented systemd unit uses the same name.
const SERVER_GROUP: &str = "server";

/// The control group in which the groups of runs are created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    dir: PathBuf,
    memory: bool,
    pids: bool,
    cpu: bool,
}

/// A configured directory in which no control groups can be created.
#[derive(Debug, thiserror::Error)]
#[error("{dir}: {problem}")]
pub struct CgroupError {
    dir: PathBuf,
    problem: String,
}

impl Groups {
    /// The group that was delegated to this server, if any: by systemd (`Delegate=yes`), or because the server's own group is the topmost
    /// visible one, as in a container. A group that another program manages is never touched.
    ///
    /// If systemd delegated the group that the server is in, the server moves into a group below it.
    pub fn delegated() -> Option<Self> {
        let own = Own::find()?;
        let above = own.group.parent().filter(|above| *above != own.mount && is_delegated(above));
        if is_delegated(&own.group) {
            Self::below_own(&own)
        } else if let Some(above) = above {
            Self::in_dir(above, &own)
        } else if own.group == own.mount {
            Self::in_dir(&own.group, &own)
        } else {
            None
        }
    }

    /// The group at this path, as configured.
    ///
    /// # Errors
    /// If it is no control group, or no groups can be created in it.
    pub fn at(dir: &Path) -> Result<Self, CgroupError> {
        let bad = |problem: &str| CgroupError { dir: dir.to_owned(), problem: problem.to_owned() };
        if !dir.join("cgroup.controllers").exists() {
            return Err(bad("not a cgroups v2 group; groups are usually below /sys/fs/cgroup"));
        }
        let own = Own::find().ok_or_else(|| bad("cannot determine the control group of the server"))?;
        let found = if own.group == dir { Self::below_own(&own) } else { Self::in_dir(dir, &own) };
        found.ok_or_else(|| bad("cannot create groups or move processes there; the group must belong to the account of the server"))
    }

    /// Moves this process into a subgroup first, because processes are not allowed beside groups.
    fn below_own(own: &Own) -> Option<Self> {
        let subgroup = own.group.join(SERVER_GROUP);
        if let Err(error) = fs::create_dir(&subgroup)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return None;
        }
        Group::at(subgroup).enter().ok()?;
        Self::in_dir(&own.group, own)
    }

    /// The group, if processes of the server can be moved into its subgroups. `own` is where they come from.
    fn in_dir(dir: &Path, own: &Own) -> Option<Self> {
        // Moving a process requires write access to the process list of the common ancestor.
        let above_both = dir.ancestors().find(|above| own.group.starts_with(above))?;
        let may_write = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
        let probe = dir.join(format!("openrunner-probe-{}", std::process::id()));
        fs::create_dir(&probe).ok()?;
        let is_usable = may_write(&above_both.join("cgroup.procs")) && may_write(&probe.join("cgroup.kill"));
        let _ = fs::remove_dir(probe);
        is_usable.then(|| Self::with_controllers(dir))
    }

    /// Enables every available controller. A controller that cannot be enabled, because processes are in the group itself, means one limit
    /// less.
    fn with_controllers(dir: &Path) -> Self {
        let list = dir.join("cgroup.subtree_control");
        for controller in ["+memory", "+pids", "+cpu"] {
            let _ = put(&list, controller);
        }
        let enabled = fs::read_to_string(list).unwrap_or_default();
        let has = |name: &str| enabled.split_whitespace().any(|controller| controller == name);
        Self { dir: dir.to_owned(), memory: has("memory"), pids: has("pids"), cpu: has("cpu") }
    }

    /// Path of the group.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Path of the group of a run.
    pub(in crate::process) fn path_of(&self, run: &Marker) -> PathBuf {
        self.dir.join(run.value())
    }

    /// The limits that its subgroups can enforce.
    pub(in crate::process) fn enforceable(&self, limits: ProcessLimits) -> ProcessLimits {
        ProcessLimits {
            memory_bytes: limits.memory_bytes.filter(|_| self.memory),
            processes: limits.processes.filter(|_| self.pids),
            cpu_weight: limits.cpu_weight.filter(|_| self.cpu),
        }
    }
}

/// The group of this process.
#[derive(Debug, PartialEq, Eq)]
struct Own {
    /// Where cgroups v2 are mounted.
    mount: PathBuf,
    group: PathBuf,
}

impl Own {
    fn find() -> Option<Self> {
        let own = Self::from(&fs::read_to_string("/proc/self/cgroup").ok()?, &fs::read_to_string("/proc/self/mounts").ok()?)?;
        // The mount may show another part of the hierarchy than the one in `/proc/self/cgroup`.
        let members = fs::read_to_string(own.group.join("cgroup.procs")).ok()?;
        let pid = std::process::id().to_string();
        members.lines().any(|line| line == pid).then_some(own)
    }

    /// Parses `/proc/self/cgroup` (cgroups(7): the line of version 2 starts with `0::`) and `/proc/self/mounts` (fstab(5)).
    fn from(groups: &str, mounts: &str) -> Option<Self> {
        let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
        let mount = mounts.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(1);
            let (dir, kind) = (fields.next()?, fields.next()?);
            // A blank in a path is escaped; control groups are not mounted at such a path in practice.
            (kind == "cgroup2" && !dir.contains('\\')).then(|| PathBuf::from(dir))
        })?;
        // A group above the visible root starts with `..`.
        let below = path.strip_prefix('/').filter(|path| !path.split('/').any(|part| part == ".."))?;
        let group = if below.is_empty() { mount.clone() } else { mount.join(below) };
        Some(Self { mount, group })
    }
}

/// Whether systemd marked the group as delegated. The attributes are named in systemd.resource-control(5) under `Delegate=`.
#[cfg(target_os = "linux")]
fn is_delegated(group: &Path) -> bool {
    let has_flag = |name: &str| {
        let mut value = [0; 8];
        rustix::fs::getxattr(group, name, &mut value[..]).is_ok_and(|length| value[..length] == *b"1")
    };
    has_flag("user.delegate") || has_flag("trusted.delegate")
}

/// Systems without systemd.
#[cfg(not(target_os = "linux"))]
fn is_delegated(_group: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_this_process_is_found_beside_version_1_groups() {
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
    fn a_directory_that_is_no_control_group_is_rejected_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let error = Groups::at(dir.path()).unwrap_err().to_string();
        assert!(error.contains(dir.path().to_str().unwrap()) && error.contains("/sys/fs/cgroup"), "{error}");
    }

    #[test]
    fn a_limit_is_enforceable_only_with_its_controller() {
        let dir = tempfile::tempdir().unwrap();
        // The kernel accepts the controllers that are written, and reports those that it enabled.
        std::os::unix::fs::symlink("/dev/null", dir.path().join("cgroup.subtree_control")).unwrap();
        let limits = ProcessLimits { memory_bytes: Some(1), processes: Some(2), cpu_weight: Some(3) };
        let without = Groups::with_controllers(dir.path());
        assert_eq!(without.enforceable(limits), ProcessLimits::default());
        let with = Groups { memory: true, cpu: true, ..without };
        assert_eq!(with.enforceable(limits), ProcessLimits { processes: None, ..limits });
    }
}
