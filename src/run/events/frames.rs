//! A stored batch as server-sent events: encoded once, shared by all who read it.

use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memchr_iter;
use memchr::memmem::Finder;

use crate::run::store::Chunk;

/// The frames of one batch. Cloning shares the bytes.
#[derive(Clone, Debug)]
pub(super) struct Frames {
    first: u64,
    bytes: Bytes,
    /// Where each frame ends.
    completions: std::sync::Arc<[usize]>,
}

impl Frames {
    /// Frames a batch. W6 of the threat model holds by construction: the id is digits, the name is one of ours, and the data is a
    /// line of JSON, in which every control character is escaped.
    pub(super) fn of(chunk: &Chunk) -> Self {
        const AROUND: usize = 48; // `id: …`, `event: …` and `data: ` of one frame, about
        let lines = chunk.last.get() - chunk.first.get() + 1;
        let mut bytes = Vec::with_capacity(chunk.body.len() + usize::try_from(lines).unwrap_or(0) * AROUND);
        let mut completions = Vec::with_capacity(usize::try_from(lines).unwrap_or(0));
        let mut start = 0;
        for (end, seq) in memchr_iter(b'\n', &chunk.body).zip(chunk.first.get()..) {
            let line = &chunk.body[start..end];
            start = end + 1;
            bytes.extend_from_slice(b"id: ");
            write_number(seq, &mut bytes);
            bytes.extend_from_slice(b"\nevent: ");
            bytes.extend_from_slice(name_of(line));
            bytes.extend_from_slice(b"\ndata: ");
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\n\n");
            completions.push(bytes.len());
        }
        Self { first: chunk.first.get(), bytes: bytes.into(), completions: completions.into() }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn last(&self) -> u64 {
        self.first + self.completions.len() as u64 - 1
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The frames of all events after number `after`.
    pub(super) fn after(&self, after: u64) -> Bytes {
        let skipped = usize::try_from((after + 1).saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.completions.len());
        let from = skipped.checked_sub(1).map_or(0, |last_skipped| self.completions[last_skipped]);
        self.bytes.slice(from..)
    }
}

/// Adds a number in digits.
fn write_number(number: u64, out: &mut Vec<u8>) {
    // Twice as fast as formatting, and this is done for every event.
    serde_json::to_writer(out, &number).expect("writing a number to memory cannot fail");
}

/// The name of the event in a line: the first `type`, since number and time hold none.
fn name_of(line: &[u8]) -> &[u8] {
    const KEY: &[u8] = br#""type":""#;
    // Made once: to make it costs more than the search, which ends within the first few bytes.
    static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(KEY));
    let Some(at) = FINDER.find(line) else { return b"message" };
    let rest = &line[at + KEY.len()..];
    &rest[..memchr::memchr(b'"', rest).unwrap_or(0)]
}

/// Only the data lines of frames: the same events as NDJSON.
pub(super) fn data_of(frames: &[u8]) -> Bytes {
    let mut lines = Vec::with_capacity(frames.len());
    for line in frames.split_inclusive(|byte| *byte == b'\n') {
        if let Some(data) = line.strip_prefix(b"data: ") {
            lines.extend_from_slice(data);
        }
    }
    lines.into()
}
