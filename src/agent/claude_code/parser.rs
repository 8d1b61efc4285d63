//! What the lines of `stream-json` mean.
//!
//! Both modes print the same lines; two-way, the program also asks (`control_request`) and answers (`control_response`).
//! The life of a text: `stream_event` lines bring its pieces as tokens, then one `assistant` line brings it whole as a message.
//! The life of a tool call: `assistant` (the call), perhaps a `control_request` (may it?), `user` (what came of it).
//! A turn begins with `system/init` and ends with `result`, and nothing else ends it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::permissions::{Asked, Permissions};
use super::plan::{Change, Plan};
use super::usage::Totals;
use super::wire::{self, Block, Head, MessageLine, StreamLine, Text};
use super::{diff, failure, tools};
use crate::agent::{Item, LineOutcome, Mode, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::redact::redact_mcp_error;
use crate::types::{
    Answer, Cause, Delta, Failure, Level, McpServer, McpTransport, NoticeCode, Role, StreamEvent, Timestamp, ToolCall, ToolStatus,
};

/// The parser of one `claude` process.
#[derive(Debug)]
pub(super) struct ClaudeParser {
    mode: Mode,
    prompt: String,
    mcp_servers: Vec<McpServer>,
    working_dir: PathBuf,
    started: bool,
    /// How many requests of our own were sent.
    requests: u64,
    stage: Stage,
    interrupt: Interrupt,
    /// Every tool call so far, with what it will do to the plan.
    calls: BTreeMap<String, Option<Change>>,
    /// Those that have no result yet.
    running: BTreeSet<String>,
    permissions: Permissions,
    plan: Plan,
    turn: Turn,
    totals: Totals,
}

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nobody has said anything, or the last turn is over.
    #[default]
    Idle,
    /// A message was sent, and the program has not taken it up yet.
    Said,
    /// A turn goes on.
    InTurn,
}

/// Whether the turn is to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Interrupt {
    #[default]
    No,
    /// It is, as soon as it has begun: an idle program takes an interrupt for done (seen in `bidi_interrupt_idle`).
    Wanted,
    /// The program was told.
    Sent,
}

/// What is known of a turn while it lasts.
#[derive(Debug, Default)]
struct Turn {
    /// The message that is being streamed, by the tool call whose sub-agent writes it.
    streaming: BTreeMap<Option<String>, String>,
    /// Messages whose thinking came in pieces, and must not come again.
    thought: BTreeSet<String>,
    /// The program's word for the last error.
    error: Option<String>,
    /// Whether the provider's limit was told.
    limited: bool,
    /// Whether an interrupt was told, after which no `result` need come (seen in `sigint_hang`).
    interrupted: bool,
}

/// The fate of a line that may have told something: whether there are more than the `before` items that were there already.
fn fate_since(before: usize, out: &Output) -> LineOutcome {
    if out.items.len() > before { LineOutcome::Emitted } else { LineOutcome::Ignored }
}

impl ClaudeParser {
    pub(super) fn new(mode: Mode, task: &Task) -> Self {
        Self {
            mode,
            prompt: task.spec.prompt.clone(),
            mcp_servers: task.mcp_servers.clone(),
            working_dir: task.spec.working_dir.clone(),
            started: false,
            requests: 0,
            stage: Stage::default(),
            interrupt: Interrupt::default(),
            calls: BTreeMap::new(),
            running: BTreeSet::new(),
            permissions: Permissions::default(),
            plan: Plan::default(),
            turn: Turn::default(),
            totals: Totals::new(task.resume.is_some()),
        }
    }

