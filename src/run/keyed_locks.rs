//! One fair lock per key.

use std::collections::HashMap;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};
use tokio::task::unconstrained;

/// One fair (FIFO) lock per key. Clones share the locks. Keys that are not locked use no memory, apart from those used last.
#[derive(Debug)]
pub(super) struct KeyedLocks<K> {
    locks: Arc<Mutex<HashMap<K, Weak<AsyncMutex<()>>>>>,
}

/// Holds the lock of a key until it is dropped.
pub(super) type KeyGuard = OwnedMutexGuard<()>;

/// A place in the queue for a lock: completes with the guard. Dropping it leaves the queue.
pub(super) type Turn = Pin<Box<dyn Future<Output = KeyGuard> + Send>>;

impl<K> Clone for KeyedLocks<K> {
    fn clone(&self) -> Self {
        Self { locks: Arc::clone(&self.locks) }
    }
}

impl<K> Default for KeyedLocks<K> {
    fn default() -> Self {
        Self { locks: Arc::default() }
    }
}

impl<K: Eq + Hash> KeyedLocks<K> {
    /// Joins the queue for the key's lock immediately: later callers get the lock later.
    pub(super) fn join(&self, key: K) -> Turn {
        // Unconstrained, because a task that has used up its budget would not be queued by the first poll, which joins the queue.
        let mut turn: Turn = Box::pin(unconstrained(self.lock(key).lock_owned()));
        match turn.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(guard) => Box::pin(std::future::ready(guard)),
            Poll::Pending => turn,
        }
    }

    /// Acquires the key's lock if it is free and its queue is empty.
    pub(super) fn try_acquire(&self, key: K) -> Option<KeyGuard> {
        self.lock(key).try_lock_owned().ok()
    }

    fn lock(&self, key: K) -> Arc<AsyncMutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&key).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0); // drop unused keys
        let lock = Arc::default();
        locks.insert(key, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_queue_is_first_come_first_served_even_if_polled_in_another_order() {
        let locks = KeyedLocks::default();
        let guard = locks.try_acquire(1).unwrap();
        let (first, mut second) = (locks.join(1), locks.join(1));
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(guard);
        assert!(futures_util::poll!(&mut second).is_pending(), "the first in the queue is next, although it has not been polled since");
        drop(first.await);
        second.await;
    }

    #[tokio::test]
    async fn a_task_that_has_used_up_its_budget_joins_the_queue_immediately() {
        let locks = KeyedLocks::default();
        let guard = locks.try_acquire(1).unwrap();
        let (mut first, mut second) = (None, None);
        std::future::poll_fn(|context| {
            // Uses up the budget of this poll.
            while tokio::task::consume_budget().now_or_never().is_some() {}
            first = Some(locks.join(1));
            context.waker().wake_by_ref();
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
        second.replace(locks.join(1));
        drop(guard);
        assert!(futures_util::poll!(second.as_mut().unwrap()).is_pending(), "it joined later");
        first.unwrap().await;
    }

    #[tokio::test]
    async fn a_key_is_locked_once_and_unused_keys_are_dropped() {
        let locks = KeyedLocks::default();
        let guard = locks.try_acquire(1).unwrap();
        assert!(locks.try_acquire(1).is_none());
        assert!(locks.try_acquire(2).is_some());
        drop(guard);
        drop(locks.join(1).await);
        drop(locks.join(2).await);
        assert_eq!(locks.locks.lock().unwrap().len(), 1, "only the last one used");
    }
}
