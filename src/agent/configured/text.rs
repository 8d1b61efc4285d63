//! A program whose stdout is the answer as plain text.

use super::diagnose::diagnose;
use crate::agent::common::BoundedText;
use crate::agent::{Item, LineOutcome, Output, Parser, Started};
use crate::process::Exit;
use crate::types::{Failure, StreamEvent};

/// Parses an answer in plain text.
#[derive(Debug, Default)]
pub(super) struct Text {
    prompt: Vec<u8>,
    answer: BoundedText,
    started: bool,
    result: String,
}

impl Text {
    pub(super) fn new(prompt: &str) -> Self {
        Self { prompt: prompt.as_bytes().to_vec(), ..Self::default() }
    }
}

impl Parser for Text {
    fn reads_json(&self) -> bool {
        false
    }

    fn open(&mut self, out: &mut Output) {
        out.items.push(Item::Started(Started::default()));
        out.send = std::mem::take(&mut self.prompt);
        out.close_stdin = true;
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        // Each newline is emitted with the following line, so that the tokens form the text without its last newline.
        let chunk = if std::mem::replace(&mut self.started, true) { format!("\n{line}") } else { line.to_owned() };
        if chunk.is_empty() {
            return LineOutcome::Buffered;
        }
        self.answer.push(&chunk);
        out.emit(StreamEvent::Token { content: chunk.into() });
        LineOutcome::Emitted
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        if !self.answer.is_empty() {
            self.result = self.answer.emit_message(None, out);
        }
    }

    fn handle_exit(&mut self, exit: Exit, out: &mut Output) {
        if exit.is_success() {
            out.items.push(Item::TurnEnded(Ok(std::mem::take(&mut self.result))));
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        diagnose(exit, stderr_tail)
    }
}
