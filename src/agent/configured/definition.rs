//! The operator's definition of an agent.

use std::collections::BTreeMap;
use std::fmt;

use super::Fields;

/// An agent as defined in the settings, which have validated it.
#[derive(Clone, PartialEq)]
pub struct Definition {
    /// The `agent_type` that clients request.
    pub name: String,
    /// The format of its input and output.
    pub wire_format: WireFormat,
    /// The program: a file name to search for, or an absolute path.
    pub program: String,
    /// Its arguments in every run.
    pub args: Vec<String>,
    /// Further arguments for a run with a model, in which `{model}` is replaced. Empty if the model cannot be chosen by arguments.
    pub model_args: Vec<String>,
    /// Further arguments for a run that resumes a conversation, in which `{session}` is replaced. Empty if it cannot.
    pub resume_args: Vec<String>,
    /// The session mode to set for an ACP agent, such as one in which it asks for permission.
    pub session_mode: Option<String>,
    /// Names of the server's environment variables that it receives.
    pub pass_env: Vec<String>,
    /// Variables to set for it. The values may be secrets.
    pub set_env: BTreeMap<String, String>,
    /// The command that installs it.
    pub install: Option<String>,
    /// How to log in.
    pub login: Option<String>,
}

/// The format of a configured agent's input and output.
#[derive(Clone, Debug, PartialEq)]
pub enum WireFormat {
    /// The Agent Client Protocol.
    Acp,
    /// The prompt on stdin, the answer as text on stdout. Exit code 0 means success.
    Text,
    /// The prompt on stdin, JSON lines on stdout.
    Jsonl(Box<Fields>),
}

impl WireFormat {
    /// Its name in the settings and in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Acp => "acp",
            Self::Text => "text",
            Self::Jsonl(_) => "jsonl",
        }
    }
}

/// Omits the values of variables.
impl fmt::Debug for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Definition")
            .field("name", &self.name)
            .field("wire_format", &self.wire_format)
            .field("program", &self.program)
            .field("args", &self.args)
            .field("set_env", &self.set_env.keys())
            .finish_non_exhaustive()
    }
}
