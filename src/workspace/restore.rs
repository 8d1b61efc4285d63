//! Restores files of a working directory to their state in a snapshot.
//!
//! What is restored follows from two trees, that of a snapshot made right before and the wanted one, so a restoration that was interrupted
//! is completed by repeating it. Files whose present content is in no snapshot are left as they are: that could not be undone.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use rustix::fs::{AtFlags, Dir, Mode, fchmod, fstat, openat, renameat, statat, symlinkat, unlinkat};
use rustix::io::Errno;

use super::beneath::{self, DIRECTORY};
use super::file_path::{FilePath, is_repository};
use super::files::{FileKind, NewFile, create_parent, permissions, temporary_name};
use super::git::{self, Bounds, Git, GitError};
use super::index::EntryMode;
use super::tree_id::TreeId;

/// Time and output for the list of differences, and for the sizes of files.
const LIST: Bounds = Bounds { time: Duration::from_secs(30), output: 128 * 1024 * 1024 };

/// Time for reading a part of the files.
const READ_TIME: Duration = Duration::from_mins(1);

/// Size of the files that are in memory at a time, in bytes. Each of them is smaller.
const MAX_PART: u64 = 16 * 1024 * 1024;

/// Number of files that are read at a time.
const MAX_PART_FILES: usize = 4096;

/// Maximum number of paths that a restoration can be limited to.
pub const MAX_PATHS: usize = 100;

/// Depth and number of empty directories in the place of a file that are removed.
const MAX_EMPTY_DEPTH: usize = 32;
const MAX_EMPTY_ENTRIES: usize = 1000;

/// A file that is to be restored.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    pub(super) path: FilePath,
    /// What it is in the snapshot from before.
    pub(super) from: Option<(EntryMode, TreeId)>,
    /// What it is to be.
    pub(super) to: Option<(EntryMode, TreeId)>,
}

/// A file that was left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untouched {
    /// Its path. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Why.
    pub reason: UntouchedReason,
}

/// Why a file was left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UntouchedReason {
    /// Its present content, or that of a directory in its place, is in no snapshot: it is ignored, too large or unreadable.
    NotRecorded,
    /// The server may not write there.
    Denied,
}

/// Lists the files below `paths`, or all, that differ between two trees.
///
/// # Errors
/// [`GitError`].
pub(super) async fn differences(
    git: &Git,
    repository: &Path,
    now: TreeId,
    to: TreeId,
    paths: &[FilePath],
) -> Result<Vec<Difference>, GitError> {
    let mut args: Vec<OsString> =
        ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"].into_iter().map(OsString::from).collect();
    args.extend([now.to_string().into(), to.to_string().into(), "--".into()]);
    args.extend(paths.iter().map(|path| OsStr::from_bytes(path.bytes()).to_owned()));
    parse(&git.run(repository, &args, LIST).await?)
}

/// Parses pairs of `:mode mode id id status` and a path, separated by NUL.
fn parse(output: &[u8]) -> Result<Vec<Difference>, GitError> {
    let mut fields = output.split(|byte| *byte == 0).filter(|field| !field.is_empty());
    let mut found = Vec::new();
    while let Some(raw) = fields.next() {
        let difference = fields.next().and_then(|path| parse_pair(raw, path));
        found.push(difference.ok_or(GitError::Unexpected("a line of a list of differences"))?);
    }
    Ok(found)
}

fn parse_pair(raw: &[u8], path: &[u8]) -> Option<Difference> {
    let raw = std::str::from_utf8(raw.strip_prefix(b":")?).ok()?;
    let mut columns = raw.split(' ');
    let (from, to, from_id, to_id) = (columns.next()?, columns.next()?, columns.next()?, columns.next()?);
    let side = |mode: &str, id: &str| match mode {
        "000000" => Some(None),
        mode => Some(Some((EntryMode::from_octal(mode)?, id.parse().ok()?))),
    };
    // The server made the tree; its paths are checked all the same before something is written there.
    Some(Difference { path: FilePath::from_bytes(path).ok()?, from: side(from, from_id)?, to: side(to, to_id)? })
}

