//! Going on with a run of an earlier server: what its log says, and what was really done to its agent.
//!
//! The log is written before the agent is told, so the agent may lack what the log has: an answer, a message, an interrupt. Its shim
//! has noted what it was told ([`HistoryEntry::Command`]), and the difference is made up for here.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::clock::WallClock;
use super::{Batch, Driver};
use crate::agent::Item;
use crate::agent::handle::{AgentHandle, Command, HistoryEntry};
use crate::run::events::LogSummary;
use crate::run::state::{Input, StopReason};
use crate::types::{Answer, MessageMode, NoticeCode, OutputCheckpoint, TurnEnd};

/// What the log holds that the agent may not have been told.
#[derive(Debug, Default)]
pub(super) struct Unconfirmed {
    answers: Vec<(String, Answer)>,
    messages: Vec<(String, MessageMode, bool)>,
}

/// What was done to the agent, as far as it matters later.
#[derive(Debug, Default)]
struct Done {
    turn: Option<TurnEnd>,
    /// The last turn is over, and no message came after it.
    turn_is_over: bool,
    /// This turn was interrupted.
    interrupted: bool,
    answered: BTreeSet<String>,
    said: Vec<String>,
    steered: Vec<String>,
    finished: bool,
    stopped: Option<StopReason>,
}

impl Driver {
    /// The same driver, with what the log of an earlier server says. `age` is how long ago the run was created.
    pub(in crate::run) fn remembering(mut self, memory: LogSummary, age: Duration) -> Self {
        self.age = age;
        self.usage = memory.usage;
        let now = self.log.now();
        let since = |then: i64| Instant::now().checked_sub(Duration::from_millis(u64::try_from(now.as_millis() - then).unwrap_or(0)));
        self.tool_calls = memory.tool_calls.into_iter().filter_map(|(id, ts)| Some((id, since(ts.as_millis())?))).collect();
        for (id, _) in &memory.answers {
            self.requests.answered_at_once(id.clone());
        }
        if memory.started {
            self.started = true;
            self.transition(Input::Admitted);
            self.transition(Input::AgentReady);
        }
        for (request, created_at) in memory.open {
            self.open_again(request, created_at);
        }
        // They were told to be undelivered, and so they are.
        let messages = if memory.notices.contains(&NoticeCode::Undelivered) { Vec::new() } else { memory.messages };
        self.noticed = memory.notices;
        self.unconfirmed = Unconfirmed { answers: memory.answers, messages };
        self.waiting = self.unconfirmed.waiting(&Done::default());
        self
    }

    /// Takes in what happened to the agent before it was found again, and does what was still to be done.
    pub(super) async fn restore(
        &mut self,
        history: Vec<HistoryEntry>,
        checkpoint: OutputCheckpoint,
        left: Option<Duration>,
        agent: &AgentHandle,
    ) {
        let unconfirmed = std::mem::take(&mut self.unconfirmed);
        let waits_until = self.requests.last_deadline();
        let mut batch = Batch::default();
        let mut done = Done::default();
        for one in history {
            done.see(&one);
            if let HistoryEntry::New(item) = one {
                self.item(item, &mut batch);
            }
        }
        batch.change.checkpoint = Some(checkpoint);
        self.waiting = unconfirmed.waiting(&done);
        self.turn.clone_from(&done.turn);
        self.finishing = done.finished || done.stopped.is_some();
        self.clock = match left {
            Some(left) if !self.finishing => WallClock::found(left.min(self.spec.timeout + self.around.patience), waits_until),
            _ => WallClock::Off,
        };
        // Whatever it said to the server before this one was a first word.
        if self.turn.is_some() || self.started || !batch.events.is_empty() {
            self.first_word_deadline = None;
        }
        // What is new may have opened or closed a request.
        self.sync_clock();
        self.reset_idle_timer();
        if let Some(reason) = done.stopped {
            self.transition(Input::StopAsked(reason));
        }
        if !self.write(batch.events, batch.change, agent).await {
            return;
        }
        if let Some(reason) = done.stopped {
            return agent.stop(reason.as_str().to_owned(), self.around.grace).await;
        }
        let untold = unconfirmed.answers.into_iter().filter(|(id, _)| !done.answered.contains(id));
        for (request, answer) in untold.chain(batch.answers) {
            agent.answer(request, answer).await;
        }
        if self.finishing {
            return;
        }
        match done.turn.filter(|_| done.turn_is_over) {
            Some(turn) => self.turn_ended(turn, agent).await,
            // Whoever wanted to interrupt the turn is the first in the queue by now, but the agent may not have heard of it.
            None if !done.interrupted
                && unconfirmed.messages.iter().any(|message| message.1 != MessageMode::Queue && self.is_waiting(&message.0)) =>
            {
                agent.interrupt().await;
            }
            None => {}
        }
    }

