//! Serializes the runs of a session: an agent's conversation can be continued by one run at a time.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::types::SessionId;

/// One fair (FIFO) lock per session.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    locks: Arc<Mutex<HashMap<SessionId, Weak<AsyncMutex<()>>>>>,
}

/// Exclusive use of a session, released on drop.
pub(super) type SessionGuard = OwnedMutexGuard<()>;

/// A place in a session's queue: completes with the guard. Dropping it leaves the queue.
pub(super) type SessionTurn = Pin<Box<dyn Future<Output = SessionGuard> + Send>>;

impl Sessions {
    /// Joins the session's queue immediately: later callers get the session later.
    pub(super) async fn queue(&self, session: SessionId) -> SessionTurn {
        let mut turn: SessionTurn = Box::pin(self.lock(session).lock_owned());
        // The first poll joins the lock's queue.
        match futures_util::poll!(&mut turn) {
            Poll::Ready(guard) => Box::pin(std::future::ready(guard)),
            Poll::Pending => turn,
        }
    }

    /// Acquires the session if it is free and its queue is empty.
    pub(super) fn try_acquire(&self, session: SessionId) -> Option<SessionGuard> {
        self.lock(session).try_lock_owned().ok()
    }

    fn lock(&self, session: SessionId) -> Arc<AsyncMutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&session).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0); // drop unused sessions
        let lock = Arc::default();
        locks.insert(session, Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_queue_is_first_come_first_served_even_if_polled_in_another_order() {
        let (sessions, session) = (Sessions::default(), SessionId::new());
        let guard = sessions.try_acquire(session).unwrap();
        let (first, mut second) = (sessions.queue(session).await, sessions.queue(session).await);
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(guard);
        assert!(futures_util::poll!(&mut second).is_pending(), "the first in the queue is next, although it has not been polled since");
        drop(first.await);
        second.await;
    }

    #[tokio::test]
    async fn a_session_is_held_by_one_run_and_unused_sessions_are_dropped() {
        let sessions = Sessions::default();
        let (one, other) = (SessionId::new(), SessionId::new());
        let guard = sessions.try_acquire(one).unwrap();
        assert!(sessions.try_acquire(one).is_none());
        assert!(sessions.try_acquire(other).is_some());
        drop(guard);
        drop(sessions.queue(one).await.await);
        drop(sessions.queue(other).await.await);
        assert_eq!(sessions.locks.lock().unwrap().len(), 1, "only the last one used");
    }
}
