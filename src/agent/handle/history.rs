//! The history of an agent: the journaled commands to it, and its items.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::agent::{Item, Message};
use crate::types::{Answer, OutputCheckpoint, StreamEvent, Timestamp, TurnEnd};

/// A command to an agent. The shim journals it before the agent can see a byte of it, so that a later server can repeat it to a new
/// parser at the same position in the output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Answer a request.
    Answer {
        /// The request's id.
        request: String,
        /// The answer.
        answer: Answer,
    },
    /// Start another turn with this message.
    Message(Message),
    /// Add this message to the current turn.
    Steer(Message),
    /// Interrupt the current turn.
    Interrupt,
    /// The agent has been silent for as long as its parser allows.
    Silence,
    /// No further message follows.
    Finish,
    /// End the agent.
    Stop {
        /// Why, as text for the run's record.
        reason: String,
    },
}

/// What the log of a run shows about its agent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Logged {
    /// How far the log covers the agent's output.
    pub checkpoint: OutputCheckpoint,
    /// The ids of the requests that are open according to the log.
    pub open_requests: HashSet<String>,
}

/// What a reattached agent has done and received, as far as it matters for continuing its run.
///
/// Its size is bounded by what the agent waits for and by what the log does not cover yet, not by the length of the run. Of each message it
/// keeps a digest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The items that the log does not cover yet, in order.
    pub new_items: Vec<Item>,
    /// The last end of a turn.
    pub turn: Option<TurnEnd>,
    /// Whether the last turn has ended and no message was sent after it.
    pub turn_is_over: bool,
    /// Whether the current turn was interrupted.
    pub interrupted: bool,
    /// When a limit of the model's provider resets that was reported in the current or last turn.
    pub resets_at: Option<Timestamp>,
    /// The messages that started turns, in order.
    pub sent: Vec<MessageDigest>,
    /// The messages that were added to turns, in order.
    pub steered: Vec<MessageDigest>,
    /// Whether the agent was told that no further message follows.
    pub finished: bool,
    /// Why the agent was told to end, if it was.
    pub stopped: Option<String>,
    /// The requests that the agent waits on: each is a permission request or a question. `None` if its output could not be read.
    pub waiting: Option<Vec<StreamEvent>>,
    /// The answers that the agent has received to requests that are open according to the log.
    pub answers: HashMap<String, Answer>,
}

/// Stands for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageDigest([u8; 32]);

impl MessageDigest {
    /// The digest of a message with this text and, if it has attachments, this number.
    pub fn of(text: &str, number: Option<u64>) -> Self {
        // A text contains no NUL character.
        let number = number.map(|number| format!("\0{number}")).unwrap_or_default();
        Self(Sha256::new().chain_update(text).chain_update(number).finalize().into())
    }
}

impl History {
    /// Applies a command that the agent has received.
    pub(super) fn apply_command(&mut self, command: &Command, open_requests: &HashSet<String>) {
        match command {
            Command::Answer { request, answer } => {
                self.close(request);
                if open_requests.contains(request) {
                    self.answers.insert(request.clone(), answer.clone());
                }
            }
            Command::Message(message) => {
                self.sent.push(MessageDigest::of(&message.text, message.number));
                (self.turn_is_over, self.interrupted, self.resets_at) = (false, false, None);
            }
            Command::Steer(message) => self.steered.push(MessageDigest::of(&message.text, message.number)),
            Command::Interrupt => self.interrupted = true,
            Command::Silence => {}
            Command::Finish => self.finished = true,
            Command::Stop { reason } => self.stopped = Some(reason.clone()),
        }
    }

    /// Applies an item of the agent, which the log covers if `is_logged`.
    pub(super) fn apply_item(&mut self, item: Item, is_logged: bool) {
        match &item {
            Item::TurnEnded(turn) => {
                self.turn = Some(turn.clone());
                (self.turn_is_over, self.interrupted) = (true, false);
            }
            Item::Event(event @ (StreamEvent::PermissionRequest { .. } | StreamEvent::Question { .. })) => {
                self.waiting.get_or_insert_default().push(event.clone());
            }
            Item::Event(StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. }) => {
                let id = id.clone();
                self.close(&id);
            }
            Item::Event(event) => self.resets_at = event.limit_reset().or(self.resets_at),
            Item::Started(_) | Item::SessionChanged(_) => {}
        }
        if !is_logged {
            self.new_items.push(item);
        }
    }

    fn close(&mut self, request: &str) {
        if let Some(waiting) = &mut self.waiting {
            waiting.retain(|open| open.request_id() != Some(request));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{DecidedBy, Decision, Level, NoticeCode, Question};

    fn question(id: usize) -> Item {
        Item::Event(StreamEvent::Question { id: id.to_string(), questions: vec![Question::default()] })
    }

    fn answer(id: usize) -> Command {
        Command::Answer { request: id.to_string(), answer: Answer::Question { answers: vec![] } }
    }

    #[test]
    fn the_history_does_not_grow_with_requests_that_were_answered_or_withdrawn() {
        let mut history = History::default();
        let open = HashSet::from(["7".to_owned()]);
        for id in 0..10_000 {
            history.apply_item(question(id), true);
            if id % 2 == 0 {
                let by = DecidedBy::Policy;
                history.apply_item(Item::Event(StreamEvent::QuestionResolved { id: id.to_string(), answers: vec![], by }), true);
            } else {
                history.apply_command(&answer(id), &open);
            }
        }
        history.apply_item(question(10_000), true);
        let expected = History {
            waiting: Some(vec![StreamEvent::Question { id: "10000".to_owned(), questions: vec![Question::default()] }]),
            answers: HashMap::from([("7".to_owned(), Answer::Question { answers: vec![] })]),
            ..History::default()
        };
        assert_eq!(history, expected);
    }

    #[test]
    fn only_items_that_the_log_lacks_are_kept_and_turns_are_followed_in_order() {
        let mut history = History::default();
        let deny = StreamEvent::PermissionResolved {
            id: "p".to_owned(),
            decision: Decision::Deny,
            option_id: None,
            by: DecidedBy::Policy,
            reason: None,
        };
        history.apply_item(Item::Event(deny.clone()), true);
        history.apply_item(Item::TurnEnded(Ok("one".to_owned())), true);
        assert!(history.turn_is_over);
        history.apply_command(&Command::Message("more".into()), &HashSet::new());
        history.apply_command(&Command::Interrupt, &HashSet::new());
        assert!(!history.turn_is_over && history.interrupted);
        assert_eq!(history.sent, [MessageDigest::of("more", None)]);
        let resets_at = Timestamp::parse("2030-01-01T00:00:00Z");
        let limit = |data| StreamEvent::Notice { level: Level::Warning, code: NoticeCode::RateLimited, message: "limited".into(), data };
        history.apply_item(Item::Event(limit(Some(serde_json::json!({ "resets_at": resets_at })))), true);
        history.apply_item(Item::Event(limit(None)), true);
        assert!(resets_at.is_some() && history.resets_at == resets_at);
        history.apply_command(&Command::Message("again".into()), &HashSet::new());
        assert_eq!(history.resets_at, None, "the limit of an earlier turn");
        history.apply_item(Item::Event(deny.clone()), false);
        assert_eq!((history.new_items, history.turn), (vec![Item::Event(deny)], Some(Ok("one".to_owned()))));
    }
}
