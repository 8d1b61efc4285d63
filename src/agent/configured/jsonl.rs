//! A program that writes JSON lines in a format of its own, parsed by the configured locations.

use serde_json::Value;

use super::diagnose::diagnose;
use super::{Field, Fields};
use crate::agent::acp::cause_from_text;
use crate::agent::common::{BoundedText, is_same_text, session_changed};
use crate::agent::{Item, LineOutcome, Output, Parser, Started};
use crate::process::Exit;
use crate::types::{Cause, Failure, Role, StreamEvent, Usage};

/// Parses JSON lines.
#[derive(Debug)]
pub(super) struct Jsonl {
    prompt: Vec<u8>,
    fields: Fields,
    /// Tokens that no message has repeated yet.
    tokens: BoundedText,
    /// The last complete message, which is the result if the agent reports none.
    last_message: String,
    usage: Usage,
    /// The program's id of the conversation.
    session: Option<String>,
    started: bool,
    ended: bool,
}

impl Jsonl {
    pub(super) fn new(prompt: &str, fields: Fields) -> Self {
        Self {
            prompt: prompt.as_bytes().to_vec(),
            fields,
            tokens: BoundedText::default(),
            last_message: String::new(),
            usage: Usage::default(),
            session: None,
            started: false,
            ended: false,
        }
    }

    fn start(&mut self, agent_session: Option<String>, out: &mut Output) {
        if !std::mem::replace(&mut self.started, true) {
            self.session.clone_from(&agent_session);
            out.items.push(Item::Started(Started { agent_session, ..Started::default() }));
        }
    }

    /// Handles an id of the conversation. The newest one counts.
    fn note_session(&mut self, session: String, out: &mut Output) {
        if !self.started {
            self.start(Some(session), out);
        } else if !session.is_empty() && self.session.as_ref() != Some(&session) {
            self.session = Some(session.clone());
            session_changed(session, out);
        }
    }

    fn emit_message(&mut self, text: String, out: &mut Output) {
        self.tokens = BoundedText::default();
        self.last_message.clone_from(&text);
        out.emit(StreamEvent::Message { role: Role::Assistant, content: text, message_id: None, parent_tool_call_id: None });
    }

    /// Turns tokens that were not followed by a message into one.
    fn complete_message(&mut self, out: &mut Output) {
        if !self.tokens.is_empty() {
            self.last_message = self.tokens.emit_message(None, out);
        }
    }

    fn end_turn(&mut self, turn: Result<String, Failure>, out: &mut Output) {
        if !std::mem::replace(&mut self.ended, true) {
            self.start(None, out);
            out.items.push(Item::TurnEnded(turn));
        }
    }

    /// Processes tokens and cost in the line. Returns whether it contained any.
    fn add_usage(&mut self, line: &Value, out: &mut Output) -> bool {
        let number = |field: &Option<Field>| field.as_ref()?.find(line)?.as_u64();
        let (input, output) = (number(&self.fields.input_tokens), number(&self.fields.output_tokens));
        let cost = self.fields.cost_usd.as_ref().and_then(|field| field.find(line)?.as_f64());
        let cost = cost.filter(|cost| cost.is_finite() && *cost >= 0.0);
        let usage = Usage {
            input_tokens: input.unwrap_or(self.usage.input_tokens),
            output_tokens: output.unwrap_or(self.usage.output_tokens),
            cost_usd: cost.or(self.usage.cost_usd),
            cost_is_estimate: cost.is_some() || self.usage.cost_is_estimate,
            ..Usage::default()
        };
        if usage != self.usage {
            self.usage = usage;
            out.emit(StreamEvent::Usage(self.usage.clone()));
        }
        input.is_some() || output.is_some() || cost.is_some()
    }
}

impl Parser for Jsonl {
    fn open(&mut self, out: &mut Output) {
        if self.fields.session.is_none() {
            self.start(None, out);
        }
        out.send = std::mem::take(&mut self.prompt);
        out.close_stdin = true;
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return out.emit_raw(line) };
        let text = |field: &Option<Field>| field.as_ref()?.find(&value)?.as_str().map(str::to_owned);
        let session = text(&self.fields.session);
        let (token, thinking) = (text(&self.fields.token), text(&self.fields.thinking));
        let (message, result) = (text(&self.fields.message), text(&self.fields.result));
        let error = self.fields.error.as_ref().and_then(|field| field.find(&value)).cloned();
        let mut known = [&session, &token, &thinking, &message, &result].into_iter().any(Option::is_some) || error.is_some();
        if let Some(session) = session {
            self.note_session(session, out);
        }
        if let Some(content) = thinking.filter(|piece| !piece.is_empty()) {
            out.emit(StreamEvent::Thinking { content: content.into() });
        }
        if let Some(content) = token.filter(|piece| !piece.is_empty()) {
            self.tokens.push(&content);
            out.emit(StreamEvent::Token { content: content.into() });
        }
        if let Some(message) = message {
            self.emit_message(message, out);
        }
        known |= self.add_usage(&value, out);
        if let Some(error) = error {
            self.complete_message(out);
            self.end_turn(Err(failure(&error)), out);
        } else if let Some(result) = result {
            self.complete_message(out);
            if !is_same_text(&result, &self.last_message) && !self.ended {
                self.emit_message(result.clone(), out);
            }
            self.end_turn(Ok(result), out);
        }
        match (out.is_empty(), known) {
            (false, _) => LineOutcome::Emitted,
            (true, true) => LineOutcome::Buffered,
            (true, false) => out.emit_raw(line),
        }
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        self.complete_message(out);
        self.start(None, out);
    }

    fn handle_exit(&mut self, exit: Exit, out: &mut Output) {
        // An agent whose result has a location fails without one.
        if self.fields.result.is_none() && exit.is_success() {
            let text = std::mem::take(&mut self.last_message);
            self.end_turn(Ok(text), out);
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        diagnose(exit, stderr_tail)
    }
}

/// The failure that an agent reports.
fn failure(error: &Value) -> Failure {
    let text = error.as_str().or_else(|| error.get("message")?.as_str());
    let message = text.map_or_else(|| error.to_string(), str::to_owned);
    Failure::new(cause_from_text(&message).unwrap_or(Cause::AgentError), message)
}
