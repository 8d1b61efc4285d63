//! What one batch of an agent's items comes to.

use crate::run::store::RunChange;
use crate::types::{Answer, StreamEvent, TurnEnd};

/// Filled item by item, then written at once.
#[derive(Default)]
pub(super) struct Batch {
    /// For the log, in order.
    pub(super) events: Vec<StreamEvent>,
    /// For the run's row.
    pub(super) change: RunChange,
    /// For the agent, once the events are on disk.
    pub(super) answers: Vec<(String, Answer)>,
    /// How the turn ended that ended in this batch.
    pub(super) turn: Option<TurnEnd>,
}
