//! File descriptors: those inherited from the parent process, and the limit on open ones.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit on open file descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// The current limit of this process; `None` if there is none.
    pub now: Option<u64>,
    /// The limit at start.
    before: Rlimit,
}

impl Descriptors {
    /// Raises the limit to the maximum that the system allows. Most systems start a program with 1024, too few for a server, and the most
    /// that a program using `select` can handle: child processes should get the original limit back.
    pub fn raise() -> Self {
        let before = getrlimit(Resource::Nofile);
        let max = Rlimit { current: before.maximum, maximum: before.maximum };
        // If the system refuses, for example because it reports no limit but has one, `now` is lower.
        let raised = setrlimit(Resource::Nofile, max).is_ok();
        Self { now: if raised { max.current } else { before.current }, before }
    }

    /// Restores the original limit in a child process. Ignores a process that has exited.
    pub(super) fn restore_in(self, process: u32) {
        #[cfg(target_os = "linux")]
        if let Some(pid) = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::prlimit(Some(pid), Resource::Nofile, self.before);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (process, self.before);
    }
}

/// Marks all descriptors except 0, 1 and 2 as close-on-exec.
///
/// # Errors
/// If they cannot be listed or marked.
pub(super) fn close_on_exec() -> io::Result<()> {
    for number in inherited()? {
        #[expect(unsafe_code, reason = "an inherited descriptor cannot be named safely")]
        // SAFETY: the descriptor was listed as open, this process has one thread, and setting a flag does not take ownership. The
        // descriptor of the listing itself has been closed, which only gives EBADF.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_setfd(descriptor, FdFlags::CLOEXEC) {
            Ok(()) | Err(Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Closes all descriptors except 0, 1 and 2. Must be called before this process opens any.
///
/// # Errors
/// If they cannot be listed.
pub(super) fn close_inherited() -> io::Result<()> {
    for number in inherited()? {
        #[expect(unsafe_code, reason = "an inherited descriptor cannot be named safely")]
        // SAFETY: the number was listed as open, and nothing in this process owns it: nothing has been opened yet except the listing, which
        // is closed and therefore filtered out here.
        let descriptor = unsafe {
            if matches!(rustix::io::fcntl_getfd(BorrowedFd::borrow_raw(number)), Err(Errno::BADF)) {
                continue;
            }
            OwnedFd::from_raw_fd(number)
        };
        drop(descriptor);
    }
    Ok(())
}

fn inherited() -> io::Result<Vec<i32>> {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let number = |name: &OsStr| name.to_str().and_then(|name| name.parse::<i32>().ok());
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        numbers.extend(number(&entry?.file_name()).filter(|number| *number > 2));
    }
    Ok(numbers)
}
