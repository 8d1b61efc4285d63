//! Parses the lines of `stream-json`.
//!
//! Both modes print the same lines. In two-way mode the program also sends requests (`control_request`) and responses (`control_response`).
//! Text arrives in `stream_event` lines as tokens, followed by one `assistant` line with the complete message. A tool call arrives as an
//! `assistant` line (the call), an optional `control_request` (the permission request) and a `user` line (the result). A turn starts with
//! `system/init` and ends with `result`, unless work in the background is left: see [`background`](super::background).

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::background::Background;
use super::permissions::Permissions;
use super::plan::{Plan, PlanChange};
use super::usage::UsageTotals;
use super::wire::{self, Block, LineHeader, MessageLine, StreamEventLine, Text};
use super::{diff, failure, info, notices, tools};
use crate::agent::common::{CallIds, Limit, Remembered, attachments, session_changed};
use crate::agent::{Image, Item, LineOutcome, Message, Mode, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::redact::redact_mcp_error;
use crate::types::bounds::{MAX_KEPT_CALLS, MAX_STREAMED_MESSAGES, MAX_SUB_AGENTS};
use crate::types::{
    Answer, Cause, Delta, Failure, Level, McpServer, McpTransport, NoticeCode, Role, StreamEvent, ToolCall, ToolStatus, TurnEnd,
};

/// The parser of one `claude` process.
#[derive(Debug)]
pub(super) struct ClaudeParser {
    mode: Mode,
    prompt: Message,
    instructions: Option<String>,
    /// The schema of the answer, until it is sent.
    output_schema: Option<Value>,
    has_output_schema: bool,
    mcp_servers: Vec<McpServer>,
    working_dir: PathBuf,
    started: bool,
    /// The program's id of the conversation.
    session: Option<String>,
    /// Id of the last control request that the parser sent. Ids count from 1.
    last_request_id: u64,
    stage: Stage,
    interrupt: InterruptState,
    /// Whether a message was sent while work in the background was left, and its turn has not ended.
    steered: bool,
    calls: CallIds,
    /// The plan changes that the calls without a result cause if they succeed, by the calls' ids in the log.
    plan_changes: Remembered<PlanChange>,
    /// The id of the message being streamed, by the tool call of the sub-agent that writes it, which is empty for the agent itself.
    streaming: Remembered<String>,
    /// The last message of each sub-agent whose usage was counted, by the tool call of the sub-agent.
    counted: Remembered<String>,
    /// Messages of this turn whose thinking was streamed and must not be emitted again.
    streamed_thinking: Remembered<()>,
    permissions: Permissions,
    plan: Plan,
    background: Background,
    turn: TurnState,
    totals: UsageTotals,
}

/// The state of the conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// No message was sent, or the last turn has ended.
    #[default]
    Idle,
    /// A message was sent, and its turn has not started.
    MessageSent,
    /// A turn is running.
    InTurn,
    /// The program has reported a result, but work in the background is left.
    InBackground,
}

/// The state of an interrupt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum InterruptState {
    #[default]
    NotRequested,
    /// Requested before the turn has started. It is sent when the turn starts, because an idle program only acknowledges an interrupt
    /// (recording `bidi_interrupt_idle`).
    Pending,
    /// Sent to the program.
    Sent,
}

/// The state of the current turn.
#[derive(Debug, Default)]
struct TurnState {
    /// The program's code of the last error.
    error_code: Option<String>,
    /// Whether a rate limit notice was emitted.
    limit_reported: bool,
    /// Whether the program reported an interrupt, after which it may exit without a `result` (recording `sigint_hang`).
    interrupted: bool,
}

/// The content of a message: its text, or blocks if it has images.
fn content(message: &Message) -> Value {
    let text = message.full_text();
    if message.images.is_empty() {
        return text.into();
    }
    let image = |image: &Image| {
        let source = json!({ "type": "base64", "media_type": image.media_type, "data": attachments::base64(&image.content) });
        json!({ "type": "image", "source": source })
    };
    std::iter::once(json!({ "type": "text", "text": text })).chain(message.images.iter().map(image)).collect()
}

