//! The driver's other processes: readers, and the relays that the server is compared with.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};

use super::proc_stats;
use crate::floor::{Listening, RelayRun};
use crate::reader::{Message, Plan, Ready, Report};

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

/// A relay that is compared with the server: the floor, or a peer. Dropping it kills the process that was started.
pub(super) struct Relay {
    child: Child,
    pub(super) address: SocketAddrV4,
    /// The path of each run's stream.
    pub(super) paths: Vec<String>,
    /// Directory of the agents, whose CPU time does not count.
    agents: PathBuf,
}

impl Relay {
    /// Starts the floor. It starts the agents once the readers have connected.
    pub(super) fn floor(agent: &Path, runs: &[RelayRun]) -> anyhow::Result<Self> {
        Self::start(command_for_role("floor")?, agent, runs)
    }

    /// Starts a peer by a shell command, with the agent as the last argument. It gets the runs in the same way as the floor and prints the
    /// same line.
    pub(super) fn peer(command: &str, agent: &Path, runs: &[RelayRun]) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(format!("exec {command} \"$1\"")).arg("peer");
        Self::start(shell, agent, runs)
    }

    fn start(mut command: Command, agent: &Path, runs: &[RelayRun]) -> anyhow::Result<Self> {
        let agents = agent.parent().context("an agent without a directory")?.to_owned();
        let mut child = command.arg(agent).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        write_line(&mut child, &serde_json::to_string(runs)?)?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        let Listening { address, paths } = serde_json::from_str(&line).with_context(|| format!("unexpected output of a relay: {line}"))?;
        let SocketAddr::V4(address) = address else { bail!("a relay listens on {address}, which is not IPv4") };
        if paths.len() != runs.len() {
            bail!("a relay has {} paths for {} runs", paths.len(), runs.len());
        }
        Ok(Self { child, address, paths, agents })
    }

    /// CPU time so far, in seconds, with its descendants other than the agents.
    pub(super) fn cpu(&self) -> anyhow::Result<f64> {
        let processes = proc_stats::tree(self.child.id(), &self.agents);
        if processes.is_empty() {
            bail!("the relay has exited");
        }
        Ok(processes.into_iter().filter_map(proc_stats::cpu).sum())
    }
}

impl Drop for Relay {
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
