//! Tool calls, from the first update to the result.
//!
//! Agents send a call before its input is complete, change its title, and repeat updates. Clients receive one `tool_call` with the
//! complete input, then the tool's output, then one result.

use agent_client_protocol_schema::v1::{Diff, ToolCallStatus, ToolCallUpdate, ToolKind as AcpKind};
use serde_json::Value;

use super::call::{Call, Stage, has_content};
use super::call_table::{CallTable, Dropped};
use super::content::{diffs_of, text_of};
use super::dialect::{Dialect, ToolHint};
use super::diff;
use super::plan::plan_entries;
use super::review;
use crate::agent::Output;
use crate::agent::common::Limit;
use crate::types::bounds::MAX_KEPT_CALLS;
use crate::types::{FileChangeKind, StreamEvent, ToolCall, ToolKind, ToolStatus};

/// Maximum length in bytes of a command's output that an agent sends in pieces and that is repeated in the result.
const MAX_OUTPUT: usize = 1024 * 1024;
/// Maximum number of files that an agent may list for one call.
const MAX_LOCATIONS: usize = 256;

/// The tool calls of a session.
#[derive(Debug)]
pub(super) struct ToolCalls {
    dialect: Dialect,
    table: CallTable,
    /// Keys of calls that were not emitted yet, in order.
    unannounced: Vec<String>,
    /// The title of a call that changed something without having been allowed.
    unasked: Option<String>,
    limit: Limit,
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

impl ToolCalls {
    pub(super) fn new(dialect: Dialect) -> Self {
        let limit = Limit::new("open_calls", MAX_KEPT_CALLS, "the oldest tool calls without a result are no longer followed");
        Self { dialect, table: CallTable::default(), unannounced: Vec::new(), unasked: None, limit }
    }

    /// Applies the dialect of an agent that was recognized after the start.
    pub(super) fn set_dialect(&mut self, dialect: Dialect) {
        self.dialect = dialect;
    }

    /// Processes `tool_call` (`first`) or `tool_call_update`.
    pub(super) fn update(&mut self, first: bool, update: ToolCallUpdate, out: &mut Output) {
        let key = self.key_of(first, &update, out);
        let fields = &update.fields;
        let status = fields.status;
        let (text, terminal) = (text_of(fields.content.as_deref()), terminal_output(&update));
        let raw_output = fields.raw_output.clone();
        if self.merge(&key, if first { Source::First } else { Source::Later }, update) == Some(Stage::Ended) {
            return;
        }
        // The input of a pending call may be missing or incomplete (recordings `acp/opencode_plan`, `acp/claude_plan`).
        if status.is_some_and(|status| status != ToolCallStatus::Pending) {
            self.announce(&key, out);
        }
        let Some(call) = self.table.get_mut(&key) else { return };
        if let Some(more) = &terminal {
            let room = MAX_OUTPUT.saturating_sub(call.output.len());
            call.output.push_str(&more[..more.floor_char_boundary(room.min(more.len()))]);
        }
        match status {
            Some(ended @ (ToolCallStatus::Completed | ToolCallStatus::Failed)) => {
                let content = match &raw_output {
                    Some(Value::String(output)) => output.clone(),
                    other => text.or_else(|| output_field(other.as_ref())).unwrap_or_else(|| std::mem::take(&mut call.output)),
                };
                self.end(&key, ended == ToolCallStatus::Completed, content, &raw_output.unwrap_or_default(), out);
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
                    out.emit(StreamEvent::ToolOutput { id: key, content });
                }
            }
            _ => {}
        }
    }

