//! Descriptors: those that somebody else opened before this program began, and how many there may be.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// How many descriptors a process may have open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// How many this process may have now; `None` if there is no bound.
    pub now: Option<u64>,
    /// What it was started with.
    before: Rlimit,
}

impl Descriptors {
    /// Lets this process open as many as the system allows it. Most systems start a program with 1024, which is less than a server needs
    /// and as many as a program can have that waits by `select`: so what this process starts should be given back
    /// the bound that was there before.
    pub fn raise() -> Self {
        let before = getrlimit(Resource::Nofile);
        let most = Rlimit { current: before.maximum, maximum: before.maximum };
        // Where it is refused, as on systems that say they have no bound and do have one, there are fewer, which `now` tells.
        let raised = setrlimit(Resource::Nofile, most).is_ok();
        Self { now: if raised { most.current } else { before.current }, before }
    }

    /// Lets a process that was just started have no more than this one was started with. One that has ended needs no bound.
    pub(super) fn give_back_to(self, process: u32) {
        #[cfg(target_os = "linux")]
        if let Some(pid) = i32::try_from(process).ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::prlimit(Some(pid), Resource::Nofile, self.before);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = (process, self.before);
    }
}

/// Marks all descriptors but 0, 1 and 2, so that they do not pass through to the program that this process becomes.
///
/// # Errors
/// If they cannot be listed or marked.
pub(super) fn close_on_exec() -> io::Result<()> {
    for number in inherited()? {
        #[expect(unsafe_code, reason = "there is no safe way to name a descriptor that somebody else opened")]
        // SAFETY: the descriptor was listed as open, this process has one thread, and setting a flag does not take ownership. The
        // one that has been closed since (the listing's own) only gives EBADF.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        match fcntl_setfd(descriptor, FdFlags::CLOEXEC) {
            Ok(()) | Err(Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Closes all descriptors but 0, 1 and 2. Must be called before this process opens anything of its own.
///
/// # Errors
/// If they cannot be listed.
pub(super) fn close_inherited() -> io::Result<()> {
    for number in inherited()? {
        #[expect(unsafe_code, reason = "there is no safe way to name a descriptor that somebody else opened")]
        // SAFETY: the number was listed as open, and nothing in this process owns it: nothing was opened here yet, but for the
        // listing, which is closed and so filtered out here.
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
