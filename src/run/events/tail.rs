//! The newest events of live runs, encoded for followers that keep up. Slower followers read from the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::frames::Frames;

/// Maximum size of one run's tail, in bytes of frames. It fits two batches of an agent that floods, so that a follower finds in it what
/// was written while it handled the batch before.
const MAX_TAIL: usize = 1024 * 1024;
/// Maximum size of a run's tail while all tails together exceed [`MAX_TOTAL`], in bytes.
const MAX_TAIL_UNDER_PRESSURE: usize = 32 * 1024;
/// Size of all tails above which each new batch shortens its own tail, in bytes.
const MAX_TOTAL: usize = 64 * 1024 * 1024;

/// The size of all tails together.
#[derive(Debug, Default)]
pub(super) struct TailTotal {
    bytes: AtomicUsize,
}

/// The end of one run's log. Dropping it returns its share of the total.
#[derive(Debug)]
pub(super) struct Tail {
    batches: VecDeque<Frames>,
    bytes: usize,
    total: Arc<TailTotal>,
}

impl Tail {
    pub(super) fn new(total: Arc<TailTotal>) -> Self {
        Self { batches: VecDeque::new(), bytes: 0, total }
    }

    /// Appends a batch and drops the oldest ones beyond the limit.
    pub(super) fn push(&mut self, frames: Vec<Frames>) {
        let added = frames.iter().map(Frames::len).sum();
        self.bytes += added;
        // Relaxed: the counter orders no other memory, and a slightly stale sum is good enough.
        let total = self.total.bytes.fetch_add(added, Ordering::Relaxed) + added;
        self.batches.extend(frames);
        self.shorten(if total > MAX_TOTAL { MAX_TAIL_UNDER_PRESSURE } else { MAX_TAIL });
    }

    fn shorten(&mut self, max: usize) {
        while self.bytes > max {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.bytes -= oldest.len();
            self.total.bytes.fetch_sub(oldest.len(), Ordering::Relaxed);
        }
    }

    /// Frames after number `after`, of about `budget` bytes at most, with the number of the last one; `None` if the tail does not reach
    /// back that far.
    pub(super) fn after(&self, after: u64, budget: usize) -> Option<(Bytes, u64)> {
        // Numbers have no gaps: the batches are sorted, and each begins after the end of the one before.
        let from = self.batches.partition_point(|batch| batch.last() <= after);
        let first = self.batches.get(from).filter(|batch| batch.first() <= after + 1)?;
        let head = first.after(after);
        let mut last = first.last();
        let mut more = self.batches.range(from + 1..).peekable();
        if more.peek().is_none_or(|next| head.len() + next.len() > budget) {
            return Some((head, last)); // without a copy
        }
        let mut joined = Vec::with_capacity(budget);
        joined.extend_from_slice(&head);
        while let Some(next) = more.next_if(|next| joined.len() + next.len() <= budget) {
            joined.extend_from_slice(&next.after(last));
            last = next.last();
        }
        Some((joined.into(), last))
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.total.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::store::Chunk;
    use crate::types::Seq;

    /// A batch of one event of about `size` bytes.
    fn batch(seq: u64, size: usize) -> Vec<Frames> {
        let seq = Seq::new(seq).unwrap();
        let body = format!("{{\"type\":\"raw\",\"line\":\"{}\"}}\n", "x".repeat(size)).into();
        vec![Frames::from_chunk(&Chunk { first: seq, last: seq, body })]
    }

    #[test]
    fn a_tail_is_bounded_and_keeps_the_newest_events() {
        let mut tail = Tail::new(Arc::default());
        for seq in 1..=40 {
            tail.push(batch(seq, MAX_TAIL / 10));
            assert!(tail.bytes <= MAX_TAIL && tail.total.bytes.load(Ordering::Relaxed) == tail.bytes);
        }
        assert!(tail.after(1, MAX_TAIL).is_none(), "the oldest events are only in the store");
        assert_eq!(tail.after(38, MAX_TAIL).unwrap().1, 40);
    }

    #[test]
    fn all_tails_together_are_bounded_for_any_number_of_runs() {
        let total = Arc::<TailTotal>::default();
        let mut tails: Vec<Tail> = (0..3 * MAX_TOTAL / MAX_TAIL).map(|_| Tail::new(Arc::clone(&total))).collect();
        for seq in 1..=6 {
            for tail in &mut tails {
                tail.push(batch(seq, MAX_TAIL / 4));
            }
        }
        assert!(total.bytes.load(Ordering::Relaxed) <= MAX_TOTAL + MAX_TAIL, "{total:?}");
        drop(tails);
        assert_eq!(total.bytes.load(Ordering::Relaxed), 0);
    }
}
