//! Deviations of individual agents.

use agent_client_protocol_schema::v1::ToolKind;
use serde_json::Value;

use crate::agent::UsageReports;
use crate::process::Exit;
use crate::types::{Failure, StreamEvent};

/// Derives the file changes of a tool call from the tool's name, its input and its raw output.
pub(crate) type FileChanges = fn(name: &str, input: &Value, output: &Value) -> Vec<StreamEvent>;

/// What the name of a tool can be derived from, for an agent that does not name its tools.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ToolHint<'a> {
    /// Kind of the tool.
    pub(crate) kind: ToolKind,
    /// The agent's id of the call.
    pub(crate) id: &'a str,
    /// Title of the call's first message.
    pub(crate) title: &'a str,
    /// Whether that message is a permission request, which may have a title of its own.
    pub(crate) is_request: bool,
    /// Input in the call's first message.
    pub(crate) input: Option<&'a Value>,
}

/// What a chunk of the agent's text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChunkRole {
    /// Part of the answer.
    Answer,
    /// A message of the agent program about itself.
    Notice,
    /// A report that the agent retries a model call.
    Retry,
    /// A greeting without content.
    Banner,
}

/// How one agent deviates from or extends the protocol. The default suits an unknown agent.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, read by name")]
pub struct Dialect {
    /// For an agent that does not name its tools.
    pub(crate) tool_name: Option<fn(ToolHint<'_>) -> Option<String>>,
    /// For an agent that states a command only in the title of its call.
    pub(crate) command_of_title: Option<fn(&str) -> Option<String>>,
    /// The tool whose input field `todos` is the agent's plan.
    pub(crate) plan_tool: Option<&'static str>,
    /// Derives the changes of a completed call, for an agent that sends no diff, or none of the whole file.
    pub(crate) file_changes: Option<FileChanges>,
    /// Whether a call that the agent reports as completed has failed, by its raw output.
    pub(crate) failed: Option<fn(&Value) -> bool>,
    /// The agent writes files itself and also sends `fs/write_text_file`, although the client does not offer it.
    pub(crate) sends_redundant_writes: bool,
    /// The agent's permission requests have call ids of their own.
    pub(crate) asks_under_own_ids: bool,
    /// The agent's answers begin with empty lines.
    pub(crate) trims_answers: bool,
    /// The agent reports the usage of every turn in which the model has answered.
    pub(crate) reports_usage: bool,
    /// What it reports about its usage.
    pub(crate) usage: UsageReports,
    /// The tokens that the agent reports for a turn are those of its last model call.
    pub(crate) reports_last_call: bool,
    /// The agent ends a turn without any output if the model could not be called.
    pub(crate) fails_silently: bool,
    /// Classifies chunks without a message id, for an agent that writes messages about itself into its answers.
    pub(crate) chunk_role: Option<fn(&str) -> ChunkRole>,
    /// Events from notifications that are not part of the protocol.
    pub(crate) notification: Option<fn(method: &str, params: &Value) -> Option<StreamEvent>>,
    /// Prefixes of methods that are not part of the protocol, whose notifications contain nothing of interest and whose requests the agent
    /// does not need.
    pub(crate) noise: &'static [&'static str],
    /// The agent's slash commands that may legitimately end without output.
    pub(crate) silent_commands: &'static [&'static str],
    /// Diagnoses an exit without a result.
    pub(crate) diagnose: Option<fn(Exit, &str) -> Option<Failure>>,
}

impl Dialect {
    /// An agent of which nothing is known.
    pub(crate) const UNKNOWN: Self = Self {
        tool_name: None,
        command_of_title: None,
        plan_tool: None,
        file_changes: None,
        failed: None,
        sends_redundant_writes: false,
        asks_under_own_ids: false,
        trims_answers: false,
        reports_usage: false,
        usage: UsageReports::NONE,
        reports_last_call: false,
        fails_silently: false,
        chunk_role: None,
        notification: None,
        noise: &[],
        silent_commands: &[],
        diagnose: None,
    };
}
