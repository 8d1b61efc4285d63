//! The two-way mode: `codex app-server`.
//!
//! ```text
//! client                                    Codex
//! initialize                          →
//!                                     ←     response: its version
//! initialized, thread/start or resume →
//!                                     ←     response: thread id, model          → Started
//! turn/start with the prompt          →
//!                                     ←     turn/started
//!                                     ←     items, deltas, usage, warnings      → events
//!                                     ←     approval request, question          → permission_request, question
//! response                            →
//! turn/steer, turn/interrupt          →     (accepted only after turn/started)
//!                                     ←     turn/completed                      → TurnEnded
//! turn/start with the next message    →
//! (end of stdin)                      →     exits
//! ```
//!
//! `turn_control` continues this module with what happens to turns.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::approvals::{self, Approvals};
use super::command::{policy, thread_config, turn_sandbox};
use super::errors;
use super::items::Items;
use super::rate_limits::RateLimits;
use super::threads::Threads;
use super::turn::{InterruptState, Phase, TurnState};
use super::usage::UsageTotals;
use super::wire::{self, Line};
use crate::agent::common::Limit;
use crate::agent::{Item, LineOutcome, Message, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::redact::redact_mcp_error;
use crate::types::bounds::MAX_QUEUED_MESSAGES;
use crate::types::{Answer, Cause, Failure, Level, McpServer, NoticeCode, PermissionMode, PlanEntry, PlanStatus, StreamEvent};

/// The purpose of a request to Codex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Initialize,
    OpenThread,
    AddInstructions,
    StartTurn,
    /// With the message to add to the turn.
    Steer(Message),
    Interrupt,
    Clean,
}

/// Notifications that Codex is asked not to send. (The recorder did not ask, so the recordings contain them.) The diff of the whole turn is
/// repeated after every step, and each file's own diff is emitted anyway.
const OPTED_OUT_NOTIFICATIONS: [&str; 3] = ["turn/diff/updated", "thread/status/changed", "remoteControl/status/changed"];

/// Notifications without information that other lines lack. Those after the fourth are from the schema.
const IGNORED_NOTIFICATIONS: [&str; 18] = [
    "turn/diff/updated",
    "thread/status/changed",
    "remoteControl/status/changed",
    "thread/goal/cleared",
    "account/updated",
    "app/list/updated",
    "hook/started",
    "item/plan/delta",
    "model/safetyBuffering/updated",
    "model/verification",
    "skills/changed",
    "thread/closed",
    "thread/compacted",
    "thread/name/updated",
    "thread/queue/changed",
    "thread/readState/changed",
    "thread/settings/updated",
    "turn/moderationMetadata",
];