impl Difference {
    /// The content that has to be read for it.
    fn content(&self) -> Option<TreeId> {
        let (mode, blob) = self.to?;
        // Of a file whose mode alone differs, none.
        let is_same = self.from.is_some_and(|(from, id)| id == blob && (from == EntryMode::Link) == (mode == EntryMode::Link));
        (!is_same).then_some(blob)
    }
}

/// Finds the sizes of all contents that are needed. So an incomplete repository is noticed before anything is changed.
///
/// # Errors
/// [`GitError`] if one is missing.
pub(super) async fn sizes(git: &Git, repository: &Path, differences: &[Difference]) -> Result<HashMap<TreeId, u64>, GitError> {
    let blobs: HashSet<TreeId> = differences.iter().filter_map(Difference::content).collect();
    let output = cat_file(git, repository, "--batch-check", &blobs.into_iter().collect::<Vec<_>>(), LIST).await?;
    let size = |line: &str| {
        let mut columns = line.split(' ');
        Some((columns.next()?.parse().ok()?, columns.nth(1)?.parse().ok()?))
    };
    let output = String::from_utf8_lossy(&output);
    output.lines().map(|line| size(line).ok_or(GitError::Unexpected("a file of the snapshot is missing"))).collect()
}

/// Divides differences into parts whose contents fit into memory together.
pub(super) fn parts<'a>(differences: &'a [Difference], sizes: &HashMap<TreeId, u64>) -> Vec<&'a [Difference]> {
    let (mut parts, mut begin, mut size) = (Vec::new(), 0, 0_u64);
    for (index, difference) in differences.iter().enumerate() {
        let own = difference.content().and_then(|blob| sizes.get(&blob)).copied().unwrap_or(0);
        if index > begin && (size + own > MAX_PART || index - begin >= MAX_PART_FILES) {
            parts.push(&differences[begin..index]);
            (begin, size) = (index, 0);
        }
        size += own;
    }
    parts.push(&differences[begin..]);
    parts
}

/// Reads the contents that a part needs.
///
/// # Errors
/// [`GitError`].
pub(super) async fn contents(
    git: &Git,
    repository: &Path,
    part: &[Difference],
    sizes: &HashMap<TreeId, u64>,
) -> Result<HashMap<TreeId, Bytes>, GitError> {
    let blobs: Vec<TreeId> = part.iter().filter_map(Difference::content).collect::<HashSet<_>>().into_iter().collect();
    // A line with id, type and size, and a newline, for each.
    let output = blobs.iter().map(|blob| sizes.get(blob).copied().unwrap_or(0) + 128).sum();
    let mut rest = Bytes::from(cat_file(git, repository, "--batch", &blobs, Bounds { time: READ_TIME, output }).await?);
    let mut contents = HashMap::new();
    for blob in blobs {
        let unexpected = || GitError::Unexpected("the content of a file");
        let line = memchr::memchr(b'\n', &rest).ok_or_else(unexpected)?;
        let header = rest.split_to(line + 1);
        let size = std::str::from_utf8(&header[..line]).ok().filter(|header| header.starts_with(&blob.to_string()));
        let size: usize = size.and_then(|header| header.rsplit(' ').next()?.parse().ok()).ok_or_else(unexpected)?;
        if rest.len() <= size {
            return Err(unexpected());
        }
        contents.insert(blob, rest.split_to(size));
        let _newline = rest.split_to(1);
    }
    Ok(contents)
}

async fn cat_file(git: &Git, repository: &Path, option: &str, blobs: &[TreeId], bounds: Bounds) -> Result<Vec<u8>, GitError> {
    if blobs.is_empty() {
        return Ok(Vec::new());
    }
    let (sender, receiver) = git::input();
    let lines = blobs.iter().fold(Vec::new(), |mut lines, blob| {
        // Writing to memory does not fail.
        let _ = writeln!(lines, "{blob}");
        lines
    });
    // There is room for one.
    let _ = sender.try_send(lines.into());
    drop(sender);
    git.run_with(repository, &["cat-file", option], bounds, Some(receiver)).await
}

