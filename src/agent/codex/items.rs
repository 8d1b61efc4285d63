//! Items of a turn (messages, reasoning, tool calls) and their conversion into events.

use std::collections::HashSet;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::open_calls::{OpenCall, OpenCalls};
use super::wire::{FileUpdate, Item, PatchKind, Status};
use super::{diff, tools};
use crate::agent::common::CallIds;
use crate::agent::{Item as OutputItem, LineOutcome, Output};
use crate::types::{Delta, Level, NoticeCode, Role, StreamEvent, TaskKind, TaskStatus, ToolKind, ToolStatus};

/// Maximum number of calls with an early result whose own result is still expected. Above it, the results that follow count as new calls.
const MAX_ENDED_EARLY: usize = 1024;

/// The state of the items of one process.
#[derive(Debug)]
pub(super) struct Items {
    dir: PathBuf,
    calls: CallIds,
    open: OpenCalls,
    /// Codex's ids of the tool calls whose result was emitted at the end of their turn. A later result is ignored.
    ended_early: HashSet<String>,
    /// The reasoning item that was streamed last. It is not emitted again when it completes.
    streamed_reasoning: Option<String>,
}

/// An open tool call, as passed to the filter of [`Items::end_open_calls`].
#[derive(Clone, Copy, Debug)]
pub(super) struct CallInfo<'a> {
    pub(super) id: &'a str,
    /// Whether it is a command of the run's own thread, which survives the interrupt of its turn.
    pub(super) survives_turn: bool,
}