/// The parser of `codex app-server`.
#[derive(Debug)]
pub(super) struct AppServer {
    prompt: Message,
    pub(super) turn_sandbox: Option<Value>,
    /// The schema of the last message of each turn.
    pub(super) output_schema: Option<Value>,
    /// Instructions for a thread that is resumed: it keeps those with which it was started (tested with 0.169.0).
    added_instructions: Option<String>,
    /// The request that opens the thread: method and parameters.
    open_thread: (&'static str, Map<String, Value>),
    mcp_servers: Vec<McpServer>,
    /// Id of the last request. Ids count from 1.
    last_id: u64,
    /// Requests without a response.
    pub(super) pending: HashMap<u64, Request>,
    version: Option<String>,
    pub(super) threads: Threads,
    pub(super) items: Items,
    pub(super) approvals: Approvals,
    usage: UsageTotals,
    plan: Vec<PlanEntry>,
    pub(super) limits: RateLimits,
    pub(super) turn: TurnState,
    /// Messages that Codex did not add to the turn, because it had ended.
    pub(super) undelivered: Vec<Message>,
    denial_limit: Limit,
    pub(super) last_message: String,
}

impl AppServer {
    /// A parser for one process that carries out `task`.
    pub(super) fn new(task: &Task) -> Self {
        let mut params = policy();
        params.insert("cwd".to_owned(), json!(task.spec.working_dir.to_string_lossy()));
        if let Some(model) = &task.spec.model {
            params.insert("model".to_owned(), json!(model));
        }
        if let (Some(instructions), None) = (&task.spec.instructions, &task.resume) {
            params.insert("developerInstructions".to_owned(), json!(instructions));
        }
        let config = thread_config(task);
        if !config.is_empty() {
            params.insert("config".to_owned(), Value::Object(config));
        }
        let open_thread = match &task.resume {
            Some(thread) => {
                params.insert("threadId".to_owned(), json!(thread));
                // Otherwise the response is the whole conversation in one line.
                params.insert("excludeTurns".to_owned(), json!(true));
                ("thread/resume", params)
            }
            None => ("thread/start", params),
        };
        Self {
            prompt: task.message(),
            turn_sandbox: turn_sandbox(task.spec.permission_mode),
            output_schema: task.spec.output_schema.clone(),
            added_instructions: task.spec.instructions.clone().filter(|_| task.resume.is_some()),
            open_thread,
            mcp_servers: task.mcp_servers.clone(),
            last_id: 0,
            pending: HashMap::new(),
            version: None,
            threads: Threads::default(),
            items: Items::new(task.spec.working_dir.clone()),
            approvals: Approvals::new(task.spec.permission_mode == PermissionMode::ReadOnly),
            usage: UsageTotals::default(),
            plan: Vec::new(),
            limits: RateLimits::default(),
            turn: TurnState::default(),
            undelivered: Vec::new(),
            denial_limit: Limit::new("queued_messages", MAX_QUEUED_MESSAGES, "the agent is not told why further requests were denied"),
            last_message: String::new(),
        }
    }

    pub(super) fn send_request(&mut self, request: Request, method: &str, params: &Value, out: &mut Output) {
        self.last_id += 1;
        self.pending.insert(self.last_id, request);
        out.send_json(&json!({ "id": self.last_id, "method": method, "params": params }));
    }

    /// Handles a response. `None` if it belongs to no request or is invalid.
    fn handle_response(&mut self, id: &Value, line: &Line<'_>, out: &mut Output) -> Option<LineOutcome> {
        let request = self.pending.remove(&id.as_u64()?)?;
        match (request, &line.error) {
            (Request::Initialize, None) => {
                let response: wire::Initialized = decode(line.result).or_else(|| self.fail_invalid_response(out))?;
                // `openrunner/0.169.0 (Debian 12.0.0; x86_64) …`: the client's name and Codex's version.
                self.version = response.user_agent.split_once('/').and_then(|(_, rest)| rest.split(' ').next()).map(str::to_owned);
                out.send_json(&json!({ "method": "initialized" }));
                let (method, params) = (self.open_thread.0, Value::Object(std::mem::take(&mut self.open_thread.1)));
                self.send_request(Request::OpenThread, method, &params, out);
            }
            (Request::OpenThread, None) => {
                let response: wire::ThreadOpened = decode(line.result).or_else(|| self.fail_invalid_response(out))?;
                let agent_session = Some(response.thread.id.clone());
                out.items.push(Item::Started(Started { agent_session, version: self.version.clone(), model: response.model }));
                self.threads.own = Some(response.thread.id);
                match self.added_instructions.take() {
                    Some(instructions) => self.add_instructions(&instructions, out),
                    None => self.start_first_turn(out),
                }
            }
            (Request::AddInstructions, None) => self.start_first_turn(out),
            (Request::Initialize | Request::OpenThread | Request::AddInstructions | Request::StartTurn, Some(error)) => {
                self.end_turn(Err(response_failure(error)), out);
            }
            (Request::Steer(message), error) => {
                if error.is_some() {
                    self.undelivered.push(message);
                }
                return Some(self.handle_steer_response(out));
            }
            // Codex cannot terminate the remaining commands, but the turn has ended.
            (Request::Clean, Some(_)) => {
                self.items.end_open_calls(|_| true, |_| false, out);
                return Some(self.end_turn_if_clean(out));
            }
            // Notifications report the effect of these requests. An interrupt fails if the turn has just ended by itself.
            (Request::StartTurn, None) | (Request::Interrupt, _) => return Some(LineOutcome::Ignored),
            (Request::Clean, None) => return Some(self.handle_cleanup_response(out)),
        }
        Some(LineOutcome::Emitted)
    }

