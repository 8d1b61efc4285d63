//! A user's repository, read without git: where it is, what its branches and tags name. Blocking.
//!
//! Its configuration, hooks and attributes are never read. Files are opened by handle and without following links, so a repository that
//! was made by a stranger leads nowhere else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use super::ref_name::{CommitId, RefName};
use crate::process::{Borrowed, WorkingDir};
use crate::workspace::beneath::{self, DIRECTORY};

/// Maximum size of a file that names a directory or a commit, in bytes.
const MAX_SMALL_FILE: u64 = 4096;

/// Maximum size of the file of packed branches and tags, in bytes.
const MAX_PACKED: u64 = 16 * 1024 * 1024;

/// Maximum number of branches and tags that a worktree gets.
const MAX_REFS: usize = 5000;

/// Maximum number of names that lead from one to the next.
const MAX_DEPTH: usize = 5;

/// Maximum number of files and directories in the object store that are looked at.
const MAX_OBJECT_FILES: usize = 500_000;

/// Permissions of new directories and files, before the umask.
const DIR_MODE: Mode = Mode::from_raw_mode(0o777);
const FILE_MODE: Mode = Mode::from_raw_mode(0o666);

/// A user's repository.
#[derive(Debug)]
pub struct Repository {
    /// The directory of its `HEAD`.
    git_dir: OwnedFd,
    /// The directory of its branches and objects: another one for a worktree of the user's own.
    common_dir: OwnedFd,
    common_path: PathBuf,
}

