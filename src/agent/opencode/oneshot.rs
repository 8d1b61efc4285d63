//! `opencode run --format json`, the fallback mode. It prints one line per finished part, without deltas and permissions.

use serde::Deserialize;
use serde_json::Value;

use super::diagnose::diagnose;
use super::tools;
use crate::agent::acp::{cause_from_status, cause_from_text, plan_entries};
use crate::agent::common::CallIds;
use crate::agent::{Installed, Item, LineOutcome, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{Cause, Delta, Failure, Level, NoticeCode, Role, StreamEvent, ToolCall, ToolStatus, Usage};

/// Parses the output of one `opencode run`.
///
/// The program prints no line at the start or end of a run: the first line contains the session id, and the end of the output is the end
/// of the run.
pub(super) struct OneShot {
    prompt: String,
    version: Option<String>,
    model: Option<String>,
    started: bool,
    calls: CallIds,
    usage: Usage,
    last_text: String,
    /// The finish reason of the last step.
    reason: Option<String>,
    /// A tool call was denied, after which the run stops without further output (recording `opencode/tool_ask`).
    denied: bool,
    failure: Option<Failure>,
    /// The message of an error whose cause is only in the log.
    unexplained: Option<String>,
}

/// One line.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, rename = "sessionID")]
    session: Option<String>,
    #[serde(default)]
    part: Value,
    #[serde(default)]
    error: Value,
}

/// A text part.
#[derive(Deserialize)]
struct Text {
    text: String,
    #[serde(default, rename = "messageID")]
    message: Option<String>,
}

/// A finished tool call.
#[derive(Deserialize)]
struct Tool {
    #[serde(rename = "tool")]
    name: String,
    #[serde(rename = "callID")]
    call: String,
    state: Value,
}

/// Identifies a denied permission, for which there is no field (recording `opencode/tool_ask`).
const DENIED: &str = "rejected permission";

impl OneShot {
    pub(super) fn new(task: &Task, installed: &Installed) -> Self {
        Self {
            prompt: task.spec.prompt.clone(),
            version: installed.version.clone(),
            model: task.spec.model.clone(),
            started: false,
            calls: CallIds::default(),
            usage: Usage::default(),
            last_text: String::new(),
            reason: None,
            denied: false,
            failure: None,
            unexplained: None,
        }
    }

    fn start(&mut self, session: String, out: &mut Output) {
        if !self.started {
            self.started = true;
            let (version, model) = (self.version.clone(), self.model.clone());
            out.items.push(Item::Started(Started { agent_session: Some(session), version, model }));
        }
    }

    fn handle_text(&mut self, part: Value, out: &mut Output) -> Option<LineOutcome> {
        let Text { text, message } = serde_json::from_value(part).ok()?;
        self.last_text.clone_from(&text);
        out.emit(StreamEvent::Message { role: Role::Assistant, content: text, message_id: message, parent_tool_call_id: None });
        Some(LineOutcome::Emitted)
    }

    fn handle_tool(&mut self, part: Value, out: &mut Output) -> Option<LineOutcome> {
        let Tool { name, call, state } = serde_json::from_value(part).ok()?;
        let field = |name: &str| state.get(name).and_then(Value::as_str);
        let input = state.get("input").cloned().unwrap_or_default();
        let completed = field("status")? == "completed";
        let id = self.calls.next(&call);
        let content = field(if completed { "output" } else { "error" }).unwrap_or_default();
        let worked = completed && !tools::failed(&state);
        let denied = !completed && content.contains(DENIED);
        self.denied |= denied;
        let (kind, title) = (tools::kind(&name), tools::title(&name, &input, field("title")));
        let call = ToolCall { id: id.clone(), tool: name.clone(), kind, title, input: input.clone(), parent_tool_call_id: None };
        out.emit(StreamEvent::ToolCall(call));
        if worked {
            for change in tools::file_changes(&name, &input, &state) {
                out.emit(change);
            }
            if name == tools::PLAN_TOOL
                && let Some(entries) = input.get("todos").and_then(Value::as_array)
            {
                out.emit(StreamEvent::Plan { entries: plan_entries(entries) });
            }
        }
        let time = |name: &str| state.pointer(&format!("/time/{name}")).and_then(Value::as_u64);
        let duration_ms = time("end").zip(time("start")).and_then(|(end, start)| end.checked_sub(start));
        let status = match (worked, denied) {
            (true, _) => ToolStatus::Ok,
            (false, true) => ToolStatus::Denied,
            (false, false) => ToolStatus::Error,
        };
        out.emit(StreamEvent::ToolResult { id, status, content: content.to_owned(), duration_ms });
        Some(LineOutcome::Emitted)
    }