    /// Takes one line: gives its fate, or `None` for one that is not known. An error means that it could not be read at all, and
    /// then nothing was changed.
    fn understand(&mut self, line: &str, out: &mut Output) -> serde_json::Result<Option<LineOutcome>> {
        if let Some(piece) = StreamLine::read(line) {
            return Ok(self.stream_event(piece, out));
        }
        let before = out.items.len();
        let head: Head<'_> = serde_json::from_str(line)?;
        let subtype = head.subtype.as_ref().map_or("", |subtype| subtype.0.as_ref());
        let fate = match (head.kind.as_ref(), subtype) {
            ("stream_event", _) => return Ok(self.stream_event(serde_json::from_str(line)?, out)),
            ("assistant", _) => return Ok(self.assistant(line, &serde_json::from_str(line)?, out)),
            ("user", _) => return Ok(self.user(line, &serde_json::from_str(line)?, out)),
            ("result", _) => self.result(serde_json::from_str(line)?, out),
            ("control_request", _) => match self.permissions.ask(&serde_json::from_str(line)?, out) {
                Asked::Known => LineOutcome::Emitted,
                Asked::Unknown => return Ok(None),
            },
            ("control_cancel_request", _) => {
                self.permissions.withdraw(&serde_json::from_str::<wire::ControlCancel<'_>>(line)?.request_id, out);
                fate_since(before, out)
            }
            ("control_response", _) => self.control_response(serde_json::from_str(line)?, out),
            ("system", "init") => self.init(serde_json::from_str(line)?, out),
            ("system", "api_retry") => self.api_retry(&serde_json::from_str(line)?, out),
            ("system", "permission_denied") => {
                // Its words come again as the call's result.
                self.permissions.refused_by_program(serde_json::from_str::<wire::PermissionDenied>(line)?.tool_use_id);
                LineOutcome::Buffered
            }
            ("rate_limit_event", _) => self.rate_limit(&serde_json::from_str(line)?, out),
            // What a sub-agent does is told by its own lines, which name the call that it belongs to. The last two are in the program,
            // but in no recording: signs of life.
            ("system", "status" | "thinking_tokens" | "task_started" | "task_progress" | "task_updated" | "task_notification")
            | ("command_lifecycle" | "keep_alive" | "tool_progress", _) => LineOutcome::Ignored,
            _ => return Ok(None),
        };
        Ok(Some(fate))
    }

    fn stream_event(&mut self, line: StreamLine<'_>, out: &mut Output) -> Option<LineOutcome> {
        let parent = line.parent_tool_use_id.map(Text::into_string);
        let known = match (line.event.kind.as_ref(), line.event.delta) {
            ("content_block_delta", Some(delta)) => {
                let message_id = match line.api_message_id {
                    Some(id) => Some(id.into_string()),
                    None => self.turn.streaming.get(&parent).cloned(),
                };
                return self.delta(delta, message_id, parent, out);
            }
            ("message_start", _) => {
                if let Some(message) = line.event.message {
                    self.turn.streaming.insert(parent, message.id.into_owned());
                }
                LineOutcome::Buffered
            }
            ("message_stop", _) => {
                self.turn.streaming.remove(&parent);
                LineOutcome::Buffered
            }
            // One answer of the model is whole, and only now is its use known.
            ("message_delta", _) => match line.event.usage {
                Some(used) => {
                    out.emit(StreamEvent::Usage(self.totals.answer(&used)));
                    LineOutcome::Emitted
                }
                None => LineOutcome::Ignored,
            },
            ("content_block_start" | "content_block_stop" | "ping", _) => LineOutcome::Ignored,
            _ => return None,
        };
        Some(known)
    }

    fn delta(
        &mut self,
        delta: wire::Delta<'_>,
        message_id: Option<String>,
        parent: Option<String>,
        out: &mut Output,
    ) -> Option<LineOutcome> {
        let thinking = delta.kind == "thinking_delta";
        let text = match delta.kind.as_ref() {
            "text_delta" => delta.text,
            "thinking_delta" => delta.thinking,
            // A call's input comes whole with its `assistant` line, and a signature means nothing to a reader.
            "input_json_delta" | "signature_delta" | "citations_delta" => None,
            _ => return None,
        };
        let Some(text) = text.map(Text::into_string).filter(|text| !text.is_empty()) else { return Some(LineOutcome::Ignored) };
        if thinking
            && let Some(id) = &message_id
            && !self.turn.thought.contains(id)
        {
            self.turn.thought.insert(id.clone());
        }
        let content = Delta { text, message_id, parent_tool_call_id: parent };
        out.emit(if thinking { StreamEvent::Thinking { content } } else { StreamEvent::Token { content } });
        Some(LineOutcome::Emitted)
    }

    /// Sends a request of our own.
    fn request(&mut self, request: &Value, out: &mut Output) {
        self.requests += 1;
        let id = format!("req_{}", self.requests);
        out.send_json(&json!({ "type": "control_request", "request_id": id, "request": request }));
    }

    fn send_message(&mut self, text: &str, out: &mut Output) {
        self.stage = Stage::Said;
        self.interrupt = Interrupt::No;
        out.send_json(&json!({ "type": "user", "message": { "role": "user", "content": text } }));
    }

    fn send_interrupt(&mut self, out: &mut Output) {
        self.interrupt = Interrupt::Sent;
        self.request(&json!({ "subtype": "interrupt" }), out);
    }

    fn init(&mut self, init: wire::Init, out: &mut Output) -> LineOutcome {
        self.stage = Stage::InTurn;
        let interrupted = self.interrupt == Interrupt::Wanted;
        if interrupted {
            self.send_interrupt(out);
        }
        if std::mem::replace(&mut self.started, true) {
            return if interrupted { LineOutcome::Emitted } else { LineOutcome::Buffered };
        }
        let started = Started { agent_session: init.session_id, version: init.claude_code_version, model: init.model };
        out.items.push(Item::Started(started));
        LineOutcome::Emitted
    }

    fn api_retry(&mut self, retry: &wire::ApiRetry, out: &mut Output) -> LineOutcome {
        let why = match (retry.error_status, retry.error.as_deref()) {
            (Some(status), Some(error)) => format!("{status} {error}"),
            (Some(status), None) => status.to_string(),
            (None, Some(error)) if error != "unknown" => error.to_owned(),
            (None, _) => "no answer".to_owned(),
        };
        let data = json!({
            "attempt": retry.attempt, "max_attempts": retry.max_retries, "delay_ms": retry.retry_delay_ms, "status": retry.error_status,
        });
        let message = format!("the model call failed ({why}) and is tried again");
        out.emit(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::Retrying, message, data: Some(without_nulls(data)) });
        if retry.error_status == Some(429) && !std::mem::replace(&mut self.turn.limited, true) {
            out.emit(StreamEvent::notice(Level::Warning, NoticeCode::RateLimited, "the provider's rate limit is reached"));
        }
        LineOutcome::Emitted
    }

