//! Items: the messages, thoughts and tool calls of a turn, and what they become in the log.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::{FileUpdate, Item, PatchKind, Status};
use super::{diff, tools};
use crate::agent::{Item as Told, LineOutcome, Output};
use crate::types::{Delta, Level, NoticeCode, Role, StreamEvent, ToolKind, ToolStatus};

/// What is known of the items that have begun.
#[derive(Debug)]
pub(super) struct Items {
    dir: PathBuf,
    /// Tool calls that were told and are not over.
    open: BTreeMap<String, Open>,
    /// Those whose end we have told ourselves.
    cut: HashSet<String>,
    /// The thought whose pieces were told last: its whole is not told again.
    thought: Option<String>,
}

/// A tool call that is not over.
#[derive(Debug)]
struct Open {
    input: Value,
    /// Whether it is a command of our own thread, which outlives its turn.
    runs_on: bool,
}

/// What decides whether a call is cut short.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenCall<'a> {
    pub(super) id: &'a str,
    /// Whether it is a command of our own thread, which outlives its turn.
    pub(super) runs_on: bool,
}

impl Items {
    /// Of an agent that works in `dir`.
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, open: BTreeMap::new(), cut: HashSet::new(), thought: None }
    }

    /// The input of a tool call that is not over.
    pub(super) fn input(&self, id: &str) -> Option<&Value> {
        self.open.get(id).map(|call| &call.input)
    }

    /// Whether commands of our own thread are not over.
    pub(super) fn commands_run(&self) -> bool {
        self.open.values().any(|call| call.runs_on)
    }

    /// Tells the end of those calls that `over` chooses: a turn has ended, and nobody else tells it. `denied` were not allowed.
    pub(super) fn cut_short(&mut self, over: impl Fn(OpenCall<'_>) -> bool, denied: &[String], out: &mut Output) {
        let chosen: Vec<String> =
            self.open.iter().filter(|(id, call)| over(OpenCall { id, runs_on: call.runs_on })).map(|(id, _)| id.clone()).collect();
        for id in chosen {
            self.open.remove(&id);
            let status = if denied.contains(&id) { ToolStatus::Denied } else { ToolStatus::Error };
            out.emit(tools::result(&id, status, "the turn was interrupted".to_owned(), None));
            self.cut.insert(id);
        }
    }

    /// The changes of a patch that is still being written.
    pub(super) fn patch_updated(&mut self, id: &str, changes: &Value) -> Option<LineOutcome> {
        self.open.get_mut(id)?.input = json!({ "changes": changes });
        Some(LineOutcome::Buffered)
    }

    /// A piece of a message.
    pub(super) fn token(id: &str, text: &str, parent: Option<&str>, out: &mut Output) -> LineOutcome {
        out.emit(StreamEvent::Token { content: piece(id, text, parent) });
        LineOutcome::Emitted
    }

    /// A piece of a thought.
    pub(super) fn thinking(&mut self, id: &str, text: &str, parent: Option<&str>, out: &mut Output) -> LineOutcome {
        if self.thought.as_deref() != Some(id) {
            self.thought = Some(id.to_owned());
        }
        out.emit(StreamEvent::Thinking { content: piece(id, text, parent) });
        LineOutcome::Emitted
    }

    /// An item has begun. `None` if it is not known.
    pub(super) fn started(&mut self, item: &Item, parent: Option<&str>, out: &mut Output) -> Option<LineOutcome> {
        match item {
            // What they hold comes in pieces, and whole when they are over.
            Item::UserMessage {} | Item::AgentMessage { .. } | Item::Plan { .. } | Item::Reasoning { .. } | Item::ContextCompaction {} => {
                return Some(LineOutcome::Ignored);
            }
            // What is searched for is often told only at the end.
            Item::WebSearch { query, .. } if query.is_empty() => return Some(LineOutcome::Ignored),
            _ => {}
        }
        let call = call_of(item)?;
        self.tell_call(call, parent, out);
        Some(LineOutcome::Emitted)
    }

    /// An item is over. `None` if it is not known.
    pub(super) fn completed(&mut self, item: Item, parent: Option<&str>, out: &mut Output) -> Option<LineOutcome> {
        if let Some(call) = call_of(&item) {
            if self.cut.contains(&call.id) {
                return Some(LineOutcome::Ignored);
            }
            // Every result has its call before it, even where the beginning was not told.
            if self.open.remove(&call.id).is_none() {
                self.tell_call(call, parent, out);
            }
            if let Item::FileChange { changes, status: Status::Completed, .. } = &item {
                for update in file_updates(changes) {
                    out.items.extend(diff::file_changes(&update, &self.dir).into_iter().map(Told::Event));
                }
            }
            let (id, status, content, duration_ms) = result_of(item)?;
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
            Item::Reasoning { id, summary, content } if self.thought.as_ref() != Some(&id) => {
                let whole = if summary.is_empty() { content.join("\n\n") } else { summary.join("\n\n") };
                Some(if whole.is_empty() { LineOutcome::Ignored } else { self.thinking(&id, &whole, parent, out) })
            }
            Item::ContextCompaction {} => {
                out.emit(StreamEvent::notice(Level::Info, NoticeCode::AgentWarning, "the agent shortened its conversation"));
                Some(LineOutcome::Emitted)
            }
            Item::Unknown => None,
            _ => Some(LineOutcome::Ignored),
        }
    }

    fn tell_call(&mut self, call: Call, parent: Option<&str>, out: &mut Output) {
        out.emit(tools::call(&call.id, &call.name, call.kind, &call.title, call.input.clone(), parent));
        let runs_on = parent.is_none() && call.name == tools::COMMAND;
        self.open.insert(call.id, Open { input: call.input, runs_on });
    }
}

