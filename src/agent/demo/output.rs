//! What the agent sends, at a readable pace, and its requests to the user.

use std::io::{self, Write};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::turn::{DemoAgent, Halt, count_words};
use super::wire::{FromAgent, Report, ToAgent};
use crate::types::{DecidedBy, Decision, Delta, PermissionChoice, Question, Role, StreamEvent, ToolCall};

/// The answer to a permission request.
pub(super) struct Permission {
    pub(super) decision: Decision,
    pub(super) message: Option<String>,
    pub(super) option_id: Option<String>,
}

impl<O: Write> DemoAgent<O> {
    /// Streams `text` word by word, then sends it as a message.
    pub(super) fn send_message(&mut self, text: &str) -> Result<(), Halt> {
        self.send_message_of(text, None)?;
        text.clone_into(&mut self.last_message);
        Ok(())
    }

    /// Streams and sends a message of the sub-agent that the tool call `parent` has started.
    pub(super) fn send_message_of(&mut self, text: &str, parent: Option<&str>) -> Result<(), Halt> {
        self.counters.messages += 1;
        let (message_id, parent) = (Some(format!("msg_{}", self.counters.messages)), parent.map(str::to_owned));
        for word in text.split_inclusive(' ') {
            let content = Delta { text: word.to_owned(), message_id: message_id.clone(), parent_tool_call_id: parent.clone() };
            self.send(StreamEvent::Token { content })?;
        }
        self.usage.output_tokens += count_words(text);
        let content = text.to_owned();
        self.send(StreamEvent::Message { role: Role::Assistant, content, message_id, parent_tool_call_id: parent })
    }

    pub(super) fn send_thinking(&mut self, text: &str) -> Result<(), Halt> {
        self.usage.output_tokens += count_words(text);
        self.usage.reasoning_tokens += count_words(text);
        text.split_inclusive(' ').try_for_each(|word| self.send(StreamEvent::Thinking { content: word.into() }))
    }

    /// Asks for permission to make this call. The request is withdrawn if the turn is interrupted.
    pub(super) fn request_permission(&mut self, call: &ToolCall, choices: Vec<PermissionChoice>) -> Result<Permission, Halt> {
        let id = self.next_request("perm");
        self.send(StreamEvent::PermissionRequest {
            id: id.clone(),
            tool_call_id: Some(call.id.clone()),
            tool: call.tool.clone(),
            kind: call.kind,
            input: call.input.clone(),
            options: vec![Decision::AllowOnce, Decision::AllowAlways, Decision::Deny],
            choices,
            expires_at: None,
        })?;
        loop {
            let received = self.receive_answer().and_then(|message| match message {
                ToAgent::Decision { id: answered, decision, message, option_id } if answered == id => {
                    Ok(Some(Permission { decision, message, option_id }))
                }
                other => self.take(other).map(|()| None),
            });
            match received {
                Ok(Some(permission)) => return Ok(permission),
                Ok(None) => {}
                Err(halt) => {
                    let (decision, reason) = (Decision::Deny, Some("the turn was interrupted".to_owned()));
                    self.write_event(StreamEvent::PermissionResolved { id, decision, option_id: None, by: DecidedBy::Policy, reason })?;
                    return Err(halt);
                }
            }
        }
    }

    /// Asks the user. Returns one list of answers for each question; empty without an answer.
    pub(super) fn ask(&mut self, questions: Vec<Question>) -> Result<Vec<Vec<String>>, Halt> {
        let (id, count) = (self.next_request("question"), questions.len());
        self.send(StreamEvent::Question { id: id.clone(), questions })?;
        loop {
            let received = self.receive_answer().and_then(|message| match message {
                ToAgent::Answers { id: answered, answers } if answered == id => Ok(Some(answers)),
                other => self.take(other).map(|()| None),
            });
            match received {
                Ok(Some(answers)) => return Ok(answers),
                Ok(None) => {}
                Err(halt) => {
                    self.write_event(StreamEvent::QuestionResolved { id, answers: vec![Vec::new(); count], by: DecidedBy::Policy })?;
                    return Err(halt);
                }
            }
        }
    }

    fn next_request(&mut self, prefix: &str) -> String {
        self.counters.requests += 1;
        format!("{prefix}_{}", self.counters.requests)
    }

    fn receive_answer(&mut self) -> Result<ToAgent, Halt> {
        Ok(self.input.recv().map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))??)
    }

    /// Sends an event after the usual pause.
    pub(super) fn send(&mut self, event: StreamEvent) -> Result<(), Halt> {
        self.pause(self.pace)?;
        Ok(self.write_event(event)?)
    }

    /// Waits, and handles messages that arrive meanwhile.
    pub(super) fn pause(&mut self, time: Duration) -> Result<(), Halt> {
        let deadline = Instant::now() + time;
        loop {
            let remaining = deadline.saturating_duration_since(Instant::now());
            match self.input.recv_timeout(remaining) {
                Ok(message) => self.take(message?)?,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                // The work continues; only an answer cannot arrive any more.
                Err(RecvTimeoutError::Disconnected) => {
                    sleep(remaining);
                    return Ok(());
                }
            }
        }
    }

    /// Waits until a message arrives.
    ///
    /// # Errors
    /// [`Halt`] if the turn is interrupted or the server disconnects.
    pub(super) fn wait_for_message(&mut self) -> Result<(), Halt> {
        while self.steers.is_empty() {
            let message = self.receive_answer()?;
            self.take(message)?;
        }
        Ok(())
    }

    /// Sends an event without a pause.
    pub(super) fn write_event(&mut self, event: StreamEvent) -> io::Result<()> {
        self.write_line(&FromAgent::Event(event))
    }

    pub(super) fn report(&mut self, report: Report) -> io::Result<()> {
        self.write_line(&FromAgent::Report(report))
    }

    fn write_line(&mut self, line: &FromAgent) -> io::Result<()> {
        serde_json::to_writer(&mut self.output, line)?;
        self.write_text("\n")
    }

    /// Writes text to stdout as it is.
    pub(super) fn write_text(&mut self, text: &str) -> io::Result<()> {
        self.output.write_all(text.as_bytes())?;
        self.output.flush()
    }
}
