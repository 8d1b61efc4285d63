//! The working directory of a process, entered through a handle.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

/// An open directory. The process is started in the directory that was checked, even if its path has been changed since.
#[derive(Debug)]
pub struct WorkingDir {
    path: PathBuf,
    handle: OwnedFd,
}

impl WorkingDir {
    /// Opens the directory at `path`, which must be canonical: absolute and without symbolic links.
    ///
    /// # Errors
    /// If it does not exist, is no directory, or is reached through a symbolic link (the path was changed after it was checked).
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        let opened = Self { path: path.to_owned(), handle };
        // `O_NOFOLLOW` applies to the last component only; the path of the opened directory covers the others.
        #[cfg(target_os = "linux")]
        if std::fs::read_link(opened.handle_path())? != path {
            return Err(io::Error::other("the directory was moved, or replaced by a symbolic link"));
        }
        Ok(opened)
    }

    /// The canonical path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Another handle to the same directory.
    ///
    /// # Errors
    /// If there are no free descriptors.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { path: self.path.clone(), handle: self.handle.try_clone()? })
    }

    /// The handle.
    pub fn handle(&self) -> &OwnedFd {
        &self.handle
    }

    /// A path that leads to the opened directory, in this process and in a child before exec.
    pub(super) fn handle_path(&self) -> PathBuf {
        if cfg!(target_os = "linux") { PathBuf::from(format!("/proc/self/fd/{}", self.handle.as_raw_fd())) } else { self.path.clone() }
    }
}

#[cfg(test)]
mod tests {
    //! Rules: S6.

    use super::*;

    #[test]
    fn a_symbolic_link_is_rejected_anywhere_in_the_path() {
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
