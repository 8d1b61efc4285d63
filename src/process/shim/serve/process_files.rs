//! The process directory, held open: files are created in the directory that was opened, even if its path later names another one.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;

use crate::process::shim::ProcessDir;

/// An open process directory.
#[derive(Debug)]
pub(super) struct ProcessFiles {
    /// Keeps the paths in `names` valid.
    handle: OwnedFd,
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
        Ok(Self { handle, names: ProcessDir::new(near) })
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

    /// Writes a file atomically.
    ///
    /// # Errors
    /// If it cannot be written. The call can be repeated.
    pub(super) fn put(&self, which: impl Fn(&ProcessDir) -> PathBuf, content: &impl Serialize) -> io::Result<()> {
        replace(&which(&self.names), content, |_file| Ok(()))
    }

    /// Writes a file atomically and durably, after everything else in the directory has become durable.
    ///
    /// # Errors
    /// If it or anything else cannot be written. The call can be repeated.
    pub(super) fn put_last(&self, which: impl Fn(&ProcessDir) -> PathBuf, content: &impl Serialize) -> io::Result<()> {
        for file in [self.names.out(), self.names.err(), self.names.journal(), self.names.task()] {
            match File::open(file) {
                Ok(file) => file.sync_all()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.sync_names()?;
        replace(&which(&self.names), content, File::sync_all)?;
        self.sync_names()
    }

    /// Makes the names of the files and of the directory durable.
    ///
    /// # Errors
    /// If the disk reports an error.
    pub(super) fn sync_names(&self) -> io::Result<()> {
        sync_directory(&self.handle)?;
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        sync_directory(rustix::fs::open(self.names.path().join(".."), flags, Mode::empty())?)
    }

    /// Removes the socket, because nothing listens any more.
    pub(super) fn remove_socket(&self) {
        // A connection to a leftover socket is refused, which has the same meaning.
        let _ = std::fs::remove_file(self.names.socket());
    }
}

/// Writes a file under another name, makes it durable with `sync`, and moves it.
fn replace(name: &Path, content: &impl Serialize, sync: impl Fn(&File) -> io::Result<()>) -> io::Result<()> {
    let unfinished = name.with_extension("unfinished");
    let bytes = serde_json::to_vec(content)?;
    let written = File::create(&unfinished)
        .and_then(|mut file| file.write_all(&bytes).and_then(|()| sync(&file)))
        .and_then(|()| std::fs::rename(&unfinished, name));
    if written.is_err() {
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}

fn sync_directory(directory: impl AsFd) -> io::Result<()> {
    match rustix::fs::fsync(directory) {
        // Some file systems have no such operation. They write names at once.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(()),
        synced => Ok(synced?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_file_is_written_after_all_others_and_replaces_its_first_version() {
        let dir = tempfile::tempdir().unwrap();
        let files = ProcessFiles::open(dir.path()).unwrap();
        files.create(ProcessDir::out).unwrap().write_all(b"output").unwrap();
        files.put(ProcessDir::exit, &1).unwrap();
        files.put_last(ProcessDir::exit, &2).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("exit.json")).unwrap(), "2");
        // A file that cannot be made durable.
        std::os::unix::fs::symlink(dir.path().join("task.json"), dir.path().join("task.json")).unwrap();
        files.put_last(ProcessDir::exit, &3).unwrap_err();
        assert_eq!(std::fs::read_to_string(dir.path().join("exit.json")).unwrap(), "2", "the promise of durability is not made");
        assert!(!dir.path().join("exit.unfinished").exists());
    }
}
