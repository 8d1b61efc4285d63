//! The archived Go program, which prints one JSON object over several lines when it has finished.
//!
//! According to its source (commit f0571f5; not recorded), it prints `{`, `  "response": "…"`, `}` to stdout and exits with code 0, or
//! prints `Error: …` to stderr and exits with code 1. It allows itself every tool and reports nothing in between.

use serde::Deserialize;

use super::diagnose::diagnose;
use crate::agent::{Installed, Item, LineOutcome, Output, Parser, Started};
use crate::process::Exit;
use crate::types::{Failure, Role, StreamEvent};

/// Maximum length of the answer in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Parses the answer.
pub(super) struct Go {
    version: Option<String>,
    /// The lines of the object that have arrived.
    object: String,
    answered: bool,
}

#[derive(Deserialize)]
struct Answer {
    response: String,
}

impl Go {
    pub(super) fn new(installed: &Installed) -> Self {
        Self { version: installed.version.clone(), object: String::new(), answered: false }
    }
}

impl Parser for Go {
    fn open(&mut self, out: &mut Output) {
        out.items.push(Item::Started(Started { agent_session: None, version: self.version.clone(), model: None }));
        out.close_stdin = true;
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let begins = self.object.is_empty();
        if self.answered || begins && !line.trim_start().starts_with('{') || self.object.len() + line.len() > MAX_ANSWER {
            return out.emit_raw(line);
        }
        self.object.push_str(line);
        self.object.push('\n');
        if !line.trim_end().ends_with('}') {
            return LineOutcome::Buffered;
        }
        let Ok(Answer { response }) = serde_json::from_str(&self.object) else { return LineOutcome::Buffered };
        self.object.clear();
        self.answered = true;
        out.emit(StreamEvent::Message { role: Role::Assistant, content: response.clone(), message_id: None, parent_tool_call_id: None });
        out.items.push(Item::TurnEnded(Ok(response)));
        LineOutcome::Emitted
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        // Lines that looked like the start of the answer but were not become raw events.
        let rest = std::mem::take(&mut self.object);
        for line in rest.lines() {
            out.emit_raw(line);
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let mut failure = diagnose(exit, stderr_tail)?;
        // It prints its usage after the error.
        if let Some((error, _usage)) = failure.message.split_once(" Usage:") {
            failure.message = error.trim().to_owned();
        }
        Some(failure)
    }
}
