//! A directory as a compressed tar archive, which is made piece by piece as its reader takes it.
//!
//! Files are found and read by handle, without following links: a link is stored as a link. `.git`, pipes, sockets and devices are left out.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::vec;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};

use super::beneath::{self, DIRECTORY};
use super::file_path::{FilePath, is_repository};
use super::files::{FileKind, permissions};
use super::index::FileStat;

/// Size of a block of an archive.
const BLOCK: usize = 512;

/// Number of bytes of content that are read at a time.
const READ: usize = 64 * 1024;

/// Size from which on a piece is passed on, in bytes.
const PIECE: usize = 64 * 1024;

/// What one step may read, in bytes, so that it is short even if the content is compressed to almost nothing.
const MAX_STEP: usize = 4 * 1024 * 1024;

/// Maximum length of a name in a header. A longer one has an entry of its own.
const MAX_NAME: usize = 100;

/// How much an archive may contain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Number of files and directories.
    pub(super) entries: usize,
    /// Size of their content, in bytes.
    pub(super) bytes: u64,
    /// Number of entries of one directory.
    pub(super) directory_entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 500_000, bytes: 8 * 1024 * 1024 * 1024, directory_entries: 200_000 }
    }
}

/// What an archive contains.
#[derive(Debug)]
pub enum Selection {
    /// A directory with everything in it; `None` for the working directory itself.
    Directory(Option<FilePath>),
    /// These files, as far as they exist.
    Files(Vec<FilePath>),
}

/// An archive that is being made.
#[derive(Debug)]
pub struct Archive {
    root: Arc<OwnedFd>,
    limits: Limits,
    /// What is left to be archived: paths of a list or of a directory, the innermost last.
    pending: Vec<vec::IntoIter<Vec<u8>>>,
    /// Whether directories are archived with their content.
    is_recursive: bool,
    /// The file whose content is being archived.
    current: Option<Current>,
    /// `None` at the end.
    output: Option<GzEncoder<Vec<u8>>>,
}

/// A file whose content is being archived.
#[derive(Debug)]
struct Current {
    file: File,
    /// Number of bytes that its header promises.
    size: u64,
    /// Number of these that are left.
    left: u64,
}

impl Archive {
    /// An archive of the directory. Blocking.
    ///
    /// # Errors
    /// If the selected directory cannot be read.
    pub fn new(root: OwnedFd, selection: Selection) -> io::Result<Self> {
        let output = Some(GzEncoder::new(Vec::new(), Compression::fast()));
        let mut archive =
            Self { root: Arc::new(root), limits: Limits::default(), pending: Vec::new(), is_recursive: true, current: None, output };
        match selection {
            Selection::Files(paths) => {
                archive.is_recursive = false;
                archive.pending.push(paths.iter().map(|path| path.bytes().to_vec()).collect::<Vec<_>>().into_iter());
            }
            Selection::Directory(path) => {
                let path = path.map(|path| path.bytes().to_vec());
                let directory = match &path {
                    None => openat(archive.root.as_fd(), ".", DIRECTORY, Mode::empty())?,
                    Some(path) => beneath::open(archive.root.as_fd(), path, DIRECTORY)?,
                };
                archive.push_directory(&directory, path.as_deref().unwrap_or_default())?;
            }
        }
        Ok(archive)
    }

    /// Replaces the limits.
    #[cfg(test)]
    pub(super) fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Does a part of the work for the next piece.
    #[cfg(test)]
    pub(super) fn step(&mut self) {
        if self.current.is_some() {
            self.copy_content().unwrap();
        } else if let Some(path) = self.next_path() {
            self.add(&path).unwrap();
        }
    }

    /// Number of bytes that are left of the current file.
    #[cfg(test)]
    pub(super) fn current_left(&self) -> Option<u64> {
        self.current.as_ref().map(|current| current.left)
    }