    /// Adds instructions to the history of the thread.
    fn add_instructions(&mut self, instructions: &str, out: &mut Output) {
        let content = json!([{ "type": "input_text", "text": instructions }]);
        let items = json!([{ "type": "message", "role": "developer", "content": content }]);
        self.send_request(Request::AddInstructions, "thread/inject_items", &json!({ "threadId": self.threads.own, "items": items }), out);
    }

    fn start_first_turn(&mut self, out: &mut Output) {
        if self.turn.interrupt == InterruptState::Pending {
            self.end_turn(Err(Failure::new(Cause::Cancelled, "the turn was interrupted before it started")), out);
        } else {
            let (prompt, steers) = (std::mem::take(&mut self.prompt), std::mem::take(&mut self.turn.steers));
            self.start_turn(&prompt, out);
            self.turn.steers = steers;
        }
    }

    /// Ends the turn, since it cannot continue without this response. Returns `None`, so that the line also becomes a raw event.
    fn fail_invalid_response<T>(&mut self, out: &mut Output) -> Option<T> {
        self.end_turn(Err(Failure::new(Cause::Protocol, "codex app-server sent an invalid response")), out);
        None
    }

    /// Handles a request from Codex. Every request gets a response, now or by [`Parser::answer`]. `None` if it is unknown, after an error
    /// response.
    fn handle_request(&mut self, method: &str, id: Value, params: Option<&RawValue>, out: &mut Output) -> Option<LineOutcome> {
        let approval: Option<wire::ApprovalRequest> = decode(params);
        let approval = approval.filter(|approval| self.threads.parent_of(&approval.thread_id).is_some());
        let fields: Option<Map<String, Value>> = decode(params);
        // The response to the open request would be taken for both.
        if self.approvals.is_open(&id) {
            return None;
        }
        match (method, approval, fields) {
            ("item/commandExecution/requestApproval", Some(approval), Some(fields)) => {
                self.approvals.open_command(id, &approval, fields, &mut self.items, out);
            }
            ("item/fileChange/requestApproval", Some(approval), Some(fields)) => {
                self.approvals.open_patch(id, &approval, fields, &mut self.items, out);
            }
            ("item/permissions/requestApproval", Some(approval), Some(fields)) => {
                self.approvals.open_permissions(id, &approval, fields, out);
            }
            ("mcpServer/elicitation/request", Some(_), Some(fields)) => self.approvals.handle_elicitation(id, fields, out),
            ("item/tool/requestUserInput", Some(_), Some(_)) => self.approvals.open_question(id, decode(params).unwrap_or_default(), out),
            _ => {
                approvals::send_unknown_method(&id, method, out);
                return None;
            }
        }
        Some(LineOutcome::Emitted)
    }

