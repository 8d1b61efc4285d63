//! Kinds of workspaces.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::string_enum;

string_enum! {
    /// Kind of workspace.
    #[derive(ToSchema)]
    pub enum WorkspaceKind {
        /// A copy of a git repository's files, with a branch of its own: `openrunner/` and the ID of the session.
        Worktree = "worktree",
        /// The same of a repository on another machine, of which the server keeps a copy.
        Clone = "clone",
    }
}

/// The workspace of a session that is more than a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Workspace)]
pub struct WorkspaceSpec {
    /// Kind of workspace.
    pub kind: WorkspaceKind,
    /// The directory of the git repository; of a clone, its URL.
    #[schema(value_type = String)]
    pub repository: PathBuf,
    /// The directory of its branches and objects; null for a clone.
    #[schema(value_type = Option<String>, required)]
    pub git_dir: Option<PathBuf>,
    /// The branch, tag or commit that the workspace began with, as requested.
    pub r#ref: String,
    /// The commit that this was; null for a clone, which begins with what the branch is at when the first run starts.
    #[schema(required)]
    pub base: Option<String>,
    /// Branch of the workspace in the repository.
    pub branch: String,
}
