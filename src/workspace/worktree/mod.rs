//! Worktrees: a working directory of a session's own with the content of a user's repository, and a branch for its work.
//!
//! A worktree has a repository of its own, which borrows the objects of the user's repository. So an agent commits, stashes, configures and
//! adds hooks in its worktree without a way to write to the user's repository, and no worktree sees another one. In the user's repository
//! the server itself adds one branch, `openrunner/<session>`, and moves it when the work is committed. It reads branches and tags of that
//! repository from its files, and never runs git with its configuration (rule S9).

mod commit;
mod create;
mod error;
mod record;
mod ref_name;
mod repository;
#[cfg(test)]
mod tests;
mod worktrees;

pub use commit::{CommitMessage, Committed, WorktreeState};
pub use error::WorktreeError;
pub use ref_name::{BadRefName, CommitId, RefName};
pub use repository::{Repository, RepositoryError};
pub use worktrees::{ReadyWorktree, WorktreeSource, Worktrees};
