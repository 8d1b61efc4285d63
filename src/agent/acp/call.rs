//! One tool call, as far as its agent has described it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use agent_client_protocol_schema::v1::{Diff, ToolCallStatus, ToolCallUpdate, ToolKind};
use serde_json::{Map, Value, json};

use crate::agent::common;

/// Maximum length of a title in characters.
const MAX_TITLE: usize = 200;

/// The progress of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    #[default]
    Created,
    /// Its input arrived after the first message, possibly in pieces.
    Streamed,
    /// It was emitted.
    Announced,
    Ended,
}

/// What remains of the title and the input of a call that has ended: their hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    title: u64,
    input: u64,
}

impl Fingerprint {
    fn new(title: &str, input: &Value) -> Self {
        let hash = |text: &str| {
            let mut hasher = DefaultHasher::new();
            text.hash(&mut hasher);
            hasher.finish()
        };
        Self { title: hash(title), input: hash(&input.to_string()) }
    }
}

/// A tool call.
#[derive(Debug, Default)]
pub(super) struct Call {
    /// The agent's id.
    pub(super) agent_id: String,
    pub(super) name: Option<String>,
    pub(super) kind: ToolKind,
    pub(super) title: String,
    /// The files that the agent lists for it.
    pub(super) locations: Vec<String>,
    pub(super) input: Option<Value>,
    pub(super) stage: Stage,
    /// Whether `tool_call` has announced it.
    pub(super) introduced: bool,
    /// Whether a permission request was about it.
    pub(super) requested: bool,
    pub(super) denied: bool,
    /// The tool's output so far.
    pub(super) output: String,
    pub(super) diffs: Vec<Diff>,
    /// Set when it has ended.
    pub(super) fingerprint: Option<Fingerprint>,
    /// The diffs of its permission request: they contain whole files, whereas later ones may contain only the changed words.
    pub(super) requested_diffs: Vec<Diff>,
}

impl Call {
    pub(super) fn new(agent_id: &str) -> Self {
        Self { agent_id: agent_id.to_owned(), ..Self::default() }
    }

    pub(super) fn agent_id(&self) -> &str {
        &self.agent_id
    }

    /// Approximate size in memory, in bytes.
    pub(super) fn size(&self) -> usize {
        let diff = |diff: &Diff| diff.old_text.as_ref().map_or(0, String::len) + diff.new_text.len();
        let diffs = self.diffs.iter().chain(&self.requested_diffs).map(diff).sum::<usize>();
        let texts = self.agent_id.len() + self.name.as_ref().map_or(0, String::len) + self.title.len() + self.output.len();
        let locations = self.locations.iter().map(String::len).sum::<usize>();
        size_of::<Self>() + texts + locations + diffs + self.input.as_ref().map_or(0, common::size_of)
    }

    pub(super) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    #[cfg(test)]
    pub(super) fn end_for_test(&mut self) {
        self.stage = Stage::Ended;
    }

    /// What is kept of it at its end.
    pub(super) fn to_fingerprint(&self) -> Fingerprint {
        Fingerprint::new(&self.title, self.input.as_ref().unwrap_or(&Value::Null))
    }

    /// Whether an update with this id, after the end of this call, is about this call and not about another one that reuses the id. `first`
    /// states whether the update is a `tool_call`, which announces a call: again after a denial, as Cline does (recording `acp/cline_tool`),
    /// or as complete from the beginning.
    pub(super) fn is_repeated_by(&self, first: bool, update: &ToolCallUpdate) -> bool {
        let fields = &update.fields;
        let input = fields.raw_input.as_ref().filter(|input| has_content(input));
        let seen = Fingerprint::new(fields.title.as_deref().unwrap_or_default(), input.unwrap_or(&Value::Null));
        let same_input = input.is_none() || self.fingerprint.is_none_or(|ended| ended.input == seen.input);
        let same_title = fields.title.is_none() || self.fingerprint.is_none_or(|ended| ended.title == seen.title);
        match (first, fields.status) {
            (true, Some(ToolCallStatus::Completed | ToolCallStatus::Failed)) => same_input && (same_title || input.is_some()),
            (true, _) => self.denied && fields.title.as_ref() == Some(&self.title) && fields.raw_input == self.input,
            // Some agents announce calls by updates.
            (false, Some(ToolCallStatus::Pending | ToolCallStatus::InProgress)) => same_input,
            (false, _) => true,
        }
    }

    /// The input for clients. If the agent sends none, its proposed changes.
    pub(super) fn display_input(&self) -> Value {
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
    pub(super) fn display_title(&self, name: &str) -> String {
        let line = self.title.lines().find(|line| !line.trim().is_empty()).unwrap_or(name).trim();
        let line = match self.locations.first() {
            Some(location) if line == name => format!("{line} {location}"),
            _ => line.to_owned(),
        };
        match line.char_indices().nth(MAX_TITLE) {
            Some((cut, _)) => format!("{}…", &line[..cut]),
            None => line,
        }
    }
}

/// Whether an input says anything.
pub(super) fn has_content(input: &Value) -> bool {
    match input {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        _ => true,
    }
}
