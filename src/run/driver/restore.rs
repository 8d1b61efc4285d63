//! Restoring a run of an earlier server after its agent was found again: reconciles the log with what the agent received.
//!
//! An answer or message is logged before it is sent to the agent, so the agent may lack the last entries of the log. The shim's journal
//! records what the agent received ([`HistoryEntry::Command`]); this module sends the rest.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::timers::WallClock;
use super::{Batch, Driver};
use crate::agent::Item;
use crate::agent::handle::{AgentHandle, Command, HistoryEntry};
use crate::run::events::LogSummary;
use crate::run::state::{Input, StopReason};
use crate::types::{Answer, MessageMode, OutputCheckpoint, TurnEnd};

/// Entries of the log that the agent may not have received.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    answers: Vec<(String, Answer)>,
    /// Text, mode, and whether the agent was ready when the message arrived.
    messages: Vec<(String, MessageMode, bool)>,
}

/// What the agent did and received, as far as it matters for continuing.
#[derive(Debug, Default)]
struct AgentProgress {
    turn: Option<TurnEnd>,
    /// Whether the last turn has ended and no message was sent after it.
    turn_is_over: bool,
    /// Whether the current turn was interrupted.
    interrupted: bool,
    answered: BTreeSet<String>,
    sent: Vec<String>,
    steered: Vec<String>,
    finished: bool,
    stopped: Option<StopReason>,
}

impl Driver {
    /// Adds the state recorded in the log of an earlier server. `age` is the time since the run was created.
    pub(in crate::run) fn with_summary(mut self, summary: LogSummary, age: Duration) -> Self {
        (self.prior_age, self.stored_status) = (age, None);
        self.usage = summary.usage;
        let now = self.log.now();
        let to_instant = |then: i64| Instant::now().checked_sub(Duration::from_millis(u64::try_from(now.as_millis() - then).unwrap_or(0)));
        for (id, ts) in &summary.tool_calls {
            if let Some(since) = to_instant(ts.as_millis()) {
                self.tool_calls.insert(id, since);
            }
        }
        for (id, _) in &summary.answers {
            self.requests.mark_answered(id);
        }
        if summary.started {
            self.started = true;
            self.transition(Input::Admitted);
            self.transition(Input::AgentReady);
        }
        for (request, created_at) in summary.open {
            self.reopen_request(request, created_at);
        }
        self.emitted_notices = summary.notices;
        self.unconfirmed = Unconfirmed { answers: summary.answers, messages: summary.messages };
        self.queued_messages = self.unconfirmed.undelivered_messages(&AgentProgress::default());
        self
    }

    /// Applies the agent's history, then sends what the agent has not received. `remaining` is the time until the shim's deadline.
    pub(super) async fn restore(
        &mut self,
        history: Vec<HistoryEntry>,
        checkpoint: OutputCheckpoint,
        remaining: Option<Duration>,
        agent: &AgentHandle,
    ) {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let answer_deadline = self.requests.last_deadline();
        let mut batch = Batch::default();
        let mut progress = AgentProgress::default();
        for entry in history {
            progress.apply(&entry);
            if let HistoryEntry::New(item) = entry {
                self.add_item(item, &mut batch);
            }
        }
        batch.change.checkpoint = Some(checkpoint);
        self.queued_messages = unconfirmed.undelivered_messages(&progress);
        self.last_turn.clone_from(&progress.turn);
        self.finishing = progress.finished || progress.stopped.is_some();
        let max_remaining = self.spec.timeout + self.context.config.permission_timeout;
        self.timers.limit = match remaining {
            Some(remaining) if !self.finishing => WallClock::restored(remaining.min(max_remaining), answer_deadline),
            _ => WallClock::Off,
        };
        // Any earlier output satisfies the startup timeout.
        if self.last_turn.is_some() || self.started || !batch.events.is_empty() {
            self.timers.startup = None;
        }
        // New items may have opened or closed a request.
        self.sync_clock();
        self.reset_idle_timer();
        if let Some(reason) = progress.stopped {
            self.transition(Input::StopRequested(reason));
        }
        if !self.store_batch(&mut batch, agent).await {
            return;
        }
        if let Some(reason) = progress.stopped {
            return agent.stop(reason.as_str().to_owned(), self.context.config.stop_grace).await;
        }
        let unsent = unconfirmed.answers.into_iter().filter(|(id, _)| !progress.answered.contains(id));
        for (request, answer) in unsent.chain(batch.answers) {
            agent.answer(request, answer).await;
        }
        if self.finishing {
            return;
        }
        match progress.turn.filter(|_| progress.turn_is_over) {
            Some(turn) => self.complete_turn(turn, agent).await,
            // A message that interrupts the turn is first in the queue, but the agent may not have received the interrupt.
            None if !progress.interrupted
                && unconfirmed.messages.iter().any(|message| message.1 != MessageMode::Queue && self.is_queued(&message.0)) =>
            {
                agent.interrupt().await;
            }
            None => {}
        }
    }

