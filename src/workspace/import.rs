//! Puts files of a working directory into the repository, with one `git fast-import`, and makes a tree of them.
//!
//! This process reads the files, through handles, and git receives their content. So a file that is replaced by a link between the walk and
//! the import is not followed either.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::{OFlags, readlinkat};
use tokio::sync::mpsc;

use super::beneath;
use super::git::{self, Bounds, Git, GitError};
use super::index::{EntryMode, FileStat, IndexEntry};
use super::skip::{SkipReason, SkippedPaths};
use super::tree_id::TreeId;
use super::walk::{Found, Limits};

/// Time for an import. The first one of a directory reads all of it.
const TIME: Duration = Duration::from_mins(2);

/// Size from which on collected input is sent to git, in bytes.
const CHUNK: usize = 256 * 1024;

/// Maximum size of all files that one import reads, in bytes.
pub(super) const MAX_BYTES: u64 = 1024 * 1024 * 1024;

/// The branch whose commits the trees are made with. Nothing reads it.
const BRANCH: &str = "refs/heads/snapshots";

/// What is to be done to get from one tree to the next.
#[derive(Debug)]
pub(super) struct Import {
    pub(super) base: TreeId,
    /// Paths that are not in the next tree.
    pub(super) deleted: Vec<Vec<u8>>,
    /// Files whose content may differ.
    pub(super) changed: Vec<Found>,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Imported {
    pub(super) files: Vec<(Vec<u8>, IndexEntry)>,
    /// Paths that have vanished since they were found.
    pub(super) gone: Vec<Vec<u8>>,
    /// Paths that could not be read. The tree contains their earlier content, if there was one.
    pub(super) skipped: SkippedPaths,
}

/// Why an import failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum ImportError {
    /// Git failed.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The files are larger than permitted.
    #[error("more than {} MiB to read", MAX_BYTES / 1024 / 1024)]
    TooLarge,
    /// The task that reads the files has died.
    #[error("the files could not be read")]
    Died,
}

/// Runs the import, and returns the tree. Dropping the future ends it; the repository may then contain objects that nothing uses.
///
/// # Errors
/// [`ImportError`].
pub(super) async fn run(
    git: &Git,
    repository: &Path,
    root: OwnedFd,
    import: Import,
    limits: Limits,
) -> Result<(TreeId, Imported), ImportError> {
    let (sender, receiver) = git::input();
    // A line for each blob, and one for the tree.
    let bounds = Bounds { time: TIME, output: 64 * (import.changed.len() as u64 + 2) };
    let reading = tokio::task::spawn_blocking(move || Producer::new(sender).produce(root.as_fd(), import, limits));
    let output = git.run_with(repository, &["fast-import", "--quiet", "--force", "--done"], bounds, Some(receiver)).await;
    // The channel is closed, so the producer ends.
    let produced = reading.await.map_err(|_died| ImportError::Died)?;
    match (output, produced) {
        (_, Err(Stopped::TooLarge)) => Err(ImportError::TooLarge),
        (Err(error), _) => Err(error.into()),
        (Ok(_), Err(Stopped::Closed)) => Err(GitError::Unexpected("it ended early").into()),
        (Ok(output), Ok(imported)) => Ok(with_ids(&output, imported)?),
    }
}

/// Fills in the ids that git has reported: one for each blob in their order, and that of the tree.
fn with_ids(output: &[u8], mut imported: Imported) -> Result<(TreeId, Imported), GitError> {
    let mut lines = output.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let id = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<TreeId>().ok();
    for (_, entry) in &mut imported.files {
        let blob = lines.next().and_then(id).ok_or(GitError::Unexpected("the id of a file is missing"))?;
        entry.blob = *blob.bytes();
    }
    let tree = lines.next().and_then(|line| id(line.strip_prefix(b"040000 tree ")?.get(..40)?));
    Ok((tree.ok_or(GitError::Unexpected("the id of the tree is missing"))?, imported))
}

/// Why a producer has stopped.
enum Stopped {
    /// Git has ended.
    Closed,
    TooLarge,
}

/// Reads files and writes the commands for git.
struct Producer {
    sender: mpsc::Sender<Bytes>,
    buffer: Vec<u8>,
}

impl Producer {
    fn new(sender: mpsc::Sender<Bytes>) -> Self {
        Self { sender, buffer: Vec::new() }
    }

