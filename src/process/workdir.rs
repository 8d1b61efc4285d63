//! The folder that a process is started in, entered by handle.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// An opened folder. The process is started in the folder that was checked, even if its name has come to mean another since.
#[derive(Debug)]
pub struct WorkingDir {
    path: PathBuf,
    handle: OwnedFd,
}

impl WorkingDir {
    /// Opens the folder at `path`, which must be canonical: absolute and without links.
    ///
    /// # Errors
    /// If it is not there, is not a folder, or is reached through a link (then the path has been changed after it was checked).
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        let opened = Self { path: path.to_owned(), handle };
        // `O_NOFOLLOW` guards the last component only; what was really opened tells about the others.
        #[cfg(target_os = "linux")]
        if std::fs::read_link(opened.by_handle())? != path {
            return Err(io::Error::other("the folder was moved or linked elsewhere"));
        }
        Ok(opened)
    }

    /// The folder's canonical path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A path that leads to the opened folder, in this process and in a child that has not executed yet.
    pub(super) fn by_handle(&self) -> PathBuf {
        if cfg!(target_os = "linux") { PathBuf::from(format!("/proc/self/fd/{}", self.handle.as_raw_fd())) } else { self.path.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s6_a_link_is_not_entered_wherever_it_stands_in_the_path() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("real/inner")).unwrap();
        std::os::unix::fs::symlink(root.join("real"), root.join("link")).unwrap();
        assert!(WorkingDir::open(&root.join("real/inner")).is_ok());
        assert!(WorkingDir::open(&root.join("link")).is_err());
        assert!(WorkingDir::open(&root.join("link/inner")).is_err());
        std::fs::write(root.join("file"), "").unwrap();
        assert!(WorkingDir::open(&root.join("file")).is_err());
    }
}
