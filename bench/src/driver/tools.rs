//! The other processes of a scenario: readers, the floor, and the gate that agents wait at.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use rustix::fs::{CWD, Mode, mkfifoat};

use super::process;
use crate::reader::{Plan, Ready, Report, Word};
use crate::script::Script;

/// A named pipe that agents wait at.
pub(super) struct Gate {
    path: PathBuf,
    opened: Option<File>,
}

impl Gate {
    /// A closed one in this folder.
    pub(super) fn new(folder: &Path, name: &str) -> anyhow::Result<Self> {
        let path = folder.join(name);
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR)?;
        Ok(Self { path, opened: None })
    }

    pub(super) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Lets all pass who wait, and all who come, as long as this gate is there.
    pub(super) fn open(&mut self) -> anyhow::Result<()> {
        // For reading as well, so that it does not wait for a reader.
        self.opened = Some(File::options().read(true).write(true).open(&self.path)?);
        Ok(())
    }
}

/// A reader process, connected.
pub(super) struct Readers {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(super) ready: Ready,
}

impl Readers {
    /// Starts it and waits until its streams are open.
    pub(super) fn connect(plan: &Plan) -> anyhow::Result<Self> {
        let mut child = this("reader")?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        say(&mut child, &serde_json::to_string(plan)?)?;
        let mut output = BufReader::new(child.stdout.take().context("no pipe")?);
        let Word::Ready(ready) = hear(&mut output)? else { bail!("the reader reports before it is ready") };
        Ok(Self { child, output, ready })
    }

    /// Lets a reader begin that was held.
    pub(super) fn let_go(&mut self) -> anyhow::Result<()> {
        say(&mut self.child, "go")
    }

    /// Waits until everything was read. The connections stay open.
    pub(super) fn report(&mut self) -> anyhow::Result<Report> {
        let Word::Report(report) = hear(&mut self.output)? else { bail!("the reader is ready twice") };
        Ok(report)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A floor process.
pub(super) struct Floor {
    child: Child,
    pub(super) address: std::net::SocketAddrV4,
}

impl Floor {
    /// Starts it. It begins the agent when `readers` have come.
    pub(super) fn start(agent: &Path, script: &Script, readers: usize) -> anyhow::Result<Self> {
        let mut command = this("floor")?;
        command.arg(agent).arg(readers.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        say(&mut child, &script.prompt())?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }

    /// Processor time so far, in seconds.
    pub(super) fn cpu(&self) -> anyhow::Result<f64> {
        process::cpu(self.child.id()).context("the floor is gone")
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program in another role.
fn this(role: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role);
    Ok(command)
}

fn say(child: &mut Child, line: &str) -> anyhow::Result<()> {
    let input = child.stdin.as_mut().context("no pipe")?;
    writeln!(input, "{line}")?;
    Ok(input.flush()?)
}

fn hear(output: &mut BufReader<ChildStdout>) -> anyhow::Result<Word> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    serde_json::from_str(&line).context("the reader ended before its report")
}
