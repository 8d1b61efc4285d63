//! Remembers which program was found: to identify it takes seconds of CPU time, and inspections are frequent.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::variant::{self, Detection};
use crate::agent::probe::Prober;

/// Time after which a program is identified again although its file is the same: it may be a script that starts another one.
const VALID_FOR: Duration = Duration::from_hours(1);

/// The last program that could be used.
#[derive(Clone, Debug, Default)]
pub(super) struct Identified {
    last: Arc<Mutex<Option<(FileId, Instant, Detection)>>>,
}

/// Distinguishes a file from the one with which an upgrade replaces it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
}

impl Identified {
    /// The variant and version of `binary`. Runs it only if it is another program than the last one. Dropping the future kills it.
    pub(super) async fn detect(&self, binary: &Path, prober: &Prober) -> Detection {
        let file = file_id(binary).await;
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let (Some(file), Some((last, at, detection))) = (&file, known)
            && *file == last
            && at.elapsed() < VALID_FOR
        {
            return detection;
        }
        let detection = variant::detect(binary, prober).await;
        // A failure may be temporary.
        let usable = file.filter(|_| detection.error.is_none()).map(|file| (file, Instant::now(), detection.clone()));
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = usable;
        detection
    }
}

async fn file_id(binary: &Path) -> Option<FileId> {
    let meta = tokio::fs::metadata(binary).await.ok()?;
    Some(FileId { device: meta.dev(), inode: meta.ino(), size: meta.size(), modified: (meta.mtime(), meta.mtime_nsec()) })
}