impl Items {
    /// For an agent that works in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, calls: CallIds::default(), open: OpenCalls::default(), ended_early: HashSet::new(), streamed_reasoning: None }
    }

    /// The input of an open tool call, by its id in the log.
    pub(super) fn input(&self, id: &str) -> Option<&Value> {
        self.open.get(id).map(|call| &call.input)
    }

    /// The id in the log of the call that an approval request for `tool` is about. `item` is Codex's id.
    pub(super) fn requested(&mut self, item: &str, tool: &str) -> String {
        self.calls.requested(item, tool)
    }

    /// The id in the log of the current call with Codex's id `item`.
    pub(super) fn current(&self, item: &str) -> String {
        self.calls.current(item)
    }

    /// Reports the running commands of the run's own thread as tasks in the background, since their turn has ended.
    pub(super) fn announce_tasks(&mut self, out: &mut Output) {
        for (id, call) in self.open.iter_mut().filter(|(_, call)| call.survives_turn && !call.is_task) {
            call.is_task = true;
            let (kind, title) = (TaskKind::Command, tools::one_line(&call.title));
            out.emit(StreamEvent::TaskStarted { id: id.to_owned(), kind, title, tool_call_id: Some(id.to_owned()) });
        }
    }

    /// Whether commands of the run's own thread are running.
    pub(super) fn has_running_commands(&self) -> bool {
        self.open.iter().any(|(_, call)| call.survives_turn)
    }

    /// Emits the results of the open calls that `filter` selects, at the end of their turn. Codex does not report them.
    pub(super) fn end_open_calls(&mut self, filter: impl Fn(CallInfo<'_>) -> bool, is_denied: impl Fn(&str) -> bool, out: &mut Output) {
        let selected = self.open.iter().filter(|(id, call)| filter(CallInfo { id, survives_turn: call.survives_turn }));
        let selected: Vec<String> = selected.map(|(id, _)| id.to_owned()).collect();
        for id in selected {
            let Some(call) = self.open.remove(&id) else { continue };
            let status = if is_denied(&id) { ToolStatus::Denied } else { ToolStatus::Error };
            self.end_early(&id, call, status, "the turn was interrupted", out);
        }
    }

    /// Emits the result of a call whose own result, if any follows, is ignored.
    fn end_early(&mut self, id: &str, call: OpenCall, status: ToolStatus, content: &str, out: &mut Output) {
        out.emit(tools::result(id, status, content.to_owned(), None));
        if call.is_task {
            out.emit(StreamEvent::TaskEnded { id: id.to_owned(), status: TaskStatus::Stopped, message: None });
        }
        self.calls.remove(id);
        if self.ended_early.len() >= MAX_ENDED_EARLY {
            self.ended_early.clear();
        }
        self.ended_early.insert(call.item);
    }

    /// Ends calls that are no longer followed.
    fn end_dropped(&mut self, dropped: Vec<(String, OpenCall)>, out: &mut Output) {
        for (id, call) in dropped {
            self.end_early(&id, call, ToolStatus::Error, "the call is no longer followed, because too many are open", out);
        }
    }

    /// Updates the changes of a patch that is being written.
    pub(super) fn update_patch(&mut self, item: &str, changes: &Value, out: &mut Output) -> Option<LineOutcome> {
        let dropped = self.open.set_input(&self.calls.current(item), json!({ "changes": changes }), out)?;
        let outcome = if dropped.is_empty() { LineOutcome::Buffered } else { LineOutcome::Emitted };
        self.end_dropped(dropped, out);
        Some(outcome)
    }

    /// Emits a delta of a message.
    pub(super) fn emit_token(id: &str, text: &str, parent: Option<&str>, out: &mut Output) -> LineOutcome {
        out.emit(StreamEvent::Token { content: delta(id, text, parent) });
        LineOutcome::Emitted
    }

    /// Emits a delta of reasoning.
    pub(super) fn emit_thinking(&mut self, id: &str, text: &str, parent: Option<&str>, out: &mut Output) -> LineOutcome {
        if self.streamed_reasoning.as_deref() != Some(id) {
            self.streamed_reasoning = Some(id.to_owned());
        }
        out.emit(StreamEvent::Thinking { content: delta(id, text, parent) });
        LineOutcome::Emitted
    }

    /// Handles the start of an item. `None` if its type is unknown.
    pub(super) fn handle_started(&mut self, item: &Item, parent: Option<&str>, out: &mut Output) -> Option<LineOutcome> {
        match item {
            // Their content arrives as deltas, and completely at their end.
            Item::UserMessage {} | Item::AgentMessage { .. } | Item::Plan { .. } | Item::Reasoning { .. } | Item::ContextCompaction {} => {
                return Some(LineOutcome::Ignored);
            }
            // The query is often reported only at the end.
            Item::WebSearch { query, .. } if query.is_empty() => return Some(LineOutcome::Ignored),
            _ => {}
        }
        let call = parse_tool_call(item)?;
        self.emit_call(call, parent, out);
        Some(LineOutcome::Emitted)
    }

    /// Handles the end of an item. `None` if its type is unknown. `is_stopped` states whether the run has its commands terminated.
    pub(super) fn handle_completed(&mut self, item: Item, parent: Option<&str>, is_stopped: bool, out: &mut Output) -> Option<LineOutcome> {
        if let Some(call) = parse_tool_call(&item) {
            let item_id = call.id.clone();
            let known = self.calls.close(parent, &item_id);
            if known.is_none() && self.ended_early.remove(&item_id) {
                return Some(LineOutcome::Ignored);
            }
            // Every result is preceded by its call, even if no start was reported.
            let id = known.unwrap_or_else(|| {
                self.emit_call(call, parent, out);
                self.calls.close(parent, &item_id).unwrap_or(item_id)
            });
            let is_task = self.open.remove(&id).is_some_and(|call| call.is_task);
            if let Item::FileChange { changes, status: Status::Completed, .. } = &item {
                for update in file_updates(changes) {
                    out.items.extend(diff::file_changes(&update, &self.dir).into_iter().map(OutputItem::Event));
                }
            }
            let (status, content, duration_ms) = parse_tool_result(item)?;
            out.emit(tools::result(&id, status, content, duration_ms));
            if is_task {
                let status = match status {
                    _ if is_stopped => TaskStatus::Stopped,
                    ToolStatus::Ok => TaskStatus::Completed,
                    ToolStatus::Error | ToolStatus::Denied => TaskStatus::Failed,
                };
                out.emit(StreamEvent::TaskEnded { id, status, message: None });
            }
            return Some(LineOutcome::Emitted);
        }
        match item {
            Item::AgentMessage { id, text } | Item::Plan { id, text } if !text.is_empty() => {
                let parent_tool_call_id = parent.map(str::to_owned);
                out.emit(StreamEvent::Message { role: Role::Assistant, content: text, message_id: Some(id), parent_tool_call_id });
                Some(LineOutcome::Emitted)
            }
            Item::Reasoning { id, summary, content } if self.streamed_reasoning.as_ref() != Some(&id) => {
                let text = if summary.is_empty() { content.join("\n\n") } else { summary.join("\n\n") };
                Some(if text.is_empty() { LineOutcome::Ignored } else { self.emit_thinking(&id, &text, parent, out) })
            }
            Item::ContextCompaction {} => {
                out.emit(StreamEvent::notice(Level::Info, NoticeCode::AgentWarning, "the agent compacted its conversation"));
                Some(LineOutcome::Emitted)
            }
            Item::Unknown => None,
            _ => Some(LineOutcome::Ignored),
        }
    }

    fn emit_call(&mut self, call: ToolCallParts, parent: Option<&str>, out: &mut Output) {
        let id = self.calls.open(parent, &call.id, &call.name);
        out.emit(tools::call(&id, &call.name, call.kind, &call.title, call.input.clone(), parent));
        let survives_turn = parent.is_none() && call.name == tools::COMMAND;
        self.ended_early.remove(&call.id);
        let ToolCallParts { id: item, title, input, .. } = call;
        let dropped = self.open.insert(&id, OpenCall::new(item, title, input, survives_turn), out);
        self.end_dropped(dropped, out);
    }
}

fn delta(id: &str, text: &str, parent: Option<&str>) -> Delta {
    Delta { text: text.to_owned(), message_id: Some(id.to_owned()), parent_tool_call_id: parent.map(str::to_owned) }
}

