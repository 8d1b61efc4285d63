//! The one-shot mode: `codex exec --json`. It takes a prompt and prints completed items: no deltas, no approvals, no diffs.
//!
//! The types match the recordings in `tests/transcripts/codex` whose names do not start with `appserver`. Those of MCP tools and web
//! searches were found in the program and are not recorded.

use serde::Deserialize;
use serde_json::{Value, json};

use super::usage::to_usage;
use super::wire::Tokens;
use super::{errors, tools};
use crate::agent::common::{CallIds, session_changed};
use crate::agent::{Installed, Item as OutputItem, LineOutcome, Output, Parser, Started, Task};
use crate::process::Exit;
use crate::types::{Delta, FileChangeKind, Level, NoticeCode, PlanEntry, PlanStatus, Role, StreamEvent, ToolKind, ToolStatus};

/// One line.
#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
enum Line {
    #[serde(rename = "thread.started")]
    ThreadStarted { thread_id: String },
    #[serde(rename = "turn.started")]
    TurnStarted {},
    /// The tokens are those since the thread started, across processes (recordings `resume_1` to `resume_4`).
    #[serde(rename = "turn.completed")]
    TurnCompleted { usage: Tokens },
    #[serde(rename = "turn.failed")]
    TurnFailed { error: ErrorMessage },
    #[serde(rename = "error")]
    Error { message: String },
    #[serde(rename = "item.started")]
    ItemStarted { item: Item },
    #[serde(rename = "item.updated")]
    ItemUpdated { item: Item },
    #[serde(rename = "item.completed")]
    ItemCompleted { item: Item },
}

/// An error.
#[derive(Debug, Deserialize)]
struct ErrorMessage {
    message: String,
}

/// One item of a turn.
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
        error: Option<ErrorMessage>,
        status: Status,
    },
    WebSearch {
        id: String,
        #[serde(default)]
        query: String,
    },
    /// A warning, despite its name (recording `text_unknown_model`).
    Error {
        message: String,
    },
    #[serde(other)]
    Unknown,
}

/// The status of an item.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Completed,
    Declined,
    #[serde(other)]
    Other,
}

/// One step of a plan. The format does not state which step is in progress.
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

/// The change of a patch to a file.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChangeKind {
    Add,
    Delete,
    Update,
}

/// The result of an MCP tool.
#[derive(Debug, Deserialize)]
struct McpResult {
    #[serde(default)]
    content: Vec<Value>,
}

/// The parser of `codex exec --json`.
#[derive(Debug)]
pub(super) struct Exec {
    prompt: String,
    /// The installed version, which this mode does not report.
    version: Option<String>,
    model: Option<String>,
    /// Whether the process continues a thread, so that the reported tokens include those of earlier processes.
    resumed: bool,
    calls: CallIds,
    plan: Vec<PlanEntry>,
    last_message: String,
    thread: Option<String>,
}

impl Exec {
    /// A parser for one process that carries out `task`.
    pub(super) fn new(task: &Task, installed: &Installed) -> Self {
        Self {
            prompt: task.spec.prompt.clone(),
            version: installed.version.clone(),
            model: task.spec.model.clone(),
            resumed: task.resume.is_some(),
            calls: CallIds::default(),
            plan: Vec::new(),
            last_message: String::new(),
            thread: None,
        }
    }

    /// Handles a decoded line. `None` if its content is unknown.
    fn handle_decoded(&mut self, line: Line, out: &mut Output) -> Option<LineOutcome> {
        match line {
            Line::ThreadStarted { thread_id } if self.thread.as_ref() == Some(&thread_id) => return Some(LineOutcome::Ignored),
            Line::ThreadStarted { thread_id } if self.thread.replace(thread_id.clone()).is_some() => session_changed(thread_id, out),
            Line::ThreadStarted { thread_id } => {
                let started = Started { agent_session: Some(thread_id), version: self.version.clone(), model: self.model.clone() };
                out.items.push(OutputItem::Started(started));
            }
            Line::TurnStarted {} => return Some(LineOutcome::Ignored),
            Line::TurnCompleted { usage } => {
                if !self.resumed {
                    out.emit(StreamEvent::Usage(to_usage(usage)));
                }
                out.items.push(OutputItem::TurnEnded(Ok(std::mem::take(&mut self.last_message))));
            }
            Line::TurnFailed { error } => out.items.push(OutputItem::TurnEnded(Err(errors::failure(&Value::Null, &error.message)))),
            Line::Error { message } if errors::is_retry(&message) => {
                out.items.extend(errors::retry_notices(&Value::Null, &message, None).into_iter().map(OutputItem::Event));
            }
            Line::Error { message } => {
                let failure = errors::failure(&Value::Null, &message);
                out.emit(StreamEvent::AgentError { code: failure.cause.as_str().to_owned(), message, retryable: false });
            }
            Line::ItemStarted { item: Item::TodoList { items } }
            | Line::ItemUpdated { item: Item::TodoList { items } }
            | Line::ItemCompleted { item: Item::TodoList { items } } => return Some(self.handle_plan(items, out)),
            Line::ItemStarted { item } => return self.emit_call(&item, out).map(|_| LineOutcome::Emitted),
            Line::ItemUpdated { .. } => return None,
            Line::ItemCompleted { item } => return self.handle_completed(item, out),
        }
        Some(LineOutcome::Emitted)
    }