/// Removes the files that are not to be, and the directories that are empty then. Blocking. Returns what was left.
///
/// # Errors
/// If the directory cannot be changed, such as on a full disk; files may have been removed.
pub(super) fn remove(root: BorrowedFd<'_>, differences: &[Difference]) -> io::Result<Vec<Untouched>> {
    let (mut untouched, mut emptied) = (Vec::new(), BTreeSet::new());
    for difference in differences.iter().filter(|difference| difference.to.is_none()) {
        let removed = beneath::parent(root, difference.path.bytes())
            .and_then(|(parent, name)| Ok(unlinkat(parent.as_ref().map_or(root, AsFd::as_fd), name, AtFlags::empty())?));
        if let Err(error) = removed {
            untouched.extend(left(&difference.path, error)?);
        }
        let mut path = difference.path.bytes();
        while let Some(slash) = path.iter().rposition(|byte| *byte == b'/') {
            path = &path[..slash];
            emptied.insert(path);
        }
    }
    // The inner ones first.
    for directory in emptied.into_iter().rev() {
        // It fails unless it is empty, and it may stay then.
        let _ = beneath::parent(root, directory)
            .and_then(|(parent, name)| Ok(unlinkat(parent.as_ref().map_or(root, AsFd::as_fd), name, AtFlags::REMOVEDIR)?));
    }
    Ok(untouched)
}

/// Writes the files of a part. Blocking. Returns what was left.
///
/// # Errors
/// If the directory cannot be changed, such as on a full disk; files may have been written, each of them as a whole.
pub(super) fn place(root: BorrowedFd<'_>, part: &[Difference], contents: &HashMap<TreeId, Bytes>) -> io::Result<Vec<Untouched>> {
    let mut untouched = Vec::new();
    for difference in part {
        let Some((mode, blob)) = difference.to else { continue };
        let content = difference.content().map(|_| contents.get(&blob).ok_or(io::ErrorKind::UnexpectedEof)).transpose()?;
        match place_one(root, difference, mode, content) {
            Ok(true) => {}
            Ok(false) => untouched.push(not_recorded(&difference.path)),
            Err(error) => untouched.extend(left(&difference.path, error)?),
        }
    }
    Ok(untouched)
}

/// Writes one file. Returns false if what is in its place is in no snapshot.
fn place_one(root: BorrowedFd<'_>, difference: &Difference, mode: EntryMode, content: Option<&Bytes>) -> io::Result<bool> {
    let (directory, name) = create_parent(root, &difference.path)?;
    let earlier = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => None,
        // Snapshots contain no empty directories, so nothing is lost.
        Ok(found) if FileKind::from(&found) == FileKind::Directory => {
            remove_empty(directory.as_fd(), name, MAX_EMPTY_DEPTH)?;
            None
        }
        earlier => Some(earlier?),
    };
    if difference.from.is_none() && earlier.is_some() {
        return Ok(false);
    }
    let earlier = earlier.filter(|earlier| FileKind::from(earlier) == FileKind::File);
    let base = match &earlier {
        Some(earlier) => permissions(earlier),
        None => permissions(&fstat(&directory)?),
    };
    match (mode, content) {
        (EntryMode::Link, None) => {}
        (EntryMode::Link, Some(target)) => {
            let temporary = temporary_name()?;
            symlinkat(OsStr::from_bytes(target), &directory, &temporary)?;
            if let Err(error) = renameat(&directory, &temporary, &directory, name) {
                let _ = unlinkat(&directory, &temporary, AtFlags::empty());
                return Err(error.into());
            }
        }
        (_, Some(content)) => {
            let mut new = NewFile::create(directory, with_mode(base, mode))?;
            new.file.write_all(content)?;
            new.replace(name)?;
        }
        (_, None) if earlier.is_some() => {
            use rustix::fs::OFlags;

            let file = openat(&directory, name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
            fchmod(&file, with_mode(base, mode))?;
        }
        // It has vanished since the snapshot; the next restoration writes it.
        (_, None) => {}
    }
    Ok(true)
}

