//! Restoring a run of an earlier server after its agent was found again: reconciles the log with what the agent received.
//!
//! An answer or message is logged before it is sent to the agent, so the agent may lack the last entries of the log. The shim's journal
//! records what the agent received ([`History`]); this module sends the rest. If a part of the log is damaged, it may also lack requests
//! that the agent waits on, or answers that it has received; these are logged again.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::limit_wait::LimitWait;
use super::timers::WallClock;
use super::{Batch, Driver};
use crate::agent::Item;
use crate::agent::handle::{AgentHandle, History, MessageDigest};
use crate::run::events::LogSummary;
use crate::run::queued_message::QueuedMessage;
use crate::run::requests::resolved_event;
use crate::run::state::{Input, StopReason};
use crate::types::{Answer, DecidedBy, MessageMode, OutputCheckpoint, StreamEvent};

/// Delay before the log is read again after that has failed.
const READ_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Messages in the log that the agent may not have received, each with its mode, and whether the agent was ready when the message arrived.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed(Vec<(QueuedMessage, MessageMode, bool)>);

impl Driver {
    /// Adds the state recorded in the log of an earlier server. `age` is the time since the run was created.
    pub(in crate::run) fn with_summary(mut self, summary: LogSummary, age: Duration) -> Self {
        (self.prior_age, self.stored_status) = (age, None);
        self.limit_wait = LimitWait::from_summary(&summary);
        self.usage = summary.usage;
        let now = self.log.now();
        let to_instant = |then: i64| Instant::now().checked_sub(Duration::from_millis(u64::try_from(now.as_millis() - then).unwrap_or(0)));
        self.tool_calls = summary.tool_calls.filter_map(|ts| to_instant(ts.as_millis()));
        self.requests.set_answered(summary.answered);
        // An agent that has asked was ready, also if the event that states it is damaged.
        if summary.started || !summary.open.is_empty() {
            self.started = true;
            self.transition(Input::Admitted);
            self.transition(Input::AgentReady);
        }
        for (request, created_at) in summary.open {
            self.reopen_request(request, created_at);
        }
        self.emitted_notices = summary.notices;
        self.attached_messages = summary.attached_messages;
        self.unconfirmed = Unconfirmed(summary.messages);
        self.queued_messages = self.unconfirmed.undelivered(&[], &[]);
        self
    }

    /// Applies the agent's history, then sends what the agent has not received. `remaining` is the time until the shim's deadline.
    pub(super) async fn restore(
        &mut self,
        mut history: History,
        checkpoint: OutputCheckpoint,
        remaining: Option<Duration>,
        agent: &AgentHandle,
    ) {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let answer_deadline = self.requests.last_deadline();
        let mut batch = Batch::default();
        if history.waiting.is_some() {
            self.limit_wait.set_resets_at(history.resets_at);
        }
        for item in std::mem::take(&mut history.new_items) {
            self.add_item(item, &mut batch);
        }
        let unsent = match history.waiting.take() {
            Some(waiting) => self.reconcile_requests(waiting, &history.answers, &mut batch).await,
            None => Vec::new(),
        };
        batch.change.checkpoint = Some(checkpoint);
        self.queued_messages = unconfirmed.undelivered(&history.sent, &history.steered);
        self.last_turn.clone_from(&history.turn);
        let stopped = history.stopped.map(|reason| StopReason::from_name(&reason).unwrap_or(StopReason::Cancel));
        self.finishing = history.finished || stopped.is_some();
        let max_remaining = self.spec.timeout + self.context.config.permission_timeout;
        self.timers.limit = match remaining {
            Some(remaining) if !self.finishing => WallClock::restored(remaining.min(max_remaining), answer_deadline),
            _ => WallClock::Off,
        };
        // Any earlier output satisfies the startup timeout.
        if self.last_turn.is_some() || self.started || !batch.events.is_empty() {
            self.timers.startup = None;
        }
        // Requests may have been opened or closed.
        self.sync_clock();
        self.reset_idle_timer();
        if let Some(reason) = stopped {
            self.transition(Input::StopRequested(reason));
        }
        // An earlier server may have died between the two.
        let overspent = self.must_stop_spending(&mut batch);
        if !self.store_batch(&mut batch, agent).await {
            return;
        }
        if overspent {
            let ended = history.turn.filter(|_| history.turn_is_over);
            return self.stop_spending(ended, agent).await;
        }
        if let Some(reason) = stopped {
            return agent.stop(reason.as_str().to_owned(), self.context.config.stop_grace).await;
        }
        for (request, answer) in unsent.into_iter().chain(batch.answers) {
            agent.answer(request, answer).await;
        }
        if history.turn_is_over && self.restore_wait(agent).await {
            return;
        }
        if self.finishing {
            return;
        }
        match history.turn.filter(|_| history.turn_is_over) {
            Some(turn) => self.complete_turn(turn, agent).await,
            // A message that interrupts the turn is first in the queue, but the agent may not have received the interrupt.
            None if !history.interrupted
                && unconfirmed.0.iter().any(|message| message.1 != MessageMode::Queue && self.is_queued(&message.0)) =>
            {
                agent.interrupt().await;
            }
            None => {}
        }
    }

