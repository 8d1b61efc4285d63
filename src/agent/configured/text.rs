//! A program whose stdout is the answer as plain text.

use serde_json::json;

use super::diagnose::diagnose;
use crate::agent::{Item, LineOutcome, Output, Parser, Started};
use crate::process::Exit;
use crate::types::{Failure, Level, NoticeCode, Role, StreamEvent};

/// Maximum length of an answer in the run's result, in bytes. All its tokens are emitted.
const MAX_ANSWER: usize = 1024 * 1024;

/// A text assembled from chunks, truncated at [`MAX_ANSWER`].
#[derive(Debug, Default)]
pub(super) struct BoundedText {
    text: String,
    /// Total length of all chunks in bytes.
    size: usize,
}

impl BoundedText {
    pub(super) fn push(&mut self, chunk: &str) {
        // Once truncated, later chunks would not continue the text.
        if self.size == self.text.len() {
            let room = chunk.floor_char_boundary(MAX_ANSWER - self.text.len());
            self.text.push_str(&chunk[..room]);
        }
        self.size = self.size.saturating_add(chunk.len());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Emits the text as a message and returns it.
    pub(super) fn emit_message(&mut self, out: &mut Output) -> String {
        let Self { text, size } = std::mem::take(self);
        if size > text.len() {
            let message = format!("an answer of {size} bytes was truncated to {}; its tokens are complete", text.len());
            let data = Some(json!({ "kept": text.len(), "size": size }));
            out.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Truncated, message, data });
        }
        out.emit(StreamEvent::Message { role: Role::Assistant, content: text.clone(), message_id: None, parent_tool_call_id: None });
        text
    }
}

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
            self.result = self.answer.emit_message(out);
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
