//! Agents that leave their conversation during a run, for example because of a command such as `/clear`.

use serde_json::json;

use crate::agent::{Item, Output};
use crate::types::{Level, NoticeCode, StreamEvent};

/// Emits that the agent works in the conversation `session` from here on, which the session's next run continues, and a notice about it.
pub(in crate::agent) fn session_changed(session: String, out: &mut Output) {
    let message = "the agent left its conversation and started a new one, which the session's next run continues".to_owned();
    let data = Some(json!({ "agent_session": session }));
    out.emit(StreamEvent::Notice { level: Level::Info, code: NoticeCode::SessionChanged, message, data });
    out.items.push(Item::SessionChanged(session));
}
