//! The two-way mode: `codex app-server`.
//!
//! ```text
//! we                                        Codex
//! initialize                          →
//!                                     ←     result: its version
//! initialized, thread/start or resume →
//!                                     ←     result: thread id, model            → Started
//! turn/start with the prompt          →
//!                                     ←     turn/started
//!                                     ←     items, deltas, usage, warnings      → events
//!                                     ←     request for approval, question      → permission_request, question
//! its answer                          →
//! turn/steer, turn/interrupt          →     (only now: before turn/started they find no turn)
//!                                     ←     turn/completed                      → TurnEnded
//! turn/start with the next message    →
//! (end of stdin)                      →     exits
//! ```
//!
//! A command that runs on when its turn is interrupted is ended by `thread/backgroundTerminals/clean`; then the turn's end is held
//! back until Codex has told the command's (recording `appserver_interrupt_tool_and_clean`).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::approvals::{self, Approvals};
use super::command::{policy, thread_config};
use super::errors;
use super::items::Items;
use super::limits::Limits;
use super::threads::Threads;
use super::turn::{Interrupt, Phase, Turn};
use super::usage::Meter;
use super::wire::{self, Line};
use crate::agent::{Item, LineOutcome, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::redact::redact_mcp_error;
use crate::types::{Answer, Cause, Failure, Level, McpServer, NoticeCode, PermissionMode, PlanEntry, PlanStatus, StreamEvent, TurnEnd};

/// What we ask of Codex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Initialize,
    OpenThread,
    StartTurn,
    Steer,
    Interrupt,
    Clean,
}

/// Notifications that we ask Codex not to send (recordings have them, since the recorder did not ask). The diff of the whole turn
/// comes again after every step, and each file's own diff is told anyway.
const UNWANTED: [&str; 3] = ["turn/diff/updated", "thread/status/changed", "remoteControl/status/changed"];

