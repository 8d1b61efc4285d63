//! Directories outside of its working directory that an agent needs to read.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::hidden::FileId;

/// A directory that an agent may read although something above it may be covered, such as the objects of a repository that its worktree borrows.
///
/// Other agents may be able to put something else in its place at any time. So it is known by its identity as well, and an agent is not started
/// where another directory or file is at its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Borrowed {
    path: PathBuf,
    id: FileId,
}

impl Borrowed {
    /// The open `directory`, whose canonical path is `path`.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn new(path: PathBuf, directory: impl AsFd) -> io::Result<Self> {
        let metadata = File::from(directory.as_fd().try_clone_to_owned()?).metadata()?;
        Ok(Self { path, id: FileId::from(&metadata) })
    }

    /// Its canonical path, as it was.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is at its path, as this process sees it.
    pub(super) fn is_in_place(&self) -> bool {
        FileId::of(&self.path).is_ok_and(|found| found == self.id)
    }
}
