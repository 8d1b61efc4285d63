//! The one-shot mode: `codex exec --json`. The prompt goes in, finished items come out: no deltas, no approvals, no diffs.
//!
//! The shapes are those of the recordings in `tests/transcripts/codex` whose names do not begin with `appserver`; those of MCP
//! tools and web searches were found in the program and not recorded.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::usage::usage as usage_of;
use super::wire::Tokens;
use super::{errors, tools};
use crate::agent::{Installed, Item as Told, LineOutcome, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{Delta, FileChangeKind, Level, NoticeCode, PlanEntry, PlanStatus, Role, StreamEvent, ToolKind, ToolStatus};

/// Any line.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Line {
    #[serde(rename = "thread.started")]
    ThreadStarted { thread_id: String },
    #[serde(rename = "turn.started")]
    TurnStarted {},
    /// Its tokens are those since the thread began, in whichever process (recordings `resume_1` to `resume_4`).
    #[serde(rename = "turn.completed")]
    TurnCompleted { usage: Tokens },
    #[serde(rename = "turn.failed")]
    TurnFailed { error: Message },
    #[serde(rename = "error")]
    Error { message: String },
    #[serde(rename = "item.started")]
    ItemStarted { item: Item },
    #[serde(rename = "item.updated")]
    ItemUpdated { item: Item },
    #[serde(rename = "item.completed")]
    ItemCompleted { item: Item },
}

/// What went wrong.
#[derive(Debug, Deserialize)]
struct Message {
    message: String,
}

/// One thing of a turn.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Item {
    AgentMessage {
        id: String,
        text: String,
    },
    Reasoning {
        id: String,
        text: String,
    },
    CommandExecution {
        id: String,
        command: String,
        aggregated_output: Option<String>,
        exit_code: Option<i64>,
        status: Status,
    },
    FileChange {
        id: String,
        changes: Value,
        status: Status,
    },
    TodoList {
        items: Vec<Todo>,
    },
    McpToolCall {
        id: String,
        server: String,
        tool: String,
        #[serde(default)]
        arguments: Value,
        result: Option<McpResult>,
        error: Option<Message>,
        status: Status,
    },
    WebSearch {
        id: String,
        #[serde(default)]
        query: String,
    },
    /// A warning, in spite of its name (recording `text_unknown_model`).
    Error {
        message: String,
    },
    #[serde(other)]
    Unknown,
}

/// How far an item is.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Completed,
    Declined,
    #[serde(other)]
    Other,
}

/// One step of a plan. Which one is being worked on is not told.
#[derive(Debug, Deserialize)]
struct Todo {
    text: String,
    #[serde(default)]
    completed: bool,
}

/// One file of a patch.
#[derive(Debug, Deserialize)]
struct Change {
    path: String,
    kind: ChangeKind,
}

/// What a patch does to a file.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChangeKind {
    Add,
    Delete,
    Update,
}

/// What an MCP tool gave back.
#[derive(Debug, Deserialize)]
struct McpResult {
    #[serde(default)]
    content: Vec<Value>,
}

/// Parser of `codex exec --json`.
#[derive(Debug)]
pub(super) struct Exec {
    prompt: String,
    /// The installed program's: the protocol of this mode does not tell it.
    version: Option<String>,
    model: Option<String>,
    /// Whether the thread is older than this process, so that its tokens are not this process's.
    resumed: bool,
    open: HashSet<String>,
    plan: Vec<PlanEntry>,
    last_message: String,
}

impl Exec {
    /// For one process that carries out `task`.
    pub(super) fn new(task: &Task, installed: &Installed) -> Self {
        Self {
            prompt: task.spec.prompt.clone(),
            version: installed.version.clone(),
            model: task.spec.model.clone(),
            resumed: task.resume.is_some(),
            open: HashSet::new(),
            plan: Vec::new(),
            last_message: String::new(),
        }
    }

    /// Any line that is known by its form. `None` if what it holds is not known.
    fn told(&mut self, line: Line, out: &mut Output) -> Option<LineOutcome> {
        match line {
            Line::ThreadStarted { thread_id } => {
                let started = Started { agent_session: Some(thread_id), version: self.version.clone(), model: self.model.clone() };
                out.items.push(Told::Started(started));
            }
            Line::TurnStarted {} => return Some(LineOutcome::Ignored),
            Line::TurnCompleted { usage } => {
                if !self.resumed {
                    out.emit(StreamEvent::Usage(usage_of(usage)));
                }
                out.items.push(Told::TurnEnded(Ok(std::mem::take(&mut self.last_message))));
            }
            Line::TurnFailed { error } => out.items.push(Told::TurnEnded(Err(errors::failure(&Value::Null, &error.message)))),
            Line::Error { message } if errors::announces_retry(&message) => {
                out.items.extend(errors::retrying(&Value::Null, &message, None).into_iter().map(Told::Event));
            }
            Line::Error { message } => {
                let failure = errors::failure(&Value::Null, &message);
                out.emit(StreamEvent::AgentError { code: failure.cause.as_str().to_owned(), message, retryable: false });
            }
            Line::ItemStarted { item: Item::TodoList { items } }
            | Line::ItemUpdated { item: Item::TodoList { items } }
            | Line::ItemCompleted { item: Item::TodoList { items } } => return Some(self.plan(items, out)),
            Line::ItemStarted { item } => return self.call(&item, out).then_some(LineOutcome::Emitted),
            Line::ItemUpdated { .. } => return None,
            Line::ItemCompleted { item } => return self.completed(item, out),
        }
        Some(LineOutcome::Emitted)
    }

