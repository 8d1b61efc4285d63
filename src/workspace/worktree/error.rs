//! Why something could not be done with a worktree.

use std::io;

use super::ref_name::CommitId;
use super::repository::RepositoryError;
use crate::workspace::git::GitError;
use crate::workspace::store::SnapshotError;

/// Why something could not be done with a worktree.
#[derive(Debug, thiserror::Error)]
pub enum WorktreeError {
    /// The server makes no worktrees.
    #[error("the server makes no worktrees: git is not installed, or OPENRUNNER_CHANGES is off")]
    Unavailable,
    /// There is no worktree.
    #[error("the session has no worktree")]
    NotFound,
    /// The object is no commit, or does not exist.
    #[error("{0} is not a commit in the repository, or objects of it are missing")]
    NotACommit(CommitId),
    /// The directory contains files, and is not known to be a worktree.
    #[error("its directory contains files, and its record is missing; move them elsewhere")]
    NotEmpty,
    /// All blocks of ports are taken.
    #[error("too many worktrees exist; remove some that are no longer used")]
    TooMany,
    /// A path is not valid UTF-8.
    #[error("the path of the repository is not valid UTF-8")]
    NotUtf8,
    /// The user's repository cannot be used.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The files cannot be recorded.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The data directory cannot be used.
    #[error("the worktree cannot be written: {0}")]
    Io(#[from] io::Error),
}
