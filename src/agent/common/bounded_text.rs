//! A text that an agent sends in chunks.

use serde_json::json;

use crate::agent::Output;
use crate::types::bounds::MAX_ASSEMBLED_ANSWER;
use crate::types::{Level, NoticeCode, Role, StreamEvent};

/// A text assembled from chunks, truncated at [`MAX_ASSEMBLED_ANSWER`].
#[derive(Debug, Default)]
pub(in crate::agent) struct BoundedText {
    text: String,
    /// Total length of all chunks in bytes.
    size: usize,
}

impl BoundedText {
    pub(in crate::agent) fn push(&mut self, chunk: &str) {
        // Once truncated, later chunks would not continue the text.
        if self.size == self.text.len() {
            let room = chunk.floor_char_boundary(MAX_ASSEMBLED_ANSWER - self.text.len());
            self.text.push_str(&chunk[..room]);
        }
        self.size = self.size.saturating_add(chunk.len());
    }

    pub(in crate::agent) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Emits the text as the message with this id, and returns it.
    pub(in crate::agent) fn emit_message(&mut self, message_id: Option<String>, out: &mut Output) -> String {
        let Self { text, size } = std::mem::take(self);
        if size > text.len() {
            let message = format!("an answer of {size} bytes was truncated to {}; its tokens are complete", text.len());
            let data = Some(json!({ "kept": text.len(), "size": size }));
            out.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Truncated, message, data });
        }
        out.emit(StreamEvent::Message { role: Role::Assistant, content: text.clone(), message_id, parent_tool_call_id: None });
        text
    }
}
