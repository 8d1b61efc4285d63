//! What the writer and the followers of a live run share.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::frames::Frames;
use super::tail::{Tail, TailTotal};

/// The end of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// Number of the last durable event.
    pub(super) last: u64,
    /// Whether no event follows.
    pub(super) ended: bool,
}

/// The shared state of a live run's log.
#[derive(Debug)]
pub(super) struct Live {
    tip: watch::Sender<Tip>,
    tail: Mutex<Tail>,
}

impl Live {
    /// The state of a log whose last event has number `last`.
    pub(super) fn new(last: u64, total: Arc<TailTotal>) -> Self {
        Self { tip: watch::Sender::new(Tip { last, ended: false }), tail: Mutex::new(Tail::new(total)) }
    }

    /// A receiver that is notified of each change of the tip.
    pub(super) fn subscribe(&self) -> watch::Receiver<Tip> {
        self.tip.subscribe()
    }

    /// Makes a durable batch visible and wakes the followers.
    pub(super) fn publish(&self, frames: Vec<Frames>, ended: bool) {
        let Some(last) = frames.last().map(Frames::last) else { return };
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).push(frames);
        self.tip.send_replace(Tip { last, ended });
    }

    /// Ends the log for its followers.
    pub(super) fn end(&self) {
        self.tip.send_modify(|tip| tip.ended = true);
    }

    /// Frames after number `after`, of about `budget` bytes at most, with the number of the last one; `None` if the tail does not reach
    /// back that far.
    pub(super) fn tail_after(&self, after: u64, budget: usize) -> Option<(Bytes, u64)> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).after(after, budget)
    }
}
