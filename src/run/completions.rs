//! Notifies one subscriber of runs that have ended.

use std::sync::OnceLock;

use tokio::sync::mpsc;

use crate::types::RunId;

/// Maximum number of queued run ids, which bounds the memory that a stalled subscriber costs.
const CAPACITY: usize = 1024;

/// The sending side of the subscription.
#[derive(Debug, Default)]
pub(super) struct Completions {
    subscriber: OnceLock<mpsc::Sender<RunId>>,
}

impl Completions {
    /// Subscribes to the runs that end from now on, in order. Returns `None` if there is a subscriber already.
    pub(super) fn subscribe(&self) -> Option<mpsc::Receiver<RunId>> {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        self.subscriber.set(sender).ok().map(|()| receiver)
    }

    /// Reports that a run has ended or its driver has detached; the run's row states which. Never blocks: if the subscriber's queue is
    /// full, the notification is dropped.
    pub(super) fn notify(&self, run: RunId) {
        if let Some(subscriber) = self.subscriber.get()
            && let Err(mpsc::error::TrySendError::Full(run)) = subscriber.try_send(run)
        {
            tracing::debug!(run.id = %run, "dropped the notification of a run's end: the queue is full");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stalled_subscriber_blocks_nothing_and_its_queue_is_bounded() {
        let completions = Completions::default();
        completions.notify(RunId::new());
        let mut receiver = completions.subscribe().unwrap();
        assert!(completions.subscribe().is_none(), "only one subscriber");
        let runs: Vec<_> = (0..=CAPACITY).map(|_| RunId::new()).collect();
        for run in &runs {
            completions.notify(*run);
        }
        let delivered: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        assert_eq!(delivered, runs[..CAPACITY]);
    }
}
