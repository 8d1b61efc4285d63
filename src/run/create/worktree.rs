//! Validation of a requested worktree or clone.

use std::path::{Path, PathBuf};

use crate::run::config::RunConfig;
use crate::run::request::{BadRun, WorkspaceRequest};
use crate::run::workspace::{DirectoryRequest, Requester, WorkspaceError, Workspaces};
use crate::types::{WorkspaceKind, WorkspaceSpec};
use crate::workspace::{RefName, Repository, RepositoryError};

/// What a worktree begins with if nothing is requested: what is checked out in the repository.
const DEFAULT_REF: &str = "HEAD";

/// Checks a worktree or clone for a new session. `working_dir` is that of the request, which may name the repository. The name of the branch is
/// left empty. Blocking.
///
/// # Errors
/// [`BadRun::Workspace`].
pub(super) fn check(
    request: &WorkspaceRequest,
    working_dir: Option<&Path>,
    requester: Requester,
    workspaces: &Workspaces,
    config: &RunConfig,
) -> Result<WorkspaceSpec, BadRun> {
    let bad = |field, problem: String| BadRun::Workspace { field, problem, is_allowed: true };
    let WorkspaceRequest { kind, repository, reference } = request;
    if config.git.is_none() {
        return Err(bad("kind", "the server makes no worktrees and clones: git is not installed, or OPENRUNNER_CHANGES is off".into()));
    }
    let name = reference.as_deref().unwrap_or(DEFAULT_REF);
    let name: RefName = name.parse().map_err(|error: crate::workspace::BadRefName| bad("ref", error.to_string()))?;
    if *kind == WorkspaceKind::Clone {
        if working_dir.is_some() {
            return Err(bad("repository", "a clone has a working directory of its own; leave working_dir out".into()));
        }
        let url = repository.as_deref().and_then(Path::to_str);
        let url = url.ok_or_else(|| bad("repository", "is required: the URL of a git repository".into()))?;
        let url = config.git_hosts.check(url).map_err(|error| bad("repository", error.to_string()))?;
        let repository = PathBuf::from(url.to_string());
        return Ok(WorkspaceSpec { kind: *kind, repository, git_dir: None, r#ref: name.to_string(), base: None, branch: String::new() });
    }
    let directory = match (repository.as_deref(), working_dir) {
        (Some(_), Some(_)) => return Err(bad("repository", "give either a repository or a working directory, which is one".into())),
        (Some(path), None) | (None, Some(path)) => path.to_owned(),
        (None, None) => return Err(bad("repository", "is required: the directory of a git repository".into())),
    };
    let directory = existing(directory, requester, workspaces)?;
    let repository = Repository::open(&directory, |path| workspaces.allows(path, requester.is_admin));
    let resolved = repository.and_then(|repository| Ok((repository.resolve(&name)?, repository.path().to_owned())));
    let (base, git_dir) = resolved.map_err(|error| match error {
        RepositoryError::NoRef(name) if name.as_str() == DEFAULT_REF => bad("repository", "the repository has no commits".into()),
        RepositoryError::NoRef(_) => bad("ref", error.to_string()),
        RepositoryError::NotAllowed => BadRun::Workspace { field: "repository", problem: error.to_string(), is_allowed: false },
        // The system's words could name paths that the caller must not know of.
        RepositoryError::Io(_) => bad("repository", "the repository cannot be read".into()),
        error => bad("repository", error.to_string()),
    })?;
    Ok(WorkspaceSpec {
        kind: *kind,
        repository: directory,
        git_dir: Some(git_dir),
        r#ref: name.to_string(),
        base: Some(base.to_string()),
        branch: String::new(),
    })
}

/// The canonical path of an existing directory that the requester may use.
fn existing(directory: PathBuf, requester: Requester, workspaces: &Workspaces) -> Result<PathBuf, BadRun> {
    let bad = |error: WorkspaceError| {
        let is_allowed = !matches!(error, WorkspaceError::NotLocal | WorkspaceError::OutsideRoots);
        BadRun::Workspace { field: "repository", problem: error.to_string(), is_allowed }
    };
    let request = DirectoryRequest::Path(directory, requester);
    workspaces.check(&request).map_err(bad)?;
    let DirectoryRequest::Path(directory, _) = request else { return Err(bad(WorkspaceError::NotFound)) };
    directory.canonicalize().map_err(|_| bad(WorkspaceError::NotFound))
}
