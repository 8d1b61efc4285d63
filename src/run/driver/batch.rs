//! The effects of one batch of an agent's items.

use crate::run::store::RunChange;
use crate::types::{Answer, StreamEvent, TurnEnd};

/// Filled item by item, then written in one transaction.
#[derive(Default)]
pub(super) struct Batch {
    /// Events to append to the log, in order.
    pub(super) events: Vec<StreamEvent>,
    /// Changes to the run's row.
    pub(super) change: RunChange,
    /// Answers to send to the agent after the events are stored.
    pub(super) answers: Vec<(String, Answer)>,
    /// Result of the turn that ended in this batch.
    pub(super) turn: Option<TurnEnd>,
}
