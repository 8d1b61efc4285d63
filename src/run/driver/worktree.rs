//! The worktree of a run, which is made before its agent is prepared.

use std::path::Path;

use super::DriverContext;
use crate::types::{Cause, Failure, WorkspaceSpec};
use crate::workspace::{ReadyWorktree, WorktreeError, WorktreeSource};

impl DriverContext {
    /// Makes the worktree in the working directory of a run unless an earlier run of the session did.
    ///
    /// # Errors
    /// A [`Failure`]; nothing is left of the worktree then.
    pub(super) async fn worktree(&self, workspace: &WorkspaceSpec, working_dir: &Path) -> Result<ReadyWorktree, Failure> {
        let WorkspaceSpec { kind: _, repository, git_dir, r#ref: _, base, branch } = workspace;
        let failed = |cause, problem: &dyn std::fmt::Display| {
            Failure::new(cause, format!("cannot make a worktree of {}: {problem}", repository.display()))
        };
        let base = base.parse().map_err(|error| failed(Cause::Storage, &format!("the stored commit is invalid: {error}")))?;
        let name = working_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = WorktreeSource { repository: git_dir.clone(), branch: format!("refs/heads/{branch}"), base };
        self.worktrees.ensure(name, working_dir.to_owned(), source).await.map_err(|error| match error {
            WorktreeError::Io(_) | WorktreeError::Snapshot(_) => failed(Cause::Storage, &error),
            error => failed(Cause::BadArguments, &error),
        })
    }
}