    fn produce(mut self, root: BorrowedFd<'_>, import: Import, limits: Limits) -> Result<Imported, Stopped> {
        let (mut imported, mut read_bytes) = (Imported::default(), 0);
        for found in import.changed {
            match read(root, &found, limits) {
                Content::Read(content, mode, stat) => {
                    read_bytes += content.len() as u64;
                    if read_bytes > MAX_BYTES {
                        return Err(Stopped::TooLarge);
                    }
                    imported.files.push((found.path, IndexEntry { mode, stat, blob: [0; 20] }));
                    let mark = imported.files.len();
                    self.add(format_args!("blob\nmark :{mark}\ndata {}\n", content.len()));
                    self.buffer.extend_from_slice(&content);
                    self.add(format_args!("\nget-mark :{mark}\n"));
                    self.send_if(CHUNK)?;
                }
                Content::Gone => imported.gone.push(found.path),
                Content::Skipped(reason) => imported.skipped.add(found.path, reason),
            }
        }
        self.add(format_args!("commit {BRANCH}\ncommitter OpenRunner <openrunner> 0 +0000\ndata 0\n"));
        if import.base != TreeId::EMPTY {
            self.add(format_args!("M 040000 {} \"\"\n", import.base));
        }
        // Before the others: a directory may have taken the place of a file.
        for path in import.deleted.iter().chain(&imported.gone) {
            self.add(format_args!("D {}\n", Quoted(path)));
            self.send_if(CHUNK)?;
        }
        for (index, (path, entry)) in imported.files.iter().enumerate() {
            self.add(format_args!("M {} :{} {}\n", entry.mode.octal(), index + 1, Quoted(path)));
            self.send_if(CHUNK)?;
        }
        self.add(format_args!("ls \"\"\n\ndone\n"));
        self.send_if(0)?;
        Ok(imported)
    }

    fn add(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to memory does not fail.
        let _ = self.buffer.write_fmt(text);
    }

    fn send_if(&mut self, size: usize) -> Result<(), Stopped> {
        if self.buffer.len() < size {
            return Ok(());
        }
        self.sender.blocking_send(std::mem::take(&mut self.buffer).into()).map_err(|_closed| Stopped::Closed)
    }
}

/// A path as fast-import reads it.
struct Quoted<'a>(&'a [u8]);

impl std::fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"")?;
        for byte in self.0 {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(*byte))?,
                b' '..=b'~' => write!(f, "{}", char::from(*byte))?,
                _ => write!(f, "\\{byte:03o}")?,
            }
        }
        f.write_str("\"")
    }
}

enum Content {
    Read(Vec<u8>, EntryMode, FileStat),
    Gone,
    Skipped(SkipReason),
}

fn read(root: BorrowedFd<'_>, found: &Found, limits: Limits) -> Content {
    let content = match found.mode {
        EntryMode::Link => read_link(root, found),
        EntryMode::File | EntryMode::Executable => read_file(root, &found.path, limits),
    };
    content.unwrap_or_else(|error| match error.kind() {
        // A link has taken its place, or that of its directory: it is seen as that next time.
        _ if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::LOOP) => Content::Gone,
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidInput => Content::Gone,
        _ => Content::Skipped(SkipReason::Unreadable),
    })
}

fn read_link(root: BorrowedFd<'_>, found: &Found) -> io::Result<Content> {
    let (parent, name) = beneath::parent(root, &found.path)?;
    let target = readlinkat(parent.as_ref().map_or(root, AsFd::as_fd), name, Vec::new())?;
    Ok(Content::Read(target.into_bytes(), EntryMode::Link, found.stat))
}

fn read_file(root: BorrowedFd<'_>, path: &[u8], limits: Limits) -> io::Result<Content> {
    let file = beneath::open(root, path, OFlags::RDONLY)?;
    // Before the content: a change in between makes the file look changed next time.
    let stat = rustix::fs::fstat(&file)?;
    let Some(mode) = EntryMode::of(&stat).filter(|mode| *mode != EntryMode::Link) else { return Ok(Content::Gone) };
    let stat = FileStat::from(&stat);
    let mut content = Vec::with_capacity(usize::try_from(stat.size.min(limits.file_size)).unwrap_or(0) + 1);
    std::fs::File::from(file).take(limits.file_size + 1).read_to_end(&mut content)?;
    let is_too_large = content.len() as u64 > limits.file_size;
    Ok(if is_too_large { Content::Skipped(SkipReason::TooLarge) } else { Content::Read(content, mode, stat) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_for_git() {
        assert_eq!(Quoted(b"a \"b\"\\\n\xff~").to_string(), r#""a \"b\"\\\012\377~""#);
    }
}
