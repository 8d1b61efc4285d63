//! Serializes the runs of a session: an agent's conversation can be continued by one run at a time.

use super::keyed_locks::{KeyGuard, KeyedLocks, Turn};
use crate::types::SessionId;

/// One fair lock per session.
pub(super) type Sessions = KeyedLocks<SessionId>;

/// Exclusive use of a session, released on drop.
pub(super) type SessionGuard = KeyGuard;

/// A place in a session's queue: completes with the guard. Dropping it leaves the queue.
pub(super) type SessionTurn = Turn;
