//! The two-way mode: `codex app-server`.
//!
//! ```text
//! we                                        Codex
//! initialize                          →
//!                                     ←     result: its version
//! initialized, thread/start or resume →
//!                                     ←     result: thread id, model            → Started
//! turn/start with the prompt          →
//!                                     ←     items, deltas, usage, warnings      → events
//!                                     ←     request for approval                → permission_request
//! its answer                          →
//!                                     ←     turn/completed                      → TurnEnded
//! (end of stdin)                      →     exits
//! ```

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::approvals::{self, Approvals};
use super::errors;
use super::items::Items;
use super::usage::Meter;
use super::wire::{self, Line};
use crate::agent::{Fate, Item, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{Answer, Cause, Failure, Level, NoticeCode, PlanEntry, PlanStatus, StreamEvent, Timestamp};

/// Ids of our requests, in the order in which they are sent.
const INITIALIZE: u64 = 1;
const OPEN_THREAD: u64 = 2;
const START_TURN: u64 = 3;

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

/// How Codex asks and what it may do by itself.
///
/// `untrusted` asks before every patch and every command, even `ls`, but for those that the user's own rules file allows. The
/// sandbox is open because what was allowed shall run as it was shown: in a closed one an allowed command fails half-way with
/// "Read-only file system", with exit code 0 if its last part works (seen with 0.169.0), and no sandbox of Codex's starts inside
/// another one. `user` sends the requests to us and not to a model.
pub(super) fn policy() -> Map<String, Value> {
    let mut policy = Map::new();
    policy.insert("approvalPolicy".to_owned(), json!("untrusted"));
    policy.insert("approvalsReviewer".to_owned(), json!("user"));
    policy.insert("sandbox".to_owned(), json!("danger-full-access"));
    policy
}

/// Parser of `codex app-server`.
#[derive(Debug)]
pub(super) struct AppServer {
    prompt: String,
    /// Our request that opens the thread.
    open_thread: (&'static str, Map<String, Value>),
    /// The request of ours that has no answer yet.
    awaited: Option<u64>,
    version: Option<String>,
    threads: Threads,
    items: Items,
    approvals: Approvals,
    meter: Meter,
    plan: Vec<PlanEntry>,
    limits: Option<String>,
    turn_begun: bool,
    last_message: String,
}

impl AppServer {
    /// For one process that carries out `task`.
    pub(super) fn new(task: &Task) -> Self {
        let mut params = policy();
        params.insert("cwd".to_owned(), json!(task.spec.working_dir.to_string_lossy()));
        if let Some(model) = &task.spec.model {
            params.insert("model".to_owned(), json!(model));
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
            awaited: None,
            version: None,
            threads: Threads::default(),
            items: Items::new(task.spec.working_dir.clone()),
            approvals: Approvals::default(),
            meter: Meter::default(),
            plan: Vec::new(),
            limits: None,
            turn_begun: false,
            last_message: String::new(),
        }
    }

    fn call(&mut self, id: u64, method: &str, params: &Value, out: &mut Output) {
        self.awaited = Some(id);
        out.send_json(&json!({ "id": id, "method": method, "params": params }));
    }

    /// An answer to a request of ours. `None` if nobody asked, or if it is no answer.
    fn response(&mut self, id: &Value, line: &Line<'_>, out: &mut Output) -> Option<Fate> {
        let id = id.as_u64().filter(|id| self.awaited == Some(*id))?;
        if let Some(error) = &line.error {
            self.awaited = None;
            out.items.push(Item::TurnEnded(Err(refused(error))));
            return Some(Fate::Told);
        }
        match id {
            INITIALIZE => {
                let answer: wire::Initialized = read(line.result).or_else(|| unreadable(out))?;
                // `openrunner/0.169.0 (Debian 12.0.0; x86_64) …`: the name is ours, the version is Codex's.
                self.version = answer.user_agent.split_once('/').and_then(|(_, rest)| rest.split(' ').next()).map(str::to_owned);
                out.send_json(&json!({ "method": "initialized" }));
                let (method, params) = (self.open_thread.0, Value::Object(std::mem::take(&mut self.open_thread.1)));
                self.call(OPEN_THREAD, method, &params, out);
                Some(Fate::Told)
            }
            OPEN_THREAD => {
                let answer: wire::ThreadOpened = read(line.result).or_else(|| unreadable(out))?;
                let agent_session = Some(answer.thread.id.clone());
                out.items.push(Item::Started(Started { agent_session, version: self.version.clone(), model: answer.model }));
                let input = json!([{ "type": "text", "text": std::mem::take(&mut self.prompt) }]);
                let params = json!({ "threadId": answer.thread.id, "input": input });
                self.threads.ours = Some(answer.thread.id);
                self.call(START_TURN, "turn/start", &params, out);
                Some(Fate::Told)
            }
            _ => {
                self.awaited = None;
                Some(Fate::Noise)
            }
        }
    }

    /// A request of Codex. Every one is answered, if not now then by [`Parser::decide`]. `None` if it is not known, which it is told.
    fn request(&mut self, method: &str, id: Value, params: Option<&RawValue>, out: &mut Output) -> Option<Fate> {
        let asked: Option<wire::Asked> = read(params);
        let asked = asked.filter(|asked| self.threads.parent_of(&asked.thread_id).is_some());
        let fields: Option<Map<String, Value>> = read(params);
        match (method, asked, fields) {
            ("item/commandExecution/requestApproval", Some(asked), Some(fields)) => {
                self.approvals.command(id, &asked, fields, &self.items, out);
            }
            ("item/fileChange/requestApproval", Some(asked), Some(fields)) => {
                self.approvals.patch(id, &asked, fields, &self.items, out);
            }
            ("item/permissions/requestApproval", Some(asked), Some(fields)) => self.approvals.permissions(id, &asked, fields, out),
            ("mcpServer/elicitation/request", Some(_), Some(fields)) => self.approvals.elicitation(id, fields, out),
            ("item/tool/requestUserInput", Some(_), Some(_)) => approvals::user_input(&id, read(params).unwrap_or_default(), out),
            _ => {
                approvals::refuse(&id, method, out);
                return None;
            }
        }
        Some(Fate::Told)
    }

    fn notification(&mut self, method: &str, params: Option<&RawValue>, out: &mut Output) -> Option<Fate> {
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
                Some(if first { Fate::Noise } else { self.items.thinking(&part.item_id, "\n\n", parent, out) })
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
            "turn/started" => self.turn_started(&read::<wire::About<'_>>(params)?),
            "turn/completed" => self.turn_completed(read(params)?, out),
            "thread/started" => {
                let started: wire::ThreadStarted = read(params)?;
                Some(self.threads.started(started.thread))
            }
            "thread/tokenUsage/updated" => self.usage(&read(params)?, out),
            "serverRequest/resolved" => {
                let resolved: wire::RequestResolved = read(params)?;
                Some(if self.approvals.resolved(&resolved.request_id) { Fate::Kept } else { Fate::Noise })
            }
            "account/rateLimits/updated" => Some(self.rate_limits(&read(params)?, out)),
            _ => remark(method, params, out),
        }
    }

    fn item(&mut self, news: wire::ItemNews, over: bool, out: &mut Output) -> Option<Fate> {
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
        self.items.completed(item, parent, out)
    }

    fn plan(&mut self, updated: wire::PlanUpdated, out: &mut Output) -> Option<Fate> {
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
            return Some(Fate::Noise);
        }
        self.plan.clone_from(&entries);
        out.event(StreamEvent::Plan { entries });
        Some(Fate::Told)
    }

    fn turn_started(&mut self, about: &wire::About<'_>) -> Option<Fate> {
        if self.threads.parent_of(&about.thread_id)?.is_some() {
            return Some(Fate::Noise);
        }
        self.turn_begun = true;
        self.last_message.clear();
        Some(Fate::Kept)
    }

    fn turn_completed(&mut self, completed: wire::TurnCompleted, out: &mut Output) -> Option<Fate> {
        if self.threads.parent_of(&completed.thread_id)?.is_some() {
            return Some(Fate::Noise);
        }
        let error = completed.turn.error.unwrap_or_default();
        let end = match completed.turn.status {
            wire::TurnStatus::Completed => Ok(std::mem::take(&mut self.last_message)),
            wire::TurnStatus::Interrupted => Err(Failure::new(Cause::AgentError, "the turn was interrupted")),
            wire::TurnStatus::Failed if error.message.is_empty() => Err(Failure::new(Cause::AgentError, "the turn failed")),
            wire::TurnStatus::Failed => Err(errors::failure(&error.codex_error_info, &error.message)),
            wire::TurnStatus::Unknown => return None,
        };
        out.items.push(Item::TurnEnded(end));
        Some(Fate::Told)
    }

    fn usage(&mut self, updated: &wire::UsageUpdated, out: &mut Output) -> Option<Fate> {
        self.threads.parent_of(&updated.thread_id)?;
        if !self.turn_begun {
            self.meter.begin(&updated.thread_id, &updated.token_usage);
            return Some(Fate::Kept);
        }
        let Some(usage) = self.meter.add(&updated.thread_id, &updated.token_usage) else { return Some(Fate::Noise) };
        out.event(StreamEvent::Usage(usage));
        Some(Fate::Told)
    }

    fn rate_limits(&mut self, updated: &wire::LimitsUpdated, out: &mut Output) -> Fate {
        let limits = &updated.rate_limits;
        if limits.rate_limit_reached_type == self.limits {
            return Fate::Noise;
        }
        self.limits.clone_from(&limits.rate_limit_reached_type);
        let Some(reached) = &self.limits else { return Fate::Kept };
        let windows = [&limits.primary, &limits.secondary].into_iter().flatten().filter(|window| window.used_percent >= 100);
        // With both used up, nothing goes before the later one.
        let resets_at = windows.filter_map(|window| window.resets_at).max();
        let data = resets_at.map(|secs| json!({ "resets_at": Timestamp::from_millis(secs.saturating_mul(1000)) }));
        let message = format!("the provider's limit is reached: {reached}");
        out.event(StreamEvent::Notice { level: Level::Warning, code: NoticeCode::RateLimited, message, data });
        Fate::Told
    }
}

impl Parser for AppServer {
    fn open(&mut self, out: &mut Output) {
        let client = json!({ "name": "openrunner", "title": "OpenRunner", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "clientInfo": client, "capabilities": { "optOutNotificationMethods": UNWANTED } });
        self.call(INITIALIZE, "initialize", &params, out);
    }

    fn line(&mut self, line: &str, out: &mut Output) -> Fate {
        let Ok(mut said) = serde_json::from_str::<Line<'_>>(line) else { return out.raw(line) };
        let understood = match (said.method.take(), said.id.take()) {
            (Some(method), Some(id)) => self.request(&method.0, id, said.params, out),
            (Some(method), None) => self.notification(&method.0, said.params, out),
            (None, Some(id)) => self.response(&id, &said, out),
            (None, None) => None,
        };
        understood.unwrap_or_else(|| out.raw(line))
    }

    fn answer(&mut self, request: &str, answer: &Answer, out: &mut Output) {
        let Answer::Permission { decision, .. } = answer else { return };
        let decision = *decision;
        self.approvals.decide(request, decision, out);
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<Failure> {
        errors::diagnose(exit, stderr_tail)
    }
}

/// The threads of the process that are ours: the one that we opened, and those of its sub-agents.
#[derive(Debug, Default)]
struct Threads {
    ours: Option<String>,
    /// Thread of a sub-agent → the tool call that it works for, or its own id where that was not told.
    sub_agents: HashMap<String, String>,
}

impl Threads {
    /// The tool call that a thread works for: `Some(None)` for our own thread, `None` for one that we know nothing of.
    #[expect(clippy::option_option, reason = "the outer one says whether the thread is known, the inner one whether it is a sub-agent's")]
    fn parent_of(&self, thread: &str) -> Option<Option<&str>> {
        if self.ours.as_deref() == Some(thread) {
            return Some(None);
        }
        self.sub_agents.get(thread).map(|call| Some(call.as_str()))
    }

    fn started(&mut self, thread: wire::NewThread) -> Fate {
        let known = thread.parent_thread_id.is_some_and(|parent| self.parent_of(&parent).is_some());
        if !known || self.sub_agents.contains_key(&thread.id) {
            return Fate::Noise;
        }
        self.sub_agents.insert(thread.id.clone(), thread.id);
        Fate::Kept
    }

    fn called(&mut self, threads: &[String], call: &str) {
        for thread in threads {
            let unnamed = self.sub_agents.get(thread).is_none_or(|known| known == thread);
            if unnamed && self.ours.as_ref() != Some(thread) {
                self.sub_agents.insert(thread.clone(), call.to_owned());
            }
        }
    }
}

/// Notifications that are remarks of the program: errors and warnings. `None` if it is neither those nor noise.
fn remark(method: &str, params: Option<&RawValue>, out: &mut Output) -> Option<Fate> {
    let warning = |message: String| StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message);
    match method {
        "error" => {
            let wire::ErrorNews { error, will_retry } = read(params)?;
            let (info, details) = (&error.codex_error_info, error.additional_details.as_deref());
            if will_retry {
                out.items.extend(errors::retrying(info, &error.message, details).into_iter().map(Item::Event));
            } else {
                let Failure { cause, message } = errors::failure(info, &error.message);
                out.event(StreamEvent::Error { code: cause.as_str().to_owned(), message, retryable: false });
            }
        }
        "configWarning" | "deprecationNotice" | "warning" | "guardianWarning" => {
            let wire::Warning { summary, details } = read(params)?;
            out.event(warning(details.map_or(summary.clone(), |details| format!("{summary} {details}"))));
        }
        "model/rerouted" => {
            let rerouted: wire::Rerouted = read(params)?;
            out.event(warning(format!("the provider answers with {} instead of {}", rerouted.to_model, rerouted.from_model)));
        }
        "mcpServer/startupStatus/updated" => {
            let startup: wire::McpStartup = read(params)?;
            if startup.status != "failed" {
                return Some(Fate::Noise);
            }
            out.event(warning(format!("MCP server {} did not start: {}", startup.name, startup.error.unwrap_or_default())));
        }
        _ => return NOISE.contains(&method).then_some(Fate::Noise),
    }
    Some(Fate::Told)
}

fn tool_output(id: &str, content: &str, out: &mut Output) -> Fate {
    out.event(StreamEvent::ToolOutput { id: id.to_owned(), content: content.to_owned() });
    Fate::Told
}

/// Ends the turn: without this answer nothing can follow. Gives nothing, so that the line is kept as a raw event as well.
fn unreadable<T>(out: &mut Output) -> Option<T> {
    out.items.push(Item::TurnEnded(Err(Failure::new(Cause::Protocol, "codex app-server gave an answer of an unknown form"))));
    None
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
