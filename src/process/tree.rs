//! A process with everything that descends from it, and how all of it is ended.
//!
//! Agents start their tools in sessions of their own, so killing the process group does not reach them (recorded: `claude` and
//! `opencode` leave a running tool under pid 1). Descendants inherit the environment, so each run's processes carry a marker
//! variable and are found by it wherever they have gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

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
#[derive(Clone, Debug)]
pub struct Tree {
    leader: Option<members::Leader>,
    marker: Marker,
    /// Who was in it when it was last looked at: a child without the marker is found by its parent only, which may be gone a moment
    /// later.
    seen: Arc<Mutex<Vec<members::Member>>>,
}

/// What was left when a tree had been told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remains {
    /// Processes that could not be ended, such as one that hangs in the kernel.
    pub left: usize,
}

/// How often a tree is looked at again while it is being ended: there is no event for the end of a process that is not our child.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long KILL is repeated before what is left is declared lost. KILL cannot be ignored; only the kernel can delay it.
const KILL_FOR: Duration = Duration::from_secs(5);

impl Tree {
    pub(super) fn new(leader: i32, marker: Marker) -> Self {
        Self { leader: members::leader(leader), marker, seen: Arc::default() }
    }

    /// What an earlier server may have left of a run: only the marker is known, and only it is believed.
    pub fn left_by_earlier_server(marker: Marker) -> Self {
        Self { leader: None, marker, seen: Arc::default() }
    }

    /// Asks every process to end (TERM, and CONT for stopped ones), waits up to `grace`, then kills what is left, and what that
    /// starts meanwhile. Returns as soon as nothing is left.
    pub async fn end(&self, grace: Duration) -> Remains {
        if !grace.is_zero() {
            let members = self.look();
            signal(&members, Signal::TERM);
            signal(&members, Signal::CONT);
            let until = Instant::now() + grace;
            while Instant::now() < until {
                if self.look().is_empty() {
                    return Remains { left: 0 };
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        let until = Instant::now() + KILL_FOR;
        loop {
            let members = self.look();
            signal(&members, Signal::KILL);
            if members.is_empty() || Instant::now() >= until {
                return Remains { left: members.len() };
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// The living processes of the tree.
    fn look(&self) -> Vec<members::Member> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = members::of(&self.marker, self.leader, &seen);
        seen.clone()
    }
}

fn signal(members: &[members::Member], signal: Signal) {
    for member in members {
        member.signal(signal);
    }
}

#[cfg(target_os = "linux")]
mod members {
    //! Who belongs to a tree, by `/proc`.

    use std::collections::{HashMap, HashSet};
    use std::fs;

    use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

    use super::Marker;

    /// A process, told apart from a later one of the same number by when it started.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Member {
        pid: i32,
        started: u64,
    }

    impl Member {
        /// Sends a signal, unless the process is gone. A number alone is reused, so the handle is opened first and then compared.
        pub(super) fn signal(self, signal: Signal) -> bool {
            let Some(pid) = Pid::from_raw(self.pid) else { return false };
            let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
            match Stat::of(self.pid) {
                Some(stat) if stat.started == self.started => pidfd_send_signal(handle, signal).is_ok(),
                _ => false,
            }
        }
    }

    /// The process that was started first, told apart from a later one of the same number.
    pub(super) type Leader = Member;

    /// The process `pid` as it is now. Asked while it is a child of ours that nobody has waited for, so the number is surely its own.
    pub(super) fn leader(pid: i32) -> Option<Leader> {
        Stat::of(pid).map(|stat| Member { pid, started: stat.started })
    }

    /// Every living process that carries the marker, belongs to the leader's session, was `seen` before, or descends from one of those.
    pub(super) fn of(marker: &Marker, leader: Option<Leader>, seen: &[Member]) -> Vec<Member> {
        let all: HashMap<i32, Stat> = pids().filter_map(|pid| Some((pid, Stat::of(pid)?))).collect();
        let assignment = [Marker::VARIABLE.as_bytes(), b"=", marker.value().as_bytes()].concat();
        // A session keeps its number while one process is left in it. If another process has the leader's number now, the session
        // was empty before, and what is in a session of that number is not ours.
        let session = leader.filter(|leader| all.get(&leader.pid).is_none_or(|stat| stat.started == leader.started));
        let (mut inside, mut outside): (HashSet<i32>, HashSet<i32>) = all.keys().partition(|&&pid| {
            session.is_some_and(|leader| pid == leader.pid || all[&pid].session == leader.pid)
                || seen.contains(&Member { pid, started: all[&pid].started })
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
        inside.into_iter().map(|pid| Member { pid, started: all[&pid].started }).collect()
    }

    fn pids() -> impl Iterator<Item = i32> {
        let own = std::process::id();
        fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
            .filter(move |pid| pid.unsigned_abs() != own)
    }

    /// Whether the process was started with the marker. Another user's process cannot be read, and is not ours.
    fn carries(pid: i32, assignment: &[u8]) -> bool {
        fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environ| environ.split(|byte| *byte == 0).any(|entry| entry == assignment))
    }

    #[derive(Clone, Copy, Debug)]
    struct Stat {
        parent: i32,
        session: i32,
        started: u64,
    }

    impl Stat {
        /// The facts of a living process; a zombie is gone for our purposes.
        fn of(pid: i32) -> Option<Self> {
            Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
        }

        /// proc(5): the command stands in parentheses and may itself hold any character, so the fields count from the last one.
        fn parse(stat: &str) -> Option<Self> {
            let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
            let state = *fields.first()?;
            if matches!(state, "Z" | "X" | "x") {
                return None;
            }
            Some(Self {
                parent: fields.get(1)?.parse().ok()?,
                session: fields.get(3)?.parse().ok()?,
                started: fields.get(19)?.parse().ok()?,
            })
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_command_with_a_parenthesis_does_not_shift_the_fields() {
            let stat = Stat::parse("7 (a) b) S 3 7 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2").unwrap();
            assert_eq!((stat.parent, stat.session, stat.started), (3, 5, 987_654));
        }

        #[test]
        fn a_zombie_is_gone() {
            assert!(Stat::parse("7 (x) Z 3 7 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1 0 0").is_none());
        }

        #[test]
        fn a_foreign_process_under_a_reused_number_is_not_touched() {
            let mut sleeper = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
            let pid = sleeper.id().cast_signed();
            let started = Stat::of(pid).unwrap().started;
            assert!(!Member { pid, started: started + 1 }.signal(Signal::KILL), "another process now has the number");
            assert_eq!(sleeper.try_wait().unwrap(), None);
            assert!(Member { pid, started }.signal(Signal::KILL));
            sleeper.wait().unwrap();
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod members {
    //! Without `/proc` the session's process group is all that can be named.

    use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

    use super::Marker;

    #[derive(Clone, Copy, Debug)]
    pub(super) struct Member(Pid);

    pub(super) type Leader = Member;

    impl Member {
        pub(super) fn signal(self, signal: Signal) -> bool {
            kill_process_group(self.0, signal).is_ok()
        }
    }

    pub(super) fn leader(pid: i32) -> Option<Leader> {
        Pid::from_raw(pid).map(Member)
    }

    pub(super) fn of(_marker: &Marker, leader: Option<Leader>, _seen: &[Member]) -> Vec<Member> {
        leader.filter(|leader| test_kill_process_group(leader.0).is_ok()).into_iter().collect()
    }
}