    fn handle_notification(&mut self, method: &str, params: Option<&RawValue>, out: &mut Output) -> Option<LineOutcome> {
        match method {
            "item/agentMessage/delta" => {
                let delta: wire::ItemDelta<'_> = decode(params)?;
                let parent = self.threads.parent_of(&delta.thread_id)?;
                Some(Items::emit_token(&delta.item_id, &delta.delta, parent, out))
            }
            "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta" => {
                let delta: wire::ItemDelta<'_> = decode(params)?;
                let parent = self.threads.parent_of(&delta.thread_id)?;
                Some(self.items.emit_thinking(&delta.item_id, &delta.delta, parent, out))
            }
            "item/reasoning/summaryPartAdded" => {
                let part: wire::PartAdded = decode(params)?;
                let parent = self.threads.parent_of(&part.thread_id)?;
                // The parts are paragraphs.
                let first = part.summary_index == 0;
                Some(if first { LineOutcome::Ignored } else { self.items.emit_thinking(&part.item_id, "\n\n", parent, out) })
            }
            "item/commandExecution/outputDelta" | "item/fileChange/outputDelta" => {
                let delta: wire::ItemDelta<'_> = decode(params)?;
                self.threads.parent_of(&delta.thread_id)?;
                Some(tool_output(self.items.current(&delta.item_id), &delta.delta, out))
            }
            "item/mcpToolCall/progress" => {
                let progress: wire::Progress = decode(params)?;
                self.threads.parent_of(&progress.thread_id)?;
                Some(tool_output(self.items.current(&progress.item_id), &progress.message, out))
            }
            "item/fileChange/patchUpdated" => {
                let patch: wire::PatchUpdated = decode(params)?;
                self.items.update_patch(&patch.item_id, &patch.changes, out)
            }
            "item/started" | "item/completed" => self.handle_item(decode(params)?, method == "item/completed", out),
            "turn/plan/updated" => self.handle_plan(decode(params)?, out),
            "turn/started" => self.handle_turn_started(decode(params)?, out),
            "turn/completed" => self.handle_turn_completed(decode(params)?, out),
            "thread/started" => {
                let started: wire::ThreadStarted = decode(params)?;
                Some(self.threads.handle_started(started.thread, out))
            }
            "thread/tokenUsage/updated" => self.handle_usage(&decode(params)?, out),
            "serverRequest/resolved" => {
                let resolved: wire::RequestResolved = decode(params)?;
                Some(if self.approvals.close(&resolved.request_id, out) { LineOutcome::Emitted } else { LineOutcome::Ignored })
            }
            "account/rateLimits/updated" => Some(self.limits.update(&decode(params)?, out)),
            "error" => Some(self.handle_error(decode(params)?, out)),
            "mcpServer/startupStatus/updated" => Some(self.handle_mcp_startup(decode(params)?, out)),
            _ => handle_warning(method, params, out),
        }
    }

    fn handle_item(&mut self, notification: wire::ItemNotification, completed: bool, out: &mut Output) -> Option<LineOutcome> {
        let wire::ItemNotification { thread_id, item } = notification;
        let parent = self.threads.parent_of(&thread_id)?;
        let agents = match &item {
            wire::Item::CollabAgentToolCall { id, receiver_thread_ids, .. } => Some((id.clone(), receiver_thread_ids.clone())),
            _ => None,
        };
        let outcome = if completed {
            if let (wire::Item::AgentMessage { text, .. }, None) = (&item, parent) {
                self.last_message.clone_from(text);
            }
            let is_stopped = matches!(self.turn.phase, Phase::Cleaning { .. });
            self.items.handle_completed(item, parent, is_stopped, out)?
        } else {
            self.items.handle_started(&item, parent, out)?
        };
        if let Some((id, threads)) = agents {
            self.threads.assign(&threads, &self.items.current(&id), out);
        }
        let ended = self.end_turn_if_clean(out);
        Some(if ended == LineOutcome::Emitted { ended } else { outcome })
    }

    fn handle_plan(&mut self, updated: wire::PlanUpdated, out: &mut Output) -> Option<LineOutcome> {
        let is_own = self.threads.parent_of(&updated.thread_id)?.is_none();
        let entry = |step: wire::PlanStep| PlanEntry {
            content: step.step,
            status: match step.status {
                wire::PlanStepStatus::Pending => PlanStatus::Pending,
                wire::PlanStepStatus::InProgress => PlanStatus::InProgress,
                wire::PlanStepStatus::Completed => PlanStatus::Completed,
            },
        };
        let entries: Vec<PlanEntry> = updated.plan.into_iter().map(entry).collect();
        // The plan is the run's. A sub-agent's plan would replace it.
        if !is_own || entries == self.plan {
            return Some(LineOutcome::Ignored);
        }
        self.plan.clone_from(&entries);
        out.emit(StreamEvent::Plan { entries });
        Some(LineOutcome::Emitted)
    }