    fn is_queued(&self, text: &str) -> bool {
        self.queued_messages.iter().any(|queued| queued == text)
    }
}

impl Unconfirmed {
    /// The messages that the agent has not received, in delivery order (see [`Driver::accept_message`]).
    fn undelivered_messages(&self, progress: &AgentProgress) -> VecDeque<String> {
        let mut queued = VecDeque::new();
        let mut steered = progress.steered.clone();
        for (text, mode, started) in &self.messages {
            if *mode == MessageMode::Steer && remove_first(&mut steered, text) {
                continue;
            }
            // Before the agent was ready there was no turn to interrupt.
            if *started && *mode != MessageMode::Queue { queued.push_front(text.clone()) } else { queued.push_back(text.clone()) }
        }
        for sent in &progress.sent {
            if let Some(index) = queued.iter().position(|text| text == sent) {
                queued.remove(index);
            }
        }
        queued
    }
}

/// Removes the first occurrence of `text`. Returns whether there was one.
fn remove_first(texts: &mut Vec<String>, text: &str) -> bool {
    let index = texts.iter().position(|other| other == text);
    index.is_some_and(|index| {
        texts.remove(index);
        true
    })
}

impl AgentProgress {
    fn apply(&mut self, entry: &HistoryEntry) {
        match entry {
            HistoryEntry::Logged(Item::TurnEnded(turn)) | HistoryEntry::New(Item::TurnEnded(turn)) => {
                self.turn = Some(turn.clone());
                (self.turn_is_over, self.interrupted) = (true, false);
            }
            HistoryEntry::Logged(_) | HistoryEntry::New(_) => {}
            HistoryEntry::Command(command) => match command {
                Command::Answer { request, .. } => {
                    self.answered.insert(request.clone());
                }
                Command::Message { text } => {
                    self.sent.push(text.clone());
                    (self.turn_is_over, self.interrupted) = (false, false);
                }
                Command::Steer { text } => self.steered.push(text.clone()),
                Command::Interrupt => self.interrupted = true,
                Command::Silence => {}
                Command::Finish => self.finished = true,
                Command::Stop { reason } => self.stopped = Some(StopReason::from_name(reason).unwrap_or(StopReason::Cancel)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(messages: &[(&str, MessageMode, bool)], progress: &AgentProgress) -> Vec<String> {
        let messages = messages.iter().map(|(text, mode, started)| ((*text).to_owned(), *mode, *started)).collect();
        Unconfirmed { messages, answers: vec![] }.undelivered_messages(progress).into()
    }

    #[test]
    fn undelivered_messages_keep_their_delivery_order() {
        use MessageMode::{Interrupt, Queue, Steer};
        let messages =
            [("early", Interrupt, false), ("one", Queue, true), ("into", Steer, true), ("now", Interrupt, true), ("two", Queue, true)];
        assert_eq!(texts(&messages, &AgentProgress::default()), ["now", "into", "early", "one", "two"]);
        let mut progress = AgentProgress::default();
        for command in
            [Command::Message { text: "early".into() }, Command::Steer { text: "into".into() }, Command::Message { text: "now".into() }]
        {
            progress.apply(&HistoryEntry::Command(command));
        }
        assert_eq!(texts(&messages, &progress), ["one", "two"]);
    }
}