/// An item as a tool call.
struct ToolCallParts {
    id: String,
    name: String,
    kind: ToolKind,
    title: String,
    input: Value,
}

fn parse_tool_call(item: &Item) -> Option<ToolCallParts> {
    let call =
        |id: &String, name: &str, kind, title: String, input| ToolCallParts { id: id.clone(), name: name.to_owned(), kind, title, input };
    Some(match item {
        Item::CommandExecution { id, command, cwd, command_actions, .. } => {
            // Without the surrounding shell, if Codex parsed the command as a single one.
            let title = match command_actions.as_slice() {
                [only] if !only.command.is_empty() => only.command.clone(),
                _ => command.clone(),
            };
            call(id, tools::COMMAND, ToolKind::Execute, title, json!({ "command": command, "cwd": cwd }))
        }
        Item::FileChange { id, changes, .. } => {
            let updates = file_updates(changes);
            let only_deletes = !updates.is_empty() && updates.iter().all(|update| matches!(update.kind, PatchKind::Delete));
            let kind = if only_deletes { ToolKind::Delete } else { ToolKind::Edit };
            call(id, tools::PATCH, kind, describe_updates(&updates).join(", "), json!({ "changes": changes }))
        }
        Item::McpToolCall { id, server, tool, arguments, .. } => {
            let name = tools::mcp_name(server, tool);
            call(id, &name, ToolKind::Other, name.clone(), arguments.clone())
        }
        Item::DynamicToolCall { id, tool, arguments, .. } => call(id, tool, ToolKind::Other, tool.clone(), arguments.clone()),
        Item::CollabAgentToolCall { id, tool, prompt, receiver_thread_ids, .. } => {
            let title = prompt.as_ref().map_or_else(|| tool.clone(), |prompt| format!("{tool}: {prompt}"));
            call(id, tool, ToolKind::Other, title, json!({ "prompt": prompt, "agents": receiver_thread_ids }))
        }
        Item::WebSearch { id, query, action, .. } => {
            let opened = action.get("url").and_then(Value::as_str);
            let (kind, title) = opened.map_or((ToolKind::Search, query.as_str()), |url| (ToolKind::Fetch, url));
            call(id, tools::WEB_SEARCH, kind, title.to_owned(), json!({ "query": query, "action": action }))
        }
        Item::ImageView { id, path } => call(id, tools::IMAGE_VIEW, ToolKind::Read, path.clone(), json!({ "path": path })),
        _ => return None,
    })
}

type ToolResultParts = (ToolStatus, String, Option<i64>);

fn parse_tool_result(item: Item) -> Option<ToolResultParts> {
    Some(match item {
        Item::CommandExecution { status, aggregated_output, exit_code, duration_ms, .. } => {
            (tool_status(status), tools::command_output(aggregated_output, exit_code), duration_ms)
        }
        Item::FileChange { changes, status, .. } => (tool_status(status), describe_updates(&file_updates(&changes)).join("\n"), None),
        Item::McpToolCall { status, result, error, duration_ms, .. } => {
            let content = error.map_or_else(|| result.map(|result| tools::mcp_text(&result.content)).unwrap_or_default(), |e| e.message);
            (tool_status(status), content, duration_ms)
        }
        Item::DynamicToolCall { status, content_items, duration_ms, .. } => {
            (tool_status(status), tools::mcp_text(&content_items.unwrap_or_default()), duration_ms)
        }
        Item::CollabAgentToolCall { status, agents_states, .. } => (tool_status(status), display_json(&agents_states), None),
        Item::WebSearch { results, .. } => (ToolStatus::Ok, display_json(&results), None),
        Item::ImageView { .. } => (ToolStatus::Ok, "[image]".to_owned(), None),
        _ => return None,
    })
}

fn tool_status(status: Status) -> ToolStatus {
    match status {
        Status::Completed => ToolStatus::Ok,
        Status::Declined => ToolStatus::Denied,
        Status::Failed | Status::InProgress | Status::Unknown => ToolStatus::Error,
    }
}

/// The files of a patch that have the known format.
fn file_updates(changes: &Value) -> Vec<FileUpdate> {
    changes.as_array().into_iter().flatten().filter_map(|change| FileUpdate::deserialize(change).ok()).collect()
}

/// One line per file of a patch.
fn describe_updates(updates: &[FileUpdate]) -> Vec<String> {
    let describe = |update: &FileUpdate| match &update.kind {
        PatchKind::Add => format!("create {}", update.path),
        PatchKind::Delete => format!("delete {}", update.path),
        PatchKind::Update { move_path: None } => format!("update {}", update.path),
        PatchKind::Update { move_path: Some(to) } => format!("move {} to {to}", update.path),
    };
    updates.iter().map(describe).collect()
}

/// JSON for display: null is empty, and a string is its text.
fn display_json(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