    /// Reconciles the open requests with those that the agent is `waiting` on. `received` are answers to open requests that the agent has
    /// received. Returns the answers in the log that it has not received.
    async fn reconcile_requests(
        &mut self,
        mut waiting: Vec<StreamEvent>,
        received: &HashMap<String, Answer>,
        batch: &mut Batch,
    ) -> Vec<(String, Answer)> {
        let id_of = |request: &StreamEvent| request.request_id().unwrap_or_default().to_owned();
        let ids: HashSet<String> = waiting.iter().map(id_of).collect();
        for (id, default) in self.requests.default_answers("the answer is lost") {
            if !ids.contains(&id) {
                // Its answer is in a damaged part of the log.
                batch.events.push(resolved_event(&id, received.get(&id).unwrap_or(&default), DecidedBy::Policy));
                self.requests.close(&id);
                self.transition(Input::RequestClosed);
            }
        }
        let is_decided = |id: &String| batch.answers.iter().any(|(decided, _)| decided == id);
        waiting.retain(|request| Some(id_of(request)).is_some_and(|id| !self.requests.is_open(&id) && !is_decided(&id)));
        if waiting.is_empty() {
            return Vec::new();
        }
        let ids: HashSet<String> = waiting.iter().map(id_of).collect();
        let Some(mut answers) = self.answers_in_log(&ids).await else { return Vec::new() };
        let mut unsent = Vec::new();
        for request in waiting {
            let id = id_of(&request);
            match answers.remove(&id) {
                Some(answer) => unsent.push((id, answer)),
                // The request is in a damaged part of the log.
                None => self.add_item(Item::Event(request), batch),
            }
        }
        unsent
    }

    /// The answers to these requests in the log, which is read until that succeeds. `None` if the server must exit before.
    async fn answers_in_log(&self, requests: &HashSet<String>) -> Option<HashMap<String, Answer>> {
        loop {
            match self.log.answers(requests).await {
                Ok(answers) => return Some(answers),
                Err(error) => tracing::warn!(run.id = %self.log.run(), %error, "could not read the log of a restored run; trying again"),
            }
            tokio::select! {
                () = tokio::time::sleep(READ_RETRY_DELAY) => {}
                () = self.context.force.cancelled() => return None,
            }
        }
    }

    fn is_queued(&self, message: &QueuedMessage) -> bool {
        self.queued_messages.contains(message)
    }
}

impl Unconfirmed {
    /// The messages that are not among those that the agent has received, in delivery order (see [`Driver::accept_message`]).
    fn undelivered(&self, sent: &[MessageDigest], steered: &[MessageDigest]) -> VecDeque<QueuedMessage> {
        let mut queued = VecDeque::new();
        let mut steered = steered.to_vec();
        for (message, mode, started) in &self.0 {
            if *mode == MessageMode::Steer && remove_first(&mut steered, message) {
                continue;
            }
            // Before the agent was ready there was no turn to interrupt.
            if *started && *mode != MessageMode::Queue { queued.push_front(message.clone()) } else { queued.push_back(message.clone()) }
        }
        for sent in sent {
            if let Some(index) = queued.iter().position(|message| message.digest() == *sent) {
                queued.remove(index);
            }
        }
        queued
    }
}

/// Removes the first occurrence of `message`. Returns whether there was one.
fn remove_first(digests: &mut Vec<MessageDigest>, message: &QueuedMessage) -> bool {
    let digest = message.digest();
    let index = digests.iter().position(|other| *other == digest);
    index.is_some_and(|index| {
        digests.remove(index);
        true
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(messages: &[(&str, MessageMode, bool)], sent: &[&str], steered: &[&str]) -> Vec<String> {
        let messages = messages.iter().map(|(text, mode, started)| (QueuedMessage::text(*text), *mode, *started)).collect();
        let digests = |texts: &[&str]| texts.iter().map(|text| MessageDigest::of(text, None)).collect::<Vec<_>>();
        let undelivered = Unconfirmed(messages).undelivered(&digests(sent), &digests(steered));
        undelivered.into_iter().map(|message| message.text).collect()
    }

    #[test]
    fn undelivered_messages_keep_their_delivery_order() {
        use MessageMode::{Interrupt, Queue, Steer};
        let messages =
            [("early", Interrupt, false), ("one", Queue, true), ("into", Steer, true), ("now", Interrupt, true), ("two", Queue, true)];
        assert_eq!(texts(&messages, &[], &[]), ["now", "into", "early", "one", "two"]);
        assert_eq!(texts(&messages, &["early", "now"], &["into"]), ["one", "two"]);
    }
}
