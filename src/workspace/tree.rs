//! Files of a snapshot: listed and read.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::file_path::FilePath;
use super::files::{FileEntry, FileKind, Listing};
use super::git::{Bounds, Git, GitError};
use super::index::EntryMode;
use super::tree_id::TreeId;

/// Time and output for a list of files.
const LIST: Bounds = Bounds { time: Duration::from_secs(30), output: 64 * 1024 * 1024 };

/// Time for reading a file.
const READ_TIME: Duration = Duration::from_secs(30);

/// What is in a snapshot under a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TreeEntry {
    /// A directory.
    Directory,
    /// A file or link.
    File {
        /// Kind of the file.
        mode: EntryMode,
        /// Id of its content.
        blob: TreeId,
        /// Size of its content in bytes.
        size: u64,
    },
}

/// Finds what is under a path; `None` if nothing is.
///
/// # Errors
/// [`GitError`].
pub(super) async fn find(git: &Git, repository: &Path, tree: TreeId, path: &FilePath) -> Result<Option<TreeEntry>, GitError> {
    let found = ls_tree(git, repository, tree, Some(path.bytes())).await?;
    Ok(found.into_iter().find(|(found, _)| found == path.bytes()).map(|(_, entry)| entry))
}

/// Lists at most `limit` entries of a directory, after the name `after`. `None` stands for the whole snapshot. An empty page if it has no
/// such directory.
///
/// # Errors
/// [`GitError`].
pub(super) async fn list(
    git: &Git,
    repository: &Path,
    tree: TreeId,
    path: Option<&FilePath>,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Listing, GitError> {
    let prefix = path.map(|path| [path.bytes(), b"/"].concat());
    let mut found = ls_tree(git, repository, tree, prefix.as_deref()).await?;
    // Git sorts directories as if their names ended with a slash.
    found.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let skipped = prefix.map_or(0, |prefix| prefix.len());
    let mut names = found.into_iter().map(|(path, entry)| (path.get(skipped..).unwrap_or_default().to_vec(), entry));
    let after = |name: &[u8]| after.is_none_or(|after| name > after);
    let mut entries: Vec<FileEntry> = names
        .by_ref()
        .filter(|(name, _)| after(name))
        .take(limit.saturating_add(1))
        .map(|(name, entry)| file_entry(name, &entry))
        .collect();
    let has_more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().filter(|_| has_more).map(|last| last.name.clone());
    Ok(Listing { entries, next })
}

/// The content of a file, of this size.
///
/// # Errors
/// [`GitError`].
pub(super) async fn read(git: &Git, repository: &Path, blob: TreeId, size: u64) -> Result<Vec<u8>, GitError> {
    git.run(repository, &["cat-file", "blob", &blob.to_string()], Bounds { time: READ_TIME, output: size }).await
}

/// Runs `git ls-tree` and parses its output: paths and what they are, in its order.
async fn ls_tree(git: &Git, repository: &Path, tree: TreeId, path: Option<&[u8]>) -> Result<Vec<(Vec<u8>, TreeEntry)>, GitError> {
    let mut args: Vec<OsString> = ["ls-tree", "-z", "--long", "--full-tree"].iter().map(OsString::from).collect();
    args.extend([tree.to_string().into(), "--".into()]);
    args.extend(path.map(|path| OsStr::from_bytes(path).to_owned()));
    parse(&git.run(repository, &args, LIST).await?)
}

/// Parses lines of mode, type, id, size and path, separated by NUL.
fn parse(output: &[u8]) -> Result<Vec<(Vec<u8>, TreeEntry)>, GitError> {
    let lines = output.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    lines.map(|line| parse_line(line).ok_or(GitError::Unexpected("a line of a list of files"))).collect()
}

fn parse_line(line: &[u8]) -> Option<(Vec<u8>, TreeEntry)> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (columns, path) = (std::str::from_utf8(&line[..tab]).ok()?, &line[tab + 1..]);
    let mut columns = columns.split_ascii_whitespace();
    let (mode, _type, id, size) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
    let entry = match mode {
        "040000" => TreeEntry::Directory,
        mode => TreeEntry::File { mode: EntryMode::from_octal(mode)?, blob: id.parse().ok()?, size: size.parse().ok()? },
    };
    Some((path.to_vec(), entry))
}

fn file_entry(name: Vec<u8>, entry: &TreeEntry) -> FileEntry {
    let (kind, size, executable) = match entry {
        TreeEntry::Directory => (FileKind::Directory, None, false),
        TreeEntry::File { mode: EntryMode::Link, size, .. } => (FileKind::Link, Some(*size), false),
        TreeEntry::File { mode, size, .. } => (FileKind::File, Some(*size), *mode == EntryMode::Executable),
    };
    FileEntry { name, kind, size, modified: None, executable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_git_is_parsed() {
        let id = "a".repeat(40);
        let output = format!("100755 blob {id}      12\ta b\tc\0040000 tree {id}       -\tsrc\0120000 blob {id}       3\tlink\0");
        let parsed = parse(output.as_bytes()).unwrap();
        let file = |mode, size| TreeEntry::File { mode, blob: id.parse().unwrap(), size };
        assert_eq!(
            parsed,
            [
                (b"a b\tc".to_vec(), file(EntryMode::Executable, 12)),
                (b"src".to_vec(), TreeEntry::Directory),
                (b"link".to_vec(), file(EntryMode::Link, 3))
            ]
        );
        for end in 1..output.len() {
            // No prefix panics.
            let _ = parse(&output.as_bytes()[..end]);
        }
    }
}