    fn is_waiting(&self, text: &str) -> bool {
        self.waiting.iter().any(|waiting| waiting == text)
    }
}

impl Unconfirmed {
    /// The messages that the agent was not given, in the order in which it gets them: as [`Driver::message`] has put them.
    fn waiting(&self, done: &Done) -> VecDeque<String> {
        let mut waiting = VecDeque::new();
        let mut steered = done.steered.clone();
        for (text, mode, started) in &self.messages {
            if *mode == MessageMode::Steer && remove(&mut steered, text) {
                continue;
            }
            // Before there was a turn, there was nothing to interrupt.
            if *started && *mode != MessageMode::Queue { waiting.push_front(text.clone()) } else { waiting.push_back(text.clone()) }
        }
        for said in &done.said {
            if let Some(at) = waiting.iter().position(|text| text == said) {
                waiting.remove(at);
            }
        }
        waiting
    }
}

fn remove(texts: &mut Vec<String>, text: &str) -> bool {
    let at = texts.iter().position(|one| one == text);
    at.is_some_and(|at| {
        texts.remove(at);
        true
    })
}

impl Done {
    fn see(&mut self, history: &HistoryEntry) {
        match history {
            HistoryEntry::Logged(Item::TurnEnded(turn)) | HistoryEntry::New(Item::TurnEnded(turn)) => {
                self.turn = Some(turn.clone());
                (self.turn_is_over, self.interrupted) = (true, false);
            }
            HistoryEntry::Logged(_) | HistoryEntry::New(_) => {}
            HistoryEntry::Command(call) => match call {
                Command::Answer { request, .. } => {
                    self.answered.insert(request.clone());
                }
                Command::Message { text } => {
                    self.said.push(text.clone());
                    (self.turn_is_over, self.interrupted) = (false, false);
                }
                Command::Steer { text } => self.steered.push(text.clone()),
                Command::Interrupt => self.interrupted = true,
                Command::Finish => self.finished = true,
                Command::Stop { reason } => self.stopped = Some(StopReason::from_name(reason).unwrap_or(StopReason::Cancel)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(messages: &[(&str, MessageMode, bool)], done: &Done) -> Vec<String> {
        let messages = messages.iter().map(|(text, mode, started)| ((*text).to_owned(), *mode, *started)).collect();
        Unconfirmed { messages, answers: vec![] }.waiting(done).into()
    }

    #[test]
    fn what_the_agent_was_not_given_waits_in_the_order_that_it_had() {
        use MessageMode::{Interrupt, Queue, Steer};
        let messages =
            [("early", Interrupt, false), ("one", Queue, true), ("into", Steer, true), ("now", Interrupt, true), ("two", Queue, true)];
        assert_eq!(texts(&messages, &Done::default()), ["now", "into", "early", "one", "two"]);
        let mut done = Done::default();
        for call in
            [Command::Message { text: "early".into() }, Command::Steer { text: "into".into() }, Command::Message { text: "now".into() }]
        {
            done.see(&HistoryEntry::Command(call));
        }
        assert_eq!(texts(&messages, &done), ["one", "two"]);
    }
}
