//! What the operator says of an agent.

use std::collections::BTreeMap;
use std::fmt;

use super::Fields;

/// An agent of the operator's own, as the settings describe it: complete and checked there.
#[derive(Clone, PartialEq)]
pub struct Definition {
    /// The `agent_type` that clients ask for.
    pub name: String,
    /// How it is spoken with.
    pub wire_format: WireFormat,
    /// The program: a file name to look for, or an absolute path.
    pub program: String,
    /// Its arguments in every run.
    pub args: Vec<String>,
    /// Further arguments for a run that names a model, with `{model}` in its place. Empty if it cannot be told a model this way.
    pub model_args: Vec<String>,
    /// Further arguments for a run that continues a conversation, with `{session}` in its place. Empty if it cannot.
    pub resume_args: Vec<String>,
    /// The agent's own session mode that an ACP agent is put into, such as one in which it asks for permission.
    pub session_mode: Option<String>,
    /// Names of variables of the server's environment that it gets.
    pub pass_env: Vec<String>,
    /// Variables that it gets with these values, which may be secrets.
    pub set_env: BTreeMap<String, String>,
    /// The command that installs it.
    pub install: Option<String>,
    /// How to log in.
    pub login: Option<String>,
}

/// How a configured agent is spoken with.
#[derive(Clone, Debug, PartialEq)]
pub enum WireFormat {
    /// By the Agent Client Protocol.
    Acp,
    /// The prompt on stdin, the answer as text on stdout; exit code 0 says that it went well.
    Text,
    /// The prompt on stdin, JSON lines on stdout.
    Jsonl(Box<Fields>),
}

impl WireFormat {
    /// The word for it, in the settings and in the API.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Acp => "acp",
            Self::Text => "text",
            Self::Jsonl(_) => "jsonl",
        }
    }
}

/// Without the values of variables.
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
