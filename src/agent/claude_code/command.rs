//! How `claude` is started.

use std::path::Path;

use async_trait::async_trait;
use serde_json::Value;

use super::parser::ClaudeParser;
use super::{info, login};
use crate::agent::common::attachments;
use crate::agent::probe::Prober;
use crate::agent::{Inspection, Installed, Invocation, LoginFile, Mode, Parser, Program, ProgramInfo, Task};
use crate::types::{AuthScheme, Cause, Failure, ModelEndpoint, PermissionMode, ProjectConfig};

/// The adapter for Claude Code, written for version 2.1.330.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClaudeCode {
    mode: Mode,
}

impl ClaudeCode {
    /// An adapter that drives the program in `mode`.
    pub fn new(mode: Mode) -> Self {
        Self { mode }
    }
}

/// The program's own tools that the one-shot mode allows, since the program cannot ask for permission in that mode.
///
/// They are listed by name because `--dangerously-skip-permissions` is rejected for root (recording `root_bypass_refused`) and lifts more
/// restrictions than this.
const ONE_SHOT_TOOLS: &str = "Bash,Edit,NotebookEdit,Read,Skill,Task,WebFetch,WebSearch,Write";

/// Settings that make the program ask for permission before every tool call.
///
/// By default it does not ask before calls that it considers harmless (`echo`, `ls`, reading), nor before those that the user's or the
/// project's settings allow. A rule to ask takes precedence over a rule to allow, also in sub-agents (tested with 2.1.330). What the
/// program does without a tool, such as reading its own memory files, still needs no permission.
const ASK_ALL: &str = r#"--settings={"permissions":{"ask":["*"],"defaultMode":"default"}}"#;

/// The variables that direct the program to a model.
fn endpoint_env(endpoint: &ModelEndpoint) -> [(String, String); 3] {
    let key = match endpoint.scheme {
        AuthScheme::ApiKey | AuthScheme::GoogleApiKey => "ANTHROPIC_API_KEY",
        AuthScheme::Bearer => "ANTHROPIC_AUTH_TOKEN",
        // With this variable the program sends what the provider requires of subscriptions, also to another base URL (tested with 2.1.330).
        AuthScheme::OAuthToken => "CLAUDE_CODE_OAUTH_TOKEN",
    };
    [
        ("ANTHROPIC_BASE_URL", endpoint.base_url.as_str()),
        (key, endpoint.key.expose()),
        // Updates, error reports and statistics go to other hosts, without the key.
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
}

/// Makes the program read the settings of its user only: neither `.claude/` nor `.mcp.json` of the working directory (tested with 2.1.330).
///
/// It then does not read `CLAUDE.md` of the directory either. It does for a directory that is added by `--add-dir`, if a variable is set,
/// and takes nothing else from there: no hooks, commands, skills, sub-agents, MCP servers and plugins.
const USER_SETTINGS_ONLY: &str = "--setting-sources=user";

#[async_trait]
impl Program for ClaudeCode {
    fn info(&self) -> &ProgramInfo {
        info::for_mode(self.mode)
    }

    fn login_files(&self) -> &'static [LoginFile] {
        const PROFILE: &[&str] = &["hasCompletedOnboarding", "oauthAccount", "primaryApiKey", "userID"];
        const VARIABLE: &str = "CLAUDE_CONFIG_DIR";
        const FILES: &[LoginFile] = &[
            LoginFile::whole(".claude/.credentials.json").moved_by(VARIABLE, ".credentials.json"),
            LoginFile { path: ".claude.json", fields: PROFILE, moved: Some((VARIABLE, ".claude.json")) },
        ];
        FILES
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
            // The program would take them only as arguments, which every user of the machine can read. They may contain secrets.
            return Err(Failure::new(Cause::BadArguments, "mcp_servers: not supported by claude_code in one-shot mode"));
        }
        match (self.mode, task.spec.permission_mode) {
            (Mode::TwoWay, PermissionMode::Ask | PermissionMode::ReadOnly) => args.push(ASK_ALL.to_owned()),
            (Mode::OneShot, PermissionMode::Auto) => args.push(format!("--allowed-tools={ONE_SHOT_TOOLS}")),
            // In one-shot mode the program denies every tool call for which it would have to ask.
            (Mode::TwoWay, PermissionMode::Auto) | (Mode::OneShot, PermissionMode::Ask | PermissionMode::ReadOnly) => {}
        }
        let ignores_project = task.spec.project_config == ProjectConfig::Ignore;
        if ignores_project {
            args.push(USER_SETTINGS_ONLY.to_owned());
            args.extend(task.spec.working_dir.to_str().map(|dir| format!("--add-dir={dir}")));
        }
        args.extend(task.spec.model.iter().map(|model| format!("--model={model}")));
        args.extend(task.resume.iter().map(|session| format!("--resume={session}")));
        if task.resume.is_some() && task.spec.instructions.is_some() {
            // Otherwise the conversation keeps the system prompt with which it began (tested with 2.1.330).
            args.push("--system-prompt-snapshot=off".to_owned());
        }
        // Last, so that a flag in `extra_args` that lacks its value cannot consume one of the adapter's flags.
        args.extend(task.spec.extra_args.iter().cloned());
        // The program computes its cost after each call, but reports it only at the end of a turn. It counts what this process spends, also
        // if it continues a conversation (tested with 2.1.332). After `extra_args`, because the last of two such flags counts.
        args.extend(task.spec.spend_limits.max_cost_usd.map(|max| format!("--max-budget-usd={}", max.dollars())));
        let env = [
            // The updater would replace the program while agents are running, and the tested version by another one.
            ("DISABLE_AUTOUPDATER", "1"),
            // The program then reports when it is idle, which shows whether it will start another turn by itself.
            ("CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS", "1"),
        ];
        let instructions = ignores_project.then_some(("CLAUDE_CODE_ADDITIONAL_DIRECTORIES_CLAUDE_MD", "1"));
        let mut env: Vec<(String, String)> =
            env.into_iter().chain(instructions).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        env.extend(task.endpoint.iter().flat_map(endpoint_env));
        Ok(Invocation { args, env, files: attachments::input_files(task) })
    }

    fn takes_output_schema(&self, schema: &Value) -> bool {
        info::takes_output_schema(self.mode, schema)
    }

    fn model_hosts(&self) -> &'static [&'static str] {
        &["api.anthropic.com:443", "platform.claude.com:443", "console.anthropic.com:443", "claude.ai:443"]
    }

    fn parser(&self, task: &Task, _installed: &Installed) -> Box<dyn Parser> {
        Box::new(ClaudeParser::new(self.mode, task))
    }
}
