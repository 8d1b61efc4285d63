//! The directory of one run's process: where its shim stores the agent's output, and where a server finds the shim again.

use std::path::{Path, PathBuf};

/// The files of a run's process. The directory (0700) and each file (0600) are private to this account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessDir {
    path: PathBuf,
}

impl ProcessDir {
    /// The directory at `path`, which exists or is created by [`Spawner`](crate::process::Spawner).
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The agent's stdout, unchanged. Append-only.
    pub fn out(&self) -> PathBuf {
        self.path.join("out")
    }

    /// The agent's stderr, unchanged, up to a maximum size. Append-only.
    pub fn err(&self) -> PathBuf {
        self.path.join("err")
    }

    /// One line of JSON for each [`InputCommand`](super::shim::InputCommand), written before the agent can see its bytes. Append-only.
    pub fn journal(&self) -> PathBuf {
        self.path.join("calls")
    }

    /// The socket on which the shim listens.
    pub fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// The [`ProcessRecord`](super::shim::ProcessRecord) of shim and agent. Written before the first byte of output is read.
    pub fn identity(&self) -> PathBuf {
        self.path.join("process.json")
    }

    /// The [`ExitRecord`](super::shim::ExitRecord), written atomically. If it exists, the shim has exited or is about to.
    pub fn exit(&self) -> PathBuf {
        self.path.join("exit.json")
    }

    /// State that the server needs to parse the output again. The shim never reads it.
    pub fn task(&self) -> PathBuf {
        self.path.join("task.json")
    }

    /// Removes the directory. It is not an error if it does not exist.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes what only a living process needs: everything except stdout, which is the record of the run. Missing files are not an error.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove_process_files(&self) -> std::io::Result<()> {
        for path in [self.journal(), self.task(), self.socket(), self.identity(), self.err(), self.exit()] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
