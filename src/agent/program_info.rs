//! The fixed facts about an agent program.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::agent::flags::Flag;
use crate::agent::versions;

/// Everything about a program that depends neither on a run nor on the installation.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgramInfo {
    /// The `agent_type` that clients request.
    pub name: Cow<'static, str>,
    /// The protocol of its stdin and stdout: `stream-json`, `app-server`, `acp`, `text`, `jsonl` or `demo`.
    pub protocol: &'static str,
    /// Where the program is.
    pub location: Location,
    /// How to install it.
    pub install: Install,
    /// How to log in, for people. Empty if it needs no login or none is known.
    pub login_hint: Cow<'static, str>,
    /// The variables of the server's environment that it receives, in addition to those that every agent receives.
    pub environment: Environment,
    /// The known flags of its command line, by which `extra_args` are classified. `None` if it takes no `extra_args`.
    pub flags: Option<&'static [Flag]>,
    /// What a client can do with it, unless that depends on the installed variant (see
    /// [`Program::capabilities`](crate::agent::Program::capabilities)).
    pub capabilities: Capabilities,
}

impl ProgramInfo {
    /// The exact command that installs the program. Empty if none is known.
    pub fn install_command(&self) -> &str {
        match &self.install {
            Install::Unknown => "",
            Install::Npm | Install::Listed => versions::install_command(&self.name),
            Install::Command(command) => command,
        }
    }
}

/// How a program is installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Install {
    /// It is built in, or no command is known.
    Unknown,
    /// From npm, with the package and version that `scripts/agents.versions` lists for it.
    Npm,
    /// From a package registry, with the packages and versions that `scripts/presets.versions` lists for it, if it does.
    Listed,
    /// With this command.
    Command(String),
}

/// Where a program is. It is never searched for in a working directory, nor through a relative path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// The file of this name in the agents directory or, failing that, on `PATH`.
    Named(Cow<'static, str>),
    /// This file. The path is absolute.
    At(PathBuf),
    /// The running executable itself.
    BuiltIn,
}

/// The variables of the server's environment that a program receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Every variable whose name starts with one of these.
    pub prefixes: &'static [&'static str],
    /// Variables by name.
    pub names: &'static [&'static str],
    /// Further variables by name, from the settings.
    pub configured: Vec<String>,
}

impl Environment {
    /// Whether the program receives the variable `name`.
    pub(super) fn includes(&self, name: &str) -> bool {
        self.prefixes.iter().any(|prefix| name.starts_with(prefix))
            || self.names.contains(&name)
            || self.configured.iter().any(|configured| configured == name)
    }
}

/// What a client can do with an agent besides giving it a prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "independent yes/no properties, and serialized as such")]
pub struct Capabilities {
    /// Continue a conversation in a later run.
    pub resume: bool,
    /// Continue a conversation in another working directory.
    pub move_session: bool,
    /// Send a further message in the same run, once its turn has ended.
    pub messages: bool,
    /// Add a message to a running turn without interrupting it.
    pub steer: bool,
    /// Stop a turn without ending the process.
    pub interrupt: bool,
    /// Be asked for permission before it uses a tool.
    pub permissions: bool,
    /// Be asked a question.
    pub questions: bool,
    /// Choose its model.
    pub models: bool,
    /// Give it MCP servers.
    pub mcp_servers: bool,
    /// Add instructions to its system prompt.
    pub instructions: bool,
}

impl Capabilities {
    /// None of them: the agent takes a prompt and nothing else.
    pub const NONE: Self = Self {
        resume: false,
        move_session: false,
        messages: false,
        steer: false,
        interrupt: false,
        permissions: false,
        questions: false,
        models: false,
        mcp_servers: false,
        instructions: false,
    };
}
