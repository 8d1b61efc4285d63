//! Tool calls, from the first update to the result.
//!
//! Agents send a call before its input is complete, change its title, and repeat updates. Clients receive one `tool_call` with the
//! complete input, then the tool's output, then one result.

use std::collections::HashMap;

use agent_client_protocol_schema::v1::{ContentBlock, Diff, ToolCallContent, ToolCallStatus, ToolCallUpdate, ToolKind as AcpKind};
use serde_json::{Map, Value, json};

use super::dialect::Dialect;
use super::diff;
use super::plan::plan_entries;
use crate::agent::Output;
use crate::agent::common::numbered;
use crate::types::{FileChangeKind, StreamEvent, ToolCall, ToolKind, ToolStatus};

/// Maximum length of a title in characters.
const MAX_TITLE: usize = 200;

/// The tool calls of a session.
#[derive(Debug)]
pub(super) struct ToolCalls {
    dialect: Dialect,
    by_id: HashMap<String, Call>,
    /// Ids of calls that were not emitted yet, in order.
    unannounced: Vec<String>,
}

/// The message that contains information about a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// `tool_call`.
    First,
    /// `tool_call_update`.
    Later,
    /// A permission request.
    Permission,
}

/// The progress of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Created,
    /// Its input arrived after the first message, possibly in pieces.
    Streamed,
    /// It was emitted.
    Announced,
    Ended,
}

#[derive(Debug, Default)]
struct Call {
    /// How many ended calls had the same id.
    reuses: u32,
    name: Option<String>,
    kind: AcpKind,
    title: String,
    /// The first file that the agent lists for it.
    location: Option<String>,
    input: Option<Value>,
    stage: Stage,
    denied: bool,
    /// The tool's output so far.
    output: String,
    diffs: Vec<Diff>,
    /// The diffs of its permission request: they contain whole files, whereas later ones may contain only the changed words.
    requested_diffs: Vec<Diff>,
}

