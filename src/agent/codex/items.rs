//! Items of a turn (messages, reasoning, tool calls) and their conversion into events.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::{FileUpdate, Item, PatchKind, Status};
use super::{diff, tools};
use crate::agent::{Item as OutputItem, LineOutcome, Output};
use crate::types::{Delta, Level, NoticeCode, Role, StreamEvent, ToolKind, ToolStatus};

/// The state of the items of one process.
#[derive(Debug)]
pub(super) struct Items {
    dir: PathBuf,
    /// Tool calls without a result.
    open: BTreeMap<String, OpenToolCall>,
    /// Tool calls whose result was emitted at the end of their turn. A later result is ignored.
    ended_early: HashSet<String>,
    /// The reasoning item that was streamed last. It is not emitted again when it completes.
    streamed_reasoning: Option<String>,
}

/// A tool call without a result.
#[derive(Debug)]
struct OpenToolCall {
    input: Value,
    /// Whether it is a command of the run's own thread, which survives the interrupt of its turn.
    survives_turn: bool,
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
        Self { dir, open: BTreeMap::new(), ended_early: HashSet::new(), streamed_reasoning: None }
    }

    /// The input of an open tool call.
    pub(super) fn input(&self, id: &str) -> Option<&Value> {
        self.open.get(id).map(|call| &call.input)
    }

    /// Whether commands of the run's own thread are running.
    pub(super) fn has_running_commands(&self) -> bool {
        self.open.values().any(|call| call.survives_turn)
    }

    /// Emits the results of the open calls that `filter` selects, at the end of their turn. Codex does not report them. `denied` are the
    /// calls that were denied.
    pub(super) fn end_open_calls(&mut self, filter: impl Fn(CallInfo<'_>) -> bool, denied: &[String], out: &mut Output) {
        let selected: Vec<String> = self
            .open
            .iter()
            .filter(|(id, call)| filter(CallInfo { id, survives_turn: call.survives_turn }))
            .map(|(id, _)| id.clone())
            .collect();
        for id in selected {
            self.open.remove(&id);
            let status = if denied.contains(&id) { ToolStatus::Denied } else { ToolStatus::Error };
            out.emit(tools::result(&id, status, "the turn was interrupted".to_owned(), None));
            self.ended_early.insert(id);
        }
    }

    /// Updates the changes of a patch that is being written.
    pub(super) fn update_patch(&mut self, id: &str, changes: &Value) -> Option<LineOutcome> {
        self.open.get_mut(id)?.input = json!({ "changes": changes });
        Some(LineOutcome::Buffered)
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

    /// Handles the end of an item. `None` if its type is unknown.
    pub(super) fn handle_completed(&mut self, item: Item, parent: Option<&str>, out: &mut Output) -> Option<LineOutcome> {
        if let Some(call) = parse_tool_call(&item) {
            if self.ended_early.contains(&call.id) {
                return Some(LineOutcome::Ignored);
            }
            // Every result is preceded by its call, even if no start was reported.
            if self.open.remove(&call.id).is_none() {
                self.emit_call(call, parent, out);
            }
            if let Item::FileChange { changes, status: Status::Completed, .. } = &item {
                for update in file_updates(changes) {
                    out.items.extend(diff::file_changes(&update, &self.dir).into_iter().map(OutputItem::Event));
                }
            }
            let (id, status, content, duration_ms) = parse_tool_result(item)?;
            self.open.remove(&id);
            out.emit(tools::result(&id, status, content, duration_ms));
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
        out.emit(tools::call(&call.id, &call.name, call.kind, &call.title, call.input.clone(), parent));
        let survives_turn = parent.is_none() && call.name == tools::COMMAND;
        self.open.insert(call.id, OpenToolCall { input: call.input, survives_turn });
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

type ToolResultParts = (String, ToolStatus, String, Option<i64>);

fn parse_tool_result(item: Item) -> Option<ToolResultParts> {
    Some(match item {
        Item::CommandExecution { id, status, aggregated_output, exit_code, duration_ms, .. } => {
            (id, tool_status(status), tools::command_output(aggregated_output, exit_code), duration_ms)
        }
        Item::FileChange { id, changes, status } => (id, tool_status(status), describe_updates(&file_updates(&changes)).join("\n"), None),
        Item::McpToolCall { id, status, result, error, duration_ms, .. } => {
            let content = error.map_or_else(|| result.map(|result| tools::mcp_text(&result.content)).unwrap_or_default(), |e| e.message);
            (id, tool_status(status), content, duration_ms)
        }
        Item::DynamicToolCall { id, status, content_items, duration_ms, .. } => {
            (id, tool_status(status), tools::mcp_text(&content_items.unwrap_or_default()), duration_ms)
        }
        Item::CollabAgentToolCall { id, status, agents_states, .. } => (id, tool_status(status), display_json(&agents_states), None),
        Item::WebSearch { id, results, .. } => (id, ToolStatus::Ok, display_json(&results), None),
        Item::ImageView { id, .. } => (id, ToolStatus::Ok, String::new(), None),
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
