//! The worktree of a run, which is made before its agent is prepared.

use std::path::Path;

use tokio::task::spawn_blocking;

use super::DriverContext;
use crate::types::{Cause, Failure, UserId, WorkspaceKind, WorkspaceSpec};
use crate::workspace::{
    CloneError, CommitId, GitError, ReadyWorktree, RefName, Repository, RepositoryError, WorktreeError, WorktreeSource,
};

/// What a clone begins with if nothing is requested: the default branch.
const DEFAULT_REF: &str = "HEAD";

impl DriverContext {
    /// Makes the worktree in the working directory of a run unless an earlier run of the session did.
    ///
    /// # Errors
    /// A [`Failure`]; nothing is left of the worktree then.
    pub(super) async fn worktree(&self, workspace: &WorkspaceSpec, working_dir: &Path, owner: UserId) -> Result<ReadyWorktree, Failure> {
        let name = working_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = match workspace.kind {
            WorkspaceKind::Worktree => source(workspace)?,
            WorkspaceKind::Clone => match self.worktrees.ready(&name).await {
                Ok(Some(ready)) => return Ok(ready),
                Ok(None) => self.cloned(workspace, owner).await?,
                Err(error) => return Err(failure(workspace, &error)),
            },
        };
        self.worktrees.ensure(name, working_dir.to_owned(), source).await.map_err(|error| failure(workspace, &error))
    }

    /// Brings the copy of a remote repository up to date, and finds the commit to begin with.
    async fn cloned(&self, workspace: &WorkspaceSpec, owner: UserId) -> Result<WorktreeSource, Failure> {
        let url = workspace.repository.to_string_lossy();
        let failed = |cause, problem: &dyn std::fmt::Display| Failure::new(cause, format!("cannot clone {url}: {problem}"));
        let remote = self.config.git_hosts.remote(&url).await.map_err(|error| failed(Cause::BadArguments, &error))?;
        let fetched = self.clones.fetch(&remote, &owner.to_string()).await;
        let directory = fetched.map_err(|error| match error {
            CloneError::Io(_) | CloneError::Git(GitError::Io(_)) => failed(Cause::Storage, &error),
            error => failed(Cause::BadArguments, &error),
        })?;
        let reference = workspace.r#ref.clone();
        let found = spawn_blocking(move || {
            let repository = Repository::open(&directory.canonicalize()?, |_| false)?;
            Ok::<_, RepositoryError>((resolve(&repository, &reference)?, repository.path().to_owned()))
        });
        let found = found.await.unwrap_or_else(|died| Err(std::io::Error::other(died).into()));
        let (base, repository) = found.map_err(|error| failed(Cause::BadArguments, &error))?;
        Ok(WorktreeSource { repository, branch: format!("refs/heads/{}", workspace.branch), base })
    }
}

/// What a name means in a remote repository: a branch, a tag or a commit.
fn resolve(repository: &Repository, name: &str) -> Result<CommitId, RepositoryError> {
    let unsupported = |_| RepositoryError::Unsupported("the name of the branch, tag or commit is invalid");
    let requested: RefName = name.parse().map_err(unsupported)?;
    if name != DEFAULT_REF
        && let Ok(id) = name.parse()
    {
        return Ok(id);
    }
    for prefix in ["refs/remotes/origin/", "refs/tags/", "refs/remotes/"] {
        let full: RefName = format!("{prefix}{name}").parse().map_err(unsupported)?;
        match repository.resolve(&full) {
            Err(RepositoryError::NoRef(_)) => {}
            found => return found,
        }
    }
    Err(RepositoryError::NoRef(requested))
}

/// The source of a worktree of a repository on this machine, which was found when the run was created.
fn source(workspace: &WorkspaceSpec) -> Result<WorktreeSource, Failure> {
    let invalid = |problem: &str| Failure::new(Cause::Storage, format!("the stored workspace is invalid: {problem}"));
    let WorkspaceSpec { git_dir: Some(git_dir), base: Some(base), branch, .. } = workspace else {
        return Err(invalid("it has no repository or no commit"));
    };
    let base = base.parse().map_err(|error: crate::workspace::BadRefName| invalid(&error.to_string()))?;
    Ok(WorktreeSource { repository: git_dir.clone(), branch: format!("refs/heads/{branch}"), base })
}

fn failure(workspace: &WorkspaceSpec, error: &WorktreeError) -> Failure {
    let cause = match error {
        WorktreeError::Io(_) | WorktreeError::Snapshot(_) => Cause::Storage,
        _ => Cause::BadArguments,
    };
    Failure::new(cause, format!("cannot make a worktree of {}: {error}", workspace.repository.display()))
}
