//! The archived Go program: one JSON object, printed over several lines, when everything is done.
//!
//! Read in its source (commit f0571f5), not run: `{`, `  "response": "…"`, `}` on stdout and exit code 0, or nothing there and
//! `Error: …` on stderr with exit code 1. It allows itself everything and tells of nothing on the way.

use serde::Deserialize;

use super::diagnose::diagnose;
use crate::agent::{Installed, Item, LineOutcome, Output, Parser, Started};
use crate::process::Exit;
use crate::types::{Failure, Role, StreamEvent};

/// Longest answer that is kept, in bytes.
const KEPT: usize = 16 * 1024 * 1024;

/// Reads the one answer.
pub(super) struct Go {
    version: Option<String>,
    /// The lines of the object so far.
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
        if self.answered || begins && !line.trim_start().starts_with('{') || self.object.len() + line.len() > KEPT {
            return out.raw(line);
        }
        self.object.push_str(line);
        self.object.push('\n');
        if !line.trim_end().ends_with('}') {
            return LineOutcome::Buffered;
        }
        let Ok(Answer { response }) = serde_json::from_str(&self.object) else { return LineOutcome::Buffered };
        self.object.clear();
        self.answered = true;
        out.event(StreamEvent::Message { role: Role::Assistant, content: response.clone(), message_id: None, parent_tool_call_id: None });
        out.items.push(Item::TurnEnded(Ok(response)));
        LineOutcome::Emitted
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        // Lines that looked like the beginning of the answer and were none are not lost.
        let rest = std::mem::take(&mut self.object);
        for line in rest.lines() {
            out.raw(line);
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let mut failure = diagnose(exit, stderr_tail)?;
        // After the error it prints how it wants to be called.
        if let Some((error, _usage)) = failure.message.split_once(" Usage:") {
            failure.message = error.trim().to_owned();
        }
        Some(failure)
    }
}
