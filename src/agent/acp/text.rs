//! Assembles messages from the chunks of the assistant's text.

use crate::agent::Output;
use crate::agent::common::BoundedText;
use crate::types::{Delta, Level, NoticeCode, StreamEvent};

/// Maximum length in bytes of a notice that the agent sends as a message.
const MAX_NOTICE: usize = 16 * 1024;

/// The current message and the last complete one.
#[derive(Debug, Default)]
pub(super) struct MessageBuffer {
    open: Option<OpenMessage>,
    /// The agent's id of the last complete message, and into how many messages it was split.
    closed: Option<(String, u32)>,
    last: String,
    /// Whether messages of this turn have ids. A chunk without one is then no part of the answer: the agent says something about itself
    /// (Claude's adapter to a client that does not show notices).
    has_ids: bool,
    /// The chunks without an id since the last message.
    notice: String,
}

#[derive(Debug)]
struct OpenMessage {
    /// The agent's id.
    agent_id: Option<String>,
    /// The id in our events.
    id: Option<String>,
    /// Which part of the agent's message it is, from 1.
    part: u32,
    text: BoundedText,
}

impl MessageBuffer {
    /// Prepares for another turn.
    pub(super) fn begin_turn(&mut self) {
        self.has_ids = false;
        self.last.clear();
    }

    /// Whether a message has begun that is not complete.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Adds a chunk and emits it as a token.
    pub(super) fn push(&mut self, id: Option<&str>, text: &str, out: &mut Output) {
        if id.is_none() && self.has_ids {
            let room = MAX_NOTICE.saturating_sub(self.notice.len());
            self.notice.push_str(&text[..text.floor_char_boundary(room.min(text.len()))]);
            return;
        }
        self.has_ids |= id.is_some();
        if self.open.as_ref().is_some_and(|open| open.agent_id.as_deref() != id) {
            self.close(out);
        }
        self.emit_notice(out);
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(OpenMessage::new(id, self.closed.as_ref())),
        };
        open.text.push(text);
        let content = Delta { text: text.to_owned(), message_id: open.id.clone(), parent_tool_call_id: None };
        out.emit(StreamEvent::Token { content });
    }

    /// Completes the current message and emits it.
    pub(super) fn close(&mut self, out: &mut Output) {
        if let Some(OpenMessage { agent_id, id, part, mut text }) = self.open.take() {
            self.closed = agent_id.map(|agent_id| (agent_id, part));
            self.last = text.emit_message(id, out);
        }
        self.emit_notice(out);
    }

    fn emit_notice(&mut self, out: &mut Output) {
        let notice = std::mem::take(&mut self.notice);
        if !notice.trim().is_empty() {
            out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, notice.trim()));
        }
    }

    /// The last complete message.
    pub(super) fn last(&self) -> &str {
        &self.last
    }

    /// Takes the last complete message, which is the turn's result. Empty if there is none.
    pub(super) fn take_last(&mut self) -> String {
        std::mem::take(&mut self.last)
    }
}

impl OpenMessage {
    /// Starts a message. Some agents reuse the id after a tool call; the parts get distinct ids.
    fn new(id: Option<&str>, closed: Option<&(String, u32)>) -> Self {
        let part = match (id, closed) {
            (Some(id), Some((before, parts))) if id == before => parts.saturating_add(1),
            _ => 1,
        };
        let public_id = id.map(|id| if part == 1 { id.to_owned() } else { format!("{id}#{part}") });
        Self { agent_id: id.map(str::to_owned), id: public_id, part, text: BoundedText::default() }
    }
}
