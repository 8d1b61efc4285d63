//! The processes of one run, wherever they have moved.
//!
//! Agents start their tools in sessions of their own, so a process group does not contain them (recordings: `claude` and `opencode` leave
//! a running tool under pid 1). Three inherited properties lead to them: the environment, in which every process of a run has a marker
//! variable; the session; and the parent, which for an orphan is the next subreaper above it. Where control groups are available, the
//! group of the run is a fourth.

use super::cgroup::Group;
use super::process_table::ProcessTable;
use super::{Identity, Marker};

/// The processes of one run.
#[derive(Debug)]
pub(super) struct ProcessSet {
    marker: Marker,
    /// The process that was started first.
    leader: Option<Identity>,
    /// Whether the leader only waits for the agent, and passes its exit status on: bubblewrap.
    leader_is_monitor: bool,
    /// Whether children of this process belong to the set: true in the shim.
    includes_own_children: bool,
    /// Control group of the run.
    group: Option<Group>,
    /// Members found by the last update. A child without the marker is found through its parent only, which may be gone at the next one.
    members: Vec<Identity>,
}

impl ProcessSet {
    /// Processes with the marker, and their descendants.
    pub(super) fn marked(marker: Marker) -> Self {
        Self { marker, leader: None, leader_is_monitor: false, includes_own_children: false, group: None, members: Vec::new() }
    }

    /// Processes with the marker, and every descendant of this process, which must be a subreaper and must have started nothing else.
    pub(super) fn own_descendants(leader: Identity, marker: Marker) -> Self {
        Self { leader: Some(leader), includes_own_children: true, ..Self::marked(marker) }
    }

    /// The same, with a leader that waits for the agent. It ends when the agent ends, and if it ended first, the agent would be killed.
    pub(super) fn led_by_monitor(self, is_monitor: bool) -> Self {
        Self { leader_is_monitor: is_monitor, ..self }
    }

    /// The same, with all members of this control group. A process with write access to control groups can leave its group, so the other
    /// properties are used as well.
    pub(super) fn within(self, group: Option<Group>) -> Self {
        Self { group, ..self }
    }

    /// Members found by the last update.
    pub(super) fn members(&self) -> &[Identity] {
        &self.members
    }

    /// Members that are to end by themselves if they are asked to: all except a monitor.
    pub(super) fn working_members(&self) -> impl Iterator<Item = Identity> {
        let monitor = self.leader.filter(|_| self.leader_is_monitor);
        self.members.iter().copied().filter(move |member| Some(*member) != monitor)
    }

    /// Control group of the run.
    pub(super) fn group(&self) -> Option<&Group> {
        self.group.as_ref()
    }

    /// Whether the group has members although the last update found none: a process joined after it.
    pub(super) fn has_unseen_members(&self) -> bool {
        self.members.is_empty() && self.group.as_ref().is_some_and(Group::is_populated)
    }

    /// Finds every living process that is in the group, has the marker, belongs to the leader's session, was a member before, or descends
    /// from one of those.
    #[cfg(target_os = "linux")]
    pub(super) fn update(&mut self, table: &ProcessTable) -> &[Identity] {
        use std::collections::HashSet;

        let is_alive = |member: &Identity| table.stats.get(&member.pid).is_some_and(|stat| stat.started == member.started);
        // A session keeps its id while it has a process. If another process has the leader's pid now, the session was empty before, and
        // processes in a session of that id are not members.
        let session = self.leader.filter(|leader| table.stats.get(&leader.pid).is_none_or(|stat| stat.started == leader.started));
        let own = std::process::id().cast_signed();
        let marked = table.marked.get(self.marker.value().as_bytes()).into_iter().flatten();
        let in_session = session.and_then(|leader| table.sessions.get(&leader.pid)).into_iter().flatten();
        let children = table.children.get(&own).filter(|_| self.includes_own_children).into_iter().flatten();
        let mut found: Vec<i32> = marked.chain(in_session).chain(children).copied().collect();
        found.extend(session.map(|leader| leader.pid));
        found.extend(self.members.iter().filter(|member| is_alive(member)).map(|member| member.pid));
        found.extend(self.group.iter().flat_map(Group::members));
        // And the children of members, which may have cleared their environment.
        let mut inside = HashSet::new();
        while let Some(pid) = found.pop() {
            if table.stats.contains_key(&pid) && inside.insert(pid) {
                found.extend(table.children.get(&pid).into_iter().flatten());
            }
        }
        self.members = inside.into_iter().map(|pid| Identity { pid, started: table.stats[&pid].started }).collect();
        &self.members
    }

    /// Finds the process group of the leader, which is all that can be identified without `/proc`.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn update(&mut self, _table: &ProcessTable) -> &[Identity] {
        use rustix::process::{Pid, test_kill_process_group};

        let exists = |leader: &Identity| Pid::from_raw(leader.pid).is_some_and(|group| test_kill_process_group(group).is_ok());
        self.members = self.leader.filter(exists).into_iter().collect();
        &self.members
    }
}