    fn assistant(&mut self, line: &str, said: &MessageLine<'_>, out: &mut Output) -> Option<LineOutcome> {
        let before = out.items.len();
        let mut unknown = false;
        for block in said.message.blocks()? {
            let message_id = said.message.id.clone();
            let parent_tool_call_id = said.parent_tool_use_id.clone();
            match block {
                Block { text: Some(message), .. } if said.error.is_some() => {
                    // No model said this: the program tells why it has no answer, and `result` will tell it once more.
                    if parent_tool_call_id.is_none() {
                        self.turn.error.clone_from(&said.error);
                    }
                    out.emit(StreamEvent::AgentError { code: said.error.clone().unwrap_or_default(), message, retryable: false });
                }
                Block { text: Some(content), .. } if block.kind == "text" => {
                    out.emit(StreamEvent::Message { role: Role::Assistant, content, message_id, parent_tool_call_id });
                }
                Block { thinking: Some(text), .. } if block.kind == "thinking" => {
                    if !text.is_empty() && !message_id.as_ref().is_some_and(|id| self.turn.thought.contains(id)) {
                        out.emit(StreamEvent::Thinking { content: Delta { text, message_id, parent_tool_call_id } });
                    }
                }
                Block { id: Some(id), name: Some(name), input, .. } if block.kind == "tool_use" => {
                    self.tool_call(id, name, input, parent_tool_call_id, out);
                }
                // Its text is withheld by the provider.
                Block { kind, .. } if kind == "redacted_thinking" => {}
                _ => unknown = true,
            }
        }
        Some(if unknown { out.emit_raw(line) } else { fate_since(before, out) })
    }