    /// Adds a step's usage; the program reports no totals.
    fn handle_step_finish(&mut self, part: &Value, out: &mut Output) -> Option<LineOutcome> {
        self.reason = Some(part.get("reason")?.as_str()?.to_owned());
        let tokens = |path: &str| part.pointer(path).and_then(Value::as_u64).unwrap_or(0);
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        let thought = tokens("/tokens/reasoning");
        add(&mut self.usage.input_tokens, tokens("/tokens/input"));
        add(&mut self.usage.output_tokens, tokens("/tokens/output").saturating_add(thought));
        add(&mut self.usage.reasoning_tokens, thought);
        add(&mut self.usage.cache_read_tokens, tokens("/tokens/cache/read"));
        add(&mut self.usage.cache_write_tokens, tokens("/tokens/cache/write"));
        if let Some(cost) = part.get("cost").and_then(Value::as_f64).filter(|cost| cost.is_finite()) {
            self.usage.cost_usd = Some(self.usage.cost_usd.unwrap_or(0.0) + cost);
            self.usage.cost_is_estimate = true;
        }
        self.usage.model_calls = Some(self.usage.model_calls.unwrap_or(0).saturating_add(1));
        out.emit(StreamEvent::Usage(self.usage.clone()));
        Some(LineOutcome::Emitted)
    }

    fn handle_error(&mut self, error: &Value) -> Option<LineOutcome> {
        let name = error.get("name")?.as_str()?;
        let data = error.get("data").unwrap_or(&Value::Null);
        let message = data.get("message").and_then(Value::as_str).unwrap_or(name).to_owned();
        if name == "UnknownError" {
            self.unexplained = Some(message);
            return Some(LineOutcome::Buffered);
        }
        let status = data.get("statusCode").and_then(Value::as_i64);
        let cause = match name {
            "ProviderAuthError" => Some(Cause::NotLoggedIn),
            _ => status.and_then(cause_from_status).or_else(|| cause_from_text(&message)),
        };
        self.failure = Some(Failure::new(cause.unwrap_or(Cause::AgentError), message));
        Some(LineOutcome::Buffered)
    }
}

impl Parser for OneShot {
    fn open(&mut self, out: &mut Output) {
        out.send.extend_from_slice(self.prompt.as_bytes());
        out.close_stdin = true;
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(Line { kind, session, part, error }) = serde_json::from_str(line) else { return out.emit_raw(line) };
        let known = ["step_start", "text", "reasoning", "tool_use", "step_finish", "error"].contains(&kind.as_str());
        if let Some(session) = session.filter(|_| known) {
            self.start(session, out);
        }
        let outcome = match kind.as_str() {
            "step_start" => Some(LineOutcome::Ignored),
            "text" => self.handle_text(part, out),
            "reasoning" => serde_json::from_value(part).ok().map(|Text { text, message }| {
                out.emit(StreamEvent::Thinking { content: Delta { text, message_id: message, parent_tool_call_id: None } });
                LineOutcome::Emitted
            }),
            "tool_use" => self.handle_tool(part, out),
            "step_finish" => self.handle_step_finish(&part, out),
            "error" => self.handle_error(&error),
            _ => None,
        };
        match outcome {
            None => out.emit_raw(line),
            // The first line of any type yields `Started`.
            Some(_) if !out.is_empty() => LineOutcome::Emitted,
            Some(outcome) => outcome,
        }
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        let end = match (self.failure.take(), &self.unexplained, self.reason.as_deref()) {
            (Some(failure), _, _) => Err(failure),
            (None, None, Some("tool-calls")) if self.denied => {
                Err(Failure::new(Cause::AgentError, "opencode stopped because a tool call was not permitted"))
            }
            // `diagnose` reads the reason from stderr; a process that is killed during a run has no last step.
            (None, Some(_), _) | (None, None, None | Some("tool-calls")) => return,
            (None, None, Some(reason)) => {
                if reason == "length" {
                    let message = "the answer was truncated at the model's token limit";
                    out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
                }
                Ok(std::mem::take(&mut self.last_text))
            }
        };
        if let Err(Failure { cause: Cause::RateLimited, message }) = &end {
            out.emit(StreamEvent::notice(Level::Error, NoticeCode::RateLimited, message.clone()));
        }
        out.items.push(Item::TurnEnded(end));
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let unexplained = || self.unexplained.clone().map(|message| Failure::new(Cause::AgentError, message));
        diagnose(exit, stderr_tail).or_else(unexplained)
    }
}