    /// The key of the call that an update is about. Adds the call if it is new.
    fn key_of(&mut self, first: bool, update: &ToolCallUpdate, out: &mut Output) -> String {
        let agent_id = update.tool_call_id.to_string();
        let input = update.fields.raw_input.as_ref().filter(|input| has_content(input));
        let open: Vec<(&str, &Call)> = self.table.with_agent_id(&agent_id).filter(|(_, call)| !call.has_ended()).collect();
        let equal = open.iter().find(|(_, call)| input.is_some() && call.input.as_ref() == input);
        // A call that is announced with another input than the open ones is another call, although it has the same id.
        let is_another = first && input.is_some() && open.iter().all(|(_, call)| call.introduced && call.input.is_some());
        let found = match (equal, open.first()) {
            (Some((key, _)), _) => Some(*key),
            (None, Some(_)) if is_another => None,
            (None, Some((oldest, _))) => Some(*oldest),
            (None, None) => {
                let last = self.table.with_agent_id(&agent_id).last();
                last.filter(|(_, call)| call.is_repeated_by(first, update)).map(|(key, _)| key)
            }
        };
        match found.map(str::to_owned) {
            Some(key) => key,
            None => self.add(&agent_id, out),
        }
    }

    fn add(&mut self, agent_id: &str, out: &mut Output) -> String {
        let (key, dropped) = self.table.add(agent_id);
        if let Some(dropped) = dropped {
            self.end_dropped(dropped, out);
        }
        self.unannounced.push(key.clone());
        key
    }

    /// Notes that a line of this length was handled, which may have added to the calls. Returns whether that emitted anything.
    pub(super) fn note_line(&mut self, bytes: usize, out: &mut Output) -> bool {
        let before = out.items.len();
        for dropped in self.table.grow(bytes) {
            self.end_dropped(dropped, out);
        }
        out.items.len() > before
    }

    /// Ends a call that is no longer followed.
    fn end_dropped(&mut self, Dropped { key, stage, .. }: Dropped, out: &mut Output) {
        if stage == Stage::Ended {
            return;
        }
        self.limit.report(out);
        self.unannounced.retain(|unannounced| *unannounced != key);
        if stage == Stage::Announced {
            let content = "the call is no longer followed, because too many are open".to_owned();
            out.emit(StreamEvent::ToolResult { id: key, status: ToolStatus::Error, content, duration_ms: None });
        }
    }

    /// Processes the call in a permission request. Emits the call if it was not, and returns the subject of the request.
    pub(super) fn subject_of(&mut self, update: ToolCallUpdate, out: &mut Output) -> PermissionSubject {
        let agent_id = update.tool_call_id.to_string();
        let kind = update.fields.kind;
        let requested_input = update.fields.raw_input.clone().filter(has_content);
        let requested_diffs = diffs_of(update.fields.content.as_deref());
        let open = self.table.with_agent_id(&agent_id).filter(|(_, call)| !call.has_ended());
        let same_input = |call: &Call| requested_input.is_some() && call.input == requested_input;
        let key = open.min_by_key(|(_, call)| (!same_input(call), call.requested)).map(|(key, _)| key.to_owned());
        let key = key.or_else(|| self.other_call_of(&update)).unwrap_or_else(|| self.add(&agent_id, out));
        let title = update.fields.title.clone().unwrap_or_default();
        self.merge(&key, Source::Permission, update);
        if let Some(call) = self.table.get_mut(&key) {
            call.requested = true;
            if !requested_diffs.is_empty() {
                call.requested_diffs = requested_diffs;
            }
        }
        self.announce(&key, out);
        let fallback = Call::new(&agent_id);
        let call = self.table.get(&key).unwrap_or(&fallback);
        let kind = kind.filter(|kind| *kind != AcpKind::Other).unwrap_or(call.kind);
        let shown = requested_input.unwrap_or_else(|| call.display_input());
        let title = if title.is_empty() { &call.title } else { &title };
        let paths = call
            .locations
            .iter()
            .cloned()
            .chain(call.requested_diffs.iter().chain(&call.diffs).map(|diff| diff.path.display().to_string()));
        let input = review::complete_input(shown, call.input.as_ref(), kind_of(kind), title, paths, self.dialect.command_of_title);
        let tool = call.name.clone().unwrap_or_else(|| tool_name_of_kind(kind).to_owned());
        PermissionSubject { tool, kind: kind_of(kind), input, key }
    }