    fn tool_call(&mut self, id: String, name: String, input: Value, parent_tool_call_id: Option<String>, out: &mut Output) {
        if self.calls.contains_key(&id) {
            return;
        }
        self.calls.insert(id.clone(), Change::of(&name, &input));
        self.running.insert(id.clone());
        let plan = (name == "TodoWrite" && parent_tool_call_id.is_none()).then(|| self.plan.replace(&input)).flatten();
        let title = tools::title(&name, &input, &self.working_dir);
        out.emit(StreamEvent::ToolCall(ToolCall { kind: tools::kind(&name), id, tool: name, title, input, parent_tool_call_id }));
        out.items.extend(plan.map(Item::Event));
    }

    fn user(&mut self, line: &str, said: &MessageLine<'_>, out: &mut Output) -> Option<LineOutcome> {
        if said.is_replay {
            return Some(LineOutcome::Ignored);
        }
        let before = out.items.len();
        let blocks = said.message.blocks()?;
        let results = blocks.iter().filter(|block| block.kind == "tool_result").count();
        // It stands beside the blocks, so with several of them it could not be told whose it is.
        let details = said.tool_use_result.filter(|_| results == 1).map(RawValue::get);
        let mut unknown = false;
        for block in blocks {
            match block {
                Block { tool_use_id: Some(ref id), .. } if block.kind == "tool_result" => {
                    self.tool_result(id, &block, &said.tool_result_meta, details, out);
                }
                Block { text: Some(content), .. } if block.kind == "text" => {
                    self.turn.interrupted |= content.starts_with("[Request interrupted by user");
                    let parent_tool_call_id = said.parent_tool_use_id.clone();
                    out.emit(StreamEvent::Message { role: Role::User, content, message_id: None, parent_tool_call_id });
                }
                _ => unknown = true,
            }
        }
        Some(if unknown { out.emit_raw(line) } else { fate_since(before, out) })
    }

    fn tool_result(&mut self, id: &str, block: &Block<'_>, meta: &[wire::ToolResultMeta], details: Option<&str>, out: &mut Output) {
        if !self.running.remove(id) && self.calls.contains_key(id) {
            return;
        }
        let decision = meta.iter().find(|meta| meta.id == *id).and_then(|meta| meta.permission_decision.as_ref());
        let refused = self.permissions.was_refused(id) || decision.is_some_and(|decision| decision.decision == "reject");
        let status = match (refused, block.is_error) {
            (true, _) => ToolStatus::Denied,
            (false, true) => ToolStatus::Error,
            (false, false) => ToolStatus::Ok,
        };
        let change = self.calls.get_mut(id).and_then(Option::take);
        if status == ToolStatus::Ok {
            out.items.extend(details.and_then(diff::file_change).map(Item::Event));
            out.items.extend(change.and_then(|change| self.plan.apply(change, details)).map(Item::Event));
        }
        // Last, as for every agent: when a call is over, all that it did was told.
        out.emit(StreamEvent::ToolResult { id: id.to_owned(), status, content: block.result_text(), duration_ms: None });
    }

    fn result(&mut self, result: wire::TurnResult, out: &mut Output) -> LineOutcome {
        self.permissions.turn_over(out);
        if result.is_aborted() {
            self.cut_short(out);
        }
        out.emit(StreamEvent::Usage(self.totals.turn(&result)));
        let turn = std::mem::take(&mut self.turn);
        let by_us = std::mem::take(&mut self.interrupt) == Interrupt::Sent;
        self.stage = Stage::Idle;
        let end = failure::turn_end(result, turn.error.as_deref(), by_us);
        if let Err(Failure { cause: Cause::RateLimited, message }) = &end
            && !turn.limited
        {
            out.emit(limit_notice(Level::Warning, "the provider's limit is reached", failure::resets_at(message)));
        }
        out.items.push(Item::TurnEnded(end));
        LineOutcome::Emitted
    }

    /// An interrupt has ended every tool, with or without a word of it.
    fn cut_short(&mut self, out: &mut Output) {
        for id in std::mem::take(&mut self.running) {
            let status = if self.permissions.was_refused(&id) { ToolStatus::Denied } else { ToolStatus::Error };
            out.emit(StreamEvent::ToolResult { id, status, content: "the turn was interrupted".to_owned(), duration_ms: None });
        }
    }

