//! Access to the system's processes.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, pidfd_open};

/// Time limit for a process that must exit immediately. It is waited for on a dedicated thread, which would otherwise outlast a failed
/// test.
const LIMIT: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// A watched process.
#[derive(Debug)]
pub(crate) struct Pid {
    handle: OwnedFd,
}

impl Pid {
    /// Opens a living process.
    pub(crate) fn watch(number: i32) -> Self {
        let pid = rustix::process::Pid::from_raw(number).expect("a process has a pid");
        Self { handle: pidfd_open(pid, PidfdFlags::empty()).expect("the process is alive") }
    }

    /// Waits for its exit.
    pub(crate) async fn gone(self) {
        let waiting = tokio::task::spawn_blocking(move || poll(&mut [PollFd::new(&self.handle, PollFlags::IN)], Some(&LIMIT)));
        let ended = waiting.await.expect("no panic").expect("a process can be waited for");
        assert_eq!(ended, 1, "the process is still alive");
    }
}

/// The living processes of the agent of this run: those with its marker. Those of bubblewrap, which wait for the agent, count only if none
/// else is left.
pub(crate) fn carrying(run: &str) -> Vec<i32> {
    let all = marked(run);
    let of_agent: Vec<i32> = all.iter().copied().filter(|pid| name_of(*pid) != "bwrap").collect();
    if of_agent.is_empty() { all } else { of_agent }
}

/// The numbers outside of these processes of the run, which may see themselves in a pid namespace of their own.
pub(crate) fn outside(run: &str, numbers: &[i32]) -> Vec<i32> {
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let own = carrying(run).first().and_then(|pid| namespace(*pid)).expect("the run has an agent");
    let members: Vec<i32> = all_pids().filter(|pid| namespace(*pid).as_ref() == Some(&own)).collect();
    let inside = |pid: i32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:").map(str::to_owned));
        numbers.and_then(|numbers| numbers.split_whitespace().last()?.parse::<i32>().ok())
    };
    let outside = |number: &i32| members.iter().copied().find(|pid| inside(*pid) == Some(*number)).expect("the process is alive");
    numbers.iter().map(outside).collect()
}

fn all_pids() -> impl Iterator<Item = i32> {
    fs::read_dir("/proc").expect("Linux").filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
}

fn name_of(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// The living processes with the marker of this run.
fn marked(run: &str) -> Vec<i32> {
    let marker = format!("ORN_RUN={run}");
    let carries = |pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes())
    };
    all_pids().filter(carries).filter(|pid| is_alive(*pid)).collect()
}

/// Whether the process exists and is not a zombie.
pub(crate) fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next()).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// The shim of this run: the parent of the only process of the run whose parent does not belong to the run.
pub(crate) fn shim_of(run: &str) -> rustix::process::Pid {
    let members = marked(run);
    let shim = members.iter().map(|pid| parent_of(*pid)).find(|parent| !members.contains(parent) && *parent > 1);
    shim.and_then(rustix::process::Pid::from_raw).expect("the run has an agent")
}

fn parent_of(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}

/// The living shims with process directories below this directory.
pub(super) fn shims_in(runs: &std::path::Path) -> Vec<rustix::process::Pid> {
    let directories: Vec<String> = fs::read_dir(runs).into_iter().flatten().flatten().map(|run| run.path().display().to_string()).collect();
    let keeps = |pid: &i32| {
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        command.split(|byte| *byte == 0).any(|word| directories.iter().any(|directory| directory.as_bytes() == word))
    };
    all_pids().filter(keeps).filter_map(rustix::process::Pid::from_raw).collect()
}
