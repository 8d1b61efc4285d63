//! Reads a log by cursor: first the stored events, then new ones as they are written.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;

use super::frames::{Frames, to_ndjson};
use super::live::{Live, Tip};
use crate::run::store::{Chunk, DamagedChunk, RunStore, StoreError};
use crate::types::{Level, NoticeCode, RunId, StreamEvent};

/// Approximate size of what one call of [`Follower::next`] returns, in bytes.
const BATCH_BYTES: usize = 64 * 1024;

/// How events are encoded on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON object per line.
    Ndjson,
}

/// A reader of one run's log. Holds a cursor and at most one batch of events.
///
/// It can be dropped at any time; neither the writer nor other followers are affected.
#[derive(Debug)]
pub struct Follower {
    run: RunId,
    /// Number of the last event that was returned.
    cursor: u64,
    framing: Framing,
    source: Source,
    store: Arc<dyn RunStore>,
    /// Read from the store but not returned yet, with the number of the last event in each.
    ready: VecDeque<(Bytes, u64)>,
    /// A notice to return before anything else.
    gap: Option<Bytes>,
}

#[derive(Debug)]
enum Source {
    Live { live: Arc<Live>, tip: watch::Receiver<Tip> },
    Ended(Tip),
}

impl Follower {
    /// A follower of a run that is still written.
    pub(super) fn new_live(run: RunId, after: u64, framing: Framing, live: Arc<Live>, store: Arc<dyn RunStore>) -> Self {
        let tip = live.subscribe();
        Self::new(run, after, framing, Source::Live { live, tip }, store)
    }

    /// A follower of a run whose log is complete.
    pub(super) fn new_ended(run: RunId, after: u64, framing: Framing, tip: Tip, store: Arc<dyn RunStore>) -> Self {
        Self::new(run, after, framing, Source::Ended(tip), store)
    }

    fn new(run: RunId, after: u64, framing: Framing, source: Source, store: Arc<dyn RunStore>) -> Self {
        let mut follower = Self { run, cursor: after, framing, source, store, ready: VecDeque::new(), gap: None };
        let tip = follower.tip();
        if after > tip.last {
            follower.cursor = tip.last;
            follower.gap = Some(cursor_ahead_notice(after, tip.last));
        }
        follower
    }

    /// Whether the run has ended and every event was returned.
    pub fn is_exhausted(&mut self) -> bool {
        let tip = self.tip();
        tip.ended && self.cursor >= tip.last && self.gap.is_none() && self.ready.is_empty()
    }

    /// The next events, encoded for the wire; `None` after the last one. Cancel-safe: no event is lost if the future is dropped.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read. A new follower can resume after the last event that was received.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        loop {
            if let Some(gap) = self.gap.take() {
                return Some(Ok(self.encode(gap)));
            }
            if let Some((bytes, last)) = self.ready.pop_front() {
                self.cursor = last;
                return Some(Ok(self.encode(bytes)));
            }
            // Read before the log, so that events written in between wake this follower.
            let tip = self.tip();
            if self.cursor < tip.last {
                if let Some((bytes, last)) = self.read_tail() {
                    self.cursor = last;
                    return Some(Ok(self.encode(bytes)));
                }
                match self.store.chunks(self.run, self.cursor, BATCH_BYTES).await {
                    Ok(chunks) if chunks.is_empty() => return None, // the run was deleted
                    Ok(chunks) => {
                        let (cursor, first) = (self.cursor, chunks[0].as_ref().map_or_else(|damaged| damaged.first, |chunk| chunk.first));
                        // Events between them were trimmed, possibly just now.
                        self.gap = (first.get() > cursor + 1).then(|| trimmed_notice(cursor, first.get()));
                        self.ready = chunks.iter().map(|chunk| self.item(chunk.as_ref())).collect();
                    }
                    Err(error) => return Some(Err(error)),
                }
                continue;
            }
            match &mut self.source {
                Source::Live { tip: changes, .. } if !tip.ended => {
                    if changes.changed().await.is_err() {
                        return None;
                    }
                }
                Source::Live { .. } | Source::Ended(_) => return None,
            }
        }
    }

    fn tip(&mut self) -> Tip {
        match &mut self.source {
            Source::Live { tip, .. } => *tip.borrow_and_update(),
            Source::Ended(tip) => *tip,
        }
    }

    fn read_tail(&self) -> Option<(Bytes, u64)> {
        match &self.source {
            Source::Live { live, .. } => live.tail_after(self.cursor, BATCH_BYTES),
            Source::Ended(_) => None,
        }
    }

    /// What the reader receives for a part of the log, with the number of the last event in it.
    fn item(&self, chunk: Result<&Chunk, &DamagedChunk>) -> (Bytes, u64) {
        match chunk {
            Ok(chunk) => {
                let frames = Frames::from_chunk(chunk);
                (frames.after(self.cursor), frames.last())
            }
            Err(damaged) => (damaged_notice(damaged), damaged.last.get()),
        }
    }

    fn encode(&self, frames: Bytes) -> Bytes {
        match self.framing {
            Framing::Sse => frames,
            Framing::Ndjson => to_ndjson(&frames),
        }
    }
}

/// The notice for a cursor ahead of the log (rule W2).
fn cursor_ahead_notice(after: u64, last: u64) -> Bytes {
    gap_notice(after, last + 1, format!("cursor {after} is ahead of the log, which ends at {last}; continuing with event {}", last + 1))
}

/// The notice for events that retention removed.
fn trimmed_notice(after: u64, next: u64) -> Bytes {
    gap_notice(after, next, format!("events {} to {} were removed by retention; continuing with event {next}", after + 1, next - 1))
}

/// The notice for events that are damaged or lost.
fn damaged_notice(damaged: &DamagedChunk) -> Bytes {
    let DamagedChunk { first, last, .. } = damaged;
    let next = last.next().get();
    gap_notice(first.get() - 1, next, format!("events {first} to {last} are damaged and cannot be read; continuing with event {next}"))
}

/// A notice for one reader. It is not part of the log, so it has no number and does not change a client's `Last-Event-ID`.
fn gap_notice(after: u64, next: u64, message: String) -> Bytes {
    let (level, code) = (Level::Warning, NoticeCode::Gap);
    let notice = StreamEvent::Notice { level, code, message, data: Some(json!({ "after": after, "next": next })) };
    let data = serde_json::to_string(&notice).unwrap_or_default();
    format!("event: notice\ndata: {data}\n\n").into()
}