    fn handle_usage(&mut self, updated: &wire::UsageUpdated, out: &mut Output) -> Option<LineOutcome> {
        self.threads.parent_of(&updated.thread_id)?;
        if !self.turn.has_started() {
            self.usage.set_baseline(&updated.thread_id, &updated.token_usage);
            return Some(LineOutcome::Buffered);
        }
        let Some(usage) = self.usage.add_report(&updated.thread_id, &updated.token_usage) else { return Some(LineOutcome::Ignored) };
        out.emit(StreamEvent::Usage(usage));
        Some(LineOutcome::Emitted)
    }

    fn handle_error(&mut self, notification: wire::ErrorNotification, out: &mut Output) -> LineOutcome {
        let wire::ErrorNotification { error, will_retry } = notification;
        let (info, details) = (&error.codex_error_info, error.additional_details.as_deref());
        if will_retry {
            let notices = errors::retry_notices(info, &error.message, details);
            self.limits.note_reported(&notices);
            out.items.extend(notices.into_iter().map(Item::Event));
            return LineOutcome::Emitted;
        }
        let Failure { cause, message } = errors::failure(info, &error.message);
        if cause == Cause::RateLimited {
            self.limits.report_once(&message, out);
        }
        out.emit(StreamEvent::AgentError { code: cause.as_str().to_owned(), message, retryable: false });
        LineOutcome::Emitted
    }

    fn handle_mcp_startup(&mut self, startup: wire::McpStartup, out: &mut Output) -> LineOutcome {
        if startup.status != "failed" {
            return LineOutcome::Ignored;
        }
        let error = redact_mcp_error(&startup.error.unwrap_or_default(), &self.mcp_servers);
        let message = format!("MCP server {} failed to start: {error}", startup.name);
        out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
        LineOutcome::Emitted
    }
}

impl Parser for AppServer {
    fn open(&mut self, out: &mut Output) {
        let client = json!({ "name": "openrunner", "title": "OpenRunner", "version": env!("CARGO_PKG_VERSION") });
        // `thread/backgroundTerminals/clean` is experimental.
        let capabilities = json!({ "experimentalApi": true, "optOutNotificationMethods": OPTED_OUT_NOTIFICATIONS });
        let params = json!({ "clientInfo": client, "capabilities": capabilities });
        self.send_request(Request::Initialize, "initialize", &params, out);
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(mut message) = serde_json::from_str::<Line<'_>>(line) else { return out.emit_raw(line) };
        let outcome = match (message.method.take(), message.id.take()) {
            (Some(method), Some(id)) => self.handle_request(&method.0, id, message.params, out),
            (Some(method), None) => self.handle_notification(&method.0, message.params, out),
            (None, Some(id)) => self.handle_response(&id, &message, out),
            (None, None) => None,
        };
        outcome.unwrap_or_else(|| out.emit_raw(line))
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        // The response to a denial has no field for a message, so the message is added to the turn (tested with 0.169.0: the model reads
        // both together).
        if let Some(message) = self.approvals.answer(request, answer, out)
            && let Phase::Running(turn) = &self.turn.phase
        {
            let (turn, message) = (turn.clone(), Message::from(message));
            if !self.has_room_for(&message) {
                return self.denial_limit.report(out);
            }
            self.send_steer(&turn, &message, out);
        }
    }

    fn begin_turn(&mut self, message: &Message, out: &mut Output) -> bool {
        let ready = matches!(self.turn.phase, Phase::Idle) && self.threads.own.is_some();
        if ready {
            self.start_turn(message, out);
        }
        ready
    }

