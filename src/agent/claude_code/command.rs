//! How `claude` is started.

use std::path::Path;

use async_trait::async_trait;

use super::parser::ClaudeParser;
use super::{flags, login};
use crate::agent::flags::Flag;
use crate::agent::probe::Prober;
use crate::agent::versions;
use crate::agent::{Capabilities, Environment, Inspection, Installed, Invocation, Location, Mode, Parser, Program, Task};
use crate::types::{Cause, Failure, PermissionMode};

/// The adapter of Claude Code, made for version 2.1.330.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClaudeCode {
    mode: Mode,
}

impl ClaudeCode {
    /// An adapter that speaks with the program in this mode.
    pub fn new(mode: Mode) -> Self {
        Self { mode }
    }
}

/// What the one-shot mode may use without being asked, as it cannot be asked: the program's own tools.
///
/// By name, because `--dangerously-skip-permissions` is refused to root (seen in `root_bypass_refused`), and lifts more than this.
const ONE_SHOT_TOOLS: &str = "Bash,Edit,NotebookEdit,Read,Skill,Task,WebFetch,WebSearch,Write";

/// Settings with which everything is asked about.
///
/// Without them the program does not ask about what looks harmless to it (`echo`, `ls`, reading), nor about what the settings of the
/// user or the project allow. A rule to ask counts more than one to allow, also in sub-agents (tried with 2.1.330). What the
/// program does without a tool, such as reading its own memory files, it still does unasked.
const ASK_ALL: &str = r#"--settings={"permissions":{"ask":["*"],"defaultMode":"default"}}"#;

/// Variables that the program reads, by the beginnings of their names.
///
/// Not all of `CLAUDE_CODE_`: when the server itself was started by a Claude Code session, then `CLAUDECODE`,
/// `CLAUDE_CODE_ENTRYPOINT`, `CLAUDE_CODE_SSE_PORT`, `CLAUDE_CODE_SESSION_ID` and their like speak of that session, and its
/// child would take itself for a part of it.
const PREFIXES: &[&str] = &[
    "ANTHROPIC_",
    "CLAUDE_CODE_CLIENT_",
    "CLAUDE_CODE_DISABLE_",
    "CLAUDE_CODE_ENABLE_",
    "CLAUDE_CODE_MAX_",
    "CLAUDE_CODE_SKIP_",
    "CLAUDE_CODE_SUBAGENT_",
    "CLAUDE_CODE_USE_",
    "VERTEX_REGION_CLAUDE_",
];

/// Variables that the program reads, by name: its own, and those by which its cloud providers are reached.
const NAMES: &[&str] = &[
    "API_TIMEOUT_MS",
    "AWS_ACCESS_KEY_ID",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SDK_LOAD_CONFIG",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "BASH_DEFAULT_TIMEOUT_MS",
    "BASH_MAX_OUTPUT_LENGTH",
    "BASH_MAX_TIMEOUT_MS",
    "BEDROCK_BASE_URL",
    "CLAUDE_CODE_API_KEY_HELPER_TTL_MS",
    "CLAUDE_CODE_EFFORT_LEVEL",
    "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
    "CLAUDE_CODE_OAUTH_SCOPES",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
    "CLOUD_ML_REGION",
    "DISABLE_COMPACT",
    "DISABLE_ERROR_REPORTING",
    "DISABLE_PROMPT_CACHING",
    "DISABLE_TELEMETRY",
    "GCLOUD_PROJECT",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
    "MAX_MCP_OUTPUT_TOKENS",
    "MAX_THINKING_TOKENS",
    "MCP_TIMEOUT",
    "MCP_TOOL_TIMEOUT",
    "VERTEX_BASE_URL",
];

#[async_trait]
impl Program for ClaudeCode {
    #[expect(clippy::unnecessary_literal_bound, reason = "the trait lets the name be borrowed from the agent")]
    fn name(&self) -> &str {
        "claude_code"
    }

    fn protocol(&self) -> &'static str {
        "stream-json"
    }

    fn location(&self) -> Location<'_> {
        Location::Named("claude")
    }

    #[expect(clippy::unnecessary_literal_bound, reason = "the trait lets the text be borrowed from the agent")]
    fn install_command(&self) -> &str {
        versions::install_command(self.name())
    }

    #[expect(clippy::unnecessary_literal_bound, reason = "the trait lets the text be borrowed from the agent")]
    fn login_hint(&self) -> &str {
        "set ANTHROPIC_API_KEY for the server, or log in once as the server's user: run `claude` and type /login \
         (without a browser: `claude setup-token`, and set CLAUDE_CODE_OAUTH_TOKEN)"
    }

    fn environment(&self) -> Environment {
        Environment { prefixes: PREFIXES, names: NAMES }
    }

    fn flags(&self) -> &'static [Flag] {
        flags::FLAGS
    }

    fn capabilities(&self, _variant: &str) -> Capabilities {
        let two_way = self.mode == Mode::TwoWay;
        Capabilities {
            resume: true,
            messages: two_way,
            steer: false,
            interrupt: two_way,
            permissions: two_way,
            questions: two_way,
            models: true,
            mcp_servers: two_way,
        }
    }

    async fn inspect(&self, binary: &Path, prober: &Prober) -> Inspection {
        login::inspect(binary, prober).await
    }

    fn invocation(&self, task: &Task, _installed: &Installed) -> Result<Invocation, Failure> {
        let mut args: Vec<String> =
            ["-p", "--output-format=stream-json", "--verbose", "--include-partial-messages"].map(str::to_owned).into();
        if self.mode == Mode::TwoWay {
            args.extend(["--input-format=stream-json", "--permission-prompt-tool=stdio"].map(str::to_owned));
        } else if !task.mcp_servers.is_empty() {
            // It could take them only as arguments, and these are no place for secrets.
            return Err(Failure::new(Cause::BadArguments, "claude_code takes no MCP servers in one-shot mode"));
        }
        match (self.mode, task.spec.permission_mode) {
            (Mode::TwoWay, PermissionMode::Auto) => {}
            (Mode::TwoWay, PermissionMode::Ask | PermissionMode::ReadOnly) => args.push(ASK_ALL.to_owned()),
            (Mode::OneShot, PermissionMode::Auto) => args.push(format!("--allowed-tools={ONE_SHOT_TOOLS}")),
            // What would have to be asked is denied by the program, since nobody can be asked.
            (Mode::OneShot, PermissionMode::Ask | PermissionMode::ReadOnly) => {}
        }
        args.extend(task.spec.model.iter().map(|model| format!("--model={model}")));
        args.extend(task.resume.iter().map(|session| format!("--resume={session}")));
        // Last, so that a flag of theirs that lacks its value cannot swallow one of ours.
        args.extend(task.spec.extra_args.iter().cloned());
        // The program would replace itself under running agents, and the tested version by another.
        let env = vec![("DISABLE_AUTOUPDATER".to_owned(), "1".to_owned())];
        Ok(Invocation { args, env })
    }

    fn parser(&self, task: &Task, _installed: &Installed) -> Box<dyn Parser> {
        Box::new(ClaudeParser::new(self.mode, task))
    }
}
