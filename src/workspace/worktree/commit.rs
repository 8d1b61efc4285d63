//! The work in a worktree as a commit on its branch in the user's repository.
//!
//! The commit is made from the files, as snapshots are, and not from the index, the commits or the objects in the worktree, which the agent
//! can prepare. Git runs in the repository of the snapshots.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::OFlags;

use super::error::WorktreeError;
use super::ref_name::CommitId;
use super::repository::Repository;
use crate::workspace::beneath;
use crate::workspace::git::{self, Bounds, GitContext};
use crate::workspace::import::{self, Import, ImportError};
use crate::workspace::skip::{SkipReason, Skipped};
use crate::workspace::store::{SnapshotError, SnapshotKind, SnapshotStore};
use crate::workspace::tree_id::TreeId;
use crate::workspace::walk::{self, Current, Found, Limits};

/// For each command.
const BOUNDS: Bounds = Bounds { time: Duration::from_mins(2), output: 32 * 1024 * 1024 };

/// What is written to the user's repository is on disk before its branch refers to it.
const SETTINGS: [&str; 2] = ["core.fsync=all", "core.fsyncMethod=fsync"];

/// Maximum size of a file whose content is compared with the commit, in bytes. A larger one counts as changed.
const MAX_HASHED: u64 = 1024 * 1024 * 1024;

/// Size of the parts in which it is read, in bytes.
const CHUNK: u64 = 256 * 1024;

/// A submodule in a tree.
const SUBMODULE: &[u8] = b"160000";

/// What a commit says, besides its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitMessage {
    /// The message. Not empty.
    pub text: String,
    /// Name of the author, without `<`, `>` and control characters.
    pub author: String,
    /// Email address of the author, likewise.
    pub email: String,
}

/// The state of a worktree, compared with its branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorktreeState {
    /// The commit that its branch is at.
    pub tip: CommitId,
    /// Whether files differ from it.
    pub has_changes: bool,
    /// Some of the new files that are not part of a commit, because they are too large or cannot be read.
    pub skipped: Vec<Skipped>,
    /// Number of those.
    pub skipped_total: usize,
}

/// The work was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The commit that the branch is at now.
    pub commit: CommitId,
    /// Whether it is a new one. Otherwise nothing had changed.
    pub is_new: bool,
    /// Some of the files that are not part of it.
    pub skipped: Vec<Skipped>,
    /// Number of those.
    pub skipped_total: usize,
}

/// The files of a worktree as a tree, and what it is compared with.
pub(super) struct Work {
    pub(super) tip: CommitId,
    tip_tree: TreeId,
    tree: TreeId,
    pub(super) skipped: Vec<Skipped>,
    pub(super) skipped_total: usize,
}

impl Work {
    pub(super) fn has_changes(&self) -> bool {
        self.tree != self.tip_tree
    }
}

/// Runs git in the repository of the snapshots, which sees the objects of the user's repository as well.
struct Commands<'a> {
    store: &'a SnapshotStore,
    snapshots: PathBuf,
    objects: PathBuf,
}

