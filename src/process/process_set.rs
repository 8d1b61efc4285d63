//! Who belongs to a run: its processes, wherever they have gone.
//!
//! Agents start their tools in sessions of their own, so a process group does not hold them (recorded: `claude` and `opencode` leave
//! a running tool under pid 1). Three things are inherited and lead to them: the environment, in which each run's processes carry a
//! marker variable; the session; and the parent, which for whoever has lost its own is the next subreaper above. Where there are control
//! groups, the run's own group is a fourth.

use super::Identity;
use super::cgroup::Group;

/// How the processes of one run are known: the value of a variable in their environment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marker(String);

impl Marker {
    /// The variable that carries it. Not one of `OPENRUNNER_*`: those are settings of the server and never reach an agent.
    pub const VARIABLE: &'static str = "ORN_RUN";

    /// A marker of this value, which must be unguessable: a run's id.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The variable's value.
    pub fn value(&self) -> &str {
        &self.0
    }
}

/// The processes of one run.
#[derive(Debug)]
pub(super) struct ProcessSet {
    marker: Marker,
    /// The process that was started first.
    leader: Option<Identity>,
    /// Whatever descends from this very process belongs to it.
    ours: bool,
    /// The control group that it was started in.
    group: Option<Group>,
    /// Who was in it when it was last looked at: a child without the marker is found by its parent only, which may be gone a moment
    /// later.
    seen: Vec<Identity>,
}

impl ProcessSet {
    /// Those that carry the marker, with their descendants.
    pub(super) fn marked(marker: Marker) -> Self {
        Self { marker, leader: None, ours: false, group: None, seen: Vec::new() }
    }

    /// Those and all that descends from this process, which must be a subreaper and must have started nothing else.
    pub(super) fn below_us(leader: Identity, marker: Marker) -> Self {
        Self { leader: Some(leader), ours: true, ..Self::marked(marker) }
    }

    /// The same with all that is in this group. Whoever may write to control groups can leave it, so the other signs count as well.
    pub(super) fn within(self, group: Option<Group>) -> Self {
        Self { group, ..self }
    }

    /// Who was in it at the last look.
    pub(super) fn seen(&self) -> &[Identity] {
        &self.seen
    }

    /// The control group that it was started in.
    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Whether the kernel counts more than were seen: somebody has come since the last look.
    pub(super) fn has_newcomers(&self) -> bool {
        self.seen.is_empty() && self.group.as_ref().is_some_and(Group::is_populated)
    }

    /// Every living process that is in the group, carries the marker, belongs to the leader's session, was seen before, or descends from one of those.
    #[cfg(target_os = "linux")]
    pub(super) fn scan(&mut self) -> &[Identity] {
        use std::collections::{HashMap, HashSet};

        use super::identity::Stat;

        let own = std::process::id().cast_signed();
        let all: HashMap<i32, Stat> = pids(own).filter_map(|pid| Some((pid, Stat::of(pid)?))).collect();
        let assignment = [Marker::VARIABLE.as_bytes(), b"=", self.marker.value().as_bytes()].concat();
        // A session keeps its number while one process is left in it. If another process has the leader's number now, the session
        // was empty before, and what is in a session of that number is not ours.
        let session = self.leader.filter(|leader| all.get(&leader.pid).is_none_or(|stat| stat.started == leader.started));
        let grouped: HashSet<i32> = self.group.iter().flat_map(Group::members).collect();
        let (mut inside, mut outside): (HashSet<i32>, HashSet<i32>) = all.keys().partition(|&&pid| {
            session.is_some_and(|leader| pid == leader.pid || all[&pid].session == leader.pid)
                || (self.ours && all[&pid].parent == own)
                || self.seen.contains(&Identity { pid, started: all[&pid].started })
                || grouped.contains(&pid)
                || carries(pid, &assignment)
        });
        // Children of members that have cleared their environment; again and again, since a child may come before its parent.
        loop {
            let found: Vec<i32> = outside.iter().copied().filter(|pid| inside.contains(&all[pid].parent)).collect();
            if found.is_empty() {
                break;
            }
            for pid in found {
                outside.remove(&pid);
                inside.insert(pid);
            }
        }
        self.seen = inside.into_iter().map(|pid| Identity { pid, started: all[&pid].started }).collect();
        &self.seen
    }

    /// Without `/proc` the leader's process group is all that can be named.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn scan(&mut self) -> &[Identity] {
        use rustix::process::{Pid, test_kill_process_group};

        let is_there = |leader: &Identity| Pid::from_raw(leader.pid).is_some_and(|group| test_kill_process_group(group).is_ok());
        self.seen = self.leader.filter(is_there).into_iter().collect();
        &self.seen
    }
}

#[cfg(target_os = "linux")]
fn pids(but: i32) -> impl Iterator<Item = i32> {
    std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter(move |pid| *pid != but)
}

/// Whether the process was started with the marker. Another user's process cannot be read, and is not ours.
#[cfg(target_os = "linux")]
fn carries(pid: i32, assignment: &[u8]) -> bool {
    std::fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == assignment))
}
