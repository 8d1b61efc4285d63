//! A stored batch as server-sent events, encoded once and shared by all readers.

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
    /// End offset of each frame.
    ends: std::sync::Arc<[usize]>,
}

impl Frames {
    /// Encodes a batch as frames. No text of an agent can forge a frame (rule W6): the id consists of digits, the event type is one of
    /// the server's, and the data is a line of JSON, in which every control character is escaped.
    pub(super) fn from_chunk(chunk: &Chunk) -> Self {
        const OVERHEAD: usize = 48; // approximate size of `id: …`, `event: …` and `data: `
        let lines = chunk.last.get() - chunk.first.get() + 1;
        let mut bytes = Vec::with_capacity(chunk.body.len() + usize::try_from(lines).unwrap_or(0) * OVERHEAD);
        let mut ends = Vec::with_capacity(usize::try_from(lines).unwrap_or(0));
        let mut start = 0;
        for (end, seq) in memchr_iter(b'\n', &chunk.body).zip(chunk.first.get()..) {
            let line = &chunk.body[start..end];
            start = end + 1;
            bytes.extend_from_slice(b"id: ");
            write_number(seq, &mut bytes);
            bytes.extend_from_slice(b"\nevent: ");
            bytes.extend_from_slice(event_type(line));
            bytes.extend_from_slice(b"\ndata: ");
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\n\n");
            ends.push(bytes.len());
        }
        Self { first: chunk.first.get(), bytes: bytes.into(), ends: ends.into() }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn last(&self) -> u64 {
        self.first + self.ends.len() as u64 - 1
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The frames of all events after number `after`.
    pub(super) fn after(&self, after: u64) -> Bytes {
        let skipped = usize::try_from((after + 1).saturating_sub(self.first)).unwrap_or(usize::MAX).min(self.ends.len());
        let from = skipped.checked_sub(1).map_or(0, |last_skipped| self.ends[last_skipped]);
        self.bytes.slice(from..)
    }
}

/// Appends a number in decimal.
fn write_number(number: u64, out: &mut Vec<u8>) {
    // Runs once per event and is twice as fast as `write!`.
    serde_json::to_writer(out, &number).expect("writing a number to memory cannot fail");
}

/// The type of the event in a line: the first `type` in it, since number and time contain none.
fn event_type(line: &[u8]) -> &[u8] {
    const KEY: &[u8] = br#""type":""#;
    // Building the finder costs more than the search, which ends within the first few bytes.
    static FINDER: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(KEY));
    let Some(at) = FINDER.find(line) else { return b"message" };
    let rest = &line[at + KEY.len()..];
    &rest[..memchr::memchr(b'"', rest).unwrap_or(0)]
}

/// The events in `frames` as NDJSON: the content of their `data` lines.
pub(super) fn to_ndjson(frames: &[u8]) -> Bytes {
    let mut lines = Vec::with_capacity(frames.len());
    for line in frames.split_inclusive(|byte| *byte == b'\n') {
        if let Some(data) = line.strip_prefix(b"data: ") {
            lines.extend_from_slice(data);
        }
    }
    lines.into()
}
