//! What is not part of a snapshot.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Maximum number of skipped paths that are remembered. Further ones are counted.
const MAX_SKIPPED: usize = 1000;

/// A file or directory that is not part of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skipped {
    /// Path, relative to the working directory. Bytes that are not UTF-8 are replaced.
    pub path: String,
    /// Why it was skipped.
    pub reason: SkipReason,
}

/// Why a file or directory is not part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The file is larger than 10 MiB.
    TooLarge,
    /// The directory has more than 50,000 entries.
    TooManyEntries,
    /// The path is longer than 2048 bytes.
    PathTooLong,
    /// The server may not read it.
    Unreadable,
}

impl SkipReason {
    const ALL: [Self; 4] = [Self::TooLarge, Self::TooManyEntries, Self::PathTooLong, Self::Unreadable];

    /// As stored in an index.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::TooLarge => 0,
            Self::TooManyEntries => 1,
            Self::PathTooLong => 2,
            Self::Unreadable => 3,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// Paths that were skipped: the first ones, and how many.
#[derive(Debug, Default)]
pub(super) struct SkippedPaths {
    /// At most [`MAX_SKIPPED`].
    pub(super) first: Vec<(Vec<u8>, SkipReason)>,
    pub(super) total: usize,
}

impl SkippedPaths {
    pub(super) fn add(&mut self, path: Vec<u8>, reason: SkipReason) {
        self.total += 1;
        if self.first.len() < MAX_SKIPPED {
            self.first.push((path, reason));
        }
    }

    pub(super) fn contains(&self, path: &[u8]) -> bool {
        self.first.iter().any(|(skipped, _)| skipped == path)
    }

    /// Adds those of another list.
    pub(super) fn append(&mut self, other: Self) {
        let unnamed = other.total - other.first.len();
        for (path, reason) in other.first {
            self.add(path, reason);
        }
        self.total += unnamed;
    }
}
