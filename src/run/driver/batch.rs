//! The effects of the agent's items, until they are stored.

use serde_json::json;

use crate::run::store::RunChange;
use crate::types::bounds::MAX_HELD_EVENTS;
use crate::types::{Answer, Level, NoticeCode, StreamEvent, TurnEnd};

/// Filled item by item, then written in one transaction.
#[derive(Debug, Default)]
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

/// Batches that could not be written. They are written together with the end of the run.
#[derive(Debug, Default)]
pub(super) struct Held {
    events: Vec<StreamEvent>,
    change: RunChange,
    dropped: usize,
}

impl Held {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.change == RunChange::default()
    }

    /// Adds a batch. Events beyond [`MAX_HELD_EVENTS`] are counted and dropped.
    pub(super) fn add(&mut self, batch: Batch) {
        let room = MAX_HELD_EVENTS.saturating_sub(self.events.len());
        self.dropped += batch.events.len().saturating_sub(room);
        self.events.extend(batch.events.into_iter().take(room));
        let RunChange { status: _, started_at, agent_session, session_title, model, usage, checkpoint, .. } = batch.change;
        let change = &mut self.change;
        change.started_at = started_at.or(change.started_at);
        change.agent_session = agent_session.or(change.agent_session.take());
        change.session_title = session_title.or(change.session_title.take());
        change.model = model.or(change.model.take());
        change.usage = usage.or(change.usage.take());
        change.checkpoint = checkpoint.or(change.checkpoint);
    }

    /// Everything that was added, with a notice about what was dropped.
    pub(super) fn into_parts(self) -> (Vec<StreamEvent>, RunChange) {
        let Self { mut events, change, dropped } = self;
        if dropped > 0 {
            let message = format!("{dropped} events were dropped because the run's log could not be written");
            let data = Some(json!({ "limit": "held_events", "max": MAX_HELD_EVENTS }));
            events.push(StreamEvent::Notice { level: Level::Error, code: NoticeCode::LimitReached, message, data });
        }
        (events, change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(count: usize) -> Batch {
        Batch { events: vec![StreamEvent::Raw { line: "x".into() }; count], ..Batch::default() }
    }

    #[test]
    fn held_events_are_bounded_and_the_number_of_dropped_ones_is_reported() {
        let mut held = Held::default();
        held.add(batch(MAX_HELD_EVENTS - 1));
        held.add(batch(3));
        let (events, _) = held.into_parts();
        assert_eq!(events.len(), MAX_HELD_EVENTS + 1);
        let Some(StreamEvent::Notice { code: NoticeCode::LimitReached, message, .. }) = events.last() else { panic!("{events:?}") };
        assert!(message.starts_with("2 events"), "{message}");
    }
}