fn piece(id: &str, text: &str, parent: Option<&str>) -> Delta {
    Delta { text: text.to_owned(), message_id: Some(id.to_owned()), parent_tool_call_id: parent.map(str::to_owned) }
}

/// An item as a tool call.
struct Call {
    id: String,
    name: String,
    kind: ToolKind,
    title: String,
    input: Value,
}

fn call_of(item: &Item) -> Option<Call> {
    let call = |id: &String, name: &str, kind, title: String, input| Call { id: id.clone(), name: name.to_owned(), kind, title, input };
    Some(match item {
        Item::CommandExecution { id, command, cwd, command_actions, .. } => {
            // Without the shell around it, where Codex could take the command apart to just one.
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
            call(id, tools::PATCH, kind, list(&updates).join(", "), json!({ "changes": changes }))
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

type ToolEnd = (String, ToolStatus, String, Option<i64>);

fn result_of(item: Item) -> Option<ToolEnd> {
    Some(match item {
        Item::CommandExecution { id, status, aggregated_output, exit_code, duration_ms, .. } => {
            (id, ended(status), tools::command_output(aggregated_output, exit_code), duration_ms)
        }
        Item::FileChange { id, changes, status } => (id, ended(status), list(&file_updates(&changes)).join("\n"), None),
        Item::McpToolCall { id, status, result, error, duration_ms, .. } => {
            let content = error.map_or_else(|| result.map(|result| tools::mcp_text(&result.content)).unwrap_or_default(), |e| e.message);
            (id, ended(status), content, duration_ms)
        }
        Item::DynamicToolCall { id, status, content_items, duration_ms, .. } => {
            (id, ended(status), tools::mcp_text(&content_items.unwrap_or_default()), duration_ms)
        }
        Item::CollabAgentToolCall { id, status, agents_states, .. } => (id, ended(status), shown(&agents_states), None),
        Item::WebSearch { id, results, .. } => (id, ToolStatus::Ok, shown(&results), None),
        Item::ImageView { id, .. } => (id, ToolStatus::Ok, String::new(), None),
        _ => return None,
    })
}

fn ended(status: Status) -> ToolStatus {
    match status {
        Status::Completed => ToolStatus::Ok,
        Status::Declined => ToolStatus::Denied,
        Status::Failed | Status::InProgress | Status::Unknown => ToolStatus::Error,
    }
}

/// The files of a patch that have the form that we know.
fn file_updates(changes: &Value) -> Vec<FileUpdate> {
    changes.as_array().into_iter().flatten().filter_map(|change| FileUpdate::deserialize(change).ok()).collect()
}

/// One line for each file of a patch.
fn list(updates: &[FileUpdate]) -> Vec<String> {
    let told = |update: &FileUpdate| match &update.kind {
        PatchKind::Add => format!("create {}", update.path),
        PatchKind::Delete => format!("delete {}", update.path),
        PatchKind::Update { move_path: None } => format!("update {}", update.path),
        PatchKind::Update { move_path: Some(to) } => format!("move {} to {to}", update.path),
    };
    updates.iter().map(told).collect()
}

/// JSON for a person: nothing for nothing, text as text.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
