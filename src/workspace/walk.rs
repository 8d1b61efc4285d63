//! Finds the files of a working directory. Blocking; links are not followed, and what an ignore file names is left out.

use std::collections::HashMap;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Dir, FileType, OFlags, openat, statat};
use rustix::io::Errno;

use super::beneath::{self, DIRECTORY};
use super::file_path::is_repository;
use super::ignore::Ignore;
use super::index::{EntryMode, FileStat};
use super::skip::{SkipReason, SkippedPaths};

/// Name of the files with patterns to ignore.
const IGNORE_FILE: &[u8] = b".gitignore";

/// Maximum size of an ignore file, in bytes. The rest is not read.
const MAX_IGNORE_FILE: u64 = 256 * 1024;

/// What is skipped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Maximum size of a file, in bytes.
    pub(super) file_size: u64,
    /// Maximum number of entries of one directory.
    pub(super) directory_entries: usize,
    /// Maximum number of files and directories. Beyond it there is no snapshot.
    pub(super) files: usize,
    /// Maximum length of a path, in bytes.
    pub(super) path: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_size: 10 * 1024 * 1024, directory_entries: 50_000, files: 200_000, path: 2048 }
    }
}

/// A file that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Relative to the working directory.
    pub(super) path: Vec<u8>,
    pub(super) mode: EntryMode,
    pub(super) stat: FileStat,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) files: Vec<Found>,
    pub(super) skipped: SkippedPaths,
}

/// Why a directory could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalkError {
    /// There are more files than permitted.
    #[error("more than {0} files")]
    TooManyFiles(usize),
    /// The caller does not wait for the result any more.
    #[error("cancelled")]
    Cancelled,
    /// The directory itself cannot be read.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The ignore files that apply to a directory, from the innermost outward.
#[derive(Debug)]
struct Rules {
    ignore: Ignore,
    /// Length of the path of their directory, with a slash at its end.
    prefix: usize,
    outer: Option<Arc<Self>>,
}

/// Finds all files below `root` that are not ignored, except for the paths in `excluded`.
///
/// # Errors
/// [`WalkError`]. What cannot be read below `root` is skipped.
pub(super) fn walk(
    root: BorrowedFd<'_>,
    excluded: &HashMap<&[u8], SkipReason>,
    limits: Limits,
    cancelled: &AtomicBool,
) -> Result<Walked, WalkError> {
    let mut walked = Walked::default();
    let exclude = beneath::open(root, b".git/info/exclude", OFlags::RDONLY).ok();
    let rules = exclude.and_then(|file| with_rules(file, 0, None));
    let (mut directories, mut seen) = (vec![(Vec::new(), rules)], 0);
    while let Some((mut directory, outer)) = directories.pop() {
        if cancelled.load(Ordering::Relaxed) {
            return Err(WalkError::Cancelled);
        }
        let handle = if directory.is_empty() {
            openat(root, ".", DIRECTORY, rustix::fs::Mode::empty()).map_err(io::Error::from)
        } else {
            beneath::open(root, &directory[..directory.len() - 1], DIRECTORY)
        };
        let names = handle.and_then(|handle| Ok((names(&handle, limits.directory_entries)?, handle)));
        let (names, handle) = match names {
            Ok((Some(names), handle)) => (names, handle),
            Ok((None, _)) => {
                directory.pop();
                walked.skipped.add(directory, SkipReason::TooManyEntries);
                continue;
            }
            Err(error) if directory.is_empty() => return Err(error.into()),
            Err(error) => {
                // Without permission; or it was removed or replaced meanwhile, and is seen as that next time.
                if error.kind() == io::ErrorKind::PermissionDenied {
                    directory.pop();
                    walked.skipped.add(directory, SkipReason::Unreadable);
                }
                continue;
            }
        };
        let own = beneath::open(handle.as_fd(), IGNORE_FILE, OFlags::RDONLY).ok();
        let rules = own.and_then(|file| with_rules(file, directory.len(), outer.clone())).or(outer);
        for name in names {
            let path = [&directory[..], &name].concat();
            if excluded.contains_key(path.as_slice()) {
                continue;
            }
            let Ok(stat) = statat(&handle, &*name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
            let mode = EntryMode::of(&stat);
            if (mode.is_none() && !is_directory) || is_ignored(rules.as_deref(), &path, is_directory) {
                continue;
            }
            if path.len() > limits.path {
                walked.skipped.add(path, SkipReason::PathTooLong);
                continue;
            }
            // Directories count as well: a tree of them needs as much memory.
            seen += 1;
            if seen > limits.files {
                return Err(WalkError::TooManyFiles(limits.files));
            }
            let Some(mode) = mode else {
                directories.push(([&path[..], b"/"].concat(), rules.clone()));
                continue;
            };
            let stat = FileStat::from(&stat);
            if stat.size > limits.file_size {
                walked.skipped.add(path, SkipReason::TooLarge);
                continue;
            }
            walked.files.push(Found { path, mode, stat });
        }
    }
    Ok(walked)
}

/// The names in a directory, without repositories of git; `None` if there are more than `max`.
fn names(directory: &OwnedFd, max: usize) -> io::Result<Option<Vec<Vec<u8>>>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || is_repository(name) {
            continue;
        }
        if names.len() >= max {
            return Ok(None);
        }
        names.push(name.to_vec());
    }
    Ok(Some(names))
}

/// The rules of an ignore file in a directory, within `outer`; `None` if it has no patterns.
fn with_rules(file: OwnedFd, prefix: usize, outer: Option<Arc<Rules>>) -> Option<Arc<Rules>> {
    let stat = rustix::fs::fstat(&file).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return None;
    }
    let mut text = Vec::new();
    std::fs::File::from(file).take(MAX_IGNORE_FILE).read_to_end(&mut text).ok()?;
    Ignore::parse(&text).map(|ignore| Arc::new(Rules { ignore, prefix, outer }))
}

fn is_ignored(mut rules: Option<&Rules>, path: &[u8], is_directory: bool) -> bool {
    while let Some(current) = rules {
        if let Some(decision) = current.ignore.decision(&path[current.prefix..], is_directory) {
            return decision;
        }
        rules = current.outer.as_deref();
    }
    false
}

/// A single path, as it is now.
#[derive(Debug)]
pub(super) enum Current {
    /// A file or link.
    File(EntryMode, FileStat),
    /// It does not exist, or is something else.
    Gone,
    /// It exists, but cannot be part of a snapshot.
    Skipped(SkipReason),
}

/// Looks at a single path.
pub(super) fn look_up(root: BorrowedFd<'_>, path: &[u8], limits: Limits) -> Current {
    let stat = beneath::parent(root, path)
        .and_then(|(parent, name)| Ok(statat(parent.as_ref().map_or(root, AsFd::as_fd), name, AtFlags::SYMLINK_NOFOLLOW)?));
    match stat {
        Ok(stat) => match EntryMode::of(&stat) {
            None => Current::Gone,
            Some(_) if FileStat::from(&stat).size > limits.file_size => Current::Skipped(SkipReason::TooLarge),
            Some(mode) => Current::File(mode, FileStat::from(&stat)),
        },
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::ACCESS | Errno::PERM)) => Current::Skipped(SkipReason::Unreadable),
        Err(_) => Current::Gone,
    }
}
