//! The index of a snapshot: for each file its content's id, and what the system reported about the file when it was read. A file about
//! which the system reports the same was not changed, and is not read again.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use rustix::fs::{FileType, Stat};

use super::skip::SkipReason;
use super::tree_id::TreeId;

/// Begins each file, with the version of its format.
const MAGIC: &[u8; 8] = b"orn-idx1";

/// Kind of a file, as git distinguishes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryMode {
    File,
    Executable,
    Link,
}

impl EntryMode {
    /// `None` for what git does not store, such as directories, pipes and devices.
    pub(super) fn of(stat: &Stat) -> Option<Self> {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if stat.st_mode & 0o100 != 0 => Some(Self::Executable),
            FileType::RegularFile => Some(Self::File),
            FileType::Symlink => Some(Self::Link),
            _ => None,
        }
    }

    /// As in a tree.
    pub(super) fn octal(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
        }
    }

    /// The reverse of [`octal`](Self::octal).
    pub(super) fn from_octal(octal: &str) -> Option<Self> {
        [Self::File, Self::Executable, Self::Link].into_iter().find(|mode| mode.octal() == octal)
    }

    fn code(self) -> u8 {
        match self {
            Self::File => 0,
            Self::Executable => 1,
            Self::Link => 2,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::File, Self::Executable, Self::Link].into_iter().find(|mode| mode.code() == code)
    }
}

/// What the system reports about a file. It differs after each change of the content, provided that the clock has moved since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileStat {
    pub(super) size: u64,
    device: u64,
    inode: u64,
    /// Times in nanoseconds.
    modified: i64,
    /// Time of the last change of content or metadata, which only the kernel sets.
    changed: i64,
}

impl FileStat {
    /// Equal to that of no file: the file is read again.
    pub(super) const UNKNOWN: Self = Self { size: u64::MAX, device: 0, inode: 0, modified: i64::MIN, changed: i64::MIN };

    /// A text that differs after each change of the file.
    pub(super) fn version(self) -> String {
        format!("{:x}-{:x}-{:x}-{:x}", self.size, self.inode, self.modified, self.changed)
    }

    /// Time of the last change of the content, in milliseconds since the Unix epoch.
    pub(super) fn modified_millis(self) -> i64 {
        self.modified.div_euclid(1_000_000)
    }

    /// This, unless the file may be changed without a difference: its last change is not before the time `began`, at which the directory
    /// was looked at. Both are from the clock of the file system.
    pub(super) fn unless_recent(self, began: Self) -> Self {
        // Some file systems store times in units of two seconds.
        let unit = if self.changed % 1_000_000_000 == 0 { 2_000_000_000 } else { 20_000_000 };
        if self.changed.saturating_add(unit) < began.changed { self } else { Self::UNKNOWN }
    }
}

