//! The operator's definition of an agent.

use std::collections::BTreeMap;
use std::fmt;

use super::Fields;
use crate::agent::presets::{ModeSupport, Preset};
use crate::types::PermissionMode;

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
    pub session_modes: SessionModes,
    /// The method to `authenticate` an ACP agent with; `None` if it needs no such request.
    pub auth_method: Option<String>,
    /// Values of an ACP agent's configuration options.
    pub config_options: BTreeMap<String, String>,
    /// What an ACP agent asks about; `None` if that is not stated.
    pub asks: Option<AskScope>,
    /// Names of the server's environment variables that it receives.
    pub pass_env: Vec<String>,
    /// Variables to set for it. A value is a secret if its variable's name says so.
    pub set_env: BTreeMap<String, String>,
    /// Further variables to set for it, whose values are secrets.
    pub secret_env: BTreeMap<String, String>,
    /// The command that installs it.
    pub install: Option<String>,
    /// How to log in.
    pub login: Option<String>,
    /// The preset that it is based on.
    pub preset: Option<&'static Preset>,
}

/// What an agent asks about before it does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AskScope {
    /// Everything that changes something.
    All,
    /// Changes of files, but not commands.
    Edits,
    /// Nothing.
    None,
}

/// The session mode of an ACP agent for each permission mode; `None` to leave the one in which it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionModes {
    /// For `auto`.
    pub auto: Option<String>,
    /// For `ask`.
    pub ask: Option<String>,
    /// For `read_only`.
    pub read_only: Option<String>,
}

impl SessionModes {
    /// The same session mode for every permission mode.
    pub fn all(mode: Option<String>) -> Self {
        Self { auto: mode.clone(), ask: mode.clone(), read_only: mode }
    }

    /// The session mode for `mode`.
    pub fn get(&self, mode: PermissionMode) -> Option<&str> {
        let mode = match mode {
            PermissionMode::Auto => &self.auto,
            PermissionMode::Ask => &self.ask,
            PermissionMode::ReadOnly => &self.read_only,
        };
        mode.as_deref()
    }
}

impl Definition {
    /// An agent that is started as its preset says.
    pub fn of_preset(preset: &'static Preset) -> Self {
        Self {
            name: preset.name.to_owned(),
            wire_format: WireFormat::Acp,
            program: preset.program.to_owned(),
            args: preset.args.iter().map(|arg| (*arg).to_owned()).collect(),
            model_args: Vec::new(),
            resume_args: Vec::new(),
            session_modes: SessionModes::default(),
            auth_method: None,
            config_options: BTreeMap::new(),
            asks: None,
            pass_env: preset.env.iter().map(|name| (*name).to_owned()).collect(),
            set_env: BTreeMap::new(),
            secret_env: BTreeMap::new(),
            install: None,
            login: Some(preset.login.to_owned()),
            preset: Some(preset),
        }
    }

    /// Why the agent cannot keep `mode`. `None` if it can, or if nothing is known to the contrary.
    pub(super) fn unsupported_mode(&self, mode: PermissionMode) -> Option<&'static str> {
        if mode == PermissionMode::Auto {
            return None;
        }
        match (self.asks, self.preset.map(|preset| preset.support(mode))) {
            (Some(AskScope::None), _) => Some("it asks for no permission (`asks` in its settings)"),
            (Some(AskScope::Edits), _) => Some("it runs commands without asking (`asks` in its settings)"),
            (None, Some(ModeSupport::No(reason))) => Some(reason),
            (Some(AskScope::All) | None, _) => None,
        }
    }

    /// The session mode of a run in permission mode `mode`.
    pub(super) fn session_mode(&self, mode: PermissionMode) -> Option<String> {
        let of_preset = || match self.preset?.support(mode) {
            ModeSupport::Set(mode) => Some(mode),
            ModeSupport::Leave | ModeSupport::No(_) => None,
        };
        self.session_modes.get(mode).or_else(of_preset).map(str::to_owned)
    }

    /// Whether the agent asks about anything.
    pub(super) fn asks_at_all(&self) -> bool {
        match self.asks {
            Some(asks) => asks != AskScope::None,
            None => self.preset.is_none_or(|preset| preset.asks),
        }
    }
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
            .field("secret_env", &self.secret_env.keys())
            .finish_non_exhaustive()
    }
}
