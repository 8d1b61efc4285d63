//! The processes of one run, wherever they have moved.
//!
//! Agents start their tools in sessions of their own, so a process group does not contain them (recordings: `claude` and `opencode` leave
//! a running tool under pid 1). Three inherited properties lead to them: the environment, in which every process of a run has a marker
//! variable; the session; and the parent, which for an orphan is the next subreaper above it. Where control groups are available, the
//! group of the run is a fourth.

use super::cgroup::Group;
use super::{Identity, Marker};

/// The processes of one run.
#[derive(Debug)]
pub(super) struct ProcessSet {
    marker: Marker,
    /// The process that was started first.
    leader: Option<Identity>,
    /// Whether children of this process belong to the set: true in the shim.
    includes_own_children: bool,
    /// Control group of the run.
    group: Option<Group>,
    /// Members found by the last scan. A child without the marker is found through its parent only, which may be gone at the next scan.
    members: Vec<Identity>,
}

impl ProcessSet {
    /// Processes with the marker, and their descendants.
    pub(super) fn marked(marker: Marker) -> Self {
        Self { marker, leader: None, includes_own_children: false, group: None, members: Vec::new() }
    }

    /// Processes with the marker, and every descendant of this process, which must be a subreaper and must have started nothing else.
    pub(super) fn own_descendants(leader: Identity, marker: Marker) -> Self {
        Self { leader: Some(leader), includes_own_children: true, ..Self::marked(marker) }
    }

    /// The same, with all members of this control group. A process with write access to control groups can leave its group, so the other
    /// properties are used as well.
    pub(super) fn within(self, group: Option<Group>) -> Self {
        Self { group, ..self }
    }

    /// Members found by the last scan.
    pub(super) fn members(&self) -> &[Identity] {
        &self.members
    }

    /// Control group of the run.
    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Whether the group has members although the last scan found none: a process joined after the scan.
    pub(super) fn has_unseen_members(&self) -> bool {
        self.members.is_empty() && self.group.as_ref().is_some_and(Group::is_populated)
    }

    /// Finds every living process that is in the group, has the marker, belongs to the leader's session, was a member before, or descends
    /// from one of those.
    #[cfg(target_os = "linux")]
    pub(super) fn scan(&mut self) -> &[Identity] {
        use std::collections::{HashMap, HashSet};

        use super::identity::Stat;

        let own = std::process::id().cast_signed();
        let all: HashMap<i32, Stat> = pids_except(own).filter_map(|pid| Some((pid, Stat::of(pid)?))).collect();
        let assignment = [Marker::VARIABLE.as_bytes(), b"=", self.marker.value().as_bytes()].concat();
        // A session keeps its id while it has a process. If another process has the leader's pid now, the session was empty before, and
        // processes in a session of that id are not members.
        let session = self.leader.filter(|leader| all.get(&leader.pid).is_none_or(|stat| stat.started == leader.started));
        let grouped: HashSet<i32> = self.group.iter().flat_map(Group::members).collect();
        let (mut inside, mut outside): (HashSet<i32>, HashSet<i32>) = all.keys().partition(|&&pid| {
            session.is_some_and(|leader| pid == leader.pid || all[&pid].session == leader.pid)
                || (self.includes_own_children && all[&pid].parent == own)
                || self.members.contains(&Identity { pid, started: all[&pid].started })
                || grouped.contains(&pid)
                || has_marker(pid, &assignment)
        });
        // Children of members that cleared their environment. Repeated, since a child may be visited before its parent.
        loop {
            let children: Vec<i32> = outside.iter().copied().filter(|pid| inside.contains(&all[pid].parent)).collect();
            if children.is_empty() {
                break;
            }
            for pid in children {
                outside.remove(&pid);
                inside.insert(pid);
            }
        }
        self.members = inside.into_iter().map(|pid| Identity { pid, started: all[&pid].started }).collect();
        &self.members
    }

    /// Finds the process group of the leader, which is all that can be identified without `/proc`.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn scan(&mut self) -> &[Identity] {
        use rustix::process::{Pid, test_kill_process_group};

        let exists = |leader: &Identity| Pid::from_raw(leader.pid).is_some_and(|group| test_kill_process_group(group).is_ok());
        self.members = self.leader.filter(exists).into_iter().collect();
        &self.members
    }
}

#[cfg(target_os = "linux")]
fn pids_except(own: i32) -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(move |pid| *pid != own)
}

/// Whether the process was started with the marker. The environment of another user's process cannot be read, so it is not a member.
#[cfg(target_os = "linux")]
fn has_marker(pid: i32, assignment: &[u8]) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == assignment))
}