/// Notifications that tell nothing which other lines do not tell. Those after the fourth are from the schema.
const NOISE: [&str; 18] = [
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

/// Parser of `codex app-server`.
#[derive(Debug)]
pub(super) struct AppServer {
    prompt: String,
    /// Our request that opens the thread.
    open_thread: (&'static str, Map<String, Value>),
    mcp_servers: Vec<McpServer>,
    /// How many requests were sent: their ids count from 1.
    calls: u64,
    /// Those that have no answer yet.
    awaited: HashMap<u64, Call>,
    version: Option<String>,
    threads: Threads,
    items: Items,
    approvals: Approvals,
    meter: Meter,
    plan: Vec<PlanEntry>,
    limits: Limits,
    turn: Turn,
    last_message: String,
}

/// How often Codex is asked to end the commands that run on. A parser has no clock, so the answers, of about a millisecond each, measure
/// the time that the ends of these commands have to come in.
const CLEANINGS: u8 = 20;

impl AppServer {
    /// For one process that carries out `task`.
    pub(super) fn new(task: &Task) -> Self {
        let mut params = policy(task.spec.permission_mode);
        params.insert("cwd".to_owned(), json!(task.spec.working_dir.to_string_lossy()));
        if let Some(model) = &task.spec.model {
            params.insert("model".to_owned(), json!(model));
        }
        let config = thread_config(task);
        if !config.is_empty() {
            params.insert("config".to_owned(), Value::Object(config));
        }
        let open_thread = match &task.resume {
            Some(thread) => {
                params.insert("threadId".to_owned(), json!(thread));
                // Else the answer is the whole conversation in one line.
                params.insert("excludeTurns".to_owned(), json!(true));
                ("thread/resume", params)
            }
            None => ("thread/start", params),
        };
        Self {
            prompt: task.spec.prompt.clone(),
            open_thread,
            mcp_servers: task.mcp_servers.clone(),
            calls: 0,
            awaited: HashMap::new(),
            version: None,
            threads: Threads::default(),
            items: Items::new(task.spec.working_dir.clone()),
            approvals: Approvals::new(task.spec.permission_mode == PermissionMode::ReadOnly),
            meter: Meter::default(),
            plan: Vec::new(),
            limits: Limits::default(),
            turn: Turn::default(),
            last_message: String::new(),
        }
    }

    fn call(&mut self, call: Call, method: &str, params: &Value, out: &mut Output) {
        self.calls += 1;
        self.awaited.insert(self.calls, call);
        out.send_json(&json!({ "id": self.calls, "method": method, "params": params }));
    }

    fn start_turn(&mut self, text: &str, out: &mut Output) {
        self.turn = Turn { phase: Phase::Starting, ..Turn::default() };
        self.limits.turn_begins();
        let params = json!({ "threadId": self.threads.ours, "input": [{ "type": "text", "text": text }] });
        self.call(Call::StartTurn, "turn/start", &params, out);
    }

    fn send_steer(&mut self, turn: &str, text: &str, out: &mut Output) {
        let input = json!([{ "type": "text", "text": text }]);
        self.call(Call::Steer, "turn/steer", &json!({ "threadId": self.threads.ours, "expectedTurnId": turn, "input": input }), out);
    }

    fn send_interrupt(&mut self, turn: &str, out: &mut Output) {
        self.turn.interrupt = Interrupt::Sent;
        self.call(Call::Interrupt, "turn/interrupt", &json!({ "threadId": self.threads.ours, "turnId": turn }), out);
    }

    fn end_turn(&mut self, end: TurnEnd, out: &mut Output) {
        self.approvals.turn_over(out);
        self.turn = Turn { phase: Phase::Idle, ..Turn::default() };
        out.items.push(Item::TurnEnded(end));
    }

    /// An answer to a request of ours. `None` if nobody asked, or if it is no answer.
    fn response(&mut self, id: &Value, line: &Line<'_>, out: &mut Output) -> Option<LineOutcome> {
        let call = self.awaited.remove(&id.as_u64()?)?;
        match (call, &line.error) {
            (Call::Initialize, None) => {
                let answer: wire::Initialized = read(line.result).or_else(|| self.unreadable(out))?;
                // `openrunner/0.169.0 (Debian 12.0.0; x86_64) …`: the name is ours, the version is Codex's.
                self.version = answer.user_agent.split_once('/').and_then(|(_, rest)| rest.split(' ').next()).map(str::to_owned);
                out.send_json(&json!({ "method": "initialized" }));
                let (method, params) = (self.open_thread.0, Value::Object(std::mem::take(&mut self.open_thread.1)));
                self.call(Call::OpenThread, method, &params, out);
            }
            (Call::OpenThread, None) => {
                let answer: wire::ThreadOpened = read(line.result).or_else(|| self.unreadable(out))?;
                let agent_session = Some(answer.thread.id.clone());
                out.items.push(Item::Started(Started { agent_session, version: self.version.clone(), model: answer.model }));
                self.threads.ours = Some(answer.thread.id);
                if self.turn.interrupt == Interrupt::Wanted {
                    self.end_turn(Err(Failure::new(Cause::Cancelled, "the turn was interrupted before it began")), out);
                } else {
                    let (prompt, steers) = (std::mem::take(&mut self.prompt), std::mem::take(&mut self.turn.steers));
                    self.start_turn(&prompt, out);
                    self.turn.steers = steers;
                }
            }
            (Call::Initialize | Call::OpenThread | Call::StartTurn, Some(error)) => self.end_turn(Err(refused(error)), out),
            (Call::Steer, Some(error)) => {
                let message = format!("a message could not be added to the turn: {}", error.message);
                out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
            }
            // Codex cannot end the commands that run on, but the turn is over.
            (Call::Clean, Some(_)) => {
                self.items.cut_short(|_| true, &[], out);
                return Some(self.end_if_clean(out));
            }
            // What these come to is told by notifications. An interrupt is refused when the turn has just ended by itself.
            (Call::StartTurn | Call::Steer, None) | (Call::Interrupt, _) => return Some(LineOutcome::Ignored),
            (Call::Clean, None) => return Some(self.cleaned(out)),
        }
        Some(LineOutcome::Emitted)
    }

    /// Ends the turn: without this answer nothing can follow. Gives nothing, so that the line is kept as a raw event as well.
    fn unreadable<T>(&mut self, out: &mut Output) -> Option<T> {
        self.end_turn(Err(Failure::new(Cause::Protocol, "codex app-server gave an answer of an unknown form")), out);
        None
    }

    /// A request of Codex. Every one is answered, if not now then by [`Parser::answer`]. `None` if it is not known, which it is told.
    fn request(&mut self, method: &str, id: Value, params: Option<&RawValue>, out: &mut Output) -> Option<LineOutcome> {
        let asked: Option<wire::Asked> = read(params);
        let asked = asked.filter(|asked| self.threads.parent_of(&asked.thread_id).is_some());
        let fields: Option<Map<String, Value>> = read(params);
        // The answer to the one that is open would be taken for both.
        if self.approvals.is_open(&id) {
            return None;
        }
        match (method, asked, fields) {
            ("item/commandExecution/requestApproval", Some(asked), Some(fields)) => {
                self.approvals.command(id, &asked, fields, &self.items, out);
            }
            ("item/fileChange/requestApproval", Some(asked), Some(fields)) => {
                self.approvals.patch(id, &asked, fields, &self.items, out);
            }
            ("item/permissions/requestApproval", Some(asked), Some(fields)) => self.approvals.permissions(id, &asked, fields, out),
            ("mcpServer/elicitation/request", Some(_), Some(fields)) => self.approvals.elicitation(id, fields, out),
            ("item/tool/requestUserInput", Some(_), Some(_)) => self.approvals.question(id, read(params).unwrap_or_default(), out),
            _ => {
                approvals::refuse(&id, method, out);
                return None;
            }
        }
        Some(LineOutcome::Emitted)
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>, out: &mut Output) -> Option<LineOutcome> {
        match method {
            "item/agentMessage/delta" => {
                let piece: wire::Piece<'_> = read(params)?;
                let parent = self.threads.parent_of(&piece.thread_id)?;
                Some(Items::token(&piece.item_id, &piece.delta, parent, out))
            }
            "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta" => {
                let piece: wire::Piece<'_> = read(params)?;
                let parent = self.threads.parent_of(&piece.thread_id)?;
                Some(self.items.thinking(&piece.item_id, &piece.delta, parent, out))
            }
            "item/reasoning/summaryPartAdded" => {
                let part: wire::PartAdded = read(params)?;
                let parent = self.threads.parent_of(&part.thread_id)?;
                // The parts are paragraphs.
                let first = part.summary_index == 0;
                Some(if first { LineOutcome::Ignored } else { self.items.thinking(&part.item_id, "\n\n", parent, out) })
            }
            "item/commandExecution/outputDelta" | "item/fileChange/outputDelta" => {
                let piece: wire::Piece<'_> = read(params)?;
                self.threads.parent_of(&piece.thread_id)?;
                Some(tool_output(&piece.item_id, &piece.delta, out))
            }
            "item/mcpToolCall/progress" => {
                let progress: wire::Progress = read(params)?;
                self.threads.parent_of(&progress.thread_id)?;
                Some(tool_output(&progress.item_id, &progress.message, out))
            }
            "item/fileChange/patchUpdated" => {
                let patch: wire::PatchUpdated = read(params)?;
                self.items.patch_updated(&patch.item_id, &patch.changes)
            }
            "item/started" | "item/completed" => self.item(read(params)?, method == "item/completed", out),
            "turn/plan/updated" => self.plan(read(params)?, out),
            "turn/started" => self.turn_started(read(params)?, out),
            "turn/completed" => self.turn_completed(read(params)?, out),
            "thread/started" => {
                let started: wire::ThreadStarted = read(params)?;
                Some(self.threads.started(started.thread))
            }
            "thread/tokenUsage/updated" => self.usage(&read(params)?, out),
            "serverRequest/resolved" => {
                let resolved: wire::RequestResolved = read(params)?;
                Some(if self.approvals.resolved(&resolved.request_id, out) { LineOutcome::Emitted } else { LineOutcome::Ignored })
            }
            "account/rateLimits/updated" => Some(self.limits.update(&read(params)?, out)),
            "error" => Some(self.error(read(params)?, out)),
            "mcpServer/startupStatus/updated" => Some(self.mcp_startup(read(params)?, out)),
            _ => remark(method, params, out),
        }
    }

    fn item(&mut self, news: wire::ItemNews, over: bool, out: &mut Output) -> Option<LineOutcome> {
        let wire::ItemNews { thread_id, item } = news;
        if let wire::Item::CollabAgentToolCall { id, receiver_thread_ids, .. } = &item
            && self.threads.parent_of(&thread_id).is_some()
        {
            self.threads.called(receiver_thread_ids, id);
        }
        let parent = self.threads.parent_of(&thread_id)?;
        if !over {
            return self.items.started(&item, parent, out);
        }
        if let (wire::Item::AgentMessage { text, .. }, None) = (&item, parent) {
            self.last_message.clone_from(text);
        }
        let fate = self.items.completed(item, parent, out)?;
        let ended = self.end_if_clean(out);
        Some(if ended == LineOutcome::Emitted { ended } else { fate })
    }

    /// Codex has ended the commands that ran on, and tells the end of each within some milliseconds. One that was interrupted just
    /// after its start it has ended before, and tells nothing (tried with 0.169.0): the wait for it has a bound.
    fn cleaned(&mut self, out: &mut Output) -> LineOutcome {
        let Phase::Cleaning(_, rounds) = &mut self.turn.phase else { return LineOutcome::Ignored };
        *rounds += 1;
        if *rounds < CLEANINGS {
            self.clean(out);
            return LineOutcome::Emitted;
        }
        self.items.cut_short(|_| true, &[], out);
        self.end_if_clean(out)
    }

    fn clean(&mut self, out: &mut Output) {
        self.call(Call::Clean, "thread/backgroundTerminals/clean", &json!({ "threadId": self.threads.ours }), out);
    }

    /// Ends a turn whose end is held back, once nothing of it runs any more.
    fn end_if_clean(&mut self, out: &mut Output) -> LineOutcome {
        if self.items.commands_run() {
            return LineOutcome::Buffered;
        }
        match std::mem::take(&mut self.turn.phase) {
            Phase::Cleaning(end, _) => {
                self.end_turn(end, out);
                LineOutcome::Emitted
            }
            phase => {
                self.turn.phase = phase;
                LineOutcome::Ignored
            }
        }
    }

    fn plan(&mut self, updated: wire::PlanUpdated, out: &mut Output) -> Option<LineOutcome> {
        let ours = self.threads.parent_of(&updated.thread_id)?.is_none();
        let entry = |step: wire::PlanStep| PlanEntry {
            content: step.step,
            status: match step.status {
                wire::PlanStepStatus::Pending => PlanStatus::Pending,
                wire::PlanStepStatus::InProgress => PlanStatus::InProgress,
                wire::PlanStepStatus::Completed => PlanStatus::Completed,
            },
        };
        let entries: Vec<PlanEntry> = updated.plan.into_iter().map(entry).collect();
        // The plan is the run's; a sub-agent's would overwrite it.
        if !ours || entries == self.plan {
            return Some(LineOutcome::Ignored);
        }
        self.plan.clone_from(&entries);
        out.emit(StreamEvent::Plan { entries });
        Some(LineOutcome::Emitted)
    }

    fn turn_started(&mut self, started: wire::TurnStarted, out: &mut Output) -> Option<LineOutcome> {
        if self.threads.parent_of(&started.thread_id)?.is_some() {
            return Some(LineOutcome::Ignored);
        }
        // A turn that is over cannot be taken back by a line that came too late, and its end would be told twice.
        if matches!(self.turn.phase, Phase::Cleaning(..)) {
            return Some(LineOutcome::Ignored);
        }
        self.last_message.clear();
        let (turn, steers) = (started.turn.id, std::mem::take(&mut self.turn.steers));
        self.turn.begun = true;
        self.turn.phase = Phase::Running(turn.clone());
        let before = out.send.len();
        for text in &steers {
            self.send_steer(&turn, text, out);
        }
        if self.turn.interrupt == Interrupt::Wanted {
            self.send_interrupt(&turn, out);
        }
        Some(if out.send.len() > before { LineOutcome::Emitted } else { LineOutcome::Buffered })
    }

    fn turn_completed(&mut self, completed: wire::TurnCompleted, out: &mut Output) -> Option<LineOutcome> {
        if self.threads.parent_of(&completed.thread_id)?.is_some() {
            return Some(LineOutcome::Ignored);
        }
        let error = completed.turn.error.unwrap_or_default();
        let end = match completed.turn.status {
            wire::TurnStatus::Completed => Ok(std::mem::take(&mut self.last_message)),
            wire::TurnStatus::Interrupted => {
                let cause = if self.turn.interrupt == Interrupt::Sent { Cause::Cancelled } else { Cause::AgentError };
                return Some(self.cut_short(Failure::new(cause, "the turn was interrupted"), out));
            }
            wire::TurnStatus::Failed if error.message.is_empty() => Err(Failure::new(Cause::AgentError, "the turn failed")),
            wire::TurnStatus::Failed => Err(errors::failure(&error.codex_error_info, &error.message)),
            wire::TurnStatus::Unknown => return None,
        };
        self.end_turn(end, out);
        Some(LineOutcome::Emitted)
    }

    /// The turn was interrupted. Nothing more is told of what it was doing, except of commands, which run on.
    fn cut_short(&mut self, failure: Failure, out: &mut Output) -> LineOutcome {
        let denied = self.approvals.turn_over(out);
        self.items.cut_short(|call| !call.runs_on || denied.contains(&call.id.to_owned()), &denied, out);
        if self.items.commands_run() {
            self.turn.phase = Phase::Cleaning(Err(failure), 0);
            self.clean(out);
        } else {
            self.end_turn(Err(failure), out);
        }
        LineOutcome::Emitted
    }

    fn usage(&mut self, updated: &wire::UsageUpdated, out: &mut Output) -> Option<LineOutcome> {
        self.threads.parent_of(&updated.thread_id)?;
        if !self.turn.has_been() {
            self.meter.begin(&updated.thread_id, &updated.token_usage);
            return Some(LineOutcome::Buffered);
        }
        let Some(usage) = self.meter.add(&updated.thread_id, &updated.token_usage) else { return Some(LineOutcome::Ignored) };
        out.emit(StreamEvent::Usage(usage));
        Some(LineOutcome::Emitted)
    }

    fn error(&mut self, news: wire::ErrorNews, out: &mut Output) -> LineOutcome {
        let wire::ErrorNews { error, will_retry } = news;
        let (info, details) = (&error.codex_error_info, error.additional_details.as_deref());
        if will_retry {
            let notices = errors::retrying(info, &error.message, details);
            self.limits.note_told(&notices);
            out.items.extend(notices.into_iter().map(Item::Event));
            return LineOutcome::Emitted;
        }
        let Failure { cause, message } = errors::failure(info, &error.message);
        if cause == Cause::RateLimited {
            self.limits.tell_once(&message, out);
        }
        out.emit(StreamEvent::AgentError { code: cause.as_str().to_owned(), message, retryable: false });
        LineOutcome::Emitted
    }

    fn mcp_startup(&mut self, startup: wire::McpStartup, out: &mut Output) -> LineOutcome {
        if startup.status != "failed" {
            return LineOutcome::Ignored;
        }
        let error = redact_mcp_error(&startup.error.unwrap_or_default(), &self.mcp_servers);
        let message = format!("MCP server {} did not start: {error}", startup.name);
        out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message));
        LineOutcome::Emitted
    }
}

