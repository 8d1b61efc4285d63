//! What a log says of where its run stood, for a server that goes on with it.

use std::collections::HashMap;

use serde::Deserialize;

use crate::types::{Answer, MessageMode, NoticeCode, StreamEvent, Timestamp, Usage};

/// What a run had come to by its log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogSummary {
    /// The agent had said that it was ready.
    pub started: bool,
    /// What the run had used by its last word on that.
    pub usage: Option<Usage>,
    /// Requests that nobody has answered, each with its moment, in their order: [`StreamEvent::PermissionRequest`] and
    /// [`StreamEvent::Question`] only.
    pub open: Vec<(StreamEvent, Timestamp)>,
    /// The answers to the others.
    pub answers: Vec<(String, Answer)>,
    /// Tool calls that had no result yet, by their ids, each with its moment.
    pub tool_calls: HashMap<String, Timestamp>,
    /// Further messages, in the order in which they came, each with whether the agent was ready then.
    pub messages: Vec<(String, MessageMode, bool)>,
    /// Which notices a reader was given.
    pub notices: Vec<NoticeCode>,
}

#[derive(Deserialize)]
struct Stamp {
    ts: Timestamp,
}

impl LogSummary {
    /// Takes in one line of the log.
    pub(super) fn see(&mut self, line: &[u8]) {
        // Most lines are tokens, and need not be taken apart to see that they are none of these.
        const TOLD: [&[u8]; 7] = [
            br#""type":"usage""#,
            br#""type":"permission_re"#,
            br#""type":"question"#,
            br#""type":"tool_"#,
            br#""type":"user_message""#,
            br#""type":"notice""#,
            br#""type":"run_started""#,
        ];
        if !TOLD.iter().any(|told| memchr::memmem::find(line, told).is_some()) {
            return;
        }
        let (Ok(event), Ok(Stamp { ts })) = (serde_json::from_slice(line), serde_json::from_slice(line)) else { return };
        match event {
            StreamEvent::RunStarted(_) => self.started = true,
            StreamEvent::Usage(usage) => self.usage = Some(usage),
            StreamEvent::PermissionRequest { .. } | StreamEvent::Question { .. } => self.open.push((event, ts)),
            StreamEvent::PermissionResolved { id, decision, reason, .. } => {
                self.answered(id, Answer::Permission { decision, message: reason });
            }
            StreamEvent::QuestionResolved { id, answers, .. } => self.answered(id, Answer::Question { answers }),
            StreamEvent::ToolCall(call) => {
                self.tool_calls.insert(call.id, ts);
            }
            StreamEvent::ToolResult { id, .. } => {
                self.tool_calls.remove(&id);
            }
            StreamEvent::UserMessage { content, mode } => self.messages.push((content, mode, self.started)),
            StreamEvent::Notice { code, .. } => self.notices.push(code),
            _ => {}
        }
    }

    fn answered(&mut self, id: String, answer: Answer) {
        self.open.retain(|(request, _)| id_of(request) != Some(&id));
        self.answers.push((id, answer));
    }
}

/// The id of a request.
fn id_of(request: &StreamEvent) -> Option<&String> {
    match request {
        StreamEvent::PermissionRequest { id, .. } | StreamEvent::Question { id, .. } => Some(id),
        _ => None,
    }
}
