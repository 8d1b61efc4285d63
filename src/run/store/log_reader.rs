//! Checks the batches of a log as they are read, and finds what is damaged or missing in it.

use bytes::Bytes;

use super::{Chunk, DamagedChunk};
use crate::types::Seq;

/// A row of the log.
pub(super) struct StoredChunk {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) crc: u32,
    pub(super) body: Vec<u8>,
}

/// Collects chunks. A row that is not intact counts as absent: its range is what lies between its intact neighbors.
pub(super) struct LogReader {
    pub(super) items: Vec<Result<Chunk, DamagedChunk>>,
    /// Number of the event with which the result begins.
    start: u64,
    /// Number of the next event that is not covered.
    next: u64,
    /// Number of the log's last event.
    tip: u64,
    budget: usize,
    /// Bytes that were read.
    size: usize,
    /// What is wrong with the first damaged row after the last intact one.
    problem: Option<String>,
}

impl LogReader {
    pub(super) fn new(after: u64, tip: u64, budget: usize) -> Self {
        let next = after.saturating_add(1);
        Self { items: Vec::new(), start: next, next, tip, budget, size: 0, problem: None }
    }

    /// Adds a row, or `None` for one with an unreadable value. Returns whether to continue.
    pub(super) fn add(&mut self, row: Option<StoredChunk>) -> bool {
        let chunk = match check(row) {
            Ok(chunk) => chunk,
            Err(damaged) => return self.add_damaged(damaged),
        };
        let (first, last) = (chunk.first.get(), chunk.last.get());
        if last < self.next {
            return true;
        }
        // Only the first chunk of the result may begin before the events that were asked for.
        if first < self.next && self.next > self.start {
            self.problem.get_or_insert_with(|| "events are stored twice".to_owned());
            return true;
        }
        let was_empty = self.items.is_empty();
        self.close_gap(first - 1);
        self.size = self.size.saturating_add(chunk.body.len());
        if !(was_empty && self.items.is_empty()) && self.size > self.budget {
            return false;
        }
        self.next = last.saturating_add(1);
        self.items.push(Ok(chunk));
        true
    }

    /// Notes a damaged row. Returns whether to continue.
    fn add_damaged(&mut self, row: DamagedRow) -> bool {
        // A long range of damaged rows is reported in parts, as an intact one is.
        if self.problem.is_some() && self.size > self.budget && row.first.is_some_and(|first| first > self.next && first <= self.tip) {
            self.close_gap(row.first.unwrap_or(self.next) - 1);
            return false;
        }
        self.size = self.size.saturating_add(row.size);
        self.problem.get_or_insert(row.problem);
        true
    }

    /// Reports the events up to number `last` that no intact chunk covers.
    fn close_gap(&mut self, last: u64) {
        let problem = self.problem.take();
        if let (Some(first), Some(last)) = (Seq::new(self.next), Seq::new(last).filter(|last| last.get() >= self.next)) {
            let problem = problem.unwrap_or_else(|| "missing".to_owned());
            self.items.push(Err(DamagedChunk { first, last, problem }));
            self.next = last.next().get();
        }
    }

    /// The result after the last row.
    pub(super) fn finish(mut self) -> Vec<Result<Chunk, DamagedChunk>> {
        self.close_gap(self.tip);
        self.items
    }
}

/// A row that is not intact.
struct DamagedRow {
    /// Its first number, if that is plausible.
    first: Option<u64>,
    /// Bytes that were read.
    size: usize,
    problem: String,
}

/// Checks a row and makes it a chunk.
fn check(row: Option<StoredChunk>) -> Result<Chunk, DamagedRow> {
    let Some(StoredChunk { first, last, crc, body }) = row else {
        return Err(DamagedRow { first: None, size: 0, problem: "a value is unreadable".to_owned() });
    };
    let seq = |number: i64| u64::try_from(number).ok().and_then(Seq::new);
    let damaged = |problem| DamagedRow { first: seq(first).map(Seq::get), size: body.len(), problem };
    if crc32fast::hash(&body) != crc {
        return Err(damaged("checksum mismatch".to_owned()));
    }
    // Each event is a line, so the numbers are checked too.
    let lines = memchr::memchr_iter(b'\n', &body).count() as u64;
    match (seq(first), seq(last)) {
        (Some(first), Some(last)) if last.get().checked_sub(first.get()).is_some_and(|more| more + 1 == lines) => {
            Ok(Chunk { first, last, body: Bytes::from(body) })
        }
        _ => Err(damaged(format!("{lines} lines are numbered {first} to {last}"))),
    }
}