/// The outcome of a line that may have produced items: `Emitted` if there are more than `before`.
fn outcome_since(before: usize, out: &Output) -> LineOutcome {
    if out.items.len() > before { LineOutcome::Emitted } else { LineOutcome::Ignored }
}

impl ClaudeParser {
    pub(super) fn new(mode: Mode, task: &Task) -> Self {
        let output_schema = task.spec.output_schema.clone().filter(|schema| info::takes_output_schema(mode, schema));
        let has_output_schema = output_schema.is_some();
        Self {
            mode,
            prompt: task.message(),
            instructions: task.spec.instructions.clone(),
            has_output_schema,
            output_schema,
            mcp_servers: task.mcp_servers.clone(),
            working_dir: task.spec.working_dir.clone(),
            started: false,
            session: None,
            last_request_id: 0,
            stage: Stage::default(),
            interrupt: InterruptState::default(),
            steered: false,
            calls: CallIds::default(),
            plan_changes: Remembered::new(Limit::new(
                "plan_changes",
                MAX_KEPT_CALLS,
                "the plan lacks the oldest of its unfinished changes",
            )),
            streaming: Remembered::new(Limit::new("sub_agents", MAX_SUB_AGENTS, "tokens of the oldest messages have no message id")),
            counted: Remembered::new(Limit::new(
                "sub_agents",
                MAX_SUB_AGENTS,
                "the usage of messages of the oldest sub-agents may be counted twice until the end of the turn",
            )),
            streamed_thinking: Remembered::new(Limit::new(
                "streamed_messages",
                MAX_STREAMED_MESSAGES,
                "the thinking of the oldest messages of a turn may be repeated",
            )),
            permissions: Permissions::default().with_output(has_output_schema),
            plan: Plan::default(),
            background: Background::default(),
            turn: TurnState::default(),
            totals: UsageTotals::new(task.resume.is_some()),
        }
    }

