//! Puts the pieces of the assistant's text together again.

use crate::agent::Output;
use crate::types::{Delta, Role, StreamEvent};

/// The message that is being written, and what was written before it.
#[derive(Debug, Default)]
pub(super) struct Speech {
    open: Option<Open>,
    /// The agent's id of the message that was closed last, and how many messages we made of it.
    closed: Option<(String, u32)>,
    last: String,
}

#[derive(Debug)]
struct Open {
    /// The agent's id of it.
    agent_id: Option<String>,
    /// The id that we tell.
    id: Option<String>,
    /// Which one of those that we make of the agent's message it is.
    part: u32,
    text: String,
}

impl Speech {
    /// Takes one piece and tells it.
    pub(super) fn piece(&mut self, id: Option<&str>, text: &str, out: &mut Output) {
        if self.open.as_ref().is_some_and(|open| open.agent_id.as_deref() != id) {
            self.close(out);
        }
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(Open::new(id, self.closed.as_ref())),
        };
        open.text.push_str(text);
        let content = Delta { text: text.to_owned(), message_id: open.id.clone(), parent_tool_call_id: None };
        out.event(StreamEvent::Token { content });
    }

    /// Something else follows: what was written so far is a whole message.
    pub(super) fn close(&mut self, out: &mut Output) {
        let Some(Open { agent_id, id, part, text }) = self.open.take() else { return };
        self.closed = agent_id.map(|agent_id| (agent_id, part));
        self.last.clone_from(&text);
        out.event(StreamEvent::Message { role: Role::Assistant, content: text, message_id: id, parent_tool_call_id: None });
    }

    /// The last whole message, which is a turn's result. Empty if nothing was said.
    pub(super) fn take_last(&mut self) -> String {
        std::mem::take(&mut self.last)
    }
}

impl Open {
    /// A message begins. Some agents go on under the same id after a tool call; a client must be able to tell the parts apart.
    fn new(id: Option<&str>, closed: Option<&(String, u32)>) -> Self {
        let part = match (id, closed) {
            (Some(id), Some((before, parts))) if id == before => parts.saturating_add(1),
            _ => 1,
        };
        let told = id.map(|id| if part == 1 { id.to_owned() } else { format!("{id}#{part}") });
        Self { agent_id: id.map(str::to_owned), id: told, part, text: String::new() }
    }
}
