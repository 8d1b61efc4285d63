//! What runs change in their working directories: snapshots of a directory, and the differences between two of them.
//!
//! A snapshot is a git tree in a repository of the server's own ([`SnapshotStore`]). The server reads the directory itself, through handles
//! and without following links, and sends what it read to git: git never opens the directory. So the repository, the configuration, the
//! attributes and the hooks that an agent or a stranger may have put there are files like all others, the agent's own index and branches
//! are not touched, and a link to a file outside yields the link.
//!
//! [`files`] lists, opens and writes the files as they are now, in the same way.

mod archive;
mod beneath;
mod changes;
mod clones;
mod file_path;
pub mod files;
mod git;
mod ignore;
mod import;
mod index;
mod packs;
mod record;
mod restore;
mod revert;
mod skip;
mod slots;
mod snapshots;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod tree_id;
mod walk;
mod worktree;

pub use archive::{Archive, Selection};
pub use changes::{ChangeStatus, Changes, FileChange};
pub use clones::{CloneError, Clones, Remote};
pub use file_path::{BadPath, FilePath};
pub use git::{Git, GitError};
pub use record::{ChangeRecord, EndRecord, MAX_TURNS, StoredChanges, compress, decompress, part_of};
pub use restore::{MAX_PATHS, Untouched, UntouchedReason};
pub use revert::Reverted;
pub use skip::{SkipReason, Skipped};
pub use snapshots::Snapshots;
pub use store::{Snapshot, SnapshotError, SnapshotKind, SnapshotStore, StoredFile};
pub use tree_id::{BadTreeId, TreeId};
pub use worktree::{
    BadRefName, CommitId, CommitMessage, Committed, ReadyWorktree, RefName, Repository, RepositoryError, WorktreeError, WorktreeSource,
    WorktreeState, Worktrees,
};
