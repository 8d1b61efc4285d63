//! A program that answers in plain text: what it writes is the answer, line by line.

use serde_json::json;

use super::diagnose::diagnose;
use crate::agent::{Item, LineOutcome, Output, Parser, Started};
use crate::process::Exit;
use crate::types::{Failure, Level, NoticeCode, Role, StreamEvent};

/// Most of an answer that is kept for the run's result, in bytes. Its tokens are all told.
const KEPT: usize = 1024 * 1024;

/// A text that is put together from pieces, up to a bound.
#[derive(Debug, Default)]
pub(super) struct Answer {
    text: String,
    /// Bytes of all the pieces.
    size: usize,
}

impl Answer {
    pub(super) fn push(&mut self, piece: &str) {
        // Once something was left out, nothing that follows would fit to what is there.
        if self.size == self.text.len() {
            let room = piece.floor_char_boundary(KEPT - self.text.len());
            self.text.push_str(&piece[..room]);
        }
        self.size = self.size.saturating_add(piece.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Tells the whole text as a message and gives it back.
    pub(super) fn tell(&mut self, out: &mut Output) -> String {
        let Self { text, size } = std::mem::take(self);
        if size > text.len() {
            let message = format!("an answer of {size} bytes was cut to {}; its tokens are whole", text.len());
            let data = Some(json!({ "kept": text.len(), "size": size }));
            out.event(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Truncated, message, data });
        }
        out.event(StreamEvent::Message { role: Role::Assistant, content: text.clone(), message_id: None, parent_tool_call_id: None });
        text
    }
}

/// Reads an answer in plain text.
#[derive(Debug, Default)]
pub(super) struct Text {
    prompt: Vec<u8>,
    answer: Answer,
    begun: bool,
    last: String,
}

impl Text {
    pub(super) fn new(prompt: &str) -> Self {
        Self { prompt: prompt.as_bytes().to_vec(), ..Self::default() }
    }
}

impl Parser for Text {
    fn open(&mut self, out: &mut Output) {
        out.items.push(Item::Started(Started::default()));
        out.send = std::mem::take(&mut self.prompt);
        out.close_stdin = true;
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        // Whether a line has an end is only known from the next one, so that the tokens make up the text without its last newline.
        let piece = if std::mem::replace(&mut self.begun, true) { format!("\n{line}") } else { line.to_owned() };
        if piece.is_empty() {
            return LineOutcome::Buffered;
        }
        self.answer.push(&piece);
        out.event(StreamEvent::Token { content: piece.into() });
        LineOutcome::Emitted
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        if !self.answer.is_empty() {
            self.last = self.answer.tell(out);
        }
    }

    fn handle_exit(&mut self, exit: Exit, out: &mut Output) {
        if exit.is_success() {
            out.items.push(Item::TurnEnded(Ok(std::mem::take(&mut self.last))));
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        diagnose(exit, stderr_tail)
    }
}