    fn control_response(&mut self, line: wire::ControlResponse<'_>, out: &mut Output) -> LineOutcome {
        let before = out.items.len();
        let warning = |text: String| StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, text);
        let answer = line.response;
        if answer.subtype == "error" {
            let error = answer.error.unwrap_or_else(|| "a request was refused without a word".to_owned());
            out.emit(warning(redact_mcp_error(&error, &self.mcp_servers)));
        }
        for (server, error) in answer.response.unwrap_or_default().errors {
            out.emit(warning(format!("MCP server {server} did not start: {}", redact_mcp_error(&error, &self.mcp_servers))));
        }
        fate_since(before, out)
    }

    fn rate_limit(&mut self, line: &wire::RateLimit, out: &mut Output) -> LineOutcome {
        let (level, message) = match line.rate_limit_info.status.as_str() {
            "rejected" => (Level::Warning, "the usage limit is reached"),
            "allowed_warning" => (Level::Info, "the usage limit is near"),
            _ => return LineOutcome::Ignored,
        };
        self.turn.limited |= level == Level::Warning;
        out.emit(limit_notice(level, message, line.rate_limit_info.resets_at));
        LineOutcome::Emitted
    }
}

/// The notice of a limit. `resets_at` is in seconds since 1970.
fn limit_notice(level: Level, message: &str, resets_at: Option<i64>) -> StreamEvent {
    let resets_at = resets_at.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
    let data = resets_at.map(|resets_at| json!({ "resets_at": resets_at }));
    StreamEvent::Notice { level, code: NoticeCode::RateLimited, message: message.to_owned(), data }
}

/// A server as `mcp_set_servers` takes it (tried with 2.1.330: the request is done with before the message after it).
fn mcp_server(server: &McpServer) -> (String, Value) {
    let config = match &server.transport {
        McpTransport::Stdio { command, args, env } => json!({ "type": "stdio", "command": command, "args": args, "env": env }),
        McpTransport::Http { url, headers } => json!({ "type": "http", "url": url, "headers": headers }),
    };
    (server.name.clone(), config)
}

/// Fields that are not known are absent, not null.
fn without_nulls(mut data: Value) -> Value {
    if let Some(fields) = data.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    data
}

impl Parser for ClaudeParser {
    fn open(&mut self, out: &mut Output) {
        let prompt = std::mem::take(&mut self.prompt);
        match self.mode {
            Mode::TwoWay => {
                self.request(&json!({ "subtype": "initialize", "hooks": null }), out);
                if !self.mcp_servers.is_empty() {
                    // By stdin and not as arguments, which every account of the machine can read.
                    let servers: serde_json::Map<String, Value> = self.mcp_servers.iter().map(mcp_server).collect();
                    self.request(&json!({ "subtype": "mcp_set_servers", "servers": servers }), out);
                }
                self.send_message(&prompt, out);
            }
            Mode::OneShot => {
                out.send = prompt.into_bytes();
                out.close_stdin = true;
            }
        }
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let known = self.understand(line, out).or_else(|_unreadable| {
            // Doubled keys are an error where a type is expected; here the last one counts, as it does elsewhere.
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(line)?;
            self.understand(&serde_json::to_string(&fields)?, out)
        });
        match known {
            Ok(Some(fate)) => fate,
            Ok(None) | Err(_) => out.emit_raw(line),
        }
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        self.permissions.answer(request, answer, out);
    }

    fn begin_turn(&mut self, text: &str, out: &mut Output) -> bool {
        if self.mode == Mode::OneShot {
            return false;
        }
        self.send_message(text, out);
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        match (self.mode, self.stage, self.interrupt) {
            (Mode::OneShot, ..) | (_, Stage::Idle, _) => return false,
            (_, Stage::Said, _) => self.interrupt = Interrupt::Wanted,
            (_, Stage::InTurn, Interrupt::Sent) => {}
            (_, Stage::InTurn, _) => self.send_interrupt(out),
        }
        true
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let interrupted = self.turn.interrupted && exit.is_success();
        let failed = || Failure::new(Cause::AgentError, "the turn was interrupted before the model answered");
        failure::diagnose(exit, stderr_tail).or_else(|| interrupted.then(failed))
    }
}
