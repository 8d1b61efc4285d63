//! The run's folder, held open: what the shim makes in it is made in the folder that it was given, whatever its name means later.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use serde::Serialize;

use crate::process::shim::ProcessDir;

/// The opened folder.
#[derive(Debug)]
pub(super) struct ProcessFiles {
    /// What the names lead through.
    _handle: OwnedFd,
    names: ProcessDir,
}

impl ProcessFiles {
    /// Opens the folder, which must be one and no link.
    ///
    /// # Errors
    /// If it is not there or cannot be used.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        // A unix socket's path has at most 107 bytes, and data folders can be deep: by its number the folder is always near.
        let near = if cfg!(target_os = "linux") { PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd())) } else { path.to_owned() };
        Ok(Self { _handle: handle, names: ProcessDir::new(near) })
    }

    /// Makes a file to append to, which must not be there yet. `which` picks it from the names of the folder.
    ///
    /// # Errors
    /// If it is there or cannot be made.
    pub(super) fn create(&self, which: impl Fn(&ProcessDir) -> PathBuf) -> io::Result<File> {
        File::options().append(true).create_new(true).open(which(&self.names))
    }

    /// Listens on the folder's socket, which must not be there yet.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(super) fn listen(&self) -> io::Result<UnixListener> {
        let listener = UnixListener::bind(self.names.socket())?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// Writes `content` so that the file is there whole or not at all, also after a power cut.
    ///
    /// # Errors
    /// If it cannot be written; then it can be tried again.
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

    /// Takes the socket away: nobody listens any more.
    pub(super) fn remove_socket(&self) {
        // Whoever finds it later finds nobody there, which says the same.
        let _ = std::fs::remove_file(self.names.socket());
    }
}
