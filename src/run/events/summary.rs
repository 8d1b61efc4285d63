//! Derives the state of a run from its log, for a server that resumes it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::run::queued_message::QueuedMessage;
use crate::types::bounds::{MAX_ANSWERED_REQUESTS, MAX_OPEN_REQUESTS, MAX_TIMED_CALLS};
use crate::types::{Answer, MessageMode, NoticeCode, Recent, StreamEvent, Timestamp, Usage};

/// Maximum number of requests that count as open. A driver opens fewer; if more lack an answer, the answers are damaged.
const MAX_OPEN: usize = 2 * MAX_OPEN_REQUESTS;

/// The state of a run at the end of its log. Its size is bounded, except for the messages of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct LogSummary {
    /// Whether the agent had started.
    pub started: bool,
    /// The last reported usage.
    pub usage: Option<Usage>,
    /// Unanswered requests in their order, each with its time: only [`StreamEvent::PermissionRequest`] and [`StreamEvent::Question`].
    pub open: Vec<(StreamEvent, Timestamp)>,
    /// The last requests that were answered.
    pub answered: Recent<()>,
    /// The last tool calls without a result, with their times.
    pub tool_calls: Recent<Timestamp>,
    /// Further messages in their order, except those reported as undelivered, each with whether the agent had started before.
    pub messages: Vec<(QueuedMessage, MessageMode, bool)>,
    /// Number of messages with attachments.
    pub attached_messages: u64,
    /// The codes of all notices, each once.
    pub notices: Vec<NoticeCode>,
    /// When the last limit resets that the agent has reported.
    pub resets_at: Option<Timestamp>,
    /// Until when the run waits for a limit to reset, if it does.
    pub waits_until: Option<Timestamp>,
    /// How long it has waited in total, including the present wait.
    pub waited: Duration,
    /// How often it has waited.
    pub waits: u32,
    /// Usage of its agents before the last wait.
    pub earlier_usage: Option<Usage>,
    /// What was left of its time limit when the last wait began.
    pub time_left: Option<Duration>,
}

#[derive(Deserialize)]
struct Stamp {
    ts: Timestamp,
}

impl Default for LogSummary {
    fn default() -> Self {
        Self {
            started: false,
            usage: None,
            open: Vec::new(),
            answered: Recent::new(MAX_ANSWERED_REQUESTS),
            tool_calls: Recent::new(MAX_TIMED_CALLS),
            messages: Vec::new(),
            attached_messages: 0,
            notices: Vec::new(),
            resets_at: None,
            waits_until: None,
            waited: Duration::ZERO,
            waits: 0,
            earlier_usage: None,
            time_left: None,
        }
    }
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
            StreamEvent::PermissionRequest { .. } | StreamEvent::Question { .. } => {
                if self.open.len() == MAX_OPEN {
                    self.open.remove(0);
                }
                self.open.push((event, ts));
            }
            StreamEvent::PermissionResolved { id, .. } | StreamEvent::QuestionResolved { id, .. } => {
                self.open.retain(|(request, _)| request.request_id() != Some(&id));
                self.answered.insert(&id, ());
            }
            StreamEvent::ToolCall(call) => {
                self.tool_calls.insert(&call.id, ts);
            }
            StreamEvent::ToolResult { id, .. } => {
                self.tool_calls.remove(&id);
            }
            StreamEvent::UserMessage { content, mode, attachments } => {
                let number = (!attachments.is_empty()).then_some(self.attached_messages + 1);
                self.attached_messages = number.unwrap_or(self.attached_messages);
                self.messages.push((QueuedMessage { text: content, number, attachments }, mode, self.started));
            }
            StreamEvent::Notice { code, ref data, .. } => {
                self.add_wait(&event, code, data.as_ref(), ts);
                if !self.notices.contains(&code) {
                    self.notices.push(code);
                }
                if code == NoticeCode::Undelivered {
                    self.remove_undelivered(data.as_ref());
                }
            }
            _ => {}
        }
    }

    /// Adds what a notice tells about limits of the model's provider and waits for their reset.
    fn add_wait(&mut self, notice: &StreamEvent, code: NoticeCode, data: Option<&Value>, ts: Timestamp) {
        match code {
            NoticeCode::RateLimited => self.resets_at = notice.limit_reset().or(self.resets_at),
            NoticeCode::WaitingForReset => {
                let until = data.and_then(|data| Timestamp::parse(data.get("resumes_at")?.as_str()?));
                let wait = until.map_or(0, |until| until.as_millis().saturating_sub(ts.as_millis()));
                self.waited = self.waited.saturating_add(Duration::from_millis(u64::try_from(wait).unwrap_or(0)));
                self.waits = self.waits.saturating_add(1);
                self.waits_until = until;
                self.time_left = data.and_then(|data| data.get("timeout_left_ms")?.as_u64()).map(Duration::from_millis);
                // The agent that ended has received all others.
                let queued = QueuedMessage::from_data(data).into_iter();
                self.messages = queued.map(|message| (message, MessageMode::Queue, true)).collect();
            }
            NoticeCode::Resumed => (self.waits_until, self.resets_at, self.earlier_usage) = (None, None, self.usage.clone()),
            _ => {}
        }
    }

    /// Removes the messages that a notice reports as undelivered.
    fn remove_undelivered(&mut self, data: Option<&Value>) {
        let texts = data.and_then(|data| data.get("messages")?.as_array());
        for text in texts.into_iter().flatten().filter_map(Value::as_str) {
            if let Some(index) = self.messages.iter().position(|(message, ..)| message.text == text) {
                self.messages.remove(index);
            }
        }
    }
}

/// Adds the answer in one line of the log to `answers` if it is for one of these requests.
pub(super) fn add_answer(line: &[u8], requests: &HashSet<String>, answers: &mut HashMap<String, Answer>) {
    const RELEVANT: [&[u8]; 2] = [br#""type":"permission_resolved""#, br#""type":"question_resolved""#];
    if !RELEVANT.iter().any(|part| memchr::memmem::find(line, part).is_some()) {
        return;
    }
    let (id, answer) = match serde_json::from_slice(line) {
        Ok(StreamEvent::PermissionResolved { id, decision, option_id, reason, .. }) => {
            (id, Answer::Permission { decision, message: reason, option_id })
        }
        Ok(StreamEvent::QuestionResolved { id, answers, .. }) => (id, Answer::Question { answers }),
        _ => return,
    };
    if requests.contains(&id) {
        answers.insert(id, answer);
    }
}
