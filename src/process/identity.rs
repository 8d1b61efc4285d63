//! Identity of a process that survives the reuse of its pid.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

/// Identity of a process that survives the reuse of its pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot (field 22 of `stat`, proc(5)). 0 without `/proc`.
    pub started: u64,
}

/// The id of this boot of the machine, where the system has one. Pids and start times of another boot identify nothing, and what was
/// written before it without `fsync` may be lost.
#[cfg(target_os = "linux")]
pub(super) fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// Not supported.
#[cfg(not(target_os = "linux"))]
pub(super) fn boot_id() -> Option<String> {
    None
}

/// Whether a record is from an earlier boot of the machine. Records and systems without an id count as this one.
pub(super) fn is_earlier_boot(recorded: Option<&str>) -> bool {
    recorded.is_some_and(|recorded| boot_id().is_some_and(|current| current != recorded))
}

#[cfg(target_os = "linux")]
impl Identity {
    /// The living process with this pid. A zombie counts as gone.
    pub fn of(pid: i32) -> Option<Self> {
        Stat::of(pid).map(|stat| Self { pid, started: stat.started })
    }

    /// An unreaped child, or this process. It may have exited, but its pid cannot have been reused.
    pub(super) fn of_child(pid: i32) -> Option<Self> {
        Stat::read(pid).map(|stat| Self { pid, started: stat.started })
    }

    /// Sends a signal, unless the process is gone.
    pub(super) fn signal(self, signal: Signal) -> bool {
        use rustix::process::pidfd_send_signal;

        self.exit_handle().ok().flatten().is_some_and(|handle| pidfd_send_signal(handle, signal).is_ok())
    }

    /// A handle that becomes readable when the process exits; `None` if it has exited.
    ///
    /// # Errors
    /// If the system cannot open it, for example without free descriptors.
    pub(super) fn exit_handle(self) -> std::io::Result<Option<OwnedFd>> {
        use rustix::process::{PidfdFlags, pidfd_open};

        let Some(pid) = Pid::from_raw(self.pid) else { return Ok(None) };
        match pidfd_open(pid, PidfdFlags::empty()) {
            // A pid can be reused, so the process is opened first and then compared.
            Ok(handle) => Ok((Self::of(self.pid) == Some(self)).then_some(handle)),
            Err(rustix::io::Errno::SRCH) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(not(target_os = "linux"))]
impl Identity {
    /// The living process with this pid.
    pub fn of(pid: i32) -> Option<Self> {
        rustix::process::test_kill_process(Pid::from_raw(pid)?).is_ok().then_some(Self { pid, started: 0 })
    }

    /// An unreaped child, or this process. It may have exited, but its pid cannot have been reused.
    pub(super) fn of_child(pid: i32) -> Option<Self> {
        Some(Self { pid, started: 0 })
    }

    /// Not supported.
    ///
    /// # Errors
    /// Always.
    pub(super) fn exit_handle(self) -> std::io::Result<Option<OwnedFd>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Sends a signal to the process group: without `/proc` no other descendants can be identified.
    pub(super) fn signal(self, signal: Signal) -> bool {
        Pid::from_raw(self.pid).is_some_and(|pid| rustix::process::kill_process_group(pid, signal).is_ok())
    }
}

/// Fields of `/proc/PID/stat`.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) parent: i32,
    pub(super) session: i32,
    pub(super) started: u64,
    /// The process has exited, and its parent has not reaped it.
    pub(super) zombie: bool,
}

#[cfg(target_os = "linux")]
impl Stat {
    /// The fields of a living process. A zombie counts as gone.
    pub(super) fn of(pid: i32) -> Option<Self> {
        Self::read(pid).filter(|stat| !stat.zombie)
    }

    fn read(pid: i32) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The command is in parentheses and may contain any character, so fields are counted from the last parenthesis (proc(5)).
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse().ok();
        Some(Self {
            parent: number(1)?,
            session: number(3)?,
            started: fields.get(19)?.parse().ok()?,
            zombie: matches!(*fields.first()?, "Z" | "X" | "x"),
        })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_a_parenthesis_does_not_shift_the_fields() {
        let stat = Stat::parse("7 (a) b) S 3 7 5 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2").unwrap();
        assert_eq!((stat.parent, stat.session, stat.started), (3, 5, 987_654));
    }

    #[test]
    fn a_zombie_is_gone_except_for_its_parent() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id().cast_signed();
        rustix::process::waitid(
            rustix::process::WaitId::Pid(rustix::process::Pid::from_raw(pid).unwrap()),
            rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT,
        )
        .unwrap();
        assert_eq!(Identity::of(pid), None);
        assert!(Identity::of_child(pid).is_some());
        child.wait().unwrap();
    }

    #[test]
    fn a_process_with_a_reused_pid_is_not_signalled() {
        let mut sleeper = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let identity = Identity::of(sleeper.id().cast_signed()).unwrap();
        let other = Identity { started: identity.started + 1, ..identity };
        assert!(!other.signal(Signal::KILL), "another process now has the pid");
        assert_eq!(sleeper.try_wait().unwrap(), None);
        assert!(identity.signal(Signal::KILL));
        sleeper.wait().unwrap();
    }
}