    /// Parses one line. Returns `None` if the line is unknown. An error means that the line could not be decoded; then no state has
    /// changed.
    fn parse_line(&mut self, line: &str, out: &mut Output) -> serde_json::Result<Option<LineOutcome>> {
        if let Some(event) = StreamEventLine::parse_prefixed(line) {
            return Ok(self.handle_stream_event(event, out));
        }
        let before = out.items.len();
        let header: LineHeader<'_> = serde_json::from_str(line)?;
        let subtype = header.subtype.as_ref().map_or("", |subtype| subtype.0.as_ref());
        let outcome = match (header.kind.as_ref(), subtype) {
            ("stream_event", _) => return Ok(self.handle_stream_event(serde_json::from_str(line)?, out)),
            ("assistant", _) => return Ok(self.handle_assistant(line, &serde_json::from_str(line)?, out)),
            ("user", _) => return Ok(self.handle_user(line, &serde_json::from_str(line)?, out)),
            ("result", _) => self.handle_result(serde_json::from_str(line)?, out),
            ("control_request", _) => {
                if !self.permissions.handle_request(&serde_json::from_str(line)?, &mut self.calls, out) {
                    return Ok(None);
                }
                LineOutcome::Emitted
            }
            ("control_cancel_request", _) => {
                self.permissions.withdraw(&serde_json::from_str::<wire::ControlCancelRequest<'_>>(line)?.request_id, out);
                outcome_since(before, out)
            }
            ("control_response", _) => self.handle_control_response(serde_json::from_str(line)?, out),
            // The new conversation's id is in the next `init`; the one in this line cannot be resumed (tested with 2.1.330).
            ("conversation_reset", _) => LineOutcome::Buffered,
            ("system", "compact_boundary") => {
                out.emit(StreamEvent::notice(Level::Info, NoticeCode::AgentWarning, "the agent compacted its conversation"));
                LineOutcome::Emitted
            }
            ("system", "init") => self.handle_init(serde_json::from_str(line)?, out),
            ("system", "api_retry") => self.handle_api_retry(&serde_json::from_str(line)?, out),
            ("system", "permission_denied") => {
                // The call's result repeats the text.
                let denied: wire::PermissionDenied = serde_json::from_str(line)?;
                self.permissions.note_denied(Some(self.calls.current(&denied.tool_use_id)), out);
                LineOutcome::Buffered
            }
            ("rate_limit_event", _) => self.handle_rate_limit(&serde_json::from_str(line)?, out),
            ("system", subtype) if self.handle_background(subtype, line, out)? => outcome_since(before, out),
            // The last two are keep-alive messages, found in the program but in no recording.
            ("system", "status" | "thinking_tokens") | ("command_lifecycle" | "keep_alive" | "tool_progress", _) => LineOutcome::Ignored,
            _ => return Ok(None),
        };
        Ok(Some(outcome))
    }

    fn handle_stream_event(&mut self, line: StreamEventLine<'_>, out: &mut Output) -> Option<LineOutcome> {
        let parent = line.parent_tool_use_id.map(Text::into_string);
        let outcome = match (line.event.kind.as_ref(), line.event.delta) {
            ("content_block_delta", Some(delta)) => {
                let message_id = match line.api_message_id {
                    Some(id) => Some(id.into_string()),
                    None => self.streaming.get(parent.as_deref().unwrap_or_default()).cloned(),
                };
                return self.handle_delta(delta, message_id, parent.as_deref(), out);
            }
            ("message_start", _) => {
                if let Some(message) = line.event.message {
                    self.streaming.insert(parent.as_deref().unwrap_or_default(), message.id.into_owned(), out);
                }
                LineOutcome::Buffered
            }
            ("message_stop", _) => {
                self.streaming.remove(parent.as_deref().unwrap_or_default());
                LineOutcome::Buffered
            }
            // A model response is complete, and its usage is known.
            ("message_delta", _) => match line.event.usage {
                Some(usage) => {
                    out.emit(StreamEvent::Usage(self.totals.add_response(&usage)));
                    LineOutcome::Emitted
                }
                None => LineOutcome::Ignored,
            },
            ("content_block_start" | "content_block_stop" | "ping", _) => LineOutcome::Ignored,
            _ => return None,
        };
        Some(outcome)
    }

    fn handle_delta(
        &mut self,
        delta: wire::Delta<'_>,
        message_id: Option<String>,
        parent: Option<&str>,
        out: &mut Output,
    ) -> Option<LineOutcome> {
        let thinking = delta.kind == "thinking_delta";
        let text = match delta.kind.as_ref() {
            "text_delta" => delta.text,
            "thinking_delta" => delta.thinking,
            // The input of a call is complete in its `assistant` line. Signatures are not for readers.
            "input_json_delta" | "signature_delta" | "citations_delta" => None,
            _ => return None,
        };
        let Some(text) = text.map(Text::into_string).filter(|text| !text.is_empty()) else { return Some(LineOutcome::Ignored) };
        if thinking
            && let Some(id) = &message_id
            && !self.streamed_thinking.contains(id)
        {
            self.streamed_thinking.insert(id, (), out);
        }
        let content = Delta { text, message_id, parent_tool_call_id: self.parent_id(parent) };
        out.emit(if thinking { StreamEvent::Thinking { content } } else { StreamEvent::Token { content } });
        Some(LineOutcome::Emitted)
    }

    /// The id in the log of the call that a line names as its parent.
    fn parent_id(&self, parent: Option<&str>) -> Option<String> {
        parent.map(|parent| self.calls.current(parent))
    }

    /// Sends a control request to the program.
    fn send_request(&mut self, request: &Value, out: &mut Output) {
        self.last_request_id += 1;
        let id = format!("req_{}", self.last_request_id);
        out.send_json(&json!({ "type": "control_request", "request_id": id, "request": request }));
    }

    fn send_message(&mut self, message: &Message, out: &mut Output) {
        self.stage = Stage::MessageSent;
        self.interrupt = InterruptState::NotRequested;
        out.send_json(&json!({ "type": "user", "message": { "role": "user", "content": content(message) } }));
    }

    fn send_interrupt(&mut self, out: &mut Output) {
        self.interrupt = InterruptState::Sent;
        self.send_request(&json!({ "subtype": "interrupt" }), out);
    }

    fn handle_init(&mut self, init: wire::Init, out: &mut Output) -> LineOutcome {
        self.stage = Stage::InTurn;
        self.background.start_turn();
        let interrupted = self.interrupt == InterruptState::Pending;
        if interrupted {
            self.send_interrupt(out);
        }
        if std::mem::replace(&mut self.started, true) {
            let changed = self.note_session(init.session_id, out);
            return if interrupted || changed { LineOutcome::Emitted } else { LineOutcome::Buffered };
        }
        self.session.clone_from(&init.session_id);
        let started = Started { agent_session: init.session_id, version: init.claude_code_version, model: init.model };
        out.items.push(Item::Started(started));
        LineOutcome::Emitted
    }

    /// Compares the id of the conversation with the last one. Returns whether it has changed.
    fn note_session(&mut self, session: Option<String>, out: &mut Output) -> bool {
        let Some(session) = session.filter(|session| self.started && !session.is_empty() && self.session.as_ref() != Some(session)) else {
            return false;
        };
        self.session = Some(session.clone());
        session_changed(session, out);
        true
    }

    fn handle_api_retry(&mut self, retry: &wire::ApiRetry, out: &mut Output) -> LineOutcome {
        out.emit(notices::retrying(retry));
        if retry.error_status == Some(429) && !std::mem::replace(&mut self.turn.limit_reported, true) {
            out.emit(StreamEvent::notice(Level::Warning, NoticeCode::RateLimited, "the provider's rate limit was reached"));
        }
        LineOutcome::Emitted
    }

    fn handle_assistant(&mut self, line: &str, parsed: &MessageLine<'_>, out: &mut Output) -> Option<LineOutcome> {
        let before = out.items.len();
        let mut unknown = false;
        let blocks = parsed.message.blocks()?;
        self.count_sub_agent_response(parsed, out);
        for block in blocks {
            let message_id = parsed.message.id.clone();
            let parent_tool_call_id = self.parent_id(parsed.parent_tool_use_id.as_deref());
            match block {
                Block { text: Some(message), .. } if parsed.error.is_some() => {
                    // Not written by the model: the program reports why there is no response. `result` repeats it.
                    if parent_tool_call_id.is_none() {
                        self.turn.error_code.clone_from(&parsed.error);
                    }
                    out.emit(StreamEvent::AgentError { code: parsed.error.clone().unwrap_or_default(), message, retryable: false });
                }
                Block { text: Some(content), .. } if block.kind == "text" => {
                    out.emit(StreamEvent::Message { role: Role::Assistant, content, message_id, parent_tool_call_id });
                }
                Block { thinking: Some(text), .. } if block.kind == "thinking" => {
                    if !text.is_empty() && !message_id.as_ref().is_some_and(|id| self.streamed_thinking.contains(id)) {
                        out.emit(StreamEvent::Thinking { content: Delta { text, message_id, parent_tool_call_id } });
                    }
                }
                // The provider runs the last two itself, and reports the result in a further block.
                Block { id: Some(id), name: Some(name), input, .. }
                    if ["tool_use", "server_tool_use", "mcp_tool_use"].contains(&block.kind.as_ref()) =>
                {
                    let id = self.calls.open(parsed.parent_tool_use_id.as_deref(), &id, &name);
                    self.emit_tool_call(id, name, input, parent_tool_call_id, out);
                }
                Block { tool_use_id: Some(ref id), .. } if block.kind.ends_with("_tool_result") => {
                    if let Some(id) = self.calls.close(parsed.parent_tool_use_id.as_deref(), id) {
                        self.handle_tool_result(id, &block, false, None, out);
                    } else {
                        unknown = true;
                    }
                }
                // The provider withholds the text.
                Block { kind, .. } if kind == "redacted_thinking" => {}
                _ => unknown = true,
            }
        }
        Some(if unknown { out.emit_raw(line) } else { outcome_since(before, out) })
    }

    /// Counts a model response of a sub-agent, once for all lines of its message. Those that are streamed are counted at their end.
    fn count_sub_agent_response(&mut self, parsed: &MessageLine<'_>, out: &mut Output) {
        if let (Some(parent), Some(id), Some(usage)) = (&parsed.parent_tool_use_id, &parsed.message.id, &parsed.message.usage)
            && parsed.error.is_none()
            && self.streaming.get(parent) != Some(id)
            && self.counted.get(parent) != Some(id)
        {
            self.counted.insert(parent, id.clone(), out);
            out.emit(StreamEvent::Usage(self.totals.add_response(usage)));
        }
    }

    fn emit_tool_call(&mut self, id: String, name: String, input: Value, parent_tool_call_id: Option<String>, out: &mut Output) {
        if let Some(change) = PlanChange::from_call(&name, &input) {
            self.plan_changes.insert(&id, change, out);
        }
        let plan = (name == "TodoWrite" && parent_tool_call_id.is_none()).then(|| self.plan.replace(&input, out)).flatten();
        let title = tools::title(&name, &input, &self.working_dir);
        out.emit(StreamEvent::ToolCall(ToolCall { kind: tools::kind(&name), id, tool: name, title, input, parent_tool_call_id }));
        out.items.extend(plan.map(Item::Event));
    }

    fn handle_user(&mut self, line: &str, parsed: &MessageLine<'_>, out: &mut Output) -> Option<LineOutcome> {
        if parsed.is_replay {
            return Some(LineOutcome::Ignored);
        }
        let before = out.items.len();
        let blocks = parsed.message.blocks()?;
        let results = blocks.iter().filter(|block| block.kind == "tool_result").count();
        // The details are outside the blocks. With several results it is unknown which one they belong to.
        let details = parsed.tool_use_result.filter(|_| results == 1).map(RawValue::get);
        let mut unknown = false;
        for block in blocks {
            match block {
                Block { tool_use_id: Some(ref id), .. } if block.kind == "tool_result" => {
                    let meta = parsed.tool_result_meta.iter().find(|meta| meta.id == *id);
                    let decision = meta.and_then(|meta| meta.permission_decision.as_ref());
                    let rejected = decision.is_some_and(|decision| decision.decision == "reject");
                    match self.calls.close(parsed.parent_tool_use_id.as_deref(), id) {
                        Some(id) => self.handle_tool_result(id, &block, rejected, details, out),
                        None if self.calls.is_known(id) => {}
                        None => self.handle_tool_result(id.clone(), &block, rejected, details, out),
                    }
                }
                Block { text: Some(content), .. } if block.kind == "text" => {
                    self.turn.interrupted |= content.starts_with("[Request interrupted by user");
                    let parent_tool_call_id = self.parent_id(parsed.parent_tool_use_id.as_deref());
                    out.emit(StreamEvent::Message { role: Role::User, content, message_id: None, parent_tool_call_id });
                }
                _ => unknown = true,
            }
        }
        Some(if unknown { out.emit_raw(line) } else { outcome_since(before, out) })
    }

    fn handle_tool_result(&mut self, id: String, block: &Block<'_>, rejected: bool, details: Option<&str>, out: &mut Output) {
        let denied = self.permissions.take_denied(&id) || rejected;
        let status = match (denied, block.is_error) {
            (true, _) => ToolStatus::Denied,
            (false, true) => ToolStatus::Error,
            (false, false) => ToolStatus::Ok,
        };
        let change = self.plan_changes.remove(&id);
        if status == ToolStatus::Ok {
            out.items.extend(details.and_then(diff::file_change).map(Item::Event));
            let plan = change.and_then(|change| self.plan.apply(change, details, out));
            out.items.extend(plan.map(Item::Event));
        }
        // Emitted last, as for every agent: all effects of a call precede its result.
        out.emit(StreamEvent::ToolResult { id, status, content: block.result_text(), duration_ms: None });
    }

    /// Handles a `system` line about work in the background. Returns `false` if the line is about something else.
    fn handle_background(&mut self, subtype: &str, line: &str, out: &mut Output) -> serde_json::Result<bool> {
        let in_turn = matches!(self.stage, Stage::MessageSent | Stage::InTurn);
        let tasks = &mut self.background.tasks;
        match subtype {
            "background_tasks_changed" => tasks.handle_list(serde_json::from_str::<wire::BackgroundTasks>(line)?.tasks, out),
            "task_started" => tasks.handle_start(serde_json::from_str(line)?, &self.calls, out),
            "task_progress" => tasks.handle_progress(serde_json::from_str(line)?, &self.calls, out),
            "task_updated" => tasks.handle_update(serde_json::from_str(line)?, &self.calls, out),
            "task_notification" => {
                let status = tasks.handle_end(serde_json::from_str(line)?, &self.calls, out);
                self.background.task_ended(status, in_turn);
            }
            "session_state_changed" => {
                self.background.set_idle(serde_json::from_str::<wire::SessionStateChanged>(line)?.state == "idle");
            }
            _ => return Ok(false),
        }
        self.background.tasks_changed();
        self.end_turn_if_over(out);
        Ok(true)
    }

    fn handle_result(&mut self, mut result: wire::TurnResult, out: &mut Output) -> LineOutcome {
        self.note_session(result.session_id.take(), out);
        // A sub-agent in the background continues, and its requests and calls with it.
        self.permissions.close_where(|request| !request.is_of_live_task(&self.background.tasks), out);
        if result.is_aborted() {
            let tasks = &self.background.tasks;
            let ended = self.calls.drain_where(|parent| !parent.is_some_and(|call| tasks.is_live_call(call)));
            self.end_calls(ended, "the turn was interrupted", out);
        }
        out.emit(StreamEvent::Usage(self.totals.add_turn(&result)));
        let turn = std::mem::take(&mut self.turn);
        self.streaming.clear();
        self.streamed_thinking.clear();
        let interrupt_sent = std::mem::take(&mut self.interrupt) == InterruptState::Sent;
        let turn_follows = std::mem::take(&mut self.steered) && result.queued_turn_count.is_some_and(|count| count > 0);
        self.stage = Stage::InBackground;
        if self.has_output_schema && result.structured_output.is_some() {
            result.result = result.structured_output.take();
        }
        let end = failure::turn_end(result, turn.error_code.as_deref(), interrupt_sent);
        if let Err(Failure { cause: Cause::RateLimited, message }) = &end
            && !turn.limit_reported
        {
            out.emit(notices::rate_limited(Level::Warning, "the provider's limit was reached", failure::resets_at(message)));
        }
        self.background.set_result(end, turn_follows);
        self.end_turn_if_over(out);
        LineOutcome::Emitted
    }

    /// Ends the turn of the run if the program has reported a result and has nothing left to do.
    fn end_turn_if_over(&mut self, out: &mut Output) {
        if self.stage == Stage::InBackground
            && let Some(result) = self.background.take_if_over()
        {
            self.end_turn(result, out);
        }
    }

    fn end_turn(&mut self, result: TurnEnd, out: &mut Output) {
        self.stage = Stage::Idle;
        self.permissions.close_where(|_| true, out);
        // Those of sub-agents that were stopped.
        let ended = self.calls.drain_where(|parent| parent.is_some());
        self.end_calls(ended, "the sub-agent was stopped", out);
        self.background.tasks.close_all(out);
        // The program only acknowledges an interrupt between its turns.
        let interrupted = std::mem::take(&mut self.interrupt) != InterruptState::NotRequested;
        let cancelled = || Err(Failure::new(Cause::Cancelled, "the turn was interrupted"));
        out.items.push(Item::TurnEnded(if interrupted { cancelled() } else { result }));
    }

    /// Ends tool calls for which the program reports no result.
    fn end_calls(&mut self, calls: Vec<String>, content: &str, out: &mut Output) {
        for id in calls {
            self.plan_changes.remove(&id);
            let status = if self.permissions.take_denied(&id) { ToolStatus::Denied } else { ToolStatus::Error };
            out.emit(StreamEvent::ToolResult { id, status, content: content.to_owned(), duration_ms: None });
        }
    }

    fn handle_control_response(&mut self, line: wire::ControlResponse<'_>, out: &mut Output) -> LineOutcome {
        let before = out.items.len();
        let warning = |text: String| StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, text);
        let body = line.response;
        if body.subtype == "error" {
            let error = body.error.unwrap_or_else(|| "Claude Code rejected a control request without a reason".to_owned());
            out.emit(warning(redact_mcp_error(&error, &self.mcp_servers)));
        }
        for (server, error) in body.response.unwrap_or_default().errors {
            out.emit(warning(format!("MCP server {server} failed to start: {}", redact_mcp_error(&error, &self.mcp_servers))));
        }
        outcome_since(before, out)
    }