impl ToolCalls {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, by_id: HashMap::new(), unannounced: Vec::new() }
    }

    /// Processes `tool_call` (`first`) or `tool_call_update`.
    pub(super) fn update(&mut self, first: bool, update: ToolCallUpdate, out: &mut Output) {
        let id = update.tool_call_id.to_string();
        let fields = &update.fields;
        let status = fields.status;
        let (text, terminal) = (text_of(fields.content.as_deref()), terminal_output(&update));
        let raw_output = fields.raw_output.clone();
        let ended = matches!(status, Some(ToolCallStatus::Completed | ToolCallStatus::Failed));
        if first && !ended {
            self.free(&id);
        }
        if self.merge(&id, if first { Source::First } else { Source::Later }, update).stage == Stage::Ended {
            return;
        }
        // The input of a pending call may be missing or incomplete (recordings `acp/opencode_plan`, `acp/claude_plan`).
        if status.is_some_and(|status| status != ToolCallStatus::Pending) {
            self.announce(&id, out);
        }
        let Some(call) = self.by_id.get_mut(&id) else { return };
        if let Some(more) = &terminal {
            call.output.push_str(more);
        }
        match status {
            Some(ended @ (ToolCallStatus::Completed | ToolCallStatus::Failed)) => {
                let content = match &raw_output {
                    Some(Value::String(output)) => output.clone(),
                    other => text.or_else(|| output_field(other.as_ref())).unwrap_or_else(|| std::mem::take(&mut call.output)),
                };
                self.end(&id, ended == ToolCallStatus::Completed, content, &raw_output.unwrap_or_default(), out);
            }
            _ if call.stage == Stage::Announced => {
                // Before the call runs, its text may be a description (recording `acp/claude_plan`).
                let running = status == Some(ToolCallStatus::InProgress);
                let grown = text.filter(|_| running).and_then(|text| {
                    let more = text.strip_prefix(call.output.as_str()).map(str::to_owned);
                    call.output = text;
                    more
                });
                let content = terminal.or(grown).unwrap_or_default();
                if !content.is_empty() {
                    out.emit(StreamEvent::ToolOutput { id: call.public_id(&id), content });
                }
            }
            _ => {}
        }
    }

    /// Processes the call in a permission request. Emits the call if it was not, and returns the subject of the request.
    pub(super) fn subject_of(&mut self, update: ToolCallUpdate, out: &mut Output) -> PermissionSubject {
        let id = update.tool_call_id.to_string();
        let kind = update.fields.kind;
        let requested_input = update.fields.raw_input.clone().filter(|input| meaningful(Some(input)));
        let requested_diffs = diffs_of(update.fields.content.as_deref());
        self.free(&id);
        let call = self.merge(&id, Source::Permission, update);
        if !requested_diffs.is_empty() {
            call.requested_diffs = requested_diffs;
        }
        let tool = call.name.clone();
        let public_id = call.public_id(&id);
        let kind = kind.filter(|kind| *kind != AcpKind::Other).unwrap_or(call.kind);
        let input = requested_input.unwrap_or_else(|| call.display_input());
        self.announce(&id, out);
        PermissionSubject {
            tool: tool.unwrap_or_else(|| tool_name_of_kind(kind).to_owned()),
            kind: kind_of(kind),
            input,
            id: public_id,
            agent_id: id,
        }
    }

    /// Starts another call with the id of an ended one. Some models number their calls from zero in each answer.
    fn free(&mut self, id: &str) {
        if let Some(call) = self.by_id.get_mut(id).filter(|call| call.stage == Stage::Ended) {
            *call = Call { reuses: call.reuses.saturating_add(1), ..Call::default() };
            self.unannounced.push(id.to_owned());
        }
    }

    /// Marks the call as denied, so that its failure does not count as an error of the tool.
    pub(super) fn deny(&mut self, id: &str) {
        if let Some(call) = self.by_id.get_mut(id) {
            call.denied = true;
        }
    }

    /// Announces the calls whose input has been streamed, other than `id`: their input is complete, because the agent has moved on.
    /// Claude's adapter sends no other sign that a tool starts to run (recording `acp/claude_plan`).
    pub(super) fn announce_complete(&mut self, id: Option<&str>, out: &mut Output) {
        let complete =
            |each: &&String| Some(each.as_str()) != id && self.by_id.get(*each).is_some_and(|call| call.stage == Stage::Streamed);
        let ready: Vec<String> = self.unannounced.iter().filter(complete).cloned().collect();
        for id in ready {
            self.announce(&id, out);
        }
    }

    /// Closes the calls of a turn: announces those that were never announced, and ends those that were denied (Codex's adapter ends the
    /// turn instead: recording `acp/codex_permission_reject_once`) or that an interrupt found running, on which some agents do not report.
    pub(super) fn finish(&mut self, interrupted: bool, out: &mut Output) {
        for id in std::mem::take(&mut self.unannounced) {
            self.announce(&id, out);
        }
        let open = self.by_id.iter().filter(|(_, call)| call.stage == Stage::Announced && (call.denied || interrupted));
        let mut open: Vec<(String, bool)> = open.map(|(id, call)| (id.clone(), call.denied)).collect();
        open.sort_unstable();
        for (id, denied) in open {
            let content = if denied { String::new() } else { "interrupted".to_owned() };
            self.end(&id, false, content, &Value::Null, out);
        }
    }

    /// Merges `update` into the state of a call.
    fn merge(&mut self, id: &str, source: Source, update: ToolCallUpdate) -> &mut Call {
        if !self.by_id.contains_key(id) {
            self.unannounced.push(id.to_owned());
        }
        let call = self.by_id.entry(id.to_owned()).or_default();
        let fields = update.fields;
        let diffs = diffs_of(fields.content.as_deref());
        if !diffs.is_empty() {
            call.diffs = diffs;
        }
        if call.stage >= Stage::Announced {
            return call;
        }
        call.kind = fields.kind.filter(|kind| *kind != AcpKind::Other).unwrap_or(call.kind);
        if let Some(title) = fields.title {
            if source == Source::First && fields.name.is_none() {
                call.name = self.dialect.tool_name.map(|name| name(call.kind, &title));
            }
            call.title = title;
        }
        call.name = fields.name.or(call.name.take());
        call.location = fields.locations.and_then(|all| Some(all.first()?.path.display().to_string())).or(call.location.take());
        // The input in a permission request may be a summary, so it does not replace the call's own.
        if let Some(input) = fields.raw_input.filter(|input| meaningful(Some(input)))
            && (call.input.is_none() || source == Source::Later)
        {
            if source == Source::Later {
                call.stage = Stage::Streamed;
            }
            call.input = Some(input);
        }
        call
    }

    fn announce(&mut self, id: &str, out: &mut Output) {
        let Some(call) = self.by_id.get_mut(id).filter(|call| call.stage < Stage::Announced) else { return };
        call.stage = Stage::Announced;
        self.unannounced.retain(|unannounced| unannounced != id);
        let name = call.name.get_or_insert_with(|| tool_name_of_kind(call.kind).to_owned()).clone();
        let (kind, title, input) = (kind_of(call.kind), call.display_title(&name), call.display_input());
        out.emit(StreamEvent::ToolCall(ToolCall { id: call.public_id(id), tool: name, kind, title, input, parent_tool_call_id: None }));
    }

    fn end(&mut self, id: &str, worked: bool, content: String, raw_output: &Value, out: &mut Output) {
        let Some(call) = self.by_id.get_mut(id) else { return };
        // Of an ended call only that it has ended and its number are kept.
        let (public_id, reuses) = (call.public_id(id), call.reuses);
        let done = std::mem::replace(call, Call { stage: Stage::Ended, reuses, ..Call::default() });
        let (name, input) = (done.name.unwrap_or_default(), done.input.unwrap_or_default());
        let worked = worked && !self.dialect.failed.is_some_and(|failed| failed(raw_output));
        if worked {
            let own = || self.dialect.file_changes.map(|changes| changes(&name, &input, raw_output)).unwrap_or_default();
            let changes = match (done.requested_diffs.is_empty(), done.diffs.is_empty()) {
                (false, _) => file_changes(&done.requested_diffs),
                (true, false) => Some(own()).filter(|own| !own.is_empty()).unwrap_or_else(|| file_changes(&done.diffs)),
                (true, true) => own(),
            };
            for change in changes {
                out.emit(change);
            }
            if self.dialect.plan_tool == Some(name.as_str())
                && let Some(entries) = input.get("todos").and_then(Value::as_array)
            {
                out.emit(StreamEvent::Plan { entries: plan_entries(entries) });
            }
        }
        let status = match (worked, done.denied) {
            (true, _) => ToolStatus::Ok,
            (false, true) => ToolStatus::Denied,
            (false, false) => ToolStatus::Error,
        };
        out.emit(StreamEvent::ToolResult { id: public_id, status, content, duration_ms: None });
    }
}

