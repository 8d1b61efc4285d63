//! Further messages to the agent, turn by turn.

use serde_json::json;

use super::{Driver, timers::WallClock};
use crate::agent::UserMessage;
use crate::agent::handle::{AgentHandle, Delivery};
use crate::run::attachments;
use crate::run::live::MessageRejected;
use crate::run::queued_message::{NewMessage, QueuedMessage};
use crate::run::store::{Audited, Idempotency, MessageAttachments, RunChange};
use crate::types::bounds::MAX_QUEUED_MESSAGES;
use crate::types::{Cause, Level, MessageMode, NoticeCode, StreamEvent, TurnEnd};

impl Driver {
    /// Stores a message, then delivers or queues it according to `mode`. Without an agent it is queued.
    pub(super) async fn accept_message(
        &mut self,
        message: NewMessage,
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
        let NewMessage { text, attachments } = message;
        let infos: Vec<_> = attachments.iter().map(|attachment| attachment.info.clone()).collect();
        let number = (!attachments.is_empty()).then_some(self.attached_messages + 1);
        let event = StreamEvent::UserMessage { content: text.clone(), mode, attachments: infos.clone() };
        let contents = attachments.iter().map(|attachment| attachment.content.clone()).collect();
        let attached = number.map(|message| MessageAttachments { message, contents });
        let change = RunChange { idempotency, attachments: attached, audit: audit.into_iter().collect(), ..RunChange::default() };
        self.store(&[event], change, agent).await?;
        self.attached_messages = number.unwrap_or(self.attached_messages);
        let queued = QueuedMessage { text: text.clone(), number, attachments: infos };
        // The agent of a run that waits for a limit to reset takes none: it is exiting.
        let Some(agent) = agent.filter(|_| !self.is_waiting_for_reset()) else {
            self.queued_messages.push_back(queued);
            return Ok(());
        };
        match mode {
            MessageMode::Queue => self.queued_messages.push_back(queued),
            MessageMode::Steer if self.send(UserMessage { text, number, attachments }, Delivery::IntoTurn, agent).await => {}
            MessageMode::Steer | MessageMode::Interrupt => {
                self.queued_messages.push_front(queued);
                // An agent that cannot be interrupted gets the message when its turn ends.
                agent.interrupt().await;
            }
        }
        Ok(())
    }

    /// Gives the agent a message. Returns `false` if it does not take it now, or if its files cannot be written.
    async fn send(&mut self, message: UserMessage, delivery: Delivery, agent: &AgentHandle) -> bool {
        match agent.send_message(message, delivery).await {
            Ok(taken) => {
                self.delivery_problem = None;
                taken
            }
            Err(error) => {
                tracing::warn!(run.id = %self.log.run(), %error, "could not write the files of a message");
                self.delivery_problem = Some(format!("the files of the next one cannot be written: {error}"));
                false
            }
        }
    }

    /// Starts the agent's next turn with a queued message. Returns whether it has.
    async fn deliver(&mut self, queued: QueuedMessage, agent: &AgentHandle) -> bool {
        let QueuedMessage { text, number, attachments } = queued;
        let read = attachments::read(&*self.context.store, self.log.run(), number.unwrap_or_default(), &attachments).await;
        match read {
            Ok(attachments) => self.send(UserMessage { text, number, attachments }, Delivery::NextTurn, agent).await,
            Err(failure) => {
                tracing::warn!(run.id = %self.log.run(), error = failure.message, "could not read the attachments of a message");
                self.delivery_problem = Some(failure.message);
                false
            }
        }
    }

    /// Ends the agent's turn: sends the next queued message, or asks the agent to finish.
    pub(super) async fn complete_turn(&mut self, turn: TurnEnd, agent: &AgentHandle) {
        let turn = self.check_output(turn, agent).await;
        // The conversation continues after a good or interrupted turn. After a failure the next message would fail as well.
        let continues = !self.finishing && turn.as_ref().map_or_else(|failure| failure.cause == Cause::Cancelled, |_| true);
        self.last_turn = Some(turn);
        if continues
            && let Some(next) = self.queued_messages.front().cloned()
            && Box::pin(self.deliver(next, agent)).await
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
        let count = self.queued_messages.len();
        let message = match &self.delivery_problem {
            Some(problem) => format!("{count} messages were not delivered: {problem}"),
            None => format!("{count} messages were not delivered because the run ended first"),
        };
        let mut data = json!({});
        QueuedMessage::describe(&self.queued_messages, &mut data);
        Some(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Undelivered, message, data: Some(data) })
    }
}
