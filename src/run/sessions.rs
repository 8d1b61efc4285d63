//! One run of a session at a time: an agent's conversation has one end to go on from.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Poll;

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::types::SessionId;

/// Whose turn it is in each session. First come, first served.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    turns: Arc<Mutex<HashMap<SessionId, Weak<AsyncMutex<()>>>>>,
}

/// A session's turn, given up when dropped.
pub(super) type SessionGuard = OwnedMutexGuard<()>;

/// A place in a session's queue, given up when dropped: ends with the turn.
pub(super) type Waiting = Pin<Box<dyn Future<Output = SessionGuard> + Send>>;

impl Sessions {
    /// A place in the session's queue, taken at once: those who ask later get their turn later.
    pub(super) async fn queue(&self, session: SessionId) -> Waiting {
        let mut turn: Waiting = Box::pin(self.line(session).lock_owned());
        // A lock's queue is joined by asking it for the first time.
        match futures_util::poll!(&mut turn) {
            Poll::Ready(turn) => Box::pin(std::future::ready(turn)),
            Poll::Pending => turn,
        }
    }

    /// The session's turn if nobody has it and nobody waits for it.
    pub(super) fn turn_now(&self, session: SessionId) -> Option<SessionGuard> {
        self.line(session).try_lock_owned().ok()
    }

    fn line(&self, session: SessionId) -> Arc<AsyncMutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = turns.get(&session).and_then(Weak::upgrade) {
            return line;
        }
        turns.retain(|_, line| line.strong_count() > 0); // sessions that nobody works in any more
        let line = Arc::default();
        turns.insert(session, Arc::downgrade(&line));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_first_is_first_whoever_looks_first() {
        let (sessions, one) = (Sessions::default(), SessionId::new());
        let turn = sessions.turn_now(one).unwrap();
        let (first, mut second) = (sessions.queue(one).await, sessions.queue(one).await);
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(turn);
        assert!(futures_util::poll!(&mut second).is_pending(), "the first one's turn, although it has not looked yet");
        drop(first.await);
        second.await;
    }

    #[tokio::test]
    async fn a_session_has_one_turn_at_a_time_and_leaves_nothing_behind() {
        let sessions = Sessions::default();
        let (one, other) = (SessionId::new(), SessionId::new());
        let turn = sessions.turn_now(one).unwrap();
        assert!(sessions.turn_now(one).is_none());
        assert!(sessions.turn_now(other).is_some());
        drop(turn);
        drop(sessions.queue(one).await.await);
        drop(sessions.queue(other).await.await);
        assert_eq!(sessions.turns.lock().unwrap().len(), 1, "only the last one asked for");
    }
}
