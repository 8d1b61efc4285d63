//! I/O errors that reflect the state of the machine: a full disk, or no file descriptors.

use std::io;

use rustix::io::Errno;

/// Whether an operation failed because the disk accepts no writes, or because the process or the system has no file descriptors left. Such
/// an operation can be retried once space is available again.
pub fn is_resource_exhausted(error: &io::Error) -> bool {
    let exhausted = [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::IO, Errno::MFILE, Errno::NFILE];
    Errno::from_io_error(error).is_some_and(|errno| exhausted.contains(&errno))
}

#[cfg(test)]
mod tests {
    //! Rules: W5.

    use super::*;

    #[test]
    fn a_full_disk_is_resource_exhaustion_and_a_missing_directory_is_not() {
        assert!(is_resource_exhausted(&Errno::NOSPC.into()) && is_resource_exhausted(&Errno::MFILE.into()));
        assert!(!is_resource_exhausted(&Errno::NOENT.into()) && !is_resource_exhausted(&io::Error::other("something else")));
    }
}
