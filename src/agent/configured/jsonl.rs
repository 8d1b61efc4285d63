//! A program that writes JSON lines of its own making, read by the places that the operator named.

use serde_json::Value;

use super::diagnose::diagnose;
use super::text::Answer;
use super::{Field, Fields};
use crate::agent::acp::from_words;
use crate::agent::{Item, LineOutcome, Output, Parser, Started};
use crate::process::Exit;
use crate::types::{Cause, Failure, Role, StreamEvent, Usage};

/// Reads JSON lines.
#[derive(Debug)]
pub(super) struct Jsonl {
    prompt: Vec<u8>,
    fields: Fields,
    /// Tokens that no message has repeated yet.
    speaking: Answer,
    /// The last whole message, which is the result where the agent names none.
    last: String,
    usage: Usage,
    started: bool,
    ended: bool,
}

impl Jsonl {
    pub(super) fn new(prompt: &str, fields: Fields) -> Self {
        Self {
            prompt: prompt.as_bytes().to_vec(),
            fields,
            speaking: Answer::default(),
            last: String::new(),
            usage: Usage::default(),
            started: false,
            ended: false,
        }
    }

    fn start(&mut self, agent_session: Option<String>, out: &mut Output) {
        if !std::mem::replace(&mut self.started, true) {
            out.items.push(Item::Started(Started { agent_session, ..Started::default() }));
        }
    }

    fn say(&mut self, text: String, out: &mut Output) {
        self.speaking = Answer::default();
        self.last.clone_from(&text);
        out.event(StreamEvent::Message { role: Role::Assistant, content: text, message_id: None, parent_tool_call_id: None });
    }

    /// Tokens that were not followed by their message are a message all the same.
    fn finish_speaking(&mut self, out: &mut Output) {
        if !self.speaking.is_empty() {
            self.last = self.speaking.tell(out);
        }
    }

    fn end(&mut self, turn: Result<String, Failure>, out: &mut Output) {
        if !std::mem::replace(&mut self.ended, true) {
            self.start(None, out);
            out.items.push(Item::TurnEnded(turn));
        }
    }

    /// Takes what the line says of tokens and money. Gives whether it said anything.
    fn count(&mut self, line: &Value, out: &mut Output) -> bool {
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
            out.event(StreamEvent::Usage(self.usage.clone()));
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
        let Ok(value) = serde_json::from_str::<Value>(line) else { return out.raw(line) };
        let text = |field: &Option<Field>| field.as_ref()?.find(&value)?.as_str().map(str::to_owned);
        let session = text(&self.fields.session);
        let (token, thinking) = (text(&self.fields.token), text(&self.fields.thinking));
        let (message, result) = (text(&self.fields.message), text(&self.fields.result));
        let error = self.fields.error.as_ref().and_then(|field| field.find(&value)).cloned();
        let mut known = [&session, &token, &thinking, &message, &result].into_iter().any(Option::is_some) || error.is_some();
        if let Some(session) = session {
            self.start(Some(session), out);
        }
        if let Some(content) = thinking.filter(|piece| !piece.is_empty()) {
            out.event(StreamEvent::Thinking { content: content.into() });
        }
        if let Some(content) = token.filter(|piece| !piece.is_empty()) {
            self.speaking.push(&content);
            out.event(StreamEvent::Token { content: content.into() });
        }
        if let Some(message) = message {
            self.say(message, out);
        }
        known |= self.count(&value, out);
        if let Some(error) = error {
            self.finish_speaking(out);
            self.end(Err(failure(&error)), out);
        } else if let Some(result) = result {
            self.finish_speaking(out);
            if result != self.last && !self.ended {
                self.say(result.clone(), out);
            }
            self.end(Ok(result), out);
        }
        match (out.is_empty(), known) {
            (false, _) => LineOutcome::Emitted,
            (true, true) => LineOutcome::Buffered,
            (true, false) => out.raw(line),
        }
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        self.finish_speaking(out);
        self.start(None, out);
    }

    fn handle_exit(&mut self, exit: Exit, out: &mut Output) {
        // An agent that names its results has failed without one.
        if self.fields.result.is_none() && exit.is_success() {
            let text = std::mem::take(&mut self.last);
            self.end(Ok(text), out);
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        diagnose(exit, stderr_tail)
    }
}

/// What an agent's own report of its failure means.
fn failure(error: &Value) -> Failure {
    let words = error.as_str().or_else(|| error.get("message")?.as_str());
    let message = words.map_or_else(|| error.to_string(), str::to_owned);
    Failure::new(from_words(&message).unwrap_or(Cause::AgentError), message)
}