impl From<&Stat> for FileStat {
    // The types of the fields differ between systems.
    #[allow(
        clippy::allow_attributes,
        clippy::useless_conversion,
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss
    )]
    fn from(stat: &Stat) -> Self {
        let nanos = |seconds: i64, nanos: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanos);
        Self {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            modified: nanos(stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: nanos(stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

/// A file in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) mode: EntryMode,
    pub(super) stat: FileStat,
    /// Id of its content.
    pub(super) blob: [u8; 20],
}

/// The index of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) tree: TreeId,
    pub(super) files: HashMap<Vec<u8>, IndexEntry>,
    /// Paths that are not part of the snapshot although they exist.
    pub(super) skipped: Vec<(Vec<u8>, SkipReason)>,
}

impl Default for Index {
    fn default() -> Self {
        Self { tree: TreeId::EMPTY, files: HashMap::new(), skipped: Vec::new() }
    }
}

impl Index {
    /// Reads an index; `None` if there is none or it is damaged.
    pub(super) fn load(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        let (content, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let mut rest = content.strip_prefix(MAGIC)?;
        let mut index = Self { tree: TreeId::from_bytes(take(&mut rest)?), ..Self::default() };
        let (files, skipped) = (count(&mut rest)?, count(&mut rest)?);
        for _ in 0..files {
            let path = bytes_of(&mut rest)?;
            let mode = EntryMode::from_code(take::<1>(&mut rest)?[0])?;
            let stat = FileStat {
                size: u64::from_le_bytes(take(&mut rest)?),
                device: u64::from_le_bytes(take(&mut rest)?),
                inode: u64::from_le_bytes(take(&mut rest)?),
                modified: i64::from_le_bytes(take(&mut rest)?),
                changed: i64::from_le_bytes(take(&mut rest)?),
            };
            index.files.insert(path, IndexEntry { mode, stat, blob: take(&mut rest)? });
        }
        for _ in 0..skipped {
            let reason = SkipReason::from_code(take::<1>(&mut rest)?[0])?;
            index.skipped.push((bytes_of(&mut rest)?, reason));
        }
        Some(index)
    }

    /// Replaces the index at `path` atomically.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn save(&self, path: &Path) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(64 + self.files.len() * 128);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(self.tree.bytes());
        put_count(&mut bytes, self.files.len());
        put_count(&mut bytes, self.skipped.len());
        for (path, IndexEntry { mode, stat, blob }) in &self.files {
            put_bytes(&mut bytes, path);
            bytes.push(mode.code());
            bytes.extend_from_slice(&stat.size.to_le_bytes());
            bytes.extend_from_slice(&stat.device.to_le_bytes());
            bytes.extend_from_slice(&stat.inode.to_le_bytes());
            bytes.extend_from_slice(&stat.modified.to_le_bytes());
            bytes.extend_from_slice(&stat.changed.to_le_bytes());
            bytes.extend_from_slice(blob);
        }
        for (path, reason) in &self.skipped {
            bytes.push(reason.code());
            put_bytes(&mut bytes, path);
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        let new = path.with_extension("new");
        std::fs::File::create(&new)?.write_all(&bytes)?;
        std::fs::rename(&new, path)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

fn count(rest: &mut &[u8]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(take(rest)?)).ok()
}

fn bytes_of(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let length = count(rest)?;
    let (taken, left) = rest.split_at_checked(length)?;
    *rest = left;
    Some(taken.to_vec())
}

/// The number of files and the length of paths are limited to less.
fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes());
}

fn put_bytes(bytes: &mut Vec<u8>, value: &[u8]) {
    put_count(bytes, value.len());
    bytes.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_is_read_as_it_was_written_and_a_damaged_one_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let stat = FileStat { size: 1, device: 2, inode: 3, modified: -4, changed: 5 };
        let entry = IndexEntry { mode: EntryMode::Link, stat, blob: [7; 20] };
        let index = Index {
            tree: TreeId::EMPTY,
            files: HashMap::from([(b"a\n\xff".to_vec(), entry)]),
            skipped: vec![(b"big".to_vec(), SkipReason::TooLarge)],
        };
        assert_eq!(Index::load(&path), None);
        index.save(&path).unwrap();
        assert_eq!(Index::load(&path), Some(index));
        let mut bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Index::load(&path), None, "byte {at}");
            bytes[at] ^= 1;
        }
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert_eq!(Index::load(&path), None);
    }

    #[test]
    fn a_file_that_changed_when_the_directory_was_looked_at_is_read_again() {
        let at = |changed| FileStat { size: 1, device: 2, inode: 3, modified: 0, changed };
        assert_eq!(at(1_000_000_001).unless_recent(at(2_000_000_000)), at(1_000_000_001));
        assert_eq!(at(1_990_000_001).unless_recent(at(2_000_000_000)), FileStat::UNKNOWN);
        // Times in full seconds: the file system may not have finer ones.
        assert_eq!(at(1_000_000_000).unless_recent(at(2_000_000_000)), FileStat::UNKNOWN);
    }
}
