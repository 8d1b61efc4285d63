//! How `claude` is started.

use std::path::Path;

use async_trait::async_trait;

use super::parser::ClaudeParser;
use super::{info, login};
use crate::agent::probe::Prober;
use crate::agent::{Inspection, Installed, Invocation, Mode, Parser, Program, ProgramInfo, Task};
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

#[async_trait]
impl Program for ClaudeCode {
    fn info(&self) -> &ProgramInfo {
        info::of(self.mode)
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
            (Mode::TwoWay, PermissionMode::Ask | PermissionMode::ReadOnly) => args.push(ASK_ALL.to_owned()),
            (Mode::OneShot, PermissionMode::Auto) => args.push(format!("--allowed-tools={ONE_SHOT_TOOLS}")),
            // One-shot, what would have to be asked is denied by the program, since nobody can be asked.
            (Mode::TwoWay, PermissionMode::Auto) | (Mode::OneShot, PermissionMode::Ask | PermissionMode::ReadOnly) => {}
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
