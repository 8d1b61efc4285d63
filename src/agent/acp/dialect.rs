//! Deviations of individual agents.

use agent_client_protocol_schema::v1::ToolKind;
use serde_json::Value;

use crate::process::Exit;
use crate::types::{Failure, StreamEvent};

/// Derives the file changes of a tool call from the tool's name, its input and its raw output.
pub(crate) type FileChanges = fn(name: &str, input: &Value, output: &Value) -> Vec<StreamEvent>;

/// How one agent deviates from or extends the protocol. The default suits an unknown agent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    /// For an agent that does not name its tools: derives the name from the kind and title of a call's first update.
    pub(crate) tool_name: Option<fn(ToolKind, &str) -> String>,
    /// The tool whose input field `todos` is the agent's plan.
    pub(crate) plan_tool: Option<&'static str>,
    /// Derives the changes of a completed call, for an agent that sends no diff, or none of the whole file.
    pub(crate) file_changes: Option<FileChanges>,
    /// Whether a call that the agent reports as completed has failed, by its raw output.
    pub(crate) failed: Option<fn(&Value) -> bool>,
    /// The agent writes files itself and also sends `fs/write_text_file`, although the client does not offer it.
    pub(crate) sends_redundant_writes: bool,
    /// The agent's slash commands that may legitimately end without output.
    pub(crate) silent_commands: &'static [&'static str],
    /// Diagnoses an exit without a result.
    pub(crate) diagnose: Option<fn(Exit, &str) -> Option<Failure>>,
}
