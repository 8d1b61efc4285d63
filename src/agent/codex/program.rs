//! Codex as a [`Program`].

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::exec::Exec;
use super::parser::AppServer;
use super::{command, flags, login};
use crate::agent::flags::Flag;
use crate::agent::probe::Prober;
use crate::agent::versions;
use crate::agent::{Capabilities, Environment, Inspection, Installed, Invocation, Location, Mode, Parser, Program, Task};
use crate::types::Failure;

/// The Codex CLI (npm `@openai/codex`, tested with 0.169.0).
#[derive(Clone, Debug)]
pub struct Codex {
    mode: Mode,
    codex_home: Option<PathBuf>,
}

impl Codex {
    /// Codex, spoken with in this mode. `codex_home` is the server's own `CODEX_HOME`; without one it is `.codex` in the agent's
    /// home folder. A path that is not absolute counts as none.
    pub fn new(mode: Mode, codex_home: Option<PathBuf>) -> Self {
        Self { mode, codex_home }
    }
}

/// What is known of the command line in this mode.
pub(super) fn flags(mode: Mode) -> &'static [Flag] {
    match mode {
        Mode::TwoWay => flags::APP_SERVER,
        Mode::OneShot => flags::EXEC,
    }
}

#[async_trait]
impl Program for Codex {
    #[expect(clippy::unnecessary_literal_bound, reason = "the trait leaves room for names made at run time")]
    fn name(&self) -> &str {
        "codex"
    }

    fn protocol(&self) -> &'static str {
        match self.mode {
            Mode::TwoWay => "app-server",
            Mode::OneShot => "jsonl",
        }
    }

    fn location(&self) -> Location<'_> {
        Location::Named("codex")
    }

    fn native(&self, found: &Path) -> Option<PathBuf> {
        command::native(found)
    }

    #[expect(clippy::unnecessary_literal_bound, reason = "the trait leaves room for commands made at run time")]
    fn install_command(&self) -> &str {
        versions::install_command(self.name())
    }

    fn login_hint(&self) -> &str {
        match self.mode {
            Mode::TwoWay => {
                "run `codex login`, or `printenv OPENAI_API_KEY | codex login --with-api-key`: a key in the environment alone is not used"
            }
            Mode::OneShot => "run `codex login`, or set CODEX_API_KEY",
        }
    }

    fn environment(&self) -> Environment {
        Environment {
            prefixes: &["CODEX_", "OPENAI_"],
            // Those of its Bedrock provider. A provider in config.toml names its own variable (`env_key`): that one is the
            // operator's to add.
            names: &["AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_REGION"],
        }
    }

    fn flags(&self) -> &'static [Flag] {
        flags(self.mode)
    }

    fn capabilities(&self, _variant: &str) -> Capabilities {
        let two_way = self.mode == Mode::TwoWay;
        Capabilities {
            resume: true,
            messages: two_way,
            steer: two_way,
            interrupt: two_way,
            permissions: two_way,
            questions: two_way,
            models: true,
            mcp_servers: true,
        }
    }

    async fn inspect(&self, binary: &Path, prober: &Prober) -> Inspection {
        login::inspect(self.mode, binary, prober).await
    }

    fn invocation(&self, task: &Task, installed: &Installed) -> Result<Invocation, Failure> {
        command::invocation(self.mode, task, command::home_of(installed, self.codex_home.as_deref()))
    }

    fn parser(&self, task: &Task, installed: &Installed) -> Box<dyn Parser> {
        match self.mode {
            Mode::TwoWay => Box::new(AppServer::new(task)),
            Mode::OneShot => Box::new(Exec::new(task, installed)),
        }
    }
}
