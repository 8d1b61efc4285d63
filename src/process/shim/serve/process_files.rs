//! The process directory, held open: files are created in the directory that was opened, even if its path later names another one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use crate::process::shim::ProcessDir;

/// An open process directory.
#[derive(Debug)]
pub(super) struct ProcessFiles {
    /// Keeps the paths in `names` valid.
    _handle: OwnedFd,
    names: ProcessDir,
}

impl ProcessFiles {
    /// Opens the directory, which must not be a symbolic link.
    ///
    /// # Errors
    /// If it does not exist or cannot be used.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        // The path of a unix socket is limited to 107 bytes, and data directories can be deep; this path is always short.
        let near = if cfg!(target_os = "linux") { PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd())) } else { path.to_owned() };
        Ok(Self { _handle: handle, names: ProcessDir::new(near) })
    }

    /// Creates a file for appending, which must not exist. `which` selects its path.
    ///
    /// # Errors
    /// If it exists or cannot be created.
    pub(super) fn create(&self, which: impl Fn(&ProcessDir) -> PathBuf) -> io::Result<File> {
        File::options().append(true).create_new(true).open(which(&self.names))
    }

    /// Listens on the socket of the directory, which must not exist.
    ///
    /// # Errors
    /// If it cannot be created.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        let listener = UnixListener::bind(self.names.socket())?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Writes a file atomically and durably.
    ///
    /// # Errors
    /// If it cannot be written. The call can be repeated.
    pub(super) fn put(&self, which: impl Fn(&ProcessDir) -> PathBuf, content: &impl Serialize) -> io::Result<()> {
        let name = which(&self.names);
        let unfinished = name.with_extension("unfinished");
        let bytes = serde_json::to_vec(content)?;
        let written = File::create(&unfinished)
            .and_then(|mut file| file.write_all(&bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&unfinished, name));
        if written.is_err() {
            let _ = std::fs::remove_file(&unfinished);
        }
        written
    }

    /// Removes the socket, because nothing listens any more.
    pub(super) fn remove_socket(&self) {
        // A connection to a leftover socket is refused, which has the same meaning.
        let _ = std::fs::remove_file(self.names.socket());
    }
}
