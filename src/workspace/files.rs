//! Files of a working directory as they are now: listed, opened and written. Blocking; by handle, without following links, and never in a
//! repository of git.

use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use bytes::Bytes;
use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Uid, fchmod, fchown, fstat, mkdirat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::beneath::{self, DIRECTORY, not_a_directory};
use super::file_path::{FilePath, is_repository};
use super::index::FileStat;
use crate::process::is_resource_exhausted;

/// Maximum number of entries of a directory that is listed. The time for a page grows with it, the memory does not.
const MAX_ENTRIES: usize = 500_000;

/// Beginning of the names of files that are being written. What a killed server leaves is recognized by it.
const TEMPORARY: &str = ".openrunner-tmp-";

/// Kind of an entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, wherever it leads.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its name, as the system has it.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: FileKind,
    /// Size of a file in bytes; of a link, the length of its target. `None` for others.
    pub size: Option<u64>,
    /// Time of its last change, in milliseconds since the Unix epoch. `None` if it is not known, as in a snapshot.
    pub modified: Option<i64>,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// A page of a directory, in the order of the bytes of the names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The entries.
    pub entries: Vec<FileEntry>,
    /// The name after which the next page begins; `None` on the last page.
    pub next: Option<Vec<u8>>,
}

/// An open file.
#[derive(Debug)]
pub struct OpenFile {
    /// The file, at its beginning.
    pub file: File,
    /// Its size in bytes when it was opened.
    pub size: u64,
    /// Differs after each change of the file.
    pub version: String,
}

/// A piece of content that arrives.
#[derive(Debug)]
pub enum Piece {
    /// The next bytes.
    Data(Bytes),
    /// All bytes have arrived. Without it the content is incomplete.
    End,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It does not exist.
    #[error("there is no such file or directory")]
    NotFound,
    /// A symbolic link is on the way to it, or in its place.
    #[error("it is, or is reached through, a symbolic link; links are not followed")]
    Link,
    /// It is of another kind.
    #[error("it is {}", describe(*.0))]
    Kind(FileKind),
    /// The directory is too large to be listed.
    #[error("the directory has more than {MAX_ENTRIES} entries")]
    TooManyEntries,
    /// The server may not do this.
    #[error("the server's account has no permission")]
    Denied,
    /// The content did not arrive as a whole.
    #[error("the content did not arrive as a whole")]
    Incomplete,
    /// The disk is full, or there are no free descriptors.
    #[error("the server is out of disk space or file descriptors: {0}")]
    Exhausted(#[source] io::Error),
    /// Another error of the system.
    #[error("{0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            // `NOTDIR`: a file on the way to it.
            Some(Errno::NOENT | Errno::NAMETOOLONG | Errno::INVAL | Errno::NXIO | Errno::NOTDIR) => Self::NotFound,
            Some(Errno::LOOP | Errno::XDEV | Errno::MLINK) => Self::Link,
            Some(Errno::ISDIR) => Self::Kind(FileKind::Directory),
            Some(Errno::ACCESS | Errno::PERM) => Self::Denied,
            _ if is_resource_exhausted(&error) => Self::Exhausted(error),
            _ => Self::Io(error),
        }
    }
}

impl From<Errno> for FileError {
    fn from(error: Errno) -> Self {
        io::Error::from(error).into()
    }
}

impl From<&Stat> for FileKind {
    fn from(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Link,
            _ => Self::Other,
        }
    }
}

fn describe(kind: FileKind) -> &'static str {
    match kind {
        FileKind::File => "a file, not a directory",
        FileKind::Directory => "a directory, not a file",
        FileKind::Link => "a symbolic link; links are not followed",
        FileKind::Other => "a pipe, a socket or a device",
    }
}

