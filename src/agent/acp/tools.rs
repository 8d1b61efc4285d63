//! Tool calls, from first mention to result.
//!
//! Agents announce a call before they know its input, change their mind about its title, and repeat themselves. A client wants
//! one `tool_call` with the whole input, then what the tool writes, then one result.

use std::collections::HashMap;

use agent_client_protocol_schema::v1::{ContentBlock, Diff, ToolCallContent, ToolCallStatus, ToolCallUpdate, ToolKind as AcpKind};
use serde_json::{Map, Value, json};

use super::dialect::Dialect;
use super::diff;
use super::plan::plan_entries;
use crate::agent::Output;
use crate::types::{FileChangeKind, StreamEvent, ToolCall, ToolKind, ToolStatus};

/// Longest title, in characters.
const TITLE: usize = 200;

/// The calls of a session.
#[derive(Debug)]
pub(super) struct Calls {
    dialect: Dialect,
    by_id: HashMap<String, Call>,
    /// Ids of calls that are not told yet, in order.
    untold: Vec<String>,
}

/// Where a call is spoken of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mention {
    First,
    Later,
    /// In a permission request.
    Asking,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    #[default]
    Mentioned,
    /// Its input came after the first mention, perhaps piece by piece.
    Streamed,
    Told,
    Ended,
}

#[derive(Debug, Default)]
struct Call {
    name: Option<String>,
    kind: AcpKind,
    title: String,
    /// The first file that the agent names in connection with it.
    place: Option<String>,
    input: Option<Value>,
    stage: Stage,
    denied: bool,
    /// What the tool has written so far.
    output: String,
    diffs: Vec<Diff>,
    /// Those that a permission was asked for: they hold whole files where later ones may hold only the changed words.
    asked_diffs: Vec<Diff>,
}

