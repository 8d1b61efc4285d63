//! How many snapshots and differences are made at a time.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

/// Slots for snapshots and differences, of one user. A user first waits for the own share, so at most [`MAX_PER_USER`] of a user wait for
/// what all users share, which is handed out in turn: however much one user requests, others wait for a few of that user at most.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    share: Arc<Semaphore>,
    all: Arc<Semaphore>,
}

/// A slot, released on drop.
#[derive(Debug)]
pub(super) struct Slot<'a> {
    // In the order of their release.
    _all: Option<SemaphorePermit<'a>>,
    _share: Option<SemaphorePermit<'a>>,
}

/// Number of slots of all users.
pub(super) const MAX: usize = 4;

/// Number of slots that one user has at a time.
pub(super) const MAX_PER_USER: usize = 2;

impl Slots {
    /// The slots of a user with this share, of those of all users.
    pub(super) fn new(share: Arc<Semaphore>, all: Arc<Semaphore>) -> Self {
        Self { share, all }
    }

    /// Waits for a slot.
    pub(super) async fn acquire(&self) -> Slot<'_> {
        // They are never closed.
        let share = self.share.acquire().await.ok();
        let all = self.all.acquire().await.ok();
        Slot { _all: all, _share: share }
    }
}
