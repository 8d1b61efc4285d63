//! The folder of one run's process: where its shim keeps the agent's output, and where a server finds the shim again.

use std::path::{Path, PathBuf};

/// The files of a run's process. The folder is private to this account (0700), and so is each file (0600).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessDir {
    path: PathBuf,
}

impl ProcessDir {
    /// The folder at `path`, which is there or will be made by whoever starts the shim.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The agent's stdout, as it wrote it. Append-only.
    pub fn out(&self) -> PathBuf {
        self.path.join("out")
    }

    /// The agent's stderr, as it wrote it, up to a bound. Append-only.
    pub fn err(&self) -> PathBuf {
        self.path.join("err")
    }

    /// A line of JSON for each [`InputCommand`](super::InputOrder), written before the agent can see its bytes. Append-only.
    pub fn journal(&self) -> PathBuf {
        self.path.join("calls")
    }

    /// Where the shim listens.
    pub fn socket(&self) -> PathBuf {
        self.path.join("socket")
    }

    /// Who the shim and its agent are, a [`ProcessRecord`](super::ProcessRecord). Written before the first byte of output is read.
    pub fn identity(&self) -> PathBuf {
        self.path.join("process.json")
    }

    /// The [`ExitRecord`](super::ExitRecord). If it is there, it is whole, and the shim has gone or is about to.
    pub fn exit(&self) -> PathBuf {
        self.path.join("exit.json")
    }

    /// What the server has to know of the task to understand the output again. The server's own; the shim never reads it.
    pub fn task(&self) -> PathBuf {
        self.path.join("task.json")
    }

    /// Removes everything. A folder that is not there is no matter.
    ///
    /// # Errors
    /// If something cannot be removed.
    pub fn remove(&self) -> std::io::Result<()> {
        match std::fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes what only a living process needs: all but its stdout, which is the run's record. Files that are not there are no matter.
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