    /// For an agent that asks under an id of its own: the call that the request is about, which is of the same kind and names the same file.
    fn other_call_of(&self, request: &ToolCallUpdate) -> Option<String> {
        if !self.dialect.asks_under_own_ids {
            return None;
        }
        let fields = &request.fields;
        let diffs = diffs_of(fields.content.as_deref());
        let paths: Vec<String> = diffs.iter().map(|diff| diff.path.display().to_string()).collect();
        let matches = |call: &Call| {
            !call.requested && fields.kind.is_none_or(|kind| kind == call.kind) && call.locations.iter().any(|path| paths.contains(path))
        };
        self.table.open().filter(|(_, call)| matches(call)).last().map(|(key, _)| key.to_owned())
    }

    /// Marks the call as denied, so that its failure does not count as an error of the tool.
    pub(super) fn deny(&mut self, key: &str) {
        if let Some(call) = self.table.get_mut(key) {
            call.denied = true;
        }
    }

    /// Whether a call has been emitted that has no result yet.
    pub(super) fn any_running(&self) -> bool {
        self.table.open().any(|(_, call)| call.stage == Stage::Announced)
    }

    /// Takes the title of a call that has edited or run something without having been allowed.
    pub(super) fn take_unasked(&mut self) -> Option<String> {
        self.unasked.take()
    }

    /// Announces the calls whose input has been streamed, other than those with `agent_id`: their input is complete, because the agent has
    /// moved on. Claude's adapter sends no other sign that a tool starts to run (recording `acp/claude_plan`).
    pub(super) fn announce_complete(&mut self, agent_id: Option<&str>, out: &mut Output) {
        let complete = |key: &&String| {
            self.table.get(key).is_some_and(|call| call.stage == Stage::Streamed && Some(call.agent_id.as_str()) != agent_id)
        };
        let ready: Vec<String> = self.unannounced.iter().filter(complete).cloned().collect();
        for key in ready {
            self.announce(&key, out);
        }
    }

    /// Closes the calls of a turn: announces those that were never announced, and ends those without a result. Some agents never report
    /// one (Codex's adapter after a denial: recording `acp/codex_permission_reject_once`; Hermes for edits: `acp/hermes_edit`).
    pub(super) fn finish(&mut self, end: TurnOutcome, out: &mut Output) {
        for key in std::mem::take(&mut self.unannounced) {
            self.announce(&key, out);
        }
        let open: Vec<(String, bool)> = self.table.open().map(|(key, call)| (key.to_owned(), call.denied)).collect();
        for (key, denied) in open {
            let (worked, content) = match end {
                _ if denied => (false, ""),
                TurnOutcome::Completed => (true, ""),
                TurnOutcome::Failed => (false, "the turn ended without a result of this call"),
                TurnOutcome::Interrupted => (false, "interrupted"),
            };
            self.end(&key, worked, content.to_owned(), &Value::Null, out);
        }
    }

    /// Merges `update` into the state of a call. Returns the call's stage before.
    fn merge(&mut self, key: &str, source: Source, update: ToolCallUpdate) -> Option<Stage> {
        let dialect = self.dialect;
        let call = self.table.get_mut(key)?;
        let named = name_in_meta(&update);
        let fields = update.fields;
        let diffs = diffs_of(fields.content.as_deref());
        if !diffs.is_empty() {
            call.diffs = diffs;
        }
        let stage = call.stage;
        call.introduced |= source == Source::First;
        if stage >= Stage::Announced {
            return Some(stage);
        }
        call.kind = fields.kind.filter(|kind| *kind != AcpKind::Other).unwrap_or(call.kind);
        let input = fields.raw_input.filter(has_content);
        call.name = fields.name.or(named).or(call.name.take());
        if let Some(title) = fields.title {
            if call.name.is_none() && source != Source::Later {
                let hint = ToolHint {
                    kind: call.kind,
                    id: &call.agent_id,
                    title: &title,
                    is_request: source == Source::Permission,
                    input: input.as_ref(),
                };
                call.name = dialect.tool_name.and_then(|name| name(hint));
            }
            call.title = title;
        }
        if let Some(locations) = fields.locations.filter(|locations| !locations.is_empty()) {
            call.locations = locations.iter().take(MAX_LOCATIONS).map(|location| location.path.display().to_string()).collect();
        }
        // The input in a permission request may be a summary, so it does not replace the call's own.
        if let Some(input) = input
            && (call.input.is_none() || source == Source::Later)
        {
            if source == Source::Later {
                call.stage = Stage::Streamed;
            }
            call.input = Some(input);
        }
        Some(stage)
    }

