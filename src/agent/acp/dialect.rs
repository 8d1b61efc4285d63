//! The points in which agents that speak the protocol differ.

use agent_client_protocol_schema::v1::ToolKind;
use serde_json::Value;

use crate::process::Exit;
use crate::types::{Failure, StreamEvent};

/// What a tool changed, by its name, its input and its raw output.
pub(crate) type FileChanges = fn(name: &str, input: &Value, output: &Value) -> Vec<StreamEvent>;

/// What one agent does in its own way. The default suits an agent of which nothing is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    /// Where the agent does not name its tools: the name, from the kind and title of a call's first mention.
    pub(crate) tool_name: Option<fn(ToolKind, &str) -> String>,
    /// The tool whose input `todos` is the agent's plan.
    pub(crate) plan_tool: Option<&'static str>,
    /// What a finished call changed, where the agent gives no diff, or none of the whole file.
    pub(crate) file_changes: Option<FileChanges>,
    /// Whether a call that the agent calls completed has failed all the same, by its raw output.
    pub(crate) failed: Option<fn(&Value) -> bool>,
    /// The agent writes files itself and asks us to write them as well, whatever we offer.
    pub(crate) writes_twice: bool,
    /// Commands of the agent's own that may well end without a word.
    pub(crate) silent_commands: &'static [&'static str],
    /// What an exit without a result means.
    pub(crate) diagnose: Option<fn(Exit, &str) -> Option<Failure>>,
}
