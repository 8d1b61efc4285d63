//! `OpenCode` as a [`Program`].

use std::borrow::Cow;
use std::path::Path;

use async_trait::async_trait;

use super::go::Go;
use super::identified::Identified;
use super::oneshot::OneShot;
use super::{command, diagnose, flags, login, tools, variant};
use crate::agent::acp::{Acp, Dialect, SessionOptions};
use crate::agent::probe::Prober;
use crate::agent::{
    Capabilities, Environment, Inspection, Install, Installed, Invocation, Location, LoginFile, Mode, Parser, Program, ProgramInfo,
    ReportInterval, Task, UsageReports,
};
use crate::types::Failure;

/// `OpenCode`, in any of the programs of that name.
///
/// Over ACP it reports only the tokens of the last model request of a turn, but the cost of the whole turn. In one-shot mode both are
/// complete.
#[derive(Clone, Debug, Default)]
pub struct OpenCode {
    mode: Mode,
    inline_config: Option<String>,
    identified: Identified,
}

impl OpenCode {
    /// Driven in `mode`.
    pub fn new(mode: Mode) -> Self {
        Self { mode, inline_config: None, identified: Identified::default() }
    }

    /// Merges the adapter's configuration into the operator's inline configuration (`OPENCODE_CONFIG_CONTENT` of the server), instead of
    /// replacing it. A value that is not a plain JSON object is replaced.
    #[must_use]
    pub fn with_inline_config(mut self, config: Option<String>) -> Self {
        self.inline_config = config;
        self
    }
}

static NAMES: [&str; login::KEYS.len() + login::SETTINGS.len()] = {
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
    sends_redundant_writes: true,
    silent_commands: &["compact"],
    reports_last_call: true,
    diagnose: Some(diagnose::diagnose),
    ..Dialect::UNKNOWN
};

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
        name: Cow::Borrowed("opencode"),
        protocol: if two_way { "acp" } else { "jsonl" },
        location: Location::Named(Cow::Borrowed("opencode")),
        install: Install::Npm,
        login_hint: Cow::Borrowed("run `opencode auth login`, or set a provider's key such as ANTHROPIC_API_KEY for the server"),
        environment: Environment { prefixes: &["OPENCODE_"], names: &NAMES, configured: Vec::new() },
        flags: Some(if two_way { flags::TWO_WAY } else { flags::ONE_SHOT }),
        capabilities: Capabilities {
            resume: true,
            // It binds conversations to repositories: in another one prompts fail (tested with 1.18.33), and one-shot mode hangs (recording
            // `resume_other_dir`).
            move_session: false,
            messages: two_way,
            steer: false,
            interrupt: two_way,
            permissions: two_way,
            questions: false,
            models: true,
            mcp_servers: two_way,
            instructions: true,
            images: two_way,
            files: two_way,
            // In two-way mode its tokens are those of the last call only.
            usage: if two_way {
                UsageReports { cost: ReportInterval::Turn, ..UsageReports::NONE }
            } else {
                let interval = ReportInterval::Call;
                UsageReports { cost: interval, tokens: interval, turns: interval, sub_agents: false, continued_cost: true }
            },
        },
    }
}

#[async_trait]
impl Program for OpenCode {
    fn info(&self) -> &ProgramInfo {
        info(self.mode)
    }

    fn login_files(&self) -> &'static [LoginFile] {
        const FILES: &[LoginFile] = &[LoginFile::whole(".local/share/opencode/auth.json").moved_by("XDG_DATA_HOME", "opencode/auth.json")];
        FILES
    }

    /// The archived Go program takes one prompt and answers once.
    fn capabilities(&self, variant: &str) -> Capabilities {
        match variant {
            variant::GO => Capabilities::NONE,
            variant::UNTESTED => info(Mode::TwoWay).capabilities,
            _ => self.info().capabilities,
        }
    }

    fn is_tested(&self, variant: &str) -> bool {
        variant != variant::UNTESTED
    }

    fn reads_project_config(&self, variant: &str) -> Option<&'static str> {
        (variant == variant::UNTESTED).then_some("whether this version of opencode ignores it was not tested")
    }

    async fn inspect(&self, binary: &Path, prober: &Prober) -> Inspection {
        let variant::Detection { variant, version, error } = self.identified.detect(binary, prober).await;
        Inspection { version, variant, authenticated: login::authenticated(variant, prober).await, error }
    }

    fn invocation(&self, task: &Task, installed: &Installed) -> Result<Invocation, Failure> {
        command::invocation(self.mode, self.inline_config.as_deref(), task, installed)
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["api.anthropic.com:443", "api.openai.com:443", "opencode.ai:443", "models.dev:443"]
    }

    fn parser(&self, task: &Task, installed: &Installed) -> Box<dyn Parser> {
        match (installed.variant.as_ref(), self.mode) {
            (variant::GO, _) => Box::new(Go::new(installed)),
            (variant::UNTESTED, _) => {
                // Whether it keeps the rules of its configuration is not known.
                let options = SessionOptions { enforces_asking: true, ..SessionOptions::default() };
                Box::new(Acp::new(task, DIALECT).with_options(options))
            }
            (_, Mode::TwoWay) => Box::new(Acp::new(task, DIALECT)),
            (_, Mode::OneShot) => Box::new(OneShot::new(task, installed)),
        }
    }
}