    fn plan(&mut self, items: Vec<Todo>, out: &mut Output) -> LineOutcome {
        let status = |completed| if completed { PlanStatus::Completed } else { PlanStatus::Pending };
        let entries: Vec<PlanEntry> =
            items.into_iter().map(|todo| PlanEntry { content: todo.text, status: status(todo.completed) }).collect();
        // The list comes once more when the turn ends.
        if entries == self.plan {
            return LineOutcome::Ignored;
        }
        self.plan.clone_from(&entries);
        out.emit(StreamEvent::Plan { entries });
        LineOutcome::Emitted
    }

    /// Tells an item as a tool call, if it is one.
    fn call(&mut self, item: &Item, out: &mut Output) -> bool {
        let (id, call) = match item {
            Item::CommandExecution { id, command, .. } => {
                (id, tools::call(id, tools::COMMAND, ToolKind::Execute, inner_command(command), json!({ "command": command }), None))
            }
            Item::FileChange { id, changes, .. } => {
                (id, tools::call(id, tools::PATCH, ToolKind::Edit, &list(changes).join(", "), json!({ "changes": changes }), None))
            }
            Item::McpToolCall { id, server, tool, arguments, .. } => {
                let name = tools::mcp_name(server, tool);
                (id, tools::call(id, &name, ToolKind::Other, &name, arguments.clone(), None))
            }
            Item::WebSearch { id, query } => {
                (id, tools::call(id, tools::WEB_SEARCH, ToolKind::Search, query, json!({ "query": query }), None))
            }
            _ => return false,
        };
        out.emit(call);
        self.open.insert(id.clone());
        true
    }

    fn completed(&mut self, item: Item, out: &mut Output) -> Option<LineOutcome> {
        if let Item::CommandExecution { id, .. } | Item::FileChange { id, .. } | Item::McpToolCall { id, .. } | Item::WebSearch { id, .. } =
            &item
            && !self.open.remove(id)
        {
            // Every result has its call before it.
            self.call(&item, out);
            self.open.remove(id);
        }
        match item {
            Item::AgentMessage { id, text } => {
                self.last_message.clone_from(&text);
                out.emit(StreamEvent::Message { role: Role::Assistant, content: text, message_id: Some(id), parent_tool_call_id: None });
            }
            Item::Reasoning { id, text } => {
                out.emit(StreamEvent::Thinking { content: Delta { text, message_id: Some(id), parent_tool_call_id: None } });
            }
            Item::CommandExecution { id, aggregated_output, exit_code, status, .. } => {
                out.emit(tools::result(&id, ended(status), tools::command_output(aggregated_output, exit_code), None));
            }
            Item::FileChange { id, changes, status } => {
                if matches!(status, Status::Completed) {
                    out.items.extend(changed(&changes).into_iter().map(Told::Event));
                }
                out.emit(tools::result(&id, ended(status), list(&changes).join("\n"), None));
            }
            Item::McpToolCall { id, result, error, status, .. } => {
                let given = || result.map(|result| tools::mcp_text(&result.content)).unwrap_or_default();
                let content = error.map_or_else(given, |error| error.message);
                out.emit(tools::result(&id, ended(status), content, None));
            }
            Item::WebSearch { id, .. } => out.emit(tools::result(&id, ToolStatus::Ok, String::new(), None)),
            Item::Error { message } => out.emit(StreamEvent::notice(Level::Warning, NoticeCode::AgentWarning, message)),
            Item::TodoList { .. } | Item::Unknown => return None,
        }
        Some(LineOutcome::Emitted)
    }
}

impl Parser for Exec {
    fn open(&mut self, out: &mut Output) {
        out.send = std::mem::take(&mut self.prompt).into_bytes();
        out.close_stdin = true;
    }

    fn handle_line(&mut self, line: &str, out: &mut Output) -> LineOutcome {
        let told = serde_json::from_str(line).ok().and_then(|known| self.told(known, out));
        told.unwrap_or_else(|| out.emit_raw(line))
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<crate::types::Failure> {
        errors::diagnose(exit, stderr_tail)
    }
}

fn ended(status: Status) -> ToolStatus {
    match status {
        Status::Completed => ToolStatus::Ok,
        Status::Declined => ToolStatus::Denied,
        Status::Other => ToolStatus::Error,
    }
}

/// The command without the shell around it: `/bin/bash -lc 'cat hello.py'` is for a person `cat hello.py`.
fn inner_command(command: &str) -> &str {
    let Some((_, inner)) = command.split_once(" -lc ") else { return command };
    let unquoted = ['\'', '"'].into_iter().find_map(|quote| inner.strip_prefix(quote)?.strip_suffix(quote));
    unquoted.unwrap_or(inner)
}

/// The files of a patch that have the form that we know.
fn changes_of(changes: &Value) -> impl Iterator<Item = Change> {
    changes.as_array().into_iter().flatten().filter_map(|change| Change::deserialize(change).ok())
}

fn changed(changes: &Value) -> Vec<StreamEvent> {
    let kind = |kind| match kind {
        ChangeKind::Add => FileChangeKind::Create,
        ChangeKind::Delete => FileChangeKind::Delete,
        ChangeKind::Update => FileChangeKind::Update,
    };
    changes_of(changes).map(|change| StreamEvent::FileChange { path: change.path, kind: kind(change.kind), diff: None }).collect()
}

/// One line for each file of a patch.
fn list(changes: &Value) -> Vec<String> {
    let verb = |kind| match kind {
        ChangeKind::Add => "create",
        ChangeKind::Delete => "delete",
        ChangeKind::Update => "update",
    };
    changes_of(changes).map(|change| format!("{} {}", verb(change.kind), change.path)).collect()
}