    fn handle_rate_limit(&mut self, line: &wire::RateLimit, out: &mut Output) -> LineOutcome {
        let (level, message) = match line.rate_limit_info.status.as_str() {
            "rejected" => (Level::Warning, "the usage limit was reached"),
            "allowed_warning" => (Level::Info, "the usage limit is almost reached"),
            _ => return LineOutcome::Ignored,
        };
        self.turn.limit_reported |= level == Level::Warning;
        out.emit(notices::rate_limited(level, message, line.rate_limit_info.resets_at));
        LineOutcome::Emitted
    }
}

/// A server in the format of `mcp_set_servers`. The program completes that request before it handles the next message (tested with
/// 2.1.330).
fn mcp_server_config(server: &McpServer) -> (String, Value) {
    let config = match &server.transport {
        McpTransport::Stdio { command, args, env } => json!({ "type": "stdio", "command": command, "args": args, "env": env }),
        McpTransport::Http { url, headers } => json!({ "type": "http", "url": url, "headers": headers }),
    };
    (server.name.clone(), config)
}

impl Parser for ClaudeParser {
    fn open(&mut self, out: &mut Output) {
        let prompt = std::mem::take(&mut self.prompt);
        match self.mode {
            Mode::TwoWay => {
                let mut initialize = json!({ "subtype": "initialize", "hooks": null });
                if let Some(instructions) = self.instructions.take() {
                    initialize["appendSystemPrompt"] = instructions.into();
                }
                if let Some(schema) = self.output_schema.take() {
                    initialize["jsonSchema"] = schema;
                }
                self.send_request(&initialize, out);
                if !self.mcp_servers.is_empty() {
                    // On stdin rather than as arguments, which every user of the machine can read.
                    let servers: serde_json::Map<String, Value> = self.mcp_servers.iter().map(mcp_server_config).collect();
                    self.send_request(&json!({ "subtype": "mcp_set_servers", "servers": servers }), out);
                }
                self.send_message(&prompt, out);
            }
            Mode::OneShot => {
                out.send = prompt.full_text().into_owned().into_bytes();
                out.close_stdin = true;
            }
        }
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let known = self.parse_line(line, out).or_else(|_| {
            // Duplicate keys are an error when decoding into a type. Here the last one counts, as in `serde_json::Value`.
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(line)?;
            self.parse_line(&serde_json::to_string(&fields)?, out)
        });
        match known {
            Ok(Some(outcome)) => outcome,
            Ok(None) | Err(_) => out.emit_raw(line),
        }
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        self.permissions.answer(request, answer, out);
    }