    fn handle_plan(&mut self, items: Vec<Todo>, out: &mut Output) -> LineOutcome {
        let status = |completed| if completed { PlanStatus::Completed } else { PlanStatus::Pending };
        let entries: Vec<PlanEntry> =
            items.into_iter().map(|todo| PlanEntry { content: todo.text, status: status(todo.completed) }).collect();
        // The list is repeated at the end of the turn.
        if entries == self.plan {
            return LineOutcome::Ignored;
        }
        self.plan.clone_from(&entries);
        out.emit(StreamEvent::Plan { entries });
        LineOutcome::Emitted
    }

    /// Emits an item as a tool call. Returns its id in the log, or `None` if it is not a tool call.
    fn emit_call(&mut self, item: &Item, out: &mut Output) -> Option<String> {
        let (id, name, kind, title, input) = match item {
            Item::CommandExecution { id, command, .. } => {
                (id, tools::COMMAND.to_owned(), ToolKind::Execute, inner_command(command).to_owned(), json!({ "command": command }))
            }
            Item::FileChange { id, changes, .. } => {
                (id, tools::PATCH.to_owned(), ToolKind::Edit, describe_changes(changes).join(", "), json!({ "changes": changes }))
            }
            Item::McpToolCall { id, server, tool, arguments, .. } => {
                let name = tools::mcp_name(server, tool);
                (id, name.clone(), ToolKind::Other, name, arguments.clone())
            }
            Item::WebSearch { id, query } => (id, tools::WEB_SEARCH.to_owned(), ToolKind::Search, query.clone(), json!({ "query": query })),
            _ => return None,
        };
        let id = self.calls.open(None, id, &name);
        out.emit(tools::call(&id, &name, kind, &title, input, None));
        Some(id)
    }

    /// Ends the call of a completed item and returns its id in the log. Every result is preceded by its call.
    fn end_call(&mut self, item: &Item, out: &mut Output) -> Option<String> {
        let (Item::CommandExecution { id, .. } | Item::FileChange { id, .. } | Item::McpToolCall { id, .. } | Item::WebSearch { id, .. }) =
            item
        else {
            return None;
        };
        self.calls.close(None, id).or_else(|| {
            self.emit_call(item, out);
            self.calls.close(None, id)
        })
    }

    fn handle_completed(&mut self, item: Item, out: &mut Output) -> Option<LineOutcome> {
        let call = self.end_call(&item, out).unwrap_or_default();
        match item {
            Item::AgentMessage { id, text } => {
                self.last_message.clone_from(&text);
                out.emit(StreamEvent::Message { role: Role::Assistant, content: text, message_id: Some(id), parent_tool_call_id: None });
            }
            Item::Reasoning { id, text } => {
                out.emit(StreamEvent::Thinking { content: Delta { text, message_id: Some(id), parent_tool_call_id: None } });
            }
            Item::CommandExecution { aggregated_output, exit_code, status, .. } => {
                out.emit(tools::result(&call, tool_status(status), tools::command_output(aggregated_output, exit_code), None));
            }
            Item::FileChange { changes, status, .. } => {
                if matches!(status, Status::Completed) {
                    out.items.extend(file_changes(&changes).into_iter().map(OutputItem::Event));
                }
                out.emit(tools::result(&call, tool_status(status), describe_changes(&changes).join("\n"), None));
            }
            Item::McpToolCall { result, error, status, .. } => {
                let text = || result.map(|result| tools::mcp_text(&result.content)).unwrap_or_default();
                let content = error.map_or_else(text, |error| error.message);
                out.emit(tools::result(&call, tool_status(status), content, None));
            }
            Item::WebSearch { .. } => out.emit(tools::result(&call, ToolStatus::Ok, String::new(), None)),
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
        let outcome = serde_json::from_str(line).ok().and_then(|decoded| self.handle_decoded(decoded, out));
        outcome.unwrap_or_else(|| out.emit_raw(line))
    }

    fn diagnose(&self, exit: Exit, stderr_tail: &str) -> Option<crate::types::Failure> {
        errors::diagnose(exit, stderr_tail)
    }
}

fn tool_status(status: Status) -> ToolStatus {
    match status {
        Status::Completed => ToolStatus::Ok,
        Status::Declined => ToolStatus::Denied,
        Status::Other => ToolStatus::Error,
    }
}

/// The command without the surrounding shell: `cat hello.py` for `/bin/bash -lc 'cat hello.py'`.
fn inner_command(command: &str) -> &str {
    let Some((_, inner)) = command.split_once(" -lc ") else { return command };
    let unquoted = ['\'', '"'].into_iter().find_map(|quote| inner.strip_prefix(quote)?.strip_suffix(quote));
    unquoted.unwrap_or(inner)
}

/// The files of a patch that have the known format.
fn parse_changes(changes: &Value) -> impl Iterator<Item = Change> {
    changes.as_array().into_iter().flatten().filter_map(|change| Change::deserialize(change).ok())
}

fn file_changes(changes: &Value) -> Vec<StreamEvent> {
    let kind = |kind| match kind {
        ChangeKind::Add => FileChangeKind::Create,
        ChangeKind::Delete => FileChangeKind::Delete,
        ChangeKind::Update => FileChangeKind::Update,
    };
    parse_changes(changes).map(|change| StreamEvent::FileChange { path: change.path, kind: kind(change.kind), diff: None }).collect()
}

/// One line per file of a patch.
fn describe_changes(changes: &Value) -> Vec<String> {
    let verb = |kind| match kind {
        ChangeKind::Add => "create",
        ChangeKind::Delete => "delete",
        ChangeKind::Update => "update",
    };
    parse_changes(changes).map(|change| format!("{} {}", verb(change.kind), change.path)).collect()
}
