//! The differences between two snapshots, as git reports them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::git::{Bounds, Git, GitError};
use super::tree_id::TreeId;

/// Time and output for the list of changed files.
const LIST: Bounds = Bounds { time: Duration::from_secs(30), output: 32 * 1024 * 1024 };

/// Time and output for a patch.
const PATCH: Bounds = Bounds { time: Duration::from_mins(1), output: 32 * 1024 * 1024 };

/// Maximum number of changed files that are listed. All of them are counted.
const MAX_LISTED: usize = 10_000;

/// What differs between two snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// In the order of their paths; at most 10,000.
    pub files: Vec<FileChange>,
    /// Number of files that differ.
    pub total: usize,
    /// Lines added to text files.
    pub insertions: u64,
    /// Lines removed from text files.
    pub deletions: u64,
}

/// A file that differs between two snapshots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileChange {
    /// Path, relative to the working directory. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// The earlier path of a renamed file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    /// What has happened to it.
    pub status: ChangeStatus,
    /// Whether its content is not text. Lines are not counted then.
    pub binary: bool,
    /// Lines added.
    pub insertions: u64,
    /// Lines removed.
    pub deletions: u64,
    /// The paths as the system has them, the current one first.
    #[serde(skip)]
    raw_paths: Vec<Vec<u8>>,
}

/// What has happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    /// It did not exist before.
    Added,
    /// Its content or its mode has changed.
    Modified,
    /// It does not exist any more.
    Deleted,
    /// It has another path; its content may have changed as well.
    Renamed,
    /// A link has become a file, or the reverse.
    TypeChanged,
}

/// Lists the files that differ between two trees of the repository.
///
/// # Errors
/// [`GitError`]; [`GitError::TooLong`] if there are too many.
pub(super) async fn list(git: &Git, repository: &Path, from: TreeId, to: TreeId) -> Result<Changes, GitError> {
    if from == to {
        return Ok(Changes::default());
    }
    let trees = [from.to_string(), to.to_string()];
    let args = ["diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--raw", "--numstat", "-z", &trees[0], &trees[1]];
    parse(&git.run(repository, &args, LIST).await?)
}

/// The patch from one tree of the repository to another, or the part of it that concerns one file. `git apply` takes it.
///
/// # Errors
/// [`GitError`]; [`GitError::TooLong`] if it is too large.
pub(super) async fn patch(git: &Git, repository: &Path, from: TreeId, to: TreeId, file: Option<&FileChange>) -> Result<Vec<u8>, GitError> {
    if from == to {
        return Ok(Vec::new());
    }
    let options = [
        "diff-tree",
        "-r",
        "-p",
        "-M",
        "--no-ext-diff",
        "--no-textconv",
        "--no-color",
        "--binary",
        "--full-index",
        "--src-prefix=a/",
        "--dst-prefix=b/",
    ];
    let mut args: Vec<OsString> = options.into_iter().map(OsString::from).collect();
    args.extend([from.to_string().into(), to.to_string().into()]);
    if let Some(file) = file {
        args.push("--".into());
        args.extend(file.raw_paths.iter().map(|path| OsStr::from_bytes(path).to_owned()));
    }
    git.run(repository, &args, PATCH).await
}

/// Parses a list in raw format, followed by the numbers of lines, both separated by NUL.
fn parse(output: &[u8]) -> Result<Changes, GitError> {
    let mut fields = output.split(|byte| *byte == 0).peekable();
    let mut next = || fields.next().ok_or(GitError::Unexpected("the list of changed files ends early"));
    let mut changes = Changes::default();
    let mut field = next()?;
    while let Some(raw) = field.strip_prefix(b":") {
        let status = raw.rsplit(|byte| *byte == b' ').next().and_then(|status| status.first());
        let status = match status {
            Some(b'A') => ChangeStatus::Added,
            Some(b'M') => ChangeStatus::Modified,
            Some(b'D') => ChangeStatus::Deleted,
            Some(b'R') => ChangeStatus::Renamed,
            Some(b'T') => ChangeStatus::TypeChanged,
            _ => return Err(GitError::Unexpected("a status of a changed file")),
        };
        let mut raw_paths = vec![next()?.to_vec()];
        if status == ChangeStatus::Renamed {
            raw_paths.insert(0, next()?.to_vec());
        }
        let text = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        changes.files.push(FileChange {
            path: text(&raw_paths[0]),
            old_path: raw_paths.get(1).map(text),
            status,
            binary: false,
            insertions: 0,
            deletions: 0,
            raw_paths,
        });
        field = next()?;
    }
    for file in &mut changes.files {
        let mut columns = field.splitn(3, |byte| *byte == b'\t');
        let (Some(insertions), Some(deletions), Some(path)) = (columns.next(), columns.next(), columns.next()) else {
            return Err(GitError::Unexpected("the numbers of changed lines"));
        };
        // Two paths follow in fields of their own if the file was renamed.
        let path = if path.is_empty() { next().and_then(|_old| next())? } else { path };
        if path != file.raw_paths[0] {
            return Err(GitError::Unexpected("the numbers of changed lines are in another order"));
        }
        if insertions == b"-" {
            file.binary = true;
        } else {
            (file.insertions, file.deletions) = (number(insertions)?, number(deletions)?);
            changes.insertions += file.insertions;
            changes.deletions += file.deletions;
        }
        field = next()?;
    }
    changes.total = changes.files.len();
    changes.files.truncate(MAX_LISTED);
    Ok(changes)
}

fn number(digits: &[u8]) -> Result<u64, GitError> {
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(GitError::Unexpected("a number of changed lines"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_git_is_parsed() {
        let output = b":100644 100755 1 2 R090\0old\nname\0new\tname\0:000000 100644 0 1 A\0bin\0\
                       3\t1\t\0old\nname\0new\tname\0-\t-\tbin\0";
        let changes = parse(output).unwrap();
        assert_eq!((changes.files.len(), changes.insertions, changes.deletions), (2, 3, 1));
        let renamed = &changes.files[0];
        assert_eq!((&*renamed.path, renamed.old_path.as_deref()), ("new\tname", Some("old\nname")));
        assert!(changes.files[1].binary && changes.files[1].status == ChangeStatus::Added);
        for end in 1..output.len() {
            // No prefix panics.
            let _ = parse(&output[..end]);
        }
    }
}
