//! The control group of one run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::process::ProcessLimits;

/// Maximum number of subgroups that are visited. An agent that runs containers creates a handful; one that creates thousands must not keep
/// the server busy. Processes in further ones are found by marker and parent.
const MAX_GROUPS: usize = 1024;

/// The control group of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::process) struct Group {
    path: PathBuf,
}

impl Group {
    /// The group at `path`, which may no longer exist.
    pub(in crate::process) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Creates an empty group with these limits.
    ///
    /// # Errors
    /// If it exists, cannot be created, or one of the limits cannot be set. The group is then removed.
    pub(in crate::process) fn create(path: &Path, limits: ProcessLimits) -> io::Result<Self> {
        let with_path = |error: io::Error| io::Error::new(error.kind(), format!("control group {}: {error}", path.display()));
        fs::create_dir(path).map_err(with_path)?;
        let group = Self { path: path.to_owned() };
        group.apply(limits).map_err(with_path).inspect_err(|_| group.remove())?;
        Ok(group)
    }

    fn apply(&self, limits: ProcessLimits) -> io::Result<()> {
        if let Some(bytes) = limits.memory_bytes {
            self.set("memory.max", bytes)?;
            // Otherwise the excess would be swapped out and not be limited. The file does not exist without swap.
            self.set("memory.swap.max", 0).or_else(ignore_missing)?;
            // A run that lost one of its processes for lack of memory cannot be relied on.
            self.set("memory.oom.group", 1).or_else(ignore_missing)?;
        }
        if let Some(count) = limits.processes {
            self.set("pids.max", count)?;
        }
        if let Some(weight) = limits.cpu_weight {
            self.set("cpu.weight", weight)?;
        }
        Ok(())
    }

    fn set(&self, file: &str, value: u64) -> io::Result<()> {
        put(&self.path.join(file), &value.to_string())
    }

    /// Moves the calling process into the group. Its children are created in the group as well.
    ///
    /// # Errors
    /// If the system refuses.
    pub(in crate::process) fn enter(&self) -> io::Result<()> {
        put(&self.path.join("cgroup.procs"), "0")
    }

    /// Processes in the group and its subgroups, except zombies.
    pub(in crate::process) fn members(&self) -> Vec<i32> {
        let lists = self.groups().into_iter().filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok());
        lists.flat_map(|list| list.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>()).collect()
    }

    /// Whether the group has processes, as counted by the kernel: including those that joined while the members were listed.
    pub(in crate::process) fn is_populated(&self) -> bool {
        value_of(&self.path.join("cgroup.events"), "populated").is_some_and(|populated| populated > 0)
    }

    /// Kills all members atomically, including those that are just being created (Linux 5.14; earlier kernels do not support it).
    pub(in crate::process) fn kill(&self) {
        let _ = put(&self.path.join("cgroup.kill"), "1");
    }

    /// Whether the kernel killed a member for lack of memory: because of the limit of the group, or of the machine.
    pub(in crate::process) fn ran_out_of_memory(&self) -> bool {
        value_of(&self.path.join("memory.events"), "oom_kill").is_some_and(|kills| kills > 0)
    }

    /// Removes the group and its subgroups, except those with processes.
    pub(in crate::process) fn remove(&self) {
        for group in self.groups().into_iter().rev() {
            let _ = fs::remove_dir(group);
        }
    }

    /// The group and its subgroups, each after its parent.
    fn groups(&self) -> Vec<PathBuf> {
        let mut all = vec![self.path.clone()];
        let mut next = 0;
        while let Some(group) = all.get(next).cloned() {
            next += 1;
            let below = fs::read_dir(group).into_iter().flatten().filter_map(Result::ok);
            all.extend(below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|entry| entry.path()));
            all.truncate(MAX_GROUPS);
        }
        all
    }
}

/// Writes into an existing file of the kernel.
pub(super) fn put(path: &Path, text: &str) -> io::Result<()> {
    use std::io::Write;

    fs::OpenOptions::new().write(true).open(path)?.write_all(text.as_bytes())
}

fn ignore_missing(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The number after this name in a file of lines `name number`.
fn value_of(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    //! Rules: R5.

    use super::*;

    /// A directory like the kernel's, for controllers that a test machine may not have.
    fn fake_group(files: &[(&str, &str)]) -> (tempfile::TempDir, Group) {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        let group = Group::at(dir.path().to_owned());
        (dir, group)
    }

    #[test]
    fn limits_are_written_to_the_files_of_the_kernel() {
        let files = ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.weight"];
        let (dir, group) = fake_group(&files.map(|name| (name, "")));
        group.apply(ProcessLimits { memory_bytes: Some(1 << 30), processes: Some(64), cpu_weight: Some(50) }).unwrap();
        let written = files.map(|name| fs::read_to_string(dir.path().join(name)).unwrap());
        assert_eq!(written, ["1073741824", "0", "1", "64", "50"]);
    }

    #[test]
    fn a_limit_that_cannot_be_set_is_an_error_and_optional_files_may_be_missing() {
        let (_folder, group) = fake_group(&[("memory.max", "")]);
        group.apply(ProcessLimits { memory_bytes: Some(1), ..ProcessLimits::default() }).unwrap();
        assert!(group.apply(ProcessLimits { processes: Some(1), ..ProcessLimits::default() }).is_err());
        assert!(group.apply(ProcessLimits { cpu_weight: Some(1), ..ProcessLimits::default() }).is_err());
    }

    #[test]
    fn a_kill_for_lack_of_memory_is_distinguished_from_others() {
        let events = |kills: u64| format!("low 0\nhigh 0\nmax 12\noom 1\noom_kill {kills}\noom_group_kill 7\n");
        let (_folder, group) = fake_group(&[("memory.events", &events(2))]);
        assert!(group.ran_out_of_memory());
        let (_folder, group) = fake_group(&[("memory.events", &events(0))]);
        assert!(!group.ran_out_of_memory());
        let (_folder, group) = fake_group(&[]);
        assert!(!group.ran_out_of_memory(), "unknown without the controller");
    }

    #[test]
    fn members_of_subgroups_count_and_subgroups_are_removed_first() {
        let (dir, group) = fake_group(&[("cgroup.procs", "7\n")]);
        fs::create_dir_all(dir.path().join("one/two")).unwrap();
        fs::write(dir.path().join("one/two/cgroup.procs"), "8\n9\n").unwrap();
        assert_eq!(group.members(), [7, 8, 9]);
        fs::remove_file(dir.path().join("one/two/cgroup.procs")).unwrap();
        group.remove();
        assert!(!dir.path().join("one").exists());
    }
}
