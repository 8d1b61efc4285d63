//! The agent `opencode` as the rest of the program sees it.

use std::path::Path;

use async_trait::async_trait;

use super::go::Go;
use super::oneshot::OneShot;
use super::{command, diagnose, flags, login, tools, variant};
use crate::agent::acp::{Acp, Dialect};
use crate::agent::flags::Flag;
use crate::agent::probe::Prober;
use crate::agent::versions;
use crate::agent::{Capabilities, Environment, Inspection, Installed, Invocation, Location, Mode, Parser, Program, Task};
use crate::types::Failure;

/// `OpenCode`, whichever of the two programs of that name is installed.
///
/// Its tokens over ACP are those of the last model request of a turn only, because it tells no others; its cost is the whole
/// turn's. In one-shot mode both are whole.
#[derive(Clone, Debug, Default)]
pub struct OpenCode {
    mode: Mode,
    inline_config: Option<String>,
}

impl OpenCode {
    /// Driven in `mode`.
    pub fn new(mode: Mode) -> Self {
        Self { mode, inline_config: None }
    }

    /// Keeps the operator's own inline configuration (`OPENCODE_CONFIG_CONTENT` of the server), which ours would replace: the two
    /// are laid over each other. One that is no plain JSON object cannot be kept.
    #[must_use]
    pub fn with_inline_config(mut self, config: Option<String>) -> Self {
        self.inline_config = config;
        self
    }
}

const NAMES: [&str; login::KEYS.len() + login::SETTINGS.len()] = {
    let mut names = [""; login::KEYS.len() + login::SETTINGS.len()];
    let mut at = 0;
    while at < names.len() {
        names[at] = if at < login::KEYS.len() { login::KEYS[at] } else { login::SETTINGS[at - login::KEYS.len()] };
        at += 1;
    }
    names
};

const DIALECT: Dialect = Dialect {
    tool_name: Some(tools::name),
    plan_tool: Some(tools::PLAN_TOOL),
    file_changes: Some(tools::file_changes),
    failed: Some(tools::failed),
    writes_twice: true,
    silent_commands: &["compact"],
    diagnose: Some(diagnose::diagnose),
};

#[async_trait]
impl Program for OpenCode {
    fn name(&self) -> &'static str {
        "opencode"
    }

    fn protocol(&self) -> &'static str {
        match self.mode {
            Mode::TwoWay => "acp",
            Mode::OneShot => "jsonl",
        }
    }

    fn location(&self) -> Location<'_> {
        Location::Named("opencode")
    }

    fn install_command(&self) -> &str {
        versions::install_command(self.name())
    }

    fn login_hint(&self) -> &'static str {
        "run `opencode auth login`, or set a provider's key such as ANTHROPIC_API_KEY for the server"
    }

    fn environment(&self) -> Environment {
        Environment { prefixes: &["OPENCODE_"], names: &NAMES }
    }

    fn flags(&self) -> &'static [Flag] {
        match self.mode {
            Mode::TwoWay => flags::TWO_WAY,
            Mode::OneShot => flags::ONE_SHOT,
        }
    }

    fn capabilities(&self, variant: &str) -> Capabilities {
        // The archived program takes one prompt and answers once.
        let npm = variant != super::variant::GO;
        let two_way = npm && self.mode == Mode::TwoWay;
        Capabilities {
            resume: npm,
            messages: two_way,
            steer: false,
            interrupt: two_way,
            permissions: two_way,
            questions: false,
            models: npm,
            mcp_servers: two_way,
        }
    }

    async fn inspect(&self, binary: &Path, prober: &Prober) -> Inspection {
        let variant::Found { variant, version, error } = variant::find(binary, prober).await;
        Inspection { version, variant, authenticated: login::state(variant, prober).await, error }
    }

    fn invocation(&self, task: &Task, installed: &Installed) -> Result<Invocation, Failure> {
        command::invocation(self.mode, self.inline_config.as_deref(), task, installed)
    }

    fn parser(&self, task: &Task, installed: &Installed) -> Box<dyn Parser> {
        match (installed.variant.as_ref(), self.mode) {
            (variant::GO, _) => Box::new(Go::new(installed)),
            (_, Mode::TwoWay) => Box::new(Acp::new(task, DIALECT)),
            (_, Mode::OneShot) => Box::new(OneShot::new(task, installed)),
        }
    }
}
