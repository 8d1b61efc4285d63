//! One tool call, as far as its agent has described it.

use agent_client_protocol_schema::v1::{Diff, ToolCallUpdate, ToolKind};
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

    /// Whether `update` announces this call again after its denial, as Cline does (recording `acp/cline_tool`).
    pub(super) fn is_repeated_by(&self, update: &ToolCallUpdate) -> bool {
        self.denied && update.fields.title.as_ref() == Some(&self.title) && update.fields.raw_input == self.input
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
