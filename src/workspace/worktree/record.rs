//! What is known about a worktree: one file for each of them, which is written before anything is created. Blocking.

use std::fs::{DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ref_name::CommitId;

/// Number of blocks of ports.
const PORT_BLOCKS: u16 = 1000;

/// Number of ports in a block.
const PORTS_PER_BLOCK: u16 = 10;

/// The first port of the first block: above the ports of common services, below those that systems use for outgoing connections.
const FIRST_PORT: u16 = 20_000;

/// A worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The repository that it borrows from: the directory of its branches and objects, canonical.
    pub(super) repository: PathBuf,
    /// Full name of its branch in that repository.
    pub(super) branch: String,
    /// The commit that its branch began with. A branch that is still there has no work.
    pub(super) base: CommitId,
    /// Its block of ports.
    pub(super) port_block: u16,
    /// Whether it is complete. Otherwise no agent has worked in it.
    pub(super) is_ready: bool,
}

/// The records of all worktrees.
#[derive(Clone, Debug)]
pub(super) struct Records {
    directory: PathBuf,
}

impl Record {
    /// The first port of its block.
    pub(super) fn port_base(&self) -> u16 {
        FIRST_PORT + self.port_block.min(PORT_BLOCKS - 1) * PORTS_PER_BLOCK
    }
}

impl Records {
    /// The records in a directory, which is created with the first of them.
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The record with this name; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be read, or is damaged.
    pub(super) fn find(&self, name: &str) -> io::Result<Option<Record>> {
        match std::fs::read(self.path(name)) {
            Ok(text) => serde_json::from_slice(&text).map(Some).map_err(|_| io::Error::other(format!("the record {name} is damaged"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a record durably.
    ///
    /// # Errors
    /// If it cannot be written. An earlier one stays then.
    pub(super) fn write(&self, name: &str, record: &Record) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        let (path, new) = (self.path(name), self.directory.join(format!("{name}.new")));
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(record)?)?;
        file.sync_all()?;
        std::fs::rename(new, path)?;
        File::open(&self.directory)?.sync_all()
    }

    /// Removes a record.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// The names of all records.
    ///
    /// # Errors
    /// If they cannot be listed.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().to_str().and_then(|name| name.strip_suffix(".json")).map(str::to_owned));
        }
        Ok(names)
    }

    /// The first block of ports that no worktree has; `None` if all are taken.
    ///
    /// # Errors
    /// If the records cannot be read.
    pub(super) fn free_ports(&self) -> io::Result<Option<u16>> {
        let mut is_taken = [false; PORT_BLOCKS as usize];
        for name in self.names()? {
            // A damaged record blocks nothing.
            if let Ok(Some(record)) = self.find(&name)
                && let Some(taken) = is_taken.get_mut(usize::from(record.port_block))
            {
                *taken = true;
            }
        }
        Ok(is_taken.iter().position(|taken| !taken).and_then(|block| u16::try_from(block).ok()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.json"))
    }
}
