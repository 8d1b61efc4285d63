//! What is said to the agent after its prompt, turn by turn.

use serde_json::json;

use super::{Driver, clock::WallClock};
use crate::agent::handle::{AgentHandle, Delivery};
use crate::run::handle::MessageRejected;
use crate::run::store::{Idempotency, RunChange};
use crate::types::{Cause, Level, MessageMode, NoticeCode, StreamEvent, TurnEnd};

/// Messages that may wait for the next turn.
const MAX_WAITING: usize = 64;

impl Driver {
    pub(super) async fn message(
        &mut self,
        text: String,
        mode: MessageMode,
        idempotency: Option<Idempotency>,
        agent: Option<&AgentHandle>,
    ) -> Result<(), MessageRejected> {
        if self.finishing {
            return Err(MessageRejected::Ended);
        }
        if self.waiting.len() >= MAX_WAITING {
            return Err(MessageRejected::TooMany(MAX_WAITING));
        }
        let event = StreamEvent::UserMessage { content: text.clone(), mode };
        let change = RunChange { status: Some(self.state.status()), idempotency, ..RunChange::default() };
        self.log.append(&[event], change).await?;
        let Some(agent) = agent else {
            self.waiting.push_back(text);
            return Ok(());
        };
        match mode {
            MessageMode::Queue => self.waiting.push_back(text),
            MessageMode::Steer if agent.speak(text.clone(), Delivery::IntoTurn).await => {}
            MessageMode::Steer | MessageMode::Interrupt => {
                self.waiting.push_front(text);
                // An agent that cannot be interrupted takes it as soon as its turn is over.
                agent.interrupt().await;
            }
        }
        Ok(())
    }

    /// The agent's turn is over: gives it the next message, or tells it that none comes.
    pub(super) async fn turn_ended(&mut self, turn: TurnEnd, agent: &AgentHandle) {
        // After an interrupt or a good turn the conversation goes on; after a failure the next message would fail as well.
        let goes_on = !self.finishing && turn.as_ref().map_or_else(|failure| failure.cause == Cause::Cancelled, |_| true);
        self.turn = Some(turn);
        if goes_on && let Some(text) = self.waiting.pop_front() {
            if agent.speak(text.clone(), Delivery::NextTurn).await {
                return self.reset_idle_timer();
            }
            self.waiting.push_front(text);
        }
        self.finishing = true;
        // The work is done; from here on the agent's own time limits count.
        (self.clock, self.idle_deadline) = (WallClock::Off, None);
        if let Some(notice) = self.undelivered() {
            self.write(vec![notice], RunChange::default(), agent).await;
        }
        agent.finish().await;
    }

    /// Tells of messages that no turn came for.
    pub(super) fn undelivered(&mut self) -> Option<StreamEvent> {
        if self.waiting.is_empty() {
            return None;
        }
        let message = format!("{} messages were not given to the agent, since its run ended before", self.waiting.len());
        let data = Some(json!({ "messages": self.waiting.drain(..).collect::<Vec<_>>() }));
        Some(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Undelivered, message, data })
    }
}