impl Parser for AppServer {
    fn open(&mut self, out: &mut Output) {
        let client = json!({ "name": "openrunner", "title": "OpenRunner", "version": env!("CARGO_PKG_VERSION") });
        // `thread/backgroundTerminals/clean` counts as experimental.
        let params = json!({ "clientInfo": client, "capabilities": { "experimentalApi": true, "optOutNotificationMethods": UNWANTED } });
        self.call(Call::Initialize, "initialize", &params, out);
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let Ok(mut said) = serde_json::from_str::<Line<'_>>(line) else { return out.emit_raw(line) };
        let understood = match (said.method.take(), said.id.take()) {
            (Some(method), Some(id)) => self.request(&method.0, id, said.params, out),
            (Some(method), None) => self.notification(&method.0, said.params, out),
            (None, Some(id)) => self.response(&id, &said, out),
            (None, None) => None,
        };
        understood.unwrap_or_else(|| out.emit_raw(line))
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        // A denial has no room for words, so they are added to the turn (tried with 0.169.0: the model reads both together).
        if let Some(words) = self.approvals.answer(request, answer, out)
            && let Phase::Running(turn) = &self.turn.phase
        {
            let turn = turn.clone();
            self.send_steer(&turn, words, out);
        }
    }

    fn begin_turn(&mut self, text: &str, out: &mut Output) -> bool {
        let ready = matches!(self.turn.phase, Phase::Idle) && self.threads.ours.is_some();
        if ready {
            self.start_turn(text, out);
        }
        ready
    }

