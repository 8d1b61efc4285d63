//! How many runs work at once, and who waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for runs, and a queue for those that find none. First come, first served.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    max_queue: usize,
}

/// A run's place in the queue, given up when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    admission: Admission,
    /// How many runs stood before it when it came.
    pub(super) position: u64,
}

/// A run's place among those that work, given up when dropped.
pub(super) type Place = OwnedSemaphorePermit;

impl Admission {
    pub(super) fn new(max_runs: usize, max_queue: usize) -> Self {
        let places = Arc::new(Semaphore::new(max_runs.clamp(1, Semaphore::MAX_PERMITS)));
        Self { places, waiting: Arc::default(), max_queue }
    }

    /// A place in the queue, or `None` if that is full. A run that finds a free place queues, too, for a moment.
    pub(super) fn queue(&self) -> Option<Ticket> {
        let free = self.places.available_permits();
        let bound = self.max_queue.saturating_add(free);
        let join = |waiting: usize| (waiting < bound).then_some(waiting + 1);
        let before = self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, join).ok()?;
        Some(Ticket { admission: self.clone(), position: before.saturating_sub(free) as u64 })
    }
}

impl Ticket {
    /// Waits for a place. Dropping the future gives up the queue's place as well.
    pub(super) async fn admitted(self) -> Place {
        let places = Arc::clone(&self.admission.places);
        places.acquire_owned().await.expect("the semaphore is never closed")
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_is_bounded_and_positions_count_those_before() {
        let admission = Admission::new(1, 2);
        let first = admission.queue().unwrap();
        assert_eq!(first.position, 0);
        let place = first.admitted().await;
        let (second, third) = (admission.queue().unwrap(), admission.queue().unwrap());
        assert_eq!((second.position, third.position), (0, 1));
        assert!(admission.queue().is_none());
        drop(place);
        let _place = second.admitted().await;
        assert_eq!(admission.queue().unwrap().position, 1);
    }
}
