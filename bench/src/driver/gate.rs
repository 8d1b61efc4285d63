//! A gate that holds agents back until the driver opens it.

use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, mkfifoat};

/// A named pipe. Agents block while opening it for reading.
pub(super) struct Gate {
    path: PathBuf,
    opened: Option<File>,
}

impl Gate {
    /// Creates a closed gate in this directory.
    pub(super) fn new(directory: &Path, name: &str) -> anyhow::Result<Self> {
        let path = directory.join(name);
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { path, opened: None })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Releases all agents that wait or will wait, as long as this gate exists.
    pub(super) fn open(&mut self) -> anyhow::Result<()> {
        // Opened for reading as well, so that it does not block until there is a reader.
        self.opened = Some(File::options().read(true).write(true).open(&self.path)?);
        Ok(())
    }
}
