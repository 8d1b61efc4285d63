//! Reads a log by cursor: what is there, then what comes, then the end.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use tokio::sync::watch;

use super::frames::{Frames, data_of};
use super::log::{Live, Tip};
use crate::run::store::{RunStore, StoreError};
use crate::types::{Level, NoticeCode, RunId, StreamEvent};

/// About how many bytes are given at once.
const PAGE: usize = 64 * 1024;

/// How events are written on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// One JSON object a line.
    Ndjson,
}

/// A reader of one run's log. Holds a cursor and, at most, one page of events.
///
/// Dropping it at any time costs nobody anything.
#[derive(Debug)]
pub struct Follower {
    run: RunId,
    /// Number of the last event that was given.
    cursor: u64,
    framing: Framing,
    source: Source,
    store: Arc<dyn RunStore>,
    /// Read from the store and not given yet.
    pages: VecDeque<(Bytes, u64)>,
    gap: Option<Bytes>,
}

#[derive(Debug)]
enum Source {
    Live { live: Arc<Live>, tip: watch::Receiver<Tip> },
    Ended(Tip),
}

impl Follower {
    pub(super) fn of_live(run: RunId, after: u64, framing: Framing, live: Arc<Live>, store: Arc<dyn RunStore>) -> Self {
        let tip = live.tip.subscribe();
        Self::new(run, after, framing, Source::Live { live, tip }, store)
    }

    pub(super) fn of_ended(run: RunId, after: u64, framing: Framing, tip: Tip, store: Arc<dyn RunStore>) -> Self {
        Self::new(run, after, framing, Source::Ended(tip), store)
    }

    fn new(run: RunId, after: u64, framing: Framing, source: Source, store: Arc<dyn RunStore>) -> Self {
        let mut follower = Self { run, cursor: after, framing, source, store, pages: VecDeque::new(), gap: None };
        let tip = follower.tip();
        if after > tip.last {
            follower.cursor = tip.last;
            follower.gap = Some(ahead(after, tip.last));
        }
        follower
    }

    /// Whether the run has ended and everything was given: nothing will come.
    pub fn is_exhausted(&mut self) -> bool {
        let tip = self.tip();
        tip.ended && self.cursor >= tip.last && self.gap.is_none() && self.pages.is_empty()
    }

    /// The next events, ready for the wire; `None` after the last. May be dropped at any time without losing one.
    ///
    /// # Errors
    /// [`StoreError`] if the log cannot be read. The reader may come again with the number of the last event that it has seen.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        loop {
            if let Some(gap) = self.gap.take() {
                return Some(Ok(self.framed(gap)));
            }
            if let Some((bytes, last)) = self.pages.pop_front() {
                self.cursor = last;
                return Some(Ok(self.framed(bytes)));
            }
            // Asked before the log is read, so that what comes meanwhile is not missed.
            let tip = self.tip();
            if self.cursor < tip.last {
                if let Some((bytes, last)) = self.tail() {
                    self.cursor = last;
                    return Some(Ok(self.framed(bytes)));
                }
                match self.store.chunks(self.run, self.cursor, PAGE).await {
                    Ok(chunks) if chunks.is_empty() => return None, // deleted while it was read
                    Ok(chunks) => {
                        let (cursor, first) = (self.cursor, chunks[0].first.get());
                        // What stands between them was cut, perhaps a moment ago.
                        self.gap = (first > cursor + 1).then(|| cut(cursor, first));
                        self.pages = chunks.iter().map(Frames::of).map(|frames| (frames.after(cursor), frames.last())).collect();
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

    fn tail(&self) -> Option<(Bytes, u64)> {
        match &self.source {
            Source::Live { live, .. } => live.tail_after(self.cursor, PAGE),
            Source::Ended(_) => None,
        }
    }

    fn framed(&self, frames: Bytes) -> Bytes {
        match self.framing {
            Framing::Sse => frames,
            Framing::Ndjson => data_of(&frames),
        }
    }
}

/// Tells a reader that it asked for a place that the log has not reached (W2 of the threat model).
fn ahead(after: u64, last: u64) -> Bytes {
    gap(after, last + 1, format!("events after {after} were asked for, but the log ends at {last}; it goes on from there"))
}

/// Tells a reader that what comes next to it is not kept any more.
fn cut(after: u64, next: u64) -> Bytes {
    gap(after, next, format!("events {} to {} are not kept any more; the log goes on with {next}", after + 1, next - 1))
}

/// A word to one reader. It is no event of the log, so it has no number and does not move a client's `Last-Event-ID`.
fn gap(after: u64, next: u64, message: String) -> Bytes {
    let (level, code) = (Level::Warning, NoticeCode::Gap);
    let notice = StreamEvent::Notice { level, code, message, data: Some(json!({ "after": after, "next": next })) };
    let data = serde_json::to_string(&notice).unwrap_or_default();
    format!("event: notice\ndata: {data}\n\n").into()
}