    fn steer(&mut self, text: &str, out: &mut Output) -> bool {
        match (&self.turn.phase, self.turn.interrupt) {
            (Phase::Running(turn), Interrupt::No) => {
                let turn = turn.clone();
                self.send_steer(&turn, text, out);
            }
            (Phase::Opening | Phase::Starting, Interrupt::No) if !self.awaited.is_empty() => self.turn.steers.push(text.to_owned()),
            _ => return false,
        }
        true
    }

    fn interrupt(&mut self, out: &mut Output) -> bool {
        match (&self.turn.phase, self.turn.interrupt) {
            (Phase::Idle, _) => return false,
            (Phase::Running(turn), Interrupt::No) => {
                let turn = turn.clone();
                self.send_interrupt(&turn, out);
            }
            (Phase::Opening | Phase::Starting, Interrupt::No) => self.turn.interrupt = Interrupt::Wanted,
            _ => {}
        }
        true
    }

    fn handle_end_of_output(&mut self, out: &mut Output) {
        // No command outlives the program that it runs under, or nobody will ever say so.
        if matches!(self.turn.phase, Phase::Cleaning(..)) {
            self.items.cut_short(|_| true, &[], out);
            self.end_if_clean(out);
        }
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        errors::diagnose(exit, stderr_tail)
    }
}

