//! What is stored about the changes of a run, so that it outlives the directory and the snapshots.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

use super::changes::{ChangeStatus, Changes, FileChange};
use super::skip::Skipped;
use super::store::Snapshot;
use super::tree_id::TreeId;

/// Maximum number of turns of one run whose snapshots are recorded.
pub const MAX_TURNS: usize = 1000;

/// Maximum size of a stored patch, compressed, in bytes. A longer one is not stored.
pub(super) const MAX_STORED_PATCH: usize = 4 * 1024 * 1024;

/// Maximum size of a stored patch when it is read, in bytes.
const MAX_PATCH: u64 = 64 * 1024 * 1024;

/// The snapshots of a run, and its changes once it has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// The snapshot from before the agent was started.
    pub start: TreeId,
    /// The snapshots after each turn that was followed by another one; at most [`MAX_TURNS`].
    #[serde(default)]
    pub turns: Vec<TreeId>,
    /// Some of the files and directories that no snapshot contains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// Number of those.
    #[serde(default)]
    pub skipped_total: usize,
    /// The end; absent before it, and if it could not be recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndRecord>,
}

/// What a run has changed in total.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRecord {
    /// The snapshot after the agent ended.
    pub tree: TreeId,
    /// The changes since the start.
    pub changes: Changes,
}

/// A record with the patch of the run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredChanges {
    /// The record.
    pub record: ChangeRecord,
    /// The compressed patch from the start to the end, see [`compress`]. `None` before the end, and if it is too large.
    pub patch: Option<Vec<u8>>,
}

impl ChangeRecord {
    /// The record of a run that starts with this snapshot.
    pub fn new(start: &Snapshot) -> Self {
        let mut record = Self { start: start.tree, turns: Vec::new(), skipped: Vec::new(), skipped_total: 0, end: None };
        record.set_skipped(start);
        record
    }

    /// Notes what a later snapshot does not contain.
    pub fn set_skipped(&mut self, snapshot: &Snapshot) {
        self.skipped.clone_from(&snapshot.skipped);
        self.skipped_total = snapshot.skipped_total;
    }

    /// The snapshots before and after a turn, counted from 1. The second is `None` if it has not been made yet. `None` if there was no such
    /// turn.
    pub fn turn(&self, number: usize) -> Option<(TreeId, Option<TreeId>)> {
        let before = match number.checked_sub(2) {
            // The first turn.
            None if number == 1 => self.start,
            None => return None,
            Some(index) => *self.turns.get(index)?,
        };
        Some((before, self.turns.get(number - 1).copied().or(self.end.as_ref().map(|end| end.tree))))
    }

    /// Whether this is one of the snapshots.
    pub fn contains(&self, tree: TreeId) -> bool {
        let end = self.end.as_ref().map(|end| end.tree);
        self.start == tree || self.turns.contains(&tree) || end == Some(tree)
    }

    /// The snapshot after a turn, counted from 1; 0 stands for the start of the run. The inner `None` if it has not been made. `None` if there
    /// was no such turn.
    pub fn after(&self, turn: usize) -> Option<Option<TreeId>> {
        if turn == 0 { Some(Some(self.start)) } else { self.turn(turn).map(|(_before, after)| after) }
    }
}

/// Compresses a patch. `None` if it is larger than 4 MiB.
pub fn compress(patch: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail.
    let compressed = encoder.write_all(patch).and_then(|()| encoder.finish()).ok()?;
    Some(compressed).filter(|compressed| compressed.len() <= MAX_STORED_PATCH)
}

/// Decompresses a stored patch.
///
/// # Errors
/// If it is damaged, or much larger than any that is stored.
pub fn decompress(compressed: &[u8]) -> io::Result<Vec<u8>> {
    let mut patch = Vec::new();
    GzDecoder::new(compressed).take(MAX_PATCH + 1).read_to_end(&mut patch)?;
    if patch.len() as u64 > MAX_PATCH { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(patch) }
}

/// The part of a patch that concerns the file at `index` in `files`, from which the patch was made.
pub fn part_of<'a>(patch: &'a [u8], files: &[FileChange], index: usize) -> Option<&'a [u8]> {
    // A link that became a file is removed and added.
    let parts = |file: &FileChange| if file.status == ChangeStatus::TypeChanged { 2 } else { 1 };
    let first: usize = files.get(..index)?.iter().map(parts).sum();
    let mut starts = part_starts(patch).skip(first);
    let start = starts.next()?;
    let end = starts.nth(parts(files.get(index)?) - 1).unwrap_or(patch.len());
    patch.get(start..end)
}

/// Where the parts of a patch begin. No line of content begins like the first line of a part: they have a prefix, and binary data has no
/// spaces.
fn part_starts(patch: &[u8]) -> impl Iterator<Item = usize> {
    let after_newlines = memchr::memchr_iter(b'\n', patch).map(|newline| newline + 1);
    std::iter::once(0).chain(after_newlines).filter(|start| patch[*start..].starts_with(b"diff --git "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(digit: char) -> TreeId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    #[test]
    fn a_turn_lies_between_two_snapshots() {
        let mut record = ChangeRecord { start: tree('0'), turns: vec![tree('1'), tree('2')], skipped: vec![], skipped_total: 0, end: None };
        assert_eq!(record.turn(0), None);
        assert_eq!(record.turn(1), Some((tree('0'), Some(tree('1')))));
        assert_eq!(record.turn(2), Some((tree('1'), Some(tree('2')))));
        assert_eq!(record.turn(3), Some((tree('2'), None)));
        assert_eq!(record.turn(4), None);
        assert_eq!((record.after(0), record.after(2)), (Some(Some(tree('0'))), Some(Some(tree('2')))));
        assert_eq!((record.after(3), record.after(4)), (Some(None), None));
        record.end = Some(EndRecord { tree: tree('3'), changes: Changes::default() });
        assert_eq!(record.turn(3), Some((tree('2'), Some(tree('3')))));
        assert!(['0', '1', '3'].into_iter().all(|digit| record.contains(tree(digit))) && !record.contains(tree('4')));
        assert_eq!(serde_json::from_str::<ChangeRecord>(&serde_json::to_string(&record).unwrap()).unwrap(), record);
    }

    #[test]
    fn a_patch_is_stored_unless_it_is_too_large_and_a_damaged_one_is_an_error() {
        let patch = b"diff --git a/x b/x\n".repeat(100);
        let compressed = compress(&patch).unwrap();
        assert_eq!(decompress(&compressed).unwrap(), patch);
        assert!(decompress(&compressed[..compressed.len() / 2]).is_err());
        // Numbers that do not repeat (splitmix64).
        let noise = |mut seed: u64| {
            seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (seed ^ (seed >> 31)).to_le_bytes()
        };
        let large: Vec<u8> =
            (0..MAX_STORED_PATCH as u64 / 8 + 1000).flat_map(|index| noise(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
        assert_eq!(compress(&large), None);
    }
}
