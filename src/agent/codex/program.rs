//! Codex as a [`Program`].

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde_json::Value;

use super::exec::Exec;
use super::parser::AppServer;
use super::{command, flags, login};
use crate::agent::probe::Prober;
use crate::agent::{
    Capabilities, Environment, Inspection, Install, Installed, Invocation, Location, LoginFile, Mode, Parser, Program, ProgramInfo,
    ReportInterval, Task, UsageReports,
};
use crate::types::{Failure, PermissionMode};

/// The Codex CLI (npm `@openai/codex`, tested with 0.169.0).
#[derive(Clone, Debug)]
pub struct Codex {
    mode: Mode,
    codex_home: Option<PathBuf>,
}

impl Codex {
    /// An adapter that drives Codex in `mode`. `codex_home` is the server's own `CODEX_HOME`. If it is `None` or relative, Codex uses
    /// `.codex` in the agent's home directory.
    pub fn new(mode: Mode, codex_home: Option<PathBuf>) -> Self {
        Self { mode, codex_home }
    }
}

/// The fixed facts about the program when it is driven in `mode`.
pub(super) fn info(mode: Mode) -> &'static ProgramInfo {
    static TWO_WAY: ProgramInfo = make_info(Mode::TwoWay);
    static ONE_SHOT: ProgramInfo = make_info(Mode::OneShot);
    match mode {
        Mode::TwoWay => &TWO_WAY,
        Mode::OneShot => &ONE_SHOT,
    }
}

const fn make_info(mode: Mode) -> ProgramInfo {
    let two_way = matches!(mode, Mode::TwoWay);
    ProgramInfo {
        name: Cow::Borrowed("codex"),
        protocol: if two_way { "app-server" } else { "jsonl" },
        location: Location::Named(Cow::Borrowed("codex")),
        install: Install::Npm,
        login_hint: Cow::Borrowed(if two_way {
            "run `codex login`, or `printenv OPENAI_API_KEY | codex login --with-api-key`: a key in the environment alone is not used"
        } else {
            "run `codex login`, or set CODEX_API_KEY"
        }),
        environment: Environment {
            prefixes: &["CODEX_", "OPENAI_"],
            // Those of its Bedrock provider. A provider in config.toml names its own variable (`env_key`), which the operator must add.
            names: &["AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_REGION"],
            configured: Vec::new(),
        },
        flags: Some(if two_way { flags::APP_SERVER } else { flags::EXEC }),
        capabilities: Capabilities {
            resume: true,
            move_session: two_way,
            messages: two_way,
            steer: two_way,
            interrupt: two_way,
            permissions: two_way,
            questions: two_way,
            models: true,
            mcp_servers: two_way,
            instructions: two_way,
            images: two_way,
            files: two_way,
            // It knows no prices. In one-shot mode it reports no usage if it continues a conversation.
            usage: if two_way {
                UsageReports { tokens: ReportInterval::Call, turns: ReportInterval::Call, sub_agents: true, ..UsageReports::NONE }
            } else {
                UsageReports::NONE
            },
        },
    }
}

#[async_trait]
impl Program for Codex {
    fn info(&self) -> &ProgramInfo {
        info(self.mode)
    }

    fn login_files(&self) -> &'static [LoginFile] {
        const FILES: &[LoginFile] = &[LoginFile::whole(".codex/auth.json").moved_by("CODEX_HOME", "auth.json")];
        FILES
    }

    fn unkept_settings(&self) -> &'static [&'static str] {
        &[".codex/config.toml"]
    }

    fn has_own_sandbox(&self, mode: PermissionMode) -> bool {
        command::has_own_sandbox(self.mode, mode)
    }

    fn native(&self, found: &Path) -> Option<PathBuf> {
        command::native(found)
    }

    async fn inspect(&self, binary: &Path, prober: &Prober) -> Inspection {
        login::inspect(self.mode, binary, prober).await
    }

    fn invocation(&self, task: &Task, installed: &Installed) -> Result<Invocation, Failure> {
        command::invocation(self.mode, task, command::installed_codex_home(installed, self.codex_home.as_deref()))
    }

    fn takes_output_schema(&self, _schema: &Value) -> bool {
        self.mode == Mode::TwoWay
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["api.openai.com:443", "chatgpt.com:443", "auth.openai.com:443"]
    }

    fn parser(&self, task: &Task, installed: &Installed) -> Box<dyn Parser> {
        match self.mode {
            Mode::TwoWay => Box::new(AppServer::new(task)),
            Mode::OneShot => Box::new(Exec::new(task, installed)),
        }
    }
}