/// The subject of a permission request.
pub(super) struct PermissionSubject {
    /// The call's id in the log.
    pub(super) id: String,
    /// The agent's id of the call.
    pub(super) agent_id: String,
    pub(super) tool: String,
    pub(super) kind: ToolKind,
    pub(super) input: Value,
}

impl Call {
    /// The id in the log of the call with this id of the agent.
    fn public_id(&self, agent_id: &str) -> String {
        numbered(agent_id, self.reuses.saturating_add(1))
    }

    /// The input for clients. If the agent sends none, its proposed changes.
    fn display_input(&self) -> Value {
        let diffs = if self.requested_diffs.is_empty() { &self.diffs } else { &self.requested_diffs };
        match &self.input {
            Some(input) => input.clone(),
            None if diffs.is_empty() => Value::Object(Map::new()),
            None => {
                let change = |each: &Diff| json!({ "path": each.path, "old_text": each.old_text, "new_text": each.new_text });
                json!({ "changes": diffs.iter().map(change).collect::<Vec<_>>() })
            }
        }
    }

    /// The title as one line. If it only repeats the tool's name, the file is added.
    fn display_title(&self, name: &str) -> String {
        let line = self.title.lines().find(|line| !line.trim().is_empty()).unwrap_or(name).trim();
        let line = match &self.location {
            Some(location) if line == name => format!("{line} {location}"),
            _ => line.to_owned(),
        };
        match line.char_indices().nth(MAX_TITLE) {
            Some((cut, _)) => format!("{}…", &line[..cut]),
            None => line,
        }
    }
}

