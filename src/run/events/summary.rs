//! Derives the state of a run from its log, for a server that resumes it.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::types::{Answer, MessageMode, NoticeCode, StreamEvent, Timestamp, Usage};

/// The state of a run at the end of its log.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LogSummary {
    /// Whether the agent had started.
    pub started: bool,
    /// The last reported usage.
    pub usage: Option<Usage>,
    /// Unanswered requests in their order, each with its time: only [`StreamEvent::PermissionRequest`] and [`StreamEvent::Question`].
    pub open: Vec<(StreamEvent, Timestamp)>,
    /// The answers to the other requests, by request id.
    pub answers: Vec<(String, Answer)>,
    /// Tool calls without a result, by id, with their times.
    pub tool_calls: HashMap<String, Timestamp>,
    /// Further messages in their order, except those reported as undelivered, each with whether the agent had started before.
    pub messages: Vec<(String, MessageMode, bool)>,
    /// The codes of all notices.
    pub notices: Vec<NoticeCode>,
}

#[derive(Deserialize)]
struct Stamp {
    ts: Timestamp,
}

impl LogSummary {
    /// Adds one line of the log.
    pub(super) fn add_line(&mut self, line: &[u8]) {
        // Most lines are tokens; this search avoids parsing them.
        const RELEVANT: [&[u8]; 7] = [
            br#""type":"usage""#,
            br#""type":"permission_re"#,
            br#""type":"question"#,
            br#""type":"tool_"#,
            br#""type":"user_message""#,
            br#""type":"notice""#,
            br#""type":"run_started""#,
        ];
        if !RELEVANT.iter().any(|part| memchr::memmem::find(line, part).is_some()) {
            return;
        }
        let (Ok(event), Ok(Stamp { ts })) = (serde_json::from_slice(line), serde_json::from_slice(line)) else { return };
        match event {
            StreamEvent::RunStarted(_) => self.started = true,
            StreamEvent::Usage(usage) => self.usage = Some(usage),
            StreamEvent::PermissionRequest { .. } | StreamEvent::Question { .. } => self.open.push((event, ts)),
            StreamEvent::PermissionResolved { id, decision, option_id, reason, .. } => {
                self.add_answer(id, Answer::Permission { decision, message: reason, option_id });
            }
            StreamEvent::QuestionResolved { id, answers, .. } => self.add_answer(id, Answer::Question { answers }),
            StreamEvent::ToolCall(call) => {
                self.tool_calls.insert(call.id, ts);
            }
            StreamEvent::ToolResult { id, .. } => {
                self.tool_calls.remove(&id);
            }
            StreamEvent::UserMessage { content, mode } => self.messages.push((content, mode, self.started)),
            StreamEvent::Notice { code, data, .. } => {
                self.notices.push(code);
                if code == NoticeCode::Undelivered {
                    self.remove_undelivered(data.as_ref());
                }
            }
            _ => {}
        }
    }

    /// Removes the messages that a notice reports as undelivered.
    fn remove_undelivered(&mut self, data: Option<&Value>) {
        let texts = data.and_then(|data| data.get("messages")?.as_array());
        for text in texts.into_iter().flatten().filter_map(Value::as_str) {
            if let Some(index) = self.messages.iter().position(|(message, ..)| message == text) {
                self.messages.remove(index);
            }
        }
    }

    fn add_answer(&mut self, id: String, answer: Answer) {
        self.open.retain(|(request, _)| request_id(request) != Some(&id));
        self.answers.push((id, answer));
    }
}

fn request_id(request: &StreamEvent) -> Option<&String> {
    match request {
        StreamEvent::PermissionRequest { id, .. } | StreamEvent::Question { id, .. } => Some(id),
        _ => None,
    }
}
