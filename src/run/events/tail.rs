//! The newest events of live runs, ready to be sent: for followers that keep up. Whoever does not reads from the store.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::frames::Frames;

/// Most that one run's tail holds, in bytes of frames. A batch of an agent that floods fits in twice, so that a follower finds in it
/// what came while it was busy with the batch before.
const ONE: usize = 1024 * 1024;
/// Most that a run's tail holds while all of them together hold more than [`ALL`].
const ONE_OF_MANY: usize = 32 * 1024;
/// What the tails of all runs may hold before each new batch shortens its own.
const ALL: usize = 64 * 1024 * 1024;

/// What the tails of all runs hold together.
#[derive(Debug, Default)]
pub(super) struct Tails {
    size: AtomicUsize,
}

/// The end of one run's log. Dropping it gives its memory back to the others.
#[derive(Debug)]
pub(super) struct Tail {
    batches: VecDeque<Frames>,
    size: usize,
    all: Arc<Tails>,
}

impl Tail {
    pub(super) fn new(all: Arc<Tails>) -> Self {
        Self { batches: VecDeque::new(), size: 0, all }
    }

    /// Adds what comes next, and lets go of what is too old.
    pub(super) fn push(&mut self, frames: Vec<Frames>) {
        let added = frames.iter().map(Frames::len).sum();
        self.size += added;
        // Only counts, and orders no other memory. A sum that is a moment old is as good.
        let all = self.all.size.fetch_add(added, Ordering::Relaxed) + added;
        self.batches.extend(frames);
        self.shorten(if all > ALL { ONE_OF_MANY } else { ONE });
    }

    fn shorten(&mut self, to: usize) {
        while self.size > to {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.size -= oldest.len();
            self.all.size.fetch_sub(oldest.len(), Ordering::Relaxed);
        }
    }

    /// Ready frames after number `after`, at most about `budget` bytes, with the number of the last; `None` if the tail does not
    /// reach back that far.
    pub(super) fn after(&self, after: u64, budget: usize) -> Option<(Bytes, u64)> {
        // Dense numbers: the batches are sorted, and each begins where the one before ends.
        let from = self.batches.partition_point(|batch| batch.last() <= after);
        let first = self.batches.get(from).filter(|batch| batch.first() <= after + 1)?;
        let head = first.after(after);
        let mut last = first.last();
        let mut more = self.batches.range(from + 1..).peekable();
        if more.peek().is_none_or(|next| head.len() + next.len() > budget) {
            return Some((head, last)); // nothing is copied
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
        self.all.size.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::store::Chunk;
    use crate::types::Seq;

    /// A batch of one event of about that size.
    fn batch(seq: u64, size: usize) -> Vec<Frames> {
        let seq = Seq::new(seq).unwrap();
        let body = format!("{{\"type\":\"raw\",\"line\":\"{}\"}}\n", "x".repeat(size)).into();
        vec![Frames::of(&Chunk { first: seq, last: seq, body })]
    }

    #[test]
    fn a_tail_is_bounded_and_keeps_the_newest() {
        let mut tail = Tail::new(Arc::default());
        for seq in 1..=40 {
            tail.push(batch(seq, ONE / 10));
            assert!(tail.size <= ONE && tail.all.size.load(Ordering::Relaxed) == tail.size);
        }
        assert!(tail.after(1, ONE).is_none(), "the first is in the store");
        assert_eq!(tail.after(38, ONE).unwrap().1, 40);
    }

    #[test]
    fn all_tails_together_are_bounded_whatever_the_number_of_runs() {
        let all = Arc::<Tails>::default();
        let mut tails: Vec<Tail> = (0..3 * ALL / ONE).map(|_| Tail::new(Arc::clone(&all))).collect();
        for seq in 1..=6 {
            for tail in &mut tails {
                tail.push(batch(seq, ONE / 4));
            }
        }
        assert!(all.size.load(Ordering::Relaxed) <= ALL + ONE, "{all:?}");
        drop(tails);
        assert_eq!(all.size.load(Ordering::Relaxed), 0);
    }
}
