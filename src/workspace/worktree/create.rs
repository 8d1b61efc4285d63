//! Fills the directory of a worktree.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::WorktreeError;
use super::ref_name::CommitId;
use super::repository::{Repository, RepositoryError};
use crate::workspace::git::{Bounds, Git, GitContext};

/// Time for all files to be written.
const CHECKOUT: Bounds = Bounds { time: Duration::from_mins(5), output: 64 * 1024 };

/// Time for a question.
const QUERY: Bounds = Bounds { time: Duration::from_secs(30), output: 64 * 1024 };

/// Names that are special on other systems are refused: the files are those of a stranger.
const SETTINGS: [&str; 2] = ["core.protectNTFS=true", "core.protectHFS=true"];

/// Attributes while files are written: byte by byte, without conversions and filters.
const ATTRIBUTES: &str = "* -text -eol -ident -filter -working-tree-encoding\n";

/// The repository of a worktree.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n";

/// Fills an empty directory with the files of a commit, and a repository on the branch with this full name. Returns the commit: `start` may
/// be a tag of it. Dropping the future leaves what was written so far.
///
/// # Errors
/// [`WorktreeError`], by cause. What was written so far stays.
pub(super) async fn create(
    git: &Git,
    repository: &Repository,
    branch: &str,
    start: CommitId,
    directory: &Path,
) -> Result<CommitId, WorktreeError> {
    let git_dir = directory.join(".git");
    let refs = packed_refs(repository)?;
    write_repository(&git_dir, repository, &refs)?;
    let work_tree: [(&str, OsString); 1] = [("GIT_WORK_TREE", directory.into())];
    let context = GitContext { repository: &git_dir, dir: directory, env: &work_tree, settings: &SETTINGS };
    let query = format!("{start}^{{commit}}");
    let answer = git.run_in(&context, &["rev-parse", "--verify", "--quiet", "--end-of-options", &query], QUERY, None).await;
    let answer = answer.map_err(|_| WorktreeError::NotACommit(start))?;
    let commit: CommitId = String::from_utf8_lossy(&answer).trim().parse().map_err(|_| WorktreeError::NotACommit(start))?;
    let file = git_dir.join(branch);
    DirBuilder::new().recursive(true).create(file.parent().unwrap_or(&git_dir))?;
    std::fs::write(file, format!("{commit}\n"))?;
    std::fs::write(git_dir.join("HEAD"), format!("ref: {branch}\n"))?;
    git.run_in(&context, &["read-tree", &commit.to_string()], CHECKOUT, None).await?;
    git.run_in(&context, &["checkout-index", "--all", "--force", "--quiet", "--index"], CHECKOUT, None).await?;
    std::fs::remove_file(git_dir.join("info/attributes"))?;
    Ok(commit)
}

/// Removes everything in the directory of a worktree, but not the directory.
///
/// # Errors
/// If an entry cannot be removed.
pub(super) fn empty(directory: &Path) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() { std::fs::remove_dir_all(entry.path())? } else { std::fs::remove_file(entry.path())? }
    }
    Ok(())
}

/// The branches and tags that the agent can compare with.
fn packed_refs(repository: &Repository) -> Result<String, RepositoryError> {
    let mut text = "# pack-refs with: sorted \n".to_owned();
    for (name, id) in repository.refs()? {
        let _ = writeln!(text, "{id} {name}");
    }
    Ok(text)
}

fn write_repository(git_dir: &Path, repository: &Repository, refs: &str) -> Result<(), WorktreeError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    for directory in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "info"] {
        builder.create(git_dir.join(directory))?;
    }
    std::fs::write(git_dir.join("config"), CONFIG)?;
    std::fs::write(git_dir.join("HEAD"), "ref: refs/heads/none\n")?;
    std::fs::write(git_dir.join("objects/info/alternates"), alternate(repository.objects())?)?;
    if let Some(shallow) = repository.shallow()? {
        std::fs::write(git_dir.join("shallow"), shallow)?;
    }
    std::fs::write(git_dir.join("packed-refs"), refs)?;
    Ok(std::fs::write(git_dir.join("info/attributes"), ATTRIBUTES)?)
}

/// The line that names an object store to borrow from.
fn alternate(objects: PathBuf) -> Result<Vec<u8>, RepositoryError> {
    let mut line = objects.into_os_string().as_bytes().to_vec();
    if line.contains(&b'\n') {
        return Err(RepositoryError::Unsupported("the path of the repository contains a newline"));
    }
    line.push(b'\n');
    Ok(line)
}