fn meaningful(input: Option<&Value>) -> bool {
    match input {
        None | Some(Value::Null) => false,
        Some(Value::Object(fields)) => !fields.is_empty(),
        Some(_) => true,
    }
}

fn text_of(content: Option<&[ToolCallContent]>) -> Option<String> {
    let texts = content?.iter().filter_map(|each| match each {
        ToolCallContent::Content(content) => match &content.content {
            ContentBlock::Text(text) => Some(text.text.as_str()),
            _ => None,
        },
        _ => None,
    });
    let texts: Vec<&str> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("\n"))
}

fn diffs_of(content: Option<&[ToolCallContent]>) -> Vec<Diff> {
    let diff = |each: &ToolCallContent| match each {
        ToolCallContent::Diff(diff) => Some(diff.clone()),
        _ => None,
    };
    content.unwrap_or_default().iter().filter_map(diff).collect()
}

/// The output of a command, from agents that show commands in a client's terminal (recording `acp/codex_plan`).
fn terminal_output(update: &ToolCallUpdate) -> Option<String> {
    update.meta.as_ref()?.get("terminal_output_delta")?.get("data")?.as_str().map(str::to_owned)
}

fn output_field(raw_output: Option<&Value>) -> Option<String> {
    let raw_output = raw_output?;
    ["output", "error"].iter().find_map(|name| raw_output.get(name)?.as_str()).map(str::to_owned)
}

fn file_changes(diffs: &[Diff]) -> Vec<StreamEvent> {
    diffs.iter().map(file_change).collect()
}

fn file_change(change: &Diff) -> StreamEvent {
    let path = change.path.display().to_string();
    let old = change.old_text.as_deref().unwrap_or_default();
    let stated = change.meta.as_ref().and_then(|meta| meta.get("kind")).and_then(Value::as_str);
    let kind = match stated {
        Some("delete") => FileChangeKind::Delete,
        Some("add") => FileChangeKind::Create,
        None if old.is_empty() => FileChangeKind::Create,
        _ => FileChangeKind::Update,
    };
    let diff = diff::unified(&path, kind, old, &change.new_text);
    StreamEvent::FileChange { path, kind, diff }
}

fn kind_of(kind: AcpKind) -> ToolKind {
    match kind {
        AcpKind::Read => ToolKind::Read,
        AcpKind::Edit => ToolKind::Edit,
        AcpKind::Delete => ToolKind::Delete,
        AcpKind::Move => ToolKind::Move,
        AcpKind::Search => ToolKind::Search,
        AcpKind::Execute => ToolKind::Execute,
        AcpKind::Think => ToolKind::Think,
        AcpKind::Fetch => ToolKind::Fetch,
        _ => ToolKind::Other,
    }
}

/// The name of a tool that its agent does not name.
fn tool_name_of_kind(kind: AcpKind) -> &'static str {
    match kind_of(kind) {
        ToolKind::Read => "read",
        ToolKind::Edit => "edit",
        ToolKind::Delete => "delete",
        ToolKind::Move => "move",
        ToolKind::Search => "search",
        ToolKind::Execute => "execute",
        ToolKind::Think => "think",
        ToolKind::Fetch => "fetch",
        ToolKind::Other => "tool",
    }
}