/// Removes a directory that contains nothing but empty directories.
///
/// # Errors
/// `ENOTEMPTY` if there is anything else in it. Empty directories in it may have been removed.
fn remove_empty(parent: BorrowedFd<'_>, name: &OsStr, depth: usize) -> io::Result<()> {
    match unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) if depth > 0 => {}
        removed => return Ok(removed?),
    }
    let directory = openat(parent, name, DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name == "." || name == ".." {
            continue;
        }
        let kind = FileKind::from(&statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW)?);
        if kind != FileKind::Directory || is_repository(name.as_bytes()) || names.len() >= MAX_EMPTY_ENTRIES {
            return Err(Errno::NOTEMPTY.into());
        }
        names.push(name.to_owned());
    }
    for name in names {
        remove_empty(directory.as_fd(), &name, depth - 1)?;
    }
    Ok(unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

/// Permissions of a file of this mode: executable for everyone who may read it, or for no one.
fn with_mode(base: Mode, mode: EntryMode) -> Mode {
    let plain = base & Mode::from_raw_mode(0o666);
    if mode == EntryMode::Executable { plain | Mode::from_raw_mode((plain.as_raw_mode() & 0o444) >> 2) | Mode::XUSR } else { plain }
}

/// Decides whether an error concerns one file only. `None` if it is none: what was to be removed has gone.
fn left(path: &FilePath, error: io::Error) -> io::Result<Option<Untouched>> {
    match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => Ok(None),
        // Something that no snapshot contains is in its place, or in that of its directory.
        Some(Errno::ISDIR | Errno::NOTDIR | Errno::NOTEMPTY | Errno::EXIST | Errno::LOOP | Errno::XDEV | Errno::NXIO) => {
            Ok(Some(not_recorded(path)))
        }
        Some(Errno::ACCESS | Errno::PERM) => Ok(Some(Untouched { path: path.to_string(), reason: UntouchedReason::Denied })),
        _ => Err(error),
    }
}

pub(super) fn not_recorded(path: &FilePath) -> Untouched {
    Untouched { path: path.to_string(), reason: UntouchedReason::NotRecorded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_git_is_parsed_and_only_paths_below_the_directory_are_taken() {
        let (one, two, none) = ("1".repeat(40), "2".repeat(40), "0".repeat(40));
        let output = format!(":100644 100755 {one} {one} M\0a\0:000000 120000 {none} {two} A\0b/c\0:100644 000000 {one} {none} D\0d\n\0");
        let parsed = parse(output.as_bytes()).unwrap();
        assert_eq!(parsed.iter().map(|difference| difference.path.to_string()).collect::<Vec<_>>(), ["a", "b/c", "d\n"]);
        assert_eq!(parsed.iter().map(Difference::content).collect::<Vec<_>>(), [None, Some(two.parse().unwrap()), None]);
        for path in ["../x", "/etc/passwd", ".git/hooks/x", "a//b"] {
            assert!(parse(format!(":100644 000000 {one} {none} D\0{path}\0").as_bytes()).is_err(), "{path}");
        }
    }

    #[test]
    fn a_mode_changes_the_permission_to_execute_alone() {
        let mode = |base, mode| with_mode(Mode::from_raw_mode(base), mode).as_raw_mode();
        assert_eq!(mode(0o640, EntryMode::Executable), 0o750);
        assert_eq!(mode(0o755, EntryMode::File), 0o644);
        assert_eq!(mode(0o200, EntryMode::Executable), 0o300);
    }

    #[test]
    fn contents_are_read_in_parts() {
        let blob = |digit: char| digit.to_string().repeat(40).parse::<TreeId>().unwrap();
        let difference =
            |digit| Difference { path: FilePath::from_bytes(b"x").unwrap(), from: None, to: Some((EntryMode::File, blob(digit))) };
        let all = ['1', '2', '3'].map(difference);
        let sizes = |size| HashMap::from(['1', '2', '3'].map(|digit| (blob(digit), size)));
        assert_eq!(parts(&all, &sizes(1)).iter().map(|part| part.len()).collect::<Vec<_>>(), [3]);
        assert_eq!(parts(&all, &sizes(MAX_PART / 2)).iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(parts(&all, &sizes(MAX_PART + 1)).iter().map(|part| part.len()).collect::<Vec<_>>(), [1, 1, 1]);
    }
}
