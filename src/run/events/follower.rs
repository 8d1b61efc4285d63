//! Reads a log by cursor: first the stored events, then new ones as they are written.

use std::collections::VecDeque;

use bytes::Bytes;

use super::encode::encode;
use super::frames::{Frames, to_ndjson};
use super::gap;
use super::live::{Tip, TipState};
use super::source::{Logs, Source, Wait};
use crate::run::store::{Chunk, DamagedChunk, StoreError};
use crate::types::{RunId, StreamEvent};

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
    /// Whether the cursor was compared with the end of the log.
    is_cursor_checked: bool,
    framing: Framing,
    source: Source,
    logs: Logs,
    /// Read from the store but not returned yet, with the cursor after each.
    ready: VecDeque<(Bytes, u64)>,
}

impl Follower {
    pub(super) fn new(run: RunId, after: u64, framing: Framing, source: Source, logs: Logs) -> Self {
        Self { run, cursor: after, is_cursor_checked: false, framing, source, logs, ready: VecDeque::new() }
    }

    /// Whether the run has ended and every event was returned.
    pub fn is_exhausted(&mut self) -> bool {
        let tip = self.tip();
        tip.state == TipState::Ended && self.cursor >= tip.last && self.ready.is_empty()
    }

    /// Number of the log's last event.
    pub fn last(&mut self) -> u64 {
        self.tip().last
    }

    /// The next events, encoded for the wire; `None` after the last one, if the run was deleted, or if the server shuts down. Cancel-safe:
    /// no event is lost if the future is dropped.
    ///
    /// Events that cannot be read are replaced by one notice for each range.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read. A new follower can resume after the last event that was received.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        loop {
            // Read before the log, so that events written in between wake this follower.
            let tip = self.tip();
            if let Some((bytes, cursor)) = self.ready.pop_front() {
                self.cursor = cursor;
                return Some(Ok(self.encode(bytes)));
            }
            if self.cursor < tip.last {
                if let Some((bytes, last)) = self.source.tail_after(self.cursor, BATCH_BYTES) {
                    self.cursor = last;
                    return Some(Ok(self.encode(bytes)));
                }
                match self.read(tip).await {
                    Ok(ready) if ready.is_empty() => return None, // the run was deleted
                    Ok(ready) => self.ready = ready,
                    Err(error) => return Some(Err(error)),
                }
                continue;
            }
            match self.source.wait(tip, &self.logs, self.run).await {
                Ok(Wait::Continue) => {}
                Ok(Wait::End) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The end of the log. Corrects a cursor that is ahead of it, once.
    fn tip(&mut self) -> Tip {
        let tip = self.source.tip();
        if !self.is_cursor_checked && tip.state != TipState::Reserved {
            self.is_cursor_checked = true;
            if self.cursor > tip.last {
                self.ready.push_back((gap::cursor_ahead(self.cursor, tip.last), tip.last));
                self.cursor = tip.last;
            }
        }
        tip
    }

    /// Reads the next part of the log: what the reader receives, with the cursor after each piece. Empty if the run was deleted.
    async fn read(&self, tip: Tip) -> Result<VecDeque<(Bytes, u64)>, StoreError> {
        let chunks = self.logs.store.chunks(self.run, self.cursor, BATCH_BYTES).await?;
        let mut ready = VecDeque::with_capacity(chunks.len());
        let first = chunks.first().map(|chunk| chunk.as_ref().map_or_else(|damaged| damaged.first, |chunk| chunk.first).get());
        // Events between them were trimmed, possibly just now.
        if let Some(first) = first.filter(|first| *first > self.cursor + 1) {
            ready.push_back((gap::trimmed(self.cursor, first), self.cursor));
        }
        for chunk in chunks {
            match chunk {
                Ok(chunk) => {
                    let frames = Frames::from_chunk(&chunk);
                    ready.push_back((frames.after(self.cursor), frames.last()));
                }
                Err(damaged) => match self.restored_end(&damaged, tip).await? {
                    None => ready.push_back((gap::damaged(&damaged), damaged.last.get())),
                    Some(done) => {
                        ready.push_back((gap::damaged_end(&damaged), damaged.last.get() - 1));
                        ready.push_back((Frames::from_chunk(&done).after(0), damaged.last.get()));
                    }
                },
            }
        }
        Ok(ready)
    }

    /// The `done` event of an ended run, from its row, if that event is the last of the damaged ones. Without it, clients would wait for
    /// the end of the run forever.
    async fn restored_end(&self, damaged: &DamagedChunk, tip: Tip) -> Result<Option<Chunk>, StoreError> {
        if tip.state != TipState::Ended || damaged.last.get() != tip.last {
            return Ok(None);
        }
        let row = match self.logs.store.log_tip(self.run).await {
            Err(StoreError::Damaged { .. }) => None,
            row => row?,
        };
        let end = row.and_then(|row| row.done.zip(row.ended_at));
        Ok(end.and_then(|(done, at)| encode(damaged.last, at, &[StreamEvent::Done(done)]).pop()))
    }

    fn encode(&self, frames: Bytes) -> Bytes {
        match self.framing {
            Framing::Sse => frames,
            Framing::Ndjson => to_ndjson(&frames),
        }
    }
}
