//! The scripted agent: it stands in for `claude`, `codex` and `opencode`, speaks the two-way protocol of the name that it was started
//! by, and writes marked events at a rate or as fast as the pipe takes them.
//!
//! Its lines are as long as the real programs' and have the fields that those have, since a parser pays for what it skips, too.

mod acp;
mod claude;
mod codex;
mod writer;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use self::writer::write_events;
use crate::mark::Mark;
use crate::script::{Script, Step};

/// One agent's protocol.
trait Tongue {
    /// Answers whoever started us until a prompt has come, and tells that its turn has begun. `None` when there will be none.
    fn prompt(&mut self, ears: &mut Ears, out: &mut File) -> io::Result<Option<String>>;

    /// The line of an event with this text.
    fn event(&self, text: &str) -> String;

    /// Tells that the turn has ended well.
    fn end_turn(&mut self, out: &mut File) -> io::Result<()>;
}

/// The program that this process stands in for, if it was started by the name of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Claude,
    Codex,
    OpenCode,
}

impl Name {
    /// All of them, with their programs' names.
    pub(crate) const ALL: [(Self, &str); 3] = [(Self::Claude, "claude"), (Self::Codex, "codex"), (Self::OpenCode, "opencode")];

    /// By the name of a program.
    pub(crate) fn of_program(path: &OsStr) -> Option<Self> {
        let file = Path::new(path).file_name()?;
        Self::ALL.iter().find(|(_, name)| file == *name).map(|(name, _)| *name)
    }

    fn tongue(self) -> Box<dyn Tongue> {
        match self {
            Self::Claude => Box::new(claude::Claude::new()),
            Self::Codex => Box::new(codex::Codex::new()),
            Self::OpenCode => Box::new(acp::Acp::new()),
        }
    }

    /// What the program answers when it is only looked at.
    fn about(self, args: &[&str]) -> Option<&'static str> {
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

/// Is this agent: one turn for each prompt, until its input ends.
///
/// # Errors
/// If a prompt is no [`Script`], or whoever reads has gone.
pub(crate) fn be(name: Name, args: &[String]) -> io::Result<()> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    // Without the buffer of `std::io::stdout`, which looks for the end of a line in everything.
    let mut out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if let Some(answer) = name.about(&args) {
        return writeln!(out, "{answer}");
    }
    // An agent that waits at a gate would outlive a driver that has failed.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    let mut tongue = name.tongue();
    let mut ears = Ears { input: BufReader::new(io::stdin()), line: String::new() };
    let mut next = 0;
    while let Some(prompt) = tongue.prompt(&mut ears, &mut out)? {
        let script: Script = serde_json::from_str(&prompt)?;
        for step in script.steps {
            match step {
                // The other side opens it once and for all who wait.
                Step::Gate(path) => drop(File::open(path)?),
                Step::PauseMs(millis) => std::thread::sleep(Duration::from_millis(millis)),
                Step::Events { count, rate, filler } => {
                    let text = format!("{} {}", Mark::placeholder(), "lorem ipsum ".repeat(filler / 12 + 1).split_at(filler).0);
                    write_events(&tongue.event(&text), next..next + count, rate, &mut out)?;
                    next += count;
                }
            }
        }
        tongue.end_turn(&mut out)?;
    }
    Ok(())
}

/// What comes on standard input.
struct Ears {
    input: BufReader<io::Stdin>,
    line: String,
}

impl Ears {
    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// If it is no JSON.
    fn hear(&mut self) -> io::Result<Option<Value>> {
        self.line.clear();
        if self.input.read_line(&mut self.line)? == 0 {
            return Ok(None);
        }
        Ok(Some(serde_json::from_str(&self.line)?))
    }
}

/// Writes one line and sees that it goes out.
fn say(out: &mut File, line: &Value) -> io::Result<()> {
    let mut text = line.to_string();
    text.push('\n');
    out.write_all(text.as_bytes())
}
