//! Errors that tell of the machine's state and of nobody's fault: there is no room, or there are no descriptors.

use std::io;

use rustix::io::Errno;

/// Whether something failed since the disk takes no more, or the process or the system may open no more. Such errors go away when
/// somebody makes room, and what was refused for them can be asked for again.
pub fn is_resource_exhausted(error: &io::Error) -> bool {
    let shortages = [Errno::NOSPC, Errno::DQUOT, Errno::ROFS, Errno::IO, Errno::MFILE, Errno::NFILE];
    Errno::from_io_error(error).is_some_and(|errno| shortages.contains(&errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w5_a_full_disk_is_a_shortage_and_a_missing_folder_is_not() {
        assert!(is_resource_exhausted(&Errno::NOSPC.into()) && is_resource_exhausted(&Errno::MFILE.into()));
        assert!(!is_resource_exhausted(&Errno::NOENT.into()) && !is_resource_exhausted(&io::Error::other("something else")));
    }
}