/// Lists at most `limit` entries of a directory, after the name `after`. `None` stands for the working directory itself.
///
/// # Errors
/// [`FileError`].
pub fn list(root: BorrowedFd<'_>, path: Option<&FilePath>, after: Option<&[u8]>, limit: usize) -> Result<Listing, FileError> {
    let directory = match path {
        None => openat(root, ".", DIRECTORY, Mode::empty())?,
        Some(path) => match stat(root, path)? {
            found if FileKind::from(&found) == FileKind::Directory => beneath::open(root, path.bytes(), DIRECTORY)?,
            found => return Err(FileError::Kind((&found).into())),
        },
    };
    // The first names after the cursor, the last of them on top: memory for one page, however large the directory is.
    let (mut first, mut seen) = (BinaryHeap::new(), 0);
    for entry in Dir::read_from(&directory)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || is_repository(name) {
            continue;
        }
        seen += 1;
        if seen > MAX_ENTRIES {
            return Err(FileError::TooManyEntries);
        }
        if after.is_some_and(|after| name <= after) {
            continue;
        }
        first.push(name.to_vec());
        if first.len() > limit.saturating_add(1) {
            first.pop();
        }
    }
    let mut names = first.into_sorted_vec();
    let has_more = names.len() > limit;
    names.truncate(limit);
    let next = names.last().filter(|_| has_more).cloned();
    // What has vanished meanwhile is left out.
    let entries = names.into_iter().filter_map(|name| {
        let stat = statat(&directory, OsStr::from_bytes(&name), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        Some(entry(name, &stat))
    });
    Ok(Listing { entries: entries.collect(), next })
}

/// Opens a regular file for reading.
///
/// # Errors
/// [`FileError`].
pub fn open(root: BorrowedFd<'_>, path: &FilePath) -> Result<OpenFile, FileError> {
    // Before it is opened: opening a device can have effects, and opening a pipe lets its writer go on.
    let kind = FileKind::from(&stat(root, path)?);
    if kind != FileKind::File {
        return Err(FileError::Kind(kind));
    }
    let file = beneath::open(root, path.bytes(), OFlags::RDONLY)?;
    // Again: something else may have taken its place.
    let stat = fstat(&file)?;
    match FileKind::from(&stat) {
        FileKind::File => Ok(OpenFile { size: FileStat::from(&stat).size, version: FileStat::from(&stat).version(), file: file.into() }),
        kind => Err(FileError::Kind(kind)),
    }
}

/// A file that is being written, piece by piece. Dropping it leaves the earlier file.
#[derive(Debug)]
pub struct Writing {
    new: NewFile,
    name: OsString,
    is_new: bool,
}

impl Writing {
    /// Begins to write a file, and creates missing directories. The file is replaced as a whole when it is finished: a reader sees the old or
    /// the new one, and a link is never written through. It keeps its permissions; a new one gets those of its directory.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn begin(root: BorrowedFd<'_>, path: &FilePath) -> Result<Self, FileError> {
        let (directory, name) = create_parent(root, path)?;
        let earlier = existing(directory.as_fd(), name)?;
        let mode = match &earlier {
            Some(earlier) => permissions(earlier),
            None => permissions(&fstat(&directory)?) & !Mode::from_raw_mode(0o111),
        };
        Ok(Self { new: NewFile::create(directory, mode)?, name: name.to_owned(), is_new: earlier.is_none() })
    }

    /// Adds content.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn add(&mut self, content: &[u8]) -> Result<(), FileError> {
        Ok(self.new.file.write_all(content)?)
    }

    /// Waits until the content is on disk, and puts the file in its place. Returns its entry, and whether it is new.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn finish(self) -> Result<(FileEntry, bool), FileError> {
        self.new.file.sync_all()?;
        let directory = self.new.directory.try_clone()?;
        let stat = self.new.replace(&self.name)?;
        rustix::fs::fsync(&directory)?;
        Ok((entry(self.name.into_encoded_bytes(), &stat), self.is_new))
    }
}

/// A file that is being written. Dropping it removes it.
#[derive(Debug)]
pub(super) struct NewFile {
    directory: OwnedFd,
    name: String,
    pub(super) file: File,
    is_in_place: bool,
}

