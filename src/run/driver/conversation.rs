//! Further messages to the agent, turn by turn.

use serde_json::json;

use super::{Driver, timers::WallClock};
use crate::agent::handle::{AgentHandle, Delivery};
use crate::run::live::MessageRejected;
use crate::run::store::{Audited, Idempotency, RunChange};
use crate::types::bounds::MAX_QUEUED_MESSAGES;
use crate::types::{Cause, Level, MessageMode, NoticeCode, StreamEvent, TurnEnd};

impl Driver {
    /// Stores a message, then delivers or queues it according to `mode`. Without an agent it is queued.
    pub(super) async fn accept_message(
        &mut self,
        text: String,
        mode: MessageMode,
        idempotency: Option<Idempotency>,
        audit: Option<Audited>,
        agent: Option<&AgentHandle>,
    ) -> Result<(), MessageRejected> {
        if self.finishing {
            return Err(MessageRejected::Ended);
        }
        if self.queued_messages.len() >= MAX_QUEUED_MESSAGES {
            return Err(MessageRejected::TooMany(MAX_QUEUED_MESSAGES));
        }
        let event = StreamEvent::UserMessage { content: text.clone(), mode };
        self.store(&[event], RunChange { idempotency, audit: audit.into_iter().collect(), ..RunChange::default() }, agent).await?;
        // The agent of a run that waits for a limit to reset takes none: it is exiting.
        let Some(agent) = agent.filter(|_| !self.is_waiting_for_reset()) else {
            self.queued_messages.push_back(text);
            return Ok(());
        };
        match mode {
            MessageMode::Queue => self.queued_messages.push_back(text),
            MessageMode::Steer if agent.send_message(text.clone(), Delivery::IntoTurn).await => {}
            MessageMode::Steer | MessageMode::Interrupt => {
                self.queued_messages.push_front(text);
                // An agent that cannot be interrupted gets the message when its turn ends.
                agent.interrupt().await;
            }
        }
        Ok(())
    }

    /// Ends the agent's turn: sends the next queued message, or asks the agent to finish.
    pub(super) async fn complete_turn(&mut self, turn: TurnEnd, agent: &AgentHandle) {
        let turn = self.check_output(turn, agent).await;
        // The conversation continues after a good or interrupted turn. After a failure the next message would fail as well.
        let continues = !self.finishing && turn.as_ref().map_or_else(|failure| failure.cause == Cause::Cancelled, |_| true);
        self.last_turn = Some(turn);
        if continues
            && let Some(text) = self.queued_messages.front()
            && agent.send_message(text.clone(), Delivery::NextTurn).await
        {
            self.queued_messages.pop_front();
            self.limit_wait.start_turn();
            self.take_snapshot();
            return self.reset_idle_timer();
        }
        if self.begin_wait(agent).await {
            return;
        }
        self.finishing = true;
        // From here on the exit grace period applies instead.
        (self.timers.limit, self.timers.idle) = (WallClock::Off, None);
        // If the notice cannot be written now, it is written with the end of the run.
        if let Some(notice) = self.undelivered_notice()
            && self.held.is_empty()
            && self.store(&[notice], RunChange::default(), Some(agent)).await.is_ok()
        {
            self.queued_messages.clear();
        }
        if self.exit.is_none() {
            agent.finish().await;
        }
    }

    /// The notice about messages that were never delivered; `None` if there are none.
    pub(super) fn undelivered_notice(&self) -> Option<StreamEvent> {
        if self.queued_messages.is_empty() {
            return None;
        }
        let message = format!("{} messages were not delivered because the run ended first", self.queued_messages.len());
        let data = Some(json!({ "messages": self.queued_messages }));
        Some(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Undelivered, message, data })
    }
}