    /// Makes the next piece; `None` after the last one. Blocking, for a bounded time.
    ///
    /// # Errors
    /// If the directory contains more than an archive may. What cannot be read is left out.
    pub fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        let mut read = 0;
        while let Some(output) = &mut self.output {
            if output.get_ref().len() >= PIECE || (read >= MAX_STEP && !output.get_ref().is_empty()) {
                return Ok(Some(std::mem::take(output.get_mut()).into()));
            }
            if self.current.is_some() {
                read += self.copy_content()?;
            } else if let Some(path) = self.next_path() {
                self.add(&path)?;
                read += BLOCK;
            } else if let Some(mut output) = self.output.take() {
                output.write_all(&[0; 2 * BLOCK])?;
                return Ok(Some(output.finish()?.into()));
            }
        }
        Ok(None)
    }

    fn next_path(&mut self) -> Option<Vec<u8>> {
        while let Some(last) = self.pending.last_mut() {
            if let Some(path) = last.next() {
                return Some(path);
            }
            self.pending.pop();
        }
        None
    }

    /// Adds the entry of a path. One that has vanished or cannot be read is left out.
    fn add(&mut self, path: &[u8]) -> io::Result<()> {
        let root = Arc::clone(&self.root);
        let Ok((parent, name)) = beneath::parent(root.as_fd(), path) else { return Ok(()) };
        let parent = parent.as_ref().map_or(root.as_fd(), AsFd::as_fd);
        let Ok(stat) = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(()) };
        match FileKind::from(&stat) {
            FileKind::Link => {
                let Ok(target) = readlinkat(parent, name, Vec::new()) else { return Ok(()) };
                self.header(path, target.as_bytes(), b'2', &stat, 0)
            }
            FileKind::Directory if self.is_recursive => {
                let Ok(directory) = openat(parent, name, DIRECTORY, Mode::empty()) else { return Ok(()) };
                self.header(&[path, b"/"].concat(), b"", b'5', &stat, 0)?;
                self.push_directory(&directory, path)
            }
            FileKind::File => self.begin_file(parent, name, path),
            FileKind::Directory | FileKind::Other => Ok(()),
        }
    }

    fn begin_file(&mut self, parent: BorrowedFd<'_>, name: &std::ffi::OsStr, path: &[u8]) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let Ok(file) = openat(parent, name, flags, Mode::empty()) else { return Ok(()) };
        let stat = fstat(&file)?;
        if FileKind::from(&stat) != FileKind::File {
            return Ok(());
        }
        let size = FileStat::from(&stat).size;
        self.limits.bytes = self.limits.bytes.checked_sub(size).ok_or_else(too_large)?;
        self.header(path, b"", b'0', &stat, size)?;
        self.current = Some(Current { file: file.into(), size, left: size });
        Ok(())
    }

    /// Copies a part of the current file. Exactly as many bytes follow the header as it promises: a file that has become shorter is filled up
    /// with zeros. Returns the number of bytes.
    fn copy_content(&mut self) -> io::Result<usize> {
        let (Some(Current { file, size, left }), Some(output)) = (&mut self.current, &mut self.output) else { return Ok(0) };
        let mut buffer = vec![0; READ];
        let wanted = usize::try_from(*left).unwrap_or(READ).min(READ);
        let read = match file.read(&mut buffer[..wanted]) {
            Ok(0) | Err(_) => wanted,
            Ok(read) => read,
        };
        output.write_all(&buffer[..read])?;
        *left -= read as u64;
        if *left == 0 {
            let rest = usize::try_from(*size % BLOCK as u64).unwrap_or(0);
            if rest > 0 {
                output.write_all(&[0; BLOCK][rest..])?;
            }
            self.current = None;
        }
        Ok(read)
    }

    /// Adds the content of a directory to what is left.
    fn push_directory(&mut self, directory: &OwnedFd, path: &[u8]) -> io::Result<()> {
        let mut paths = Vec::new();
        let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") || is_repository(name) {
                continue;
            }
            if paths.len() >= self.limits.directory_entries {
                return Err(too_large());
            }
            paths.push([&prefix, name].concat());
        }
        paths.sort_unstable();
        self.pending.push(paths.into_iter());
        Ok(())
    }

    /// Writes a header, in the format of GNU tar, which stores names of any bytes and length.
    fn header(&mut self, path: &[u8], target: &[u8], kind: u8, stat: &Stat, size: u64) -> io::Result<()> {
        self.limits.entries = self.limits.entries.checked_sub(1).ok_or_else(too_large)?;
        let Some(output) = &mut self.output else { return Ok(()) };
        for (text, kind) in [(target, b'K'), (path, b'L')] {
            if text.len() > MAX_NAME {
                output.write_all(&block(b"././@LongLink", b"", kind, Mode::from_raw_mode(0o644), text.len() as u64 + 1, 0))?;
                output.write_all(text)?;
                output.write_all(&[0; BLOCK][text.len() % BLOCK..])?;
            }
        }
        let modified = FileStat::from(stat).modified_millis().div_euclid(1000);
        output.write_all(&block(path, target, kind, permissions(stat), size, u64::try_from(modified).unwrap_or(0)))
    }
}

/// One header. Owner and group are 0, as the extracting account replaces them.
fn block(path: &[u8], target: &[u8], kind: u8, mode: Mode, size: u64, modified: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |offset: usize, bytes: &[u8]| block[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(0, &path[..path.len().min(MAX_NAME)]);
    put(100, format!("{:07o}", mode.as_raw_mode()).as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, &number(size));
    put(136, &number(modified));
    // The checksum is computed with spaces in its place.
    put(148, b"        ");
    put(156, &[kind]);
    put(157, &target[..target.len().min(MAX_NAME)]);
    put(257, b"ustar  \0");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// A number in 11 octal digits or, if it needs more, in binary.
fn number(number: u64) -> [u8; 12] {
    let mut field = [0; 12];
    if number < 1 << 33 {
        field[..11].copy_from_slice(format!("{number:011o}").as_bytes());
    } else {
        field[0] = 0x80;
        field[4..].copy_from_slice(&number.to_be_bytes());
    }
    field
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "the directory contains more than an archive may")
}