/// Why a repository cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is no repository.
    #[error("not the top directory of a git repository")]
    NotARepository,
    /// It, or a part of it, is in a directory that the caller may not use.
    #[error("the git repository is in a directory that is not permitted, or refers to one")]
    NotAllowed,
    /// It has a form that is not supported.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The branch, tag or commit does not exist.
    #[error("the repository has no branch, tag or commit {0}")]
    NoRef(RefName),
    /// A branch has another value than expected, or is being changed.
    #[error("branch {0} was changed meanwhile, or is locked")]
    RefChanged(String),
    /// It cannot be read or written.
    #[error("the repository cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl Repository {
    /// Opens the repository of a directory, given by its canonical path, or a bare one. `is_allowed` decides for each directory outside of
    /// it, given by its canonical path, to which the repository extends.
    ///
    /// # Errors
    /// [`RepositoryError`], by cause.
    pub fn open(directory: &Path, is_allowed: impl Fn(&Path) -> bool) -> Result<Self, RepositoryError> {
        use RepositoryError::{NotARepository, NotAllowed, Unsupported};

        let entry = directory.join(".git");
        let git_path = match entry.symlink_metadata() {
            Ok(metadata) if metadata.is_file() => {
                let text = small_file(File::open(&entry)?)?;
                let target = text.strip_prefix("gitdir:").map(str::trim).filter(|target| !target.is_empty()).ok_or(NotARepository)?;
                directory.join(target).canonicalize().map_err(|_| NotARepository)?
            }
            Ok(_) => entry.canonicalize().map_err(|_| NotARepository)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => directory.to_owned(),
            Err(error) => return Err(error.into()),
        };
        if !git_path.starts_with(directory) && !is_allowed(&git_path) {
            return Err(NotAllowed);
        }
        let git_dir = open_directory(&git_path)?;
        let common_path = match read_small(&git_dir, b"commondir")? {
            Some(text) => git_path.join(text.trim_end_matches('\n')).canonicalize().map_err(|_| NotARepository)?,
            None => git_path.clone(),
        };
        if common_path != git_path && !common_path.starts_with(directory) && !is_allowed(&common_path) {
            return Err(NotAllowed);
        }
        let common_dir = open_directory(&common_path)?;
        for part in [&b"objects"[..], b"refs"] {
            beneath::open(common_dir.as_fd(), part, DIRECTORY).map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::LOOP | Errno::NOTDIR) => Unsupported("the repository consists of links to other directories"),
                _ => NotARepository,
            })?;
        }
        let head = beneath::open(git_dir.as_fd(), b"HEAD", OFlags::RDONLY);
        if head.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Err(NotARepository);
        }
        if beneath::open(common_dir.as_fd(), b"reftable", DIRECTORY).is_ok() {
            return Err(Unsupported("the repository keeps its branches as a reftable, which is not supported"));
        }
        let repository = Self { git_dir, common_dir, common_path };
        repository.check_objects()?;
        Ok(repository)
    }

    /// The directory of its branches and objects, canonical.
    pub fn path(&self) -> &Path {
        &self.common_path
    }

    /// The directory of its objects, canonical.
    pub fn objects(&self) -> PathBuf {
        self.common_path.join("objects")
    }

    /// The directory of its objects, for agents that read it.
    ///
    /// # Errors
    /// If it was removed or replaced by a link meanwhile.
    pub fn borrowed_objects(&self) -> Result<Borrowed, RepositoryError> {
        Ok(Borrowed::new(self.objects(), beneath::open(self.common_dir.as_fd(), b"objects", DIRECTORY)?)?)
    }

    /// What a branch, a tag, a remote branch or `HEAD` names; a commit names itself, whether it exists or not. A branch wins over a tag.
    ///
    /// # Errors
    /// [`RepositoryError::NoRef`] if it does not exist; others by cause.
    pub fn resolve(&self, name: &RefName) -> Result<CommitId, RepositoryError> {
        if let Ok(id) = name.as_str().parse() {
            return Ok(id);
        }
        let packed = self.packed()?;
        let text = name.as_str();
        let candidates = match text {
            "HEAD" => vec!["HEAD".to_owned()],
            text if text.starts_with("refs/") => vec![text.to_owned()],
            text => ["heads", "tags", "remotes"].map(|kind| format!("refs/{kind}/{text}")).to_vec(),
        };
        for candidate in candidates {
            if let Some(id) = self.read(&candidate, &packed)? {
                return Ok(id);
            }
        }
        Err(RepositoryError::NoRef(name.clone()))
    }

    /// What the branch with this full name is at; `None` if it does not exist.
    ///
    /// # Errors
    /// [`RepositoryError`], by cause.
    pub fn branch(&self, full_name: &str) -> Result<Option<CommitId>, RepositoryError> {
        self.read(full_name, &self.packed()?)
    }

    /// Branches, tags and remote branches by their full names, without those of other worktrees; at most some thousand.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn refs(&self) -> Result<BTreeMap<String, CommitId>, RepositoryError> {
        let is_shared = |name: &str| {
            let is_known = ["refs/heads/", "refs/tags/", "refs/remotes/"].iter().any(|prefix| name.starts_with(prefix));
            is_known && name != "refs/heads/openrunner" && !name.starts_with("refs/heads/openrunner/")
        };
        let packed = self.packed()?;
        let mut names: Vec<String> = packed.keys().filter(|name| is_shared(name)).cloned().collect();
        let mut directories = ["refs/heads", "refs/tags", "refs/remotes"].map(str::to_owned).to_vec();
        while let Some(directory) = directories.pop() {
            let Ok(handle) = beneath::open(self.common_dir.as_fd(), directory.as_bytes(), DIRECTORY) else { continue };
            for entry in rustix::fs::Dir::read_from(&handle).map_err(io::Error::from)? {
                let entry = entry.map_err(io::Error::from)?;
                let Ok(name) = entry.file_name().to_str() else { continue };
                let path = format!("{directory}/{name}");
                if matches!(name, "." | "..") || path.parse::<RefName>().is_err() || names.len() + directories.len() > MAX_REFS {
                    continue;
                }
                let stat = rustix::fs::statat(&handle, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW).map_err(io::Error::from)?;
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::Directory => directories.push(path),
                    FileType::RegularFile if is_shared(&path) => names.push(path),
                    _ => {}
                }
            }
        }
        names.truncate(MAX_REFS);
        let mut refs = BTreeMap::new();
        for name in names {
            if let Ok(Some(id)) = self.read(&name, &packed) {
                refs.insert(name, id);
            }
        }
        Ok(refs)
    }

    /// The ends of the history of a shallow clone, as git keeps them; `None` for a complete history.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn shallow(&self) -> Result<Option<String>, RepositoryError> {
        let Some(text) = read_large(&self.common_dir, b"shallow")? else { return Ok(None) };
        let lines: Vec<&str> = text.lines().filter(|line| line.parse::<CommitId>().is_ok()).collect();
        Ok(Some(lines.join("\n") + "\n"))
    }

    /// Sets a branch, given by its full name, if it is at `expected`; `None` for a new one.
    ///
    /// # Errors
    /// [`RepositoryError::RefChanged`] if it is not; others by cause. It is unchanged then.
    pub fn set_branch(&self, full_name: &str, new: CommitId, expected: Option<CommitId>) -> Result<(), RepositoryError> {
        self.change(full_name, expected, |parent, lock, name| {
            let mut file = File::from(openat(parent, lock, OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?);
            file.write_all(format!("{new}\n").as_bytes())?;
            file.sync_all()?;
            renameat(parent, lock, parent, name)?;
            // The branch may be the only copy of the work.
            Ok(fsync(parent)?)
        })
    }

    /// Removes a branch, given by its full name, if it is at `expected` and was not packed since. Otherwise it stays.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove_branch(&self, full_name: &str, expected: CommitId) -> Result<(), RepositoryError> {
        if self.packed()?.contains_key(full_name) || self.branch(full_name)? != Some(expected) {
            return Ok(());
        }
        self.change(full_name, Some(expected), |parent, lock, name| {
            unlinkat(parent, name, AtFlags::empty())?;
            Ok(unlinkat(parent, lock, AtFlags::empty())?)
        })
    }

    /// Calls `write` while the branch is locked as git locks it, with its directory, the name of the lock and that of the file.
    fn change(
        &self,
        full_name: &str,
        expected: Option<CommitId>,
        write: impl FnOnce(&OwnedFd, &str, &str) -> io::Result<()>,
    ) -> Result<(), RepositoryError> {
        let changed = || RepositoryError::RefChanged(full_name.to_owned());
        let (directory, name) = full_name.rsplit_once('/').ok_or_else(changed)?;
        let mut above = self.common_dir.try_clone()?;
        for part in directory.split('/') {
            match mkdirat(&above, part, DIR_MODE) {
                Ok(()) => fsync(&above).map_err(io::Error::from)?,
                Err(Errno::EXIST) => {}
                Err(error) => return Err(io::Error::from(error).into()),
            }
            above = openat(&above, part, DIRECTORY, Mode::empty()).map_err(io::Error::from)?;
        }
        let lock = format!("{name}.lock");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&above, &lock, flags, FILE_MODE) {
            Ok(created) => drop(created),
            Err(Errno::EXIST) => return Err(changed()),
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let written = match self.branch(full_name) {
            Ok(current) if current == expected => write(&above, &lock, name).map_err(RepositoryError::from),
            Ok(_) => Err(changed()),
            Err(error) => Err(error),
        };
        if written.is_err() {
            let _ = unlinkat(&above, &lock, AtFlags::empty());
        }
        written
    }

    fn read(&self, full_name: &str, packed: &BTreeMap<String, CommitId>) -> Result<Option<CommitId>, RepositoryError> {
        let mut name = full_name.to_owned();
        for _ in 0..MAX_DEPTH {
            if name.parse::<RefName>().is_err() {
                return Ok(None);
            }
            let root = if name.starts_with("refs/") { &self.common_dir } else { &self.git_dir };
            let Some(text) = read_small(root, name.as_bytes())? else { return Ok(packed.get(&name).copied()) };
            match text.strip_prefix("ref:") {
                Some(next) => next.trim().clone_into(&mut name),
                None if text.trim_end().len() == 64 => {
                    return Err(RepositoryError::Unsupported("the repository uses SHA-256, which is not supported"));
                }
                None => return Ok(text.trim_end().parse().ok()),
            }
        }
        Ok(None)
    }

    fn packed(&self) -> Result<BTreeMap<String, CommitId>, RepositoryError> {
        let text = read_large(&self.common_dir, b"packed-refs")?.unwrap_or_default();
        let entry = |line: &str| {
            let (id, name) = line.split_once(' ')?;
            Some((name.parse::<RefName>().ok()?.as_str().to_owned(), id.parse().ok()?))
        };
        Ok(text.lines().filter(|line| !line.starts_with(['#', '^'])).filter_map(entry).collect())
    }

    /// Rejects an object store that extends to other directories: through it, the content of other repositories would get into worktrees.
    fn check_objects(&self) -> Result<(), RepositoryError> {
        const LINKS: RepositoryError = RepositoryError::Unsupported("the object store of the repository contains links");
        let objects = beneath::open(self.common_dir.as_fd(), b"objects", DIRECTORY)?;
        if read_small(&objects, b"info/alternates")?.is_some_and(|text| !text.trim().is_empty()) {
            let problem = "the repository borrows objects from another one; run `git repack -ad` and remove objects/info/alternates";
            return Err(RepositoryError::Unsupported(problem));
        }
        let mut looked_at = 0;
        for entry in entries(&objects)? {
            let (name, kind) = entry?;
            match kind {
                FileType::Symlink => return Err(LINKS),
                FileType::Directory => {
                    let directory = beneath::open(objects.as_fd(), &name, DIRECTORY)?;
                    for entry in entries(&directory)? {
                        looked_at += 1;
                        if looked_at > MAX_OBJECT_FILES {
                            return Err(RepositoryError::Unsupported("the repository has too many loose objects; run `git gc`"));
                        }
                        if entry?.1 == FileType::Symlink {
                            return Err(LINKS);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The entries of a directory with their types.
fn entries(directory: &OwnedFd) -> io::Result<impl Iterator<Item = io::Result<(Vec<u8>, FileType)>>> {
    let handle = directory.try_clone()?;
    let read = rustix::fs::Dir::read_from(directory)?;
    Ok(read.filter_map(move |entry| {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return Some(Err(error.into())),
        };
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") {
            return None;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match rustix::fs::statat(&handle, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                // It has vanished.
                Err(_) => return None,
            },
            kind => kind,
        };
        Some(Ok((name.to_vec(), kind)))
    }))
}

fn open_directory(path: &Path) -> Result<OwnedFd, RepositoryError> {
    Ok(WorkingDir::open(path)?.handle().try_clone()?)
}

/// The text of a small regular file below a directory; `None` if there is none.
fn read_small(root: &OwnedFd, path: &[u8]) -> io::Result<Option<String>> {
    match beneath::open(root.as_fd(), path, OFlags::RDONLY) {
        Ok(file) => {
            let file = File::from(file);
            if file.metadata()?.is_file() { small_file(file).map(Some) } else { Ok(None) }
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The text of a file of branches below a directory; `None` if it does not exist.
fn read_large(root: &OwnedFd, path: &[u8]) -> Result<Option<String>, RepositoryError> {
    let file = match beneath::open(root.as_fd(), path, OFlags::RDONLY) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => File::from(opened?),
    };
    let mut text = Vec::new();
    if !file.metadata()?.is_file() || file.take(MAX_PACKED + 1).read_to_end(&mut text)? as u64 > MAX_PACKED {
        return Err(RepositoryError::Unsupported("the repository has too many branches and tags"));
    }
    Ok(Some(String::from_utf8_lossy(&text).into_owned()))
}

fn small_file(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(MAX_SMALL_FILE).read_to_string(&mut text)?;
    Ok(text)
}
