//! The programs that the scripted agent stands in for, and its main loop.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use super::acp::Acp;
use super::claude::Claude;
use super::codex::Codex;
use super::protocol::{Input, Protocol, ToolCall};
use super::writer::write_events;
use crate::mark::Mark;
use crate::script::{Script, Step};

/// An agent program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AgentProgram {
    Claude,
    Codex,
    OpenCode,
}

impl AgentProgram {
    /// All programs with their file names.
    pub(crate) const ALL: [(Self, &str); 3] = [(Self::Claude, "claude"), (Self::Codex, "codex"), (Self::OpenCode, "opencode")];

    /// The program that `path` names, if it is one of these.
    pub(crate) fn from_path(path: &OsStr) -> Option<Self> {
        let file = Path::new(path).file_name()?;
        Self::ALL.iter().find(|(_, name)| file == *name).map(|(program, _)| *program)
    }

    fn protocol(self) -> Box<dyn Protocol> {
        match self {
            Self::Claude => Box::new(Claude::new()),
            Self::Codex => Box::new(Codex::new()),
            Self::OpenCode => Box::new(Acp::new()),
        }
    }

    /// The program's output when the server probes it for its version and login.
    fn probe_output(self, args: &[&str]) -> Option<&'static str> {
        Some(match (self, args) {
            (Self::Claude, ["--version"]) => "9.9.9 (Claude Code)",
            (Self::Claude, ["auth", "status"]) => r#"{"loggedIn":true}"#,
            (Self::Codex, ["--version"]) => "codex-cli 9.9.9",
            (Self::Codex, ["doctor", "--json"]) => r#"{"checks":{"auth.credentials":{"status":"ok"}}}"#,
            (Self::OpenCode, ["--version"]) => "9.9.9",
            (Self::OpenCode, ["--help"]) => "opencode acp   start ACP server",
            _ => return None,
        })
    }
}

/// Runs the agent: one turn per prompt, until its input ends.
///
/// # Errors
/// If a prompt is not a [`Script`], or the reader of its output has closed the pipe.
pub(crate) fn run(program: AgentProgram, args: &[String]) -> io::Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // Unbuffered: `std::io::stdout` searches everything for line ends.
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if let Some(output) = program.probe_output(&args) {
        return writeln!(out, "{output}");
    }
    // An agent waiting at a gate would otherwise outlive a failed driver.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut protocol = program.protocol();
    let mut input = Input::stdin();
    let (mut next, mut tools) = (0, 0);
    while let Some(prompt) = protocol.read_prompt(&mut input, &mut out)? {
        let script: Script = serde_json::from_str(&prompt)?;
        for step in script.steps {
            match step {
                // Blocks until the driver opens the pipe, which releases all waiting agents.
                Step::Gate(path) => drop(File::open(path)?),
                Step::PauseMicros(micros) => std::thread::sleep(Duration::from_micros(micros)),
                Step::Tool { micros, asks } => {
                    tools += 1;
                    let call = ToolCall { number: tools, duration: Duration::from_micros(micros), asks };
                    protocol.call_tool(&call, &mut input, &mut out)?;
                }
                Step::Events { count, rate, filler } => {
                    let text = format!("{} {}", Mark::placeholder(), "lorem ipsum ".repeat(filler / 12 + 1).split_at(filler).0);
                    write_events(&protocol.event_line(&text), next..next + count, rate, &mut out)?;
                    next += count;
                }
            }
        }
        protocol.end_turn(&mut out)?;
    }
    Ok(())
}
