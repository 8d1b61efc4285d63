//! Descriptors that somebody else opened before this program began.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::{Errno, FdFlags, fcntl_setfd};

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
