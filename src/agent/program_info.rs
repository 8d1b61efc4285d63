//! The fixed facts about an agent program.

use std::borrow::Cow;
use std::path::PathBuf;

use crate::agent::flags::Flag;
use crate::agent::versions;
use crate::types::SpendKind;

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
    /// Give it images.
    pub images: bool,
    /// Give it files.
    pub files: bool,
    /// What it reports about its usage, and so which spend limits a run may have.
    pub usage: UsageReports,
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
        images: false,
        files: false,
        usage: UsageReports::NONE,
    };
}

/// What an agent reports about its usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct UsageReports {
    /// Its cost (`max_cost_usd`).
    pub cost: ReportInterval,
    /// Its tokens (`max_tokens`).
    pub tokens: ReportInterval,
    /// The number of its model calls (`max_turns`).
    pub turns: ReportInterval,
    /// Whether its sub-agents are included.
    pub sub_agents: bool,
    /// Whether its cost is also known in runs that continue a session.
    pub continued_cost: bool,
}

impl UsageReports {
    /// None.
    pub const NONE: Self = Self {
        cost: ReportInterval::Never,
        tokens: ReportInterval::Never,
        turns: ReportInterval::Never,
        sub_agents: false,
        continued_cost: false,
    };
    /// Its tokens at the end of each turn.
    pub const TOKENS_PER_TURN: Self = Self { tokens: ReportInterval::Turn, ..Self::NONE };

    /// Whether a limit of this kind can be enforced, in a run that continues a session or starts one.
    pub fn covers(&self, kind: SpendKind, continues: bool) -> bool {
        self.interval(kind) != ReportInterval::Never && (kind != SpendKind::Cost || self.continued_cost || !continues)
    }

    /// What weakens a limit of this kind. `None` if it is exceeded by at most one model call.
    pub fn weakness(&self, kind: SpendKind) -> Option<String> {
        let late = (self.interval(kind) == ReportInterval::Turn).then_some("only at the end of each turn");
        let partial = (!self.sub_agents).then_some("without its sub-agents");
        let how: Vec<&str> = [late, partial].into_iter().flatten().collect();
        (!how.is_empty()).then(|| format!("the agent reports its {} {}", kind.noun(), how.join(" and ")))
    }

    /// How often it reports what a limit of this kind counts.
    pub fn interval(&self, kind: SpendKind) -> ReportInterval {
        match kind {
            SpendKind::Cost => self.cost,
            SpendKind::Tokens => self.tokens,
            SpendKind::Turns => self.turns,
        }
    }
}

/// How often an agent reports a part of its usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReportInterval {
    /// Not at all: a run with such a limit is rejected.
    #[default]
    Never,
    /// At the end of each turn: a limit may be exceeded by one turn.
    Turn,
    /// After each model call: a limit may be exceeded by one call.
    Call,
}