/// Notifications that are warnings of the program. `None` if it is neither those nor noise.
fn remark(method: &str, params: Option<&RawValue>, out: &mut Output) -> Option<LineOutcome> {
    let warning = |message: String| StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message);
    match method {
        "configWarning" | "deprecationNotice" | "warning" | "guardianWarning" => {
            let wire::Warning { summary, details } = read(params)?;
            out.emit(warning(details.map_or(summary.clone(), |details| format!("{summary} {details}"))));
        }
        "model/rerouted" => {
            let rerouted: wire::Rerouted = read(params)?;
            out.emit(warning(format!("the provider answers with {} instead of {}", rerouted.to_model, rerouted.from_model)));
        }
        _ => return NOISE.contains(&method).then_some(LineOutcome::Ignored),
    }
    Some(LineOutcome::Emitted)
}

fn tool_output(id: &str, content: &str, out: &mut Output) -> LineOutcome {
    out.emit(StreamEvent::ToolOutput { id: id.to_owned(), content: content.to_owned() });
    LineOutcome::Emitted
}

/// Why a request of ours was refused. An unknown thread is an invalid request, too (recording `appserver_resume_2`).
fn refused(error: &wire::RpcError) -> Failure {
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

fn read<'a, T: Deserialize<'a>>(json: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(json?.get()).ok()
}