impl Calls {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, by_id: HashMap::new(), untold: Vec::new() }
    }

    /// Takes `tool_call` (`first`) or `tool_call_update`.
    pub(super) fn update(&mut self, first: bool, update: ToolCallUpdate, out: &mut Output) {
        let id = update.tool_call_id.to_string();
        let fields = &update.fields;
        let status = fields.status;
        let (text, terminal) = (text_of(fields.content.as_deref()), terminal_output(&update));
        let raw_output = fields.raw_output.clone();
        if self.absorb(&id, if first { Mention::First } else { Mention::Later }, update).stage == Stage::Ended {
            return;
        }
        // A pending call may be without its input, or with half of it (recordings `acp/opencode_plan`, `acp/claude_plan`).
        if status.is_some_and(|status| status != ToolCallStatus::Pending) {
            self.tell(&id, out);
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
            _ if call.stage == Stage::Told => {
                // Before it runs, a call's text may be a description (recording `acp/claude_plan`).
                let running = status == Some(ToolCallStatus::InProgress);
                let grown = text.filter(|_| running).and_then(|text| {
                    let more = text.strip_prefix(call.output.as_str()).map(str::to_owned);
                    call.output = text;
                    more
                });
                let content = terminal.or(grown).unwrap_or_default();
                if !content.is_empty() {
                    out.event(StreamEvent::ToolOutput { id, content });
                }
            }
            _ => {}
        }
    }

    /// The agent asks for permission: the call is told if it was not, and what is asked for is given back.
    pub(super) fn ask(&mut self, update: ToolCallUpdate, out: &mut Output) -> Asking {
        let id = update.tool_call_id.to_string();
        let kind = update.fields.kind;
        let asked_input = update.fields.raw_input.clone().filter(|input| meaningful(Some(input)));
        let asked_diffs = diffs_of(update.fields.content.as_deref());
        let call = self.absorb(&id, Mention::Asking, update);
        if !asked_diffs.is_empty() {
            call.asked_diffs = asked_diffs;
        }
        let tool = call.name.clone();
        let kind = kind.filter(|kind| *kind != AcpKind::Other).unwrap_or(call.kind);
        let input = asked_input.unwrap_or_else(|| call.shown_input());
        self.tell(&id, out);
        Asking { tool: tool.unwrap_or_else(|| kind_word(kind).to_owned()), kind: kind_of(kind), input, id }
    }

    /// A permission for this call was refused, so that its failure is no error of the tool.
    pub(super) fn deny(&mut self, id: &str) {
        if let Some(call) = self.by_id.get_mut(id) {
            call.denied = true;
        }
    }

    /// The agent goes on to something other than the call `id`: the input of the calls before it is complete. Claude's adapter says
    /// nothing else when a tool begins to run (recording `acp/claude_plan`).
    pub(super) fn move_on(&mut self, id: Option<&str>, out: &mut Output) {
        let complete =
            |each: &&String| Some(each.as_str()) != id && self.by_id.get(*each).is_some_and(|call| call.stage == Stage::Streamed);
        let ready: Vec<String> = self.untold.iter().filter(complete).cloned().collect();
        for id in ready {
            self.tell(&id, out);
        }
    }

    /// The turn is over: calls that were mentioned and never carried on are told as they are, and those that were refused have
    /// their result (Codex's adapter ends the turn instead: recording `acp/codex_permission_reject_once`). So have those that an
    /// interrupt found running, of which some agents say nothing more.
    pub(super) fn finish(&mut self, interrupted: bool, out: &mut Output) {
        for id in std::mem::take(&mut self.untold) {
            self.tell(&id, out);
        }
        let over = self.by_id.iter().filter(|(_, call)| call.stage == Stage::Told && (call.denied || interrupted));
        let mut over: Vec<(String, bool)> = over.map(|(id, call)| (id.clone(), call.denied)).collect();
        over.sort_unstable();
        for (id, denied) in over {
            let content = if denied { String::new() } else { "interrupted".to_owned() };
            self.end(&id, false, content, &Value::Null, out);
        }
    }

    /// Takes over what `update` says of a call.
    fn absorb(&mut self, id: &str, mention: Mention, update: ToolCallUpdate) -> &mut Call {
        if !self.by_id.contains_key(id) {
            self.untold.push(id.to_owned());
        }
        let call = self.by_id.entry(id.to_owned()).or_default();
        let fields = update.fields;
        let diffs = diffs_of(fields.content.as_deref());
        if !diffs.is_empty() {
            call.diffs = diffs;
        }
        if call.stage >= Stage::Told {
            return call;
        }
        call.kind = fields.kind.filter(|kind| *kind != AcpKind::Other).unwrap_or(call.kind);
        if let Some(title) = fields.title {
            if mention == Mention::First && fields.name.is_none() {
                call.name = self.dialect.tool_name.map(|name| name(call.kind, &title));
            }
            call.title = title;
        }
        call.name = fields.name.or(call.name.take());
        call.place = fields.locations.and_then(|all| Some(all.first()?.path.display().to_string())).or(call.place.take());
        // The input of a permission request may be the agent's own digest of it, so the call's own words stand.
        if let Some(input) = fields.raw_input.filter(|input| meaningful(Some(input)))
            && (call.input.is_none() || mention == Mention::Later)
        {
            if mention == Mention::Later {
                call.stage = Stage::Streamed;
            }
            call.input = Some(input);
        }
        call
    }

    fn tell(&mut self, id: &str, out: &mut Output) {
        let Some(call) = self.by_id.get_mut(id).filter(|call| call.stage < Stage::Told) else { return };
        call.stage = Stage::Told;
        self.untold.retain(|untold| untold != id);
        let name = call.name.get_or_insert_with(|| kind_word(call.kind).to_owned()).clone();
        let (kind, title, input) = (kind_of(call.kind), call.shown_title(&name), call.shown_input());
        out.event(StreamEvent::ToolCall(ToolCall { id: id.to_owned(), tool: name, kind, title, input, parent_tool_call_id: None }));
    }

    fn end(&mut self, id: &str, worked: bool, content: String, raw_output: &Value, out: &mut Output) {
        let Some(call) = self.by_id.get_mut(id) else { return };
        // What is kept of an ended call is only that it has ended.
        let done = std::mem::replace(call, Call { stage: Stage::Ended, ..Call::default() });
        let (name, input) = (done.name.unwrap_or_default(), done.input.unwrap_or_default());
        let worked = worked && !self.dialect.failed.is_some_and(|failed| failed(raw_output));
        if worked {
            let own = || self.dialect.file_changes.map(|changes| changes(&name, &input, raw_output)).unwrap_or_default();
            let told = match (done.asked_diffs.is_empty(), done.diffs.is_empty()) {
                (false, _) => file_changes(&done.asked_diffs),
                (true, false) => Some(own()).filter(|own| !own.is_empty()).unwrap_or_else(|| file_changes(&done.diffs)),
                (true, true) => own(),
            };
            for change in told {
                out.event(change);
            }
            if self.dialect.plan_tool == Some(name.as_str())
                && let Some(entries) = input.get("todos").and_then(Value::as_array)
            {
                out.event(StreamEvent::Plan { entries: plan_entries(entries) });
            }
        }
        let status = match (worked, done.denied) {
            (true, _) => ToolStatus::Ok,
            (false, true) => ToolStatus::Denied,
            (false, false) => ToolStatus::Error,
        };
        out.event(StreamEvent::ToolResult { id: id.to_owned(), status, content, duration_ms: None });
    }
}

/// What a permission is asked for.
pub(super) struct Asking {
    /// Id of the call.
    pub(super) id: String,
    pub(super) tool: String,
    pub(super) kind: ToolKind,
    pub(super) input: Value,
}

impl Call {
    /// The input as a client sees it: where the agent gives none, the changes that it wants to make are the input.
    fn shown_input(&self) -> Value {
        let diffs = if self.asked_diffs.is_empty() { &self.diffs } else { &self.asked_diffs };
        match &self.input {
            Some(input) => input.clone(),
            None if diffs.is_empty() => Value::Object(Map::new()),
            None => {
                let change = |each: &Diff| json!({ "path": each.path, "old_text": each.old_text, "new_text": each.new_text });
                json!({ "changes": diffs.iter().map(change).collect::<Vec<_>>() })
            }
        }
    }

    /// One line: a title that only repeats the tool's name gets the file that it is about.
    fn shown_title(&self, name: &str) -> String {
        let line = self.title.lines().find(|line| !line.trim().is_empty()).unwrap_or(name).trim();
        let line = match &self.place {
            Some(place) if line == name => format!("{line} {place}"),
            _ => line.to_owned(),
        };
        match line.char_indices().nth(TITLE) {
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

/// What a command wrote, from agents that show their commands in a terminal of the client's (recording `acp/codex_plan`).
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
    let said = change.meta.as_ref().and_then(|meta| meta.get("kind")).and_then(Value::as_str);
    let kind = match said {
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

/// A name for tools whose agent does not name them.
fn kind_word(kind: AcpKind) -> &'static str {
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