impl Commands<'_> {
    async fn run(&self, args: &[&str], more_env: &[(&'static str, OsString)], input: Option<Vec<u8>>) -> Result<Vec<u8>, WorktreeError> {
        let mut env = vec![("GIT_ALTERNATE_OBJECT_DIRECTORIES", quoted(&self.objects))];
        env.extend(more_env.iter().cloned());
        self.run_with(args, &env, input).await
    }

    async fn run_with(&self, args: &[&str], env: &[(&'static str, OsString)], input: Option<Vec<u8>>) -> Result<Vec<u8>, WorktreeError> {
        let context = GitContext { repository: &self.snapshots, dir: &self.snapshots, env, settings: &SETTINGS };
        let receiver = match input {
            Some(input) => {
                let (sender, receiver) = git::input();
                // The queue has room for it.
                let _ = sender.try_send(Bytes::from(input));
                Some(receiver)
            }
            None => None,
        };
        Ok(self.store.git().run_in(&context, args, BOUNDS, receiver).await?)
    }

    /// The id of a file's content, in digits. Of a file that cannot be read, that of the part before.
    async fn hash(&self, root: &OwnedFd, path: &[u8]) -> Result<Vec<u8>, WorktreeError> {
        let (sender, receiver) = git::input();
        let (root, path) = (root.try_clone()?, path.to_vec());
        let reading = tokio::task::spawn_blocking(move || {
            let mut file = File::from(beneath::open(root.as_fd(), &path, OFlags::RDONLY)?).take(MAX_HASHED);
            loop {
                let mut chunk = Vec::new();
                file.by_ref().take(CHUNK).read_to_end(&mut chunk)?;
                // Git has ended, and says why.
                if chunk.is_empty() || sender.blocking_send(chunk.into()).is_err() {
                    return Ok::<_, io::Error>(());
                }
            }
        });
        let context = GitContext { repository: &self.snapshots, dir: &self.snapshots, env: &[], settings: &[] };
        let id = self.store.git().run_in(&context, &["hash-object", "--stdin", "-t", "blob"], BOUNDS, Some(receiver)).await?;
        if let Ok(Err(error)) = reading.await {
            tracing::debug!(%error, "could not read a large file of a worktree");
        }
        Ok(id.trim_ascii_end().to_vec())
    }

    async fn id(&self, args: &[&str], env: &[(&'static str, OsString)], input: Option<Vec<u8>>) -> Result<TreeId, WorktreeError> {
        let answer = self.run(args, env, input).await?;
        String::from_utf8_lossy(&answer).trim().parse().map_err(|_| WorktreeError::Git(git::GitError::Unexpected("it named no object")))
    }
}

/// Looks at the files of the worktree `name`. `tip` is the commit that its branch is at.
///
/// # Errors
/// [`WorktreeError`], by cause.
pub(super) async fn look(
    store: &SnapshotStore,
    repository: &Repository,
    root: &OwnedFd,
    name: &str,
    tip: CommitId,
) -> Result<Work, WorktreeError> {
    // Without what earlier ones contained: it is compared with the commit alone.
    let snapshot = store.snapshot(root, name, SnapshotKind::Start).await?;
    let commands = Commands { store, snapshots: store.repository(), objects: repository.objects() };
    let tip_tree = commands.id(&["rev-parse", "--verify", "--quiet", "--end-of-options", &format!("{tip}^{{tree}}")], &[], None).await?;
    let (from, to) = (tip_tree.to_string(), snapshot.tree.to_string());
    let missing = commands.run(&["diff-tree", "-r", "-z", "--raw", "--no-renames", "--diff-filter=D", &from, &to], &[], None).await?;
    let (handle, limits) = (root.try_clone()?, store.limits());
    let sorted = tokio::task::spawn_blocking(move || Missing::sort(&missing, &handle, limits)).await;
    let Missing { found, large, mut kept } = sorted.map_err(io::Error::other)?;
    let mut tree = snapshot.tree;
    if !found.is_empty() {
        let import = Import { base: tree, deleted: Vec::new(), changed: found };
        let imported = import::run(store.git(), &store.repository(), root.try_clone()?, import, limits).await;
        tree = imported
            .map_err(|error| match error {
                ImportError::Git(error) => WorktreeError::Git(error),
                ImportError::TooLarge => SnapshotError::TooLarge.into(),
                ImportError::Died => io::Error::other(error).into(),
            })?
            .0;
    }
    let mut skipped = untracked(&commands, tip_tree, snapshot.skipped.clone()).await?;
    let mut skipped_total = if snapshot.skipped_total > snapshot.skipped.len() {
        // Those without a name may be new as well.
        snapshot.skipped_total
    } else {
        skipped.len()
    };
    for Large { path, id, entry } in large {
        kept.extend(entry);
        if commands.hash(root, &path).await? != id {
            skipped_total += 1;
            if skipped.len() < MAX_NAMED {
                skipped.push(Skipped { path: String::from_utf8_lossy(&path).into_owned(), reason: SkipReason::TooLarge });
            }
        }
    }
    if !kept.is_empty() {
        let index = [("GIT_INDEX_FILE", OsString::from(store.repository().join(format!("index-{name}"))))];
        commands.run(&["read-tree", &tree.to_string()], &index, None).await?;
        commands.run(&["update-index", "-z", "--replace", "--index-info"], &index, Some(kept)).await?;
        let written = commands.id(&["write-tree"], &index, None).await;
        let _ = std::fs::remove_file(&index[0].1);
        tree = written?;
    }
    Ok(Work { tip, tip_tree, tree, skipped, skipped_total })
}

/// Maximum number of files without a commit that are named.
const MAX_NAMED: usize = 20;

/// What a commit contains and a snapshot does not, although it is on the disk.
#[derive(Debug, Default)]
struct Missing {
    /// Files that are ignored.
    found: Vec<Found>,
    large: Vec<Large>,
    /// Submodules, as lines for an index.
    kept: Vec<u8>,
}

/// A file that is too large for a snapshot, or cannot be read. It stays in the commit as it was.
#[derive(Debug)]
struct Large {
    path: Vec<u8>,
    /// What it was.
    id: Vec<u8>,
    /// Its line for an index.
    entry: Vec<u8>,
}

impl Missing {
    /// Looks for the files of a raw difference. Blocking.
    fn sort(raw: &[u8], root: &OwnedFd, limits: Limits) -> Self {
        let mut missing = Self::default();
        for (mode, id, path) in entries(raw) {
            let entry = [mode, b" ", id, b"\t", path, b"\0"].concat();
            if mode == SUBMODULE {
                missing.kept.extend(entry);
                continue;
            }
            match walk::look_up(root.as_fd(), path, limits) {
                Current::Gone => {}
                Current::File(mode, stat) => missing.found.push(Found { path: path.to_vec(), mode, stat }),
                Current::Skipped(_) => missing.large.push(Large { path: path.to_vec(), id: id.to_vec(), entry }),
            }
        }
        missing
    }
}

/// Those of the skipped paths that the commit does not contain.
async fn untracked(commands: &Commands<'_>, tree: TreeId, skipped: Vec<Skipped>) -> Result<Vec<Skipped>, WorktreeError> {
    let mut untracked = Vec::new();
    for skipped in skipped {
        let listed = commands.run(&["ls-tree", "-z", &tree.to_string(), "--", &skipped.path], &[], None).await?;
        if listed.is_empty() {
            untracked.push(skipped);
        }
    }
    Ok(untracked)
}

/// Makes the commit, and puts everything that it needs into the user's repository. Its branch stays as it is.
///
/// # Errors
/// [`WorktreeError`], by cause.
pub(super) async fn commit(
    store: &SnapshotStore,
    repository: &Repository,
    work: &Work,
    message: &CommitMessage,
) -> Result<CommitId, WorktreeError> {
    let commands = Commands { store, snapshots: store.repository(), objects: repository.objects() };
    let identity = [
        ("GIT_AUTHOR_NAME", message.author.clone().into()),
        ("GIT_AUTHOR_EMAIL", message.email.clone().into()),
        ("GIT_COMMITTER_NAME", "OpenRunner".into()),
        ("GIT_COMMITTER_EMAIL", "openrunner@localhost".into()),
    ];
    let (tree, tip) = (work.tree.to_string(), work.tip.to_string());
    let text = message.text.clone().into_bytes();
    let commit = commands.id(&["commit-tree", &tree, "-p", &tip, "-F", "-"], &identity, Some(text)).await?;
    // A pack of all objects that the user's repository lacks, written where that keeps its packs.
    let own = [
        ("GIT_OBJECT_DIRECTORY", repository.objects().into_os_string()),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", quoted(&store.repository().join("objects"))),
    ];
    let base = repository.objects().join("pack").join("pack");
    let base = base.to_str().ok_or(WorktreeError::NotUtf8)?;
    let revisions = format!("{commit}\n^{tip}\n").into_bytes();
    commands.run_with(&["pack-objects", "--revs", "--quiet", "--delta-base-offset", base], &own, Some(revisions)).await?;
    let commit = commit.to_string().parse();
    commit.map_err(|_| WorktreeError::Git(git::GitError::Unexpected("it named no commit")))
}

/// The entries of a raw difference: mode and id before, and path.
fn entries(raw: &[u8]) -> impl Iterator<Item = (&[u8], &[u8], &[u8])> {
    let mut fields = raw.split(|byte| *byte == 0);
    std::iter::from_fn(move || {
        // `:MODE MODE ID ID D`
        let mut words = fields.next()?.strip_prefix(b":")?.split(|byte| *byte == b' ');
        let (mode, id) = (words.next()?, words.nth(1)?);
        Some((mode, id, fields.next()?))
    })
}

/// A path in a list that is separated by colons.
fn quoted(path: &Path) -> OsString {
    let mut text = vec![b'"'];
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'"' | b'\\' => text.extend([b'\\', *byte]),
            b'\n' => text.extend(b"\\n"),
            byte => text.push(*byte),
        }
    }
    text.push(b'"');
    OsString::from_vec(text)
}