    fn steer(&mut self, message: &Message, out: &mut Output) -> bool {
        if !self.has_room_for(message) {
            return false;
        }
        match (&self.turn.phase, self.turn.interrupt) {
            (Phase::Running(turn), InterruptState::NotRequested) => {
                let turn = turn.clone();
                self.send_steer(&turn, message, out);
            }
            (Phase::InBackground { .. }, _) => self.start_turn(message, out),
            (Phase::AwaitingSteers { .. }, InterruptState::NotRequested) => self.undelivered.push(message.clone()),
            (Phase::Opening | Phase::Starting, InterruptState::NotRequested) if !self.pending.is_empty() => {
                self.turn.steers.push(message.clone());
            }
            _ => return false,
        }
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        match (&self.turn.phase, self.turn.interrupt) {
            (Phase::Idle, _) => return false,
            // The turn is not continued when the responses have arrived.
            (Phase::AwaitingSteers { .. }, _) => self.turn.interrupt = InterruptState::Sent,
            (Phase::InBackground { .. }, _) => {
                let end = Err(Failure::new(Cause::Cancelled, "the turn was interrupted"));
                self.turn.phase = Phase::Cleaning { end, rounds: 0 };
                self.send_cleanup(out);
            }
            (Phase::Running(turn), InterruptState::NotRequested) => {
                let turn = turn.clone();
                self.send_interrupt(&turn, out);
            }
            (Phase::Opening | Phase::Starting, InterruptState::NotRequested) => self.turn.interrupt = InterruptState::Pending,
            _ => {}
        }
        true
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        // No response follows.
        let unanswered =
            self.pending.drain().filter_map(|(id, request)| if let Request::Steer(message) = request { Some((id, message)) } else { None });
        let mut unanswered: Vec<(u64, Message)> = unanswered.collect();
        unanswered.sort_unstable_by_key(|(id, _)| *id);
        self.undelivered.extend(unanswered.into_iter().map(|(_, message)| message));
        match std::mem::take(&mut self.turn.phase) {
            Phase::AwaitingSteers { end } => self.end_turn(end, out),
            phase => self.turn.phase = phase,
        }
        self.report_undelivered(out);
        // No command outlives the program, and no further line will report its end.
        if matches!(self.turn.phase, Phase::Cleaning { .. } | Phase::InBackground { .. }) {
            self.items.end_open_calls(|_| true, |_| false, out);
            self.end_turn_if_clean(out);
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        errors::diagnose(exit, stderr_tail)
    }
}

/// The outcome of a line before which `out` had this many items and bytes of input.
pub(super) fn outcome_since((items, sent): (usize, usize), out: &Output) -> LineOutcome {
    if out.items.len() > items || out.send.len() > sent { LineOutcome::Emitted } else { LineOutcome::Buffered }
}

/// Handles notifications that are warnings of the program. `None` if the notification is unknown.
fn handle_warning(method: &str, params: Option<&RawValue>, out: &mut Output) -> Option<LineOutcome> {
    let warning = |message: String| StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message);
    match method {
        "configWarning" | "deprecationNotice" | "warning" | "guardianWarning" => {
            let wire::Warning { summary, details } = decode(params)?;
            out.emit(warning(details.map_or(summary.clone(), |details| format!("{summary} {details}"))));
        }
        "model/rerouted" => {
            let rerouted: wire::Rerouted = decode(params)?;
            out.emit(warning(format!("the provider responds with model {} instead of {}", rerouted.to_model, rerouted.from_model)));
        }
        _ => return IGNORED_NOTIFICATIONS.contains(&method).then_some(LineOutcome::Ignored),
    }
    Some(LineOutcome::Emitted)
}

fn tool_output(id: String, content: &str, out: &mut Output) -> LineOutcome {
    out.emit(StreamEvent::ToolOutput { id, content: content.to_owned() });
    LineOutcome::Emitted
}

/// The failure for an error response. An unknown thread is also reported as an invalid request (recording `appserver_resume_2`).
fn response_failure(error: &wire::RpcError) -> Failure {
    let mut failure = errors::failure(&Value::Null, &error.message);
    if failure.cause == Cause::AgentError {
        failure.cause = match error.code {
            -32600 | -32602 => Cause::BadArguments,
            -32601 | -32700 => Cause::Protocol,
            _ => Cause::AgentError,
        };
    }
    failure
}

fn decode<'a, T: Deserialize<'a>>(json: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(json?.get()).ok()
}
