//! The driver's other processes: readers and the floor.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};

use super::proc_stats;
use crate::reader::{Message, Plan, Ready, Report};
use crate::script::Script;

/// A reader process. Dropping it kills it.
pub(super) struct Readers {
    child: Child,
    output: BufReader<ChildStdout>,
    pub(super) ready: Ready,
}

impl Readers {
    /// Starts a reader and waits until its streams are open.
    pub(super) fn connect(plan: &Plan) -> anyhow::Result<Self> {
        let mut child = command_for_role("reader")?.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        write_line(&mut child, &serde_json::to_string(plan)?)?;
        let mut output = BufReader::new(child.stdout.take().context("no pipe")?);
        let Message::Ready(ready) = read_message(&mut output)? else { bail!("the reader reported before it was ready") };
        Ok(Self { child, output, ready })
    }

    /// Lets a reader start that the plan holds back.
    pub(super) fn start(&mut self) -> anyhow::Result<()> {
        write_line(&mut self.child, "start")
    }

    /// Waits until everything has been read. The connections stay open.
    pub(super) fn report(&mut self) -> anyhow::Result<Report> {
        let Message::Report(report) = read_message(&mut self.output)? else { bail!("the reader reported ready twice") };
        Ok(report)
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A floor process. Dropping it kills it.
pub(super) struct Floor {
    child: Child,
    pub(super) address: std::net::SocketAddrV4,
}

impl Floor {
    /// Starts the floor. It starts the agent once `readers` have connected.
    pub(super) fn start(agent: &Path, script: &Script, readers: usize) -> anyhow::Result<Self> {
        let mut command = command_for_role("floor")?;
        command.arg(agent).arg(readers.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        write_line(&mut child, &script.to_prompt())?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        Ok(Self { child, address: line.trim().parse()? })
    }

    /// CPU time so far, in seconds.
    pub(super) fn cpu(&self) -> anyhow::Result<f64> {
        proc_stats::cpu(self.child.id()).context("the floor has exited")
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This program in another role.
fn command_for_role(role: &str) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(role);
    Ok(command)
}

fn write_line(child: &mut Child, line: &str) -> anyhow::Result<()> {
    let input = child.stdin.as_mut().context("no pipe")?;
    writeln!(input, "{line}")?;
    Ok(input.flush()?)
}

fn read_message(output: &mut BufReader<ChildStdout>) -> anyhow::Result<Message> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    serde_json::from_str(&line).context("the reader exited before its report")
}
