//! The control group of one run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::process::ProcessLimits;

/// Most groups that are looked at below one: an agent that runs containers makes a handful, and one that makes thousands is not
/// to keep us busy. What is in the others is found by its marker and its parents.
const MAX_GROUPS: usize = 1024;

/// The control group of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::process) struct Group {
    path: PathBuf,
}

impl Group {
    /// The group that is at `path`, or was.
    pub(in crate::process) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the group at `path`, with these bounds. Nobody is in it yet.
    ///
    /// # Errors
    /// If it is there already, cannot be made, or one of the bounds cannot be set. Nothing is left of it then.
    pub(in crate::process) fn make(path: &Path, bounds: ProcessLimits) -> io::Result<Self> {
        let told = |error: io::Error| io::Error::new(error.kind(), format!("the control group {}: {error}", path.display()));
        fs::create_dir(path).map_err(told)?;
        let group = Self { path: path.to_owned() };
        group.bound(bounds).map_err(told).inspect_err(|_| group.remove())?;
        Ok(group)
    }

    fn bound(&self, bounds: ProcessLimits) -> io::Result<()> {
        if let Some(bytes) = bounds.memory_bytes {
            self.set("memory.max", bytes)?;
            // Else what is too much would go to the disk and not be too much. The file is not there where there is no swap.
            self.set("memory.swap.max", 0).or_else(ignore_missing)?;
            // A run that has lost one of its processes in this way is no whole run any more.
            self.set("memory.oom.group", 1).or_else(ignore_missing)?;
        }
        if let Some(count) = bounds.processes {
            self.set("pids.max", count)?;
        }
        if let Some(weight) = bounds.cpu_weight {
            self.set("cpu.weight", weight)?;
        }
        Ok(())
    }

    fn set(&self, file: &str, value: u64) -> io::Result<()> {
        put(&self.path.join(file), &value.to_string())
    }

    /// Brings the calling process into the group. What it starts from now on is in it as well.
    ///
    /// # Errors
    /// If the system does not let it.
    pub(in crate::process) fn enter(&self) -> io::Result<()> {
        put(&self.path.join("cgroup.procs"), "0")
    }

    /// Who is in it, and in groups below it. Ended processes that nobody has waited for are not.
    pub(in crate::process) fn members(&self) -> Vec<i32> {
        let lists = self.groups().into_iter().filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok());
        lists.flat_map(|list| list.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>()).collect()
    }

    /// Whether anybody is in it, as the kernel counts: also who came while the members were listed.
    pub(in crate::process) fn is_populated(&self) -> bool {
        value_of(&self.path.join("cgroup.events"), "populated").is_some_and(|populated| populated > 0)
    }

    /// Kills everybody in it at once, also those who are just being made (Linux 5.14; before that, one after the other is all there is).
    pub(in crate::process) fn kill(&self) {
        let _ = put(&self.path.join("cgroup.kill"), "1");
    }

    /// Whether the kernel has killed somebody in it for want of memory: by its own bound, or by the machine's.
    pub(in crate::process) fn ran_out_of_memory(&self) -> bool {
        value_of(&self.path.join("memory.events"), "oom_kill").is_some_and(|kills| kills > 0)
    }

    /// Removes it, with those below it. One that somebody is still in stays.
    pub(in crate::process) fn remove(&self) {
        for group in self.groups().into_iter().rev() {
            let _ = fs::remove_dir(group);
        }
    }

    /// It and the groups below it, each after the one above it.
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

/// Writes into a file that the kernel made; never makes one.
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
    use super::*;

    /// A folder that looks as the kernel's would, for controllers that a test machine need not have.
    fn imitation(files: &[(&str, &str)]) -> (tempfile::TempDir, Group) {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let group = Group::at(folder.path().to_owned());
        (folder, group)
    }

    #[test]
    fn bounds_are_written_where_the_kernel_reads_them() {
        let files = ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.weight"];
        let (folder, group) = imitation(&files.map(|name| (name, "")));
        group.bound(ProcessLimits { memory_bytes: Some(1 << 30), processes: Some(64), cpu_weight: Some(50) }).unwrap();
        let written = files.map(|name| fs::read_to_string(folder.path().join(name)).unwrap());
        assert_eq!(written, ["1073741824", "0", "1", "64", "50"]);
    }

    #[test]
    fn a_bound_that_cannot_be_set_is_no_bound_and_what_only_helps_may_be_missing() {
        let (_folder, group) = imitation(&[("memory.max", "")]);
        group.bound(ProcessLimits { memory_bytes: Some(1), ..ProcessLimits::default() }).unwrap();
        assert!(group.bound(ProcessLimits { processes: Some(1), ..ProcessLimits::default() }).is_err());
        assert!(group.bound(ProcessLimits { cpu_weight: Some(1), ..ProcessLimits::default() }).is_err());
    }

    #[test]
    fn r5_a_kill_for_want_of_memory_is_told_from_others() {
        let events = |kills: u64| format!("low 0\nhigh 0\nmax 12\noom 1\noom_kill {kills}\noom_group_kill 7\n");
        let (_folder, group) = imitation(&[("memory.events", &events(2))]);
        assert!(group.ran_out_of_memory());
        let (_folder, group) = imitation(&[("memory.events", &events(0))]);
        assert!(!group.ran_out_of_memory());
        let (_folder, group) = imitation(&[]);
        assert!(!group.ran_out_of_memory(), "without the controller nobody can tell");
    }

    #[test]
    fn who_is_in_a_group_below_is_in_it_and_a_group_is_removed_from_below() {
        let (folder, group) = imitation(&[("cgroup.procs", "7\n")]);
        fs::create_dir_all(folder.path().join("one/two")).unwrap();
        fs::write(folder.path().join("one/two/cgroup.procs"), "8\n9\n").unwrap();
        assert_eq!(group.members(), [7, 8, 9]);
        fs::remove_file(folder.path().join("one/two/cgroup.procs")).unwrap();
        group.remove();
        assert!(!folder.path().join("one").exists());
    }
}
