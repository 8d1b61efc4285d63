//! One run of a session at a time: an agent's conversation has one end to go on from.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::types::SessionId;

/// Whose turn it is in each session. First come, first served.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    turns: Arc<Mutex<HashMap<SessionId, Weak<AsyncMutex<()>>>>>,
}

/// A session's turn, given up when dropped.
pub(super) type Turn = OwnedMutexGuard<()>;

impl Sessions {
    /// Waits for the session's turn.
    pub(super) async fn turn(&self, session: SessionId) -> Turn {
        self.queue(session).lock_owned().await
    }

    /// The session's turn if nobody has it and nobody waits for it.
    pub(super) fn turn_now(&self, session: SessionId) -> Option<Turn> {
        self.queue(session).try_lock_owned().ok()
    }

    fn queue(&self, session: SessionId) -> Arc<AsyncMutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = turns.get(&session).and_then(Weak::upgrade) {
            return queue;
        }
        turns.retain(|_, queue| queue.strong_count() > 0); // sessions that nobody works in any more
        let queue = Arc::default();
        turns.insert(session, Arc::downgrade(&queue));
        queue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_has_one_turn_at_a_time_and_leaves_nothing_behind() {
        let sessions = Sessions::default();
        let (one, other) = (SessionId::new(), SessionId::new());
        let turn = sessions.turn_now(one).unwrap();
        assert!(sessions.turn_now(one).is_none());
        assert!(sessions.turn_now(other).is_some());
        drop(turn);
        drop(sessions.turn(one).await);
        drop(sessions.turn(other).await);
        assert_eq!(sessions.turns.lock().unwrap().len(), 1, "only the last one asked for");
    }
}