    fn announce(&mut self, key: &str, out: &mut Output) {
        let Some(call) = self.table.get_mut(key).filter(|call| call.stage < Stage::Announced) else { return };
        call.stage = Stage::Announced;
        self.unannounced.retain(|unannounced| unannounced != key);
        let name = call.name.get_or_insert_with(|| tool_name_of_kind(call.kind).to_owned()).clone();
        let (kind, title, input) = (kind_of(call.kind), call.display_title(&name), call.display_input());
        out.emit(StreamEvent::ToolCall(ToolCall { id: key.to_owned(), tool: name, kind, title, input, parent_tool_call_id: None }));
    }

    fn end(&mut self, key: &str, worked: bool, content: String, raw_output: &Value, out: &mut Output) {
        let Some(call) = self.table.get_mut(key) else { return };
        let done = std::mem::take(call);
        call.agent_id.clone_from(&done.agent_id);
        (call.stage, call.denied, call.fingerprint) = (Stage::Ended, done.denied, Some(done.to_fingerprint()));
        let (name, input) = (done.name.clone().unwrap_or_default(), done.input.clone().unwrap_or_default());
        if done.denied {
            // The agent may report the denied call again.
            (call.title, call.input) = (done.title.clone(), done.input.clone());
        }
        let worked = worked && !self.dialect.failed.is_some_and(|failed| failed(raw_output));
        if worked && !done.requested && changes_something(done.kind) {
            self.unasked.get_or_insert_with(|| done.display_title(&name));
        }
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
        out.emit(StreamEvent::ToolResult { id: key.to_owned(), status, content, duration_ms: None });
    }
}

/// How a turn ended, for the calls that it leaves without a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TurnOutcome {
    Completed,
    Failed,
    Interrupted,
}

/// The subject of a permission request.
pub(super) struct PermissionSubject {
    /// The call's id in the log.
    pub(super) key: String,
    pub(super) tool: String,
    pub(super) kind: ToolKind,
    pub(super) input: Value,
}

/// The tool's name where agents put it as long as the protocol had no field for it (recordings `acp/qwen_edit`, `acp/grok_edit`).
fn name_in_meta(update: &ToolCallUpdate) -> Option<String> {
    let meta = update.meta.as_ref()?;
    let name = meta.get("toolName").or_else(|| meta.get("x.ai/tool")?.get("name")).or_else(|| meta.get("claudeCode")?.get("toolName"));
    name?.as_str().filter(|name| !name.is_empty()).map(str::to_owned)
}

/// The output of a command, from agents that show commands in a client's terminal (recording `acp/codex_plan`).
fn terminal_output(update: &ToolCallUpdate) -> Option<String> {
    update.meta.as_ref()?.get("terminal_output_delta")?.get("data")?.as_str().map(str::to_owned)
}

fn output_field(raw_output: Option<&Value>) -> Option<String> {
    let raw_output = raw_output?;
    ["output", "error", "message"].iter().find_map(|name| raw_output.get(name)?.as_str()).map(str::to_owned)
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

/// Whether a tool of this kind changes files or runs a program.
fn changes_something(kind: AcpKind) -> bool {
    matches!(kind_of(kind), ToolKind::Edit | ToolKind::Delete | ToolKind::Move | ToolKind::Execute)
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