impl NewFile {
    /// Creates an empty file with a random name, with these permissions and the owner of its directory.
    pub(super) fn create(directory: OwnedFd, mode: Mode) -> io::Result<Self> {
        let name = temporary_name()?;
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&directory, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let new = Self { directory, name, file: file.into(), is_in_place: false };
        inherit_owner(new.file.as_fd(), new.directory.as_fd())?;
        // Explicitly, because the mask of the server is stricter than that of its users.
        fchmod(&new.file, mode)?;
        Ok(new)
    }

    /// Puts it in the place of the file `name`, or of a link, which is replaced itself.
    pub(super) fn replace(mut self, name: &OsStr) -> io::Result<Stat> {
        let stat = fstat(&self.file)?;
        renameat(&self.directory, &self.name, &self.directory, name)?;
        self.is_in_place = true;
        Ok(stat)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_in_place {
            let _ = unlinkat(&self.directory, &self.name, AtFlags::empty());
        }
    }
}

/// A name that no other file has.
pub(super) fn temporary_name() -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("{TEMPORARY}{:016x}", u64::from_le_bytes(random)))
}

/// Opens the directory of a file, and creates it and those above it if they are missing. Returns it with the name of the file.
pub(super) fn create_parent<'a>(root: BorrowedFd<'_>, path: &'a FilePath) -> io::Result<(OwnedFd, &'a OsStr)> {
    let mut directory = openat(root, ".", DIRECTORY, Mode::empty())?;
    let mut components = path.components().map(OsStr::from_bytes).peekable();
    while let Some(component) = components.next() {
        if components.peek().is_none() {
            return Ok((directory, component));
        }
        directory = match openat(&directory, component, DIRECTORY, Mode::empty()) {
            Err(Errno::NOENT) => create_directory(directory.as_fd(), component)?,
            opened => opened.map_err(|error| not_a_directory(directory.as_fd(), component, error))?,
        };
    }
    Err(Errno::INVAL.into())
}

fn create_directory(parent: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let mode = permissions(&fstat(parent)?);
    match mkdirat(parent, name, Mode::RWXU) {
        // The agent has created it at the same time.
        Err(Errno::EXIST) => return Ok(openat(parent, name, DIRECTORY, Mode::empty())?),
        other => other?,
    }
    let created = openat(parent, name, DIRECTORY, Mode::empty())?;
    inherit_owner(created.as_fd(), parent)?;
    fchmod(&created, mode)?;
    Ok(created)
}

/// The file that is to be replaced, if there is one.
fn existing(directory: BorrowedFd<'_>, name: &OsStr) -> Result<Option<Stat>, FileError> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => Ok(None),
        found => match found? {
            file if FileKind::from(&file) == FileKind::File => Ok(Some(file)),
            other => Err(FileError::Kind((&other).into())),
        },
    }
}

/// The permissions without set-id and sticky bits.
pub(super) fn permissions(stat: &Stat) -> Mode {
    Mode::from_raw_mode(stat.st_mode) & Mode::from_raw_mode(0o777)
}

/// A server that runs as root gives what it creates to the owner of the directory: the agent may run under that account.
pub(super) fn inherit_owner(file: BorrowedFd<'_>, directory: BorrowedFd<'_>) -> io::Result<()> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let owner = fstat(directory)?;
    Ok(fchown(file, Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)))?)
}

/// The state of a path, of any kind.
fn stat(root: BorrowedFd<'_>, path: &FilePath) -> Result<Stat, FileError> {
    let (parent, name) = beneath::parent(root, path.bytes())?;
    Ok(statat(parent.as_ref().map_or(root, AsFd::as_fd), name, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn entry(name: Vec<u8>, stat: &Stat) -> FileEntry {
    let kind = FileKind::from(stat);
    let size = matches!(kind, FileKind::File | FileKind::Link).then(|| FileStat::from(stat).size);
    let executable = kind == FileKind::File && stat.st_mode & 0o100 != 0;
    FileEntry { name, kind, size, modified: Some(FileStat::from(stat).modified_millis()), executable }
}