    fn begin_turn(&mut self, message: &Message, out: &mut Output) -> bool {
        if self.mode == Mode::OneShot {
            return false;
        }
        self.send_message(message, out);
        true
    }

    fn steer(&mut self, message: &Message, out: &mut Output) -> bool {
        // During its own turns the program would deliver it only after the next tool call.
        if self.mode == Mode::OneShot || self.stage != Stage::InBackground {
            return false;
        }
        self.steered = true;
        self.send_message(message, out);
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        match (self.mode, self.stage, self.interrupt) {
            (Mode::OneShot, ..) | (_, Stage::Idle, _) => return false,
            (_, Stage::MessageSent, _) => self.interrupt = InterruptState::Pending,
            (_, Stage::InTurn | Stage::InBackground, InterruptState::Sent) => {}
            (_, Stage::InTurn, _) => self.send_interrupt(out),
            (_, Stage::InBackground, _) => {
                // The first request stops sub-agents, the others stop commands.
                self.send_interrupt(out);
                let live: Vec<Value> = self.background.tasks.live().map(|id| json!({ "subtype": "stop_task", "task_id": id })).collect();
                for request in &live {
                    self.send_request(request, out);
                }
            }
        }
        true
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        // A result that another turn should have followed is none.
        match self.background.take() {
            Some(result) if self.stage == Stage::InBackground => self.end_turn(result, out),
            _ => self.background.tasks.close_all(out),
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        let interrupted = self.turn.interrupted && exit.is_success();
        let failure = || Failure::new(Cause::AgentError, "the turn was interrupted before the model responded");
        failure::diagnose(exit, stderr_tail).or_else(|| interrupted.then(failure))
    }
}
