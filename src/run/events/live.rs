//! What the writer and the followers of a log share while this server writes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::frames::Frames;
use super::tail::{Tail, TailTotal};
use crate::types::RunId;

/// The end of a log, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tip {
    /// Number of the last durable event.
    pub(super) last: u64,
    pub(super) state: TipState,
}

/// What follows the last durable event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TipState {
    /// The run is about to be stored: how long its log is is not known yet.
    Reserved,
    /// This server writes the log.
    Open,
    /// The end is stored: nothing follows.
    Ended,
    /// This server does not write the log: the run's row tells what follows.
    Detached,
}

/// The shared state of a log that this server writes.
#[derive(Debug)]
pub(super) struct Live {
    tip: watch::Sender<Tip>,
    tail: Mutex<Tail>,
}

impl Live {
    fn new(tip: Tip, total: Arc<TailTotal>) -> Self {
        Self { tip: watch::Sender::new(tip), tail: Mutex::new(Tail::new(total)) }
    }

    /// A receiver that is notified of each change of the tip.
    pub(super) fn subscribe(&self) -> watch::Receiver<Tip> {
        self.tip.subscribe()
    }

    /// Makes a durable batch visible and wakes the followers.
    pub(super) fn publish(&self, frames: Vec<Frames>, ended: bool) {
        let Some(last) = frames.last().map(Frames::last) else { return };
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).push(frames);
        self.tip.send_replace(Tip { last, state: if ended { TipState::Ended } else { TipState::Open } });
    }

    /// Frames after number `after`, of about `budget` bytes at most, with the number of the last one; `None` if the tail does not reach
    /// back that far.
    pub(super) fn tail_after(&self, after: u64, budget: usize) -> Option<(Bytes, u64)> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).after(after, budget)
    }
}

/// The logs that this server writes or is about to write, by run. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct LiveLogs {
    logs: Arc<Mutex<HashMap<RunId, Arc<Live>>>>,
    tail_total: Arc<TailTotal>,
}

/// The entry of a log that this server writes. Dropping it removes the entry; unless the end was published, followers then ask the run's
/// row what follows.
#[derive(Debug)]
pub(super) struct LiveEntry {
    logs: LiveLogs,
    run: RunId,
    live: Arc<Live>,
}

impl LiveLogs {
    /// Adds the log of a run that is about to be stored.
    pub(super) fn reserve(&self, run: RunId) -> LiveEntry {
        self.add(run, Tip { last: 0, state: TipState::Reserved })
    }

    /// Adds the log of a stored run, whose last event has number `last`. It takes the place of an earlier entry of the run.
    pub(super) fn open(&self, run: RunId, last: u64) -> LiveEntry {
        self.add(run, Tip { last, state: TipState::Open })
    }

    /// The log of a run; `None` if this server does not write it.
    pub(super) fn get(&self, run: RunId) -> Option<Arc<Live>> {
        self.logs().get(&run).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.logs().len()
    }

    fn add(&self, run: RunId, tip: Tip) -> LiveEntry {
        let live = Arc::new(Live::new(tip, Arc::clone(&self.tail_total)));
        self.logs().insert(run, Arc::clone(&live));
        LiveEntry { logs: self.clone(), run, live }
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Live>>> {
        self.logs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::ops::Deref for LiveEntry {
    type Target = Live;

    fn deref(&self) -> &Live {
        &self.live
    }
}

impl Drop for LiveEntry {
    fn drop(&mut self) {
        let mut logs = self.logs.logs();
        if logs.get(&self.run).is_some_and(|live| Arc::ptr_eq(live, &self.live)) {
            logs.remove(&self.run);
        }
        drop(logs);
        // After the removal, so that a follower that looks for the log again finds no entry without a writer.
        self.live.tip.send_if_modified(|tip| {
            let is_unfinished = tip.state != TipState::Ended;
            if is_unfinished {
                tip.state = TipState::Detached;
            }
            is_unfinished
        });
    }
}
