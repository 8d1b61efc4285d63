//! The latency that the shim adds between an agent and the server: the agent on a plain pipe, compared with the agent behind a shim.
//!
//! The driver itself plays the server's part in the simplest way, so that only the shim is measured: the shim reports the length of the
//! agent's output, and the driver reads it from the spool file.

use std::fs::{DirBuilder, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::driver::bench::Bench;
use crate::driver::figure::Figure;
use crate::histogram::{Histogram, Summary};
use crate::mark::{Search, now};
use crate::script::{Script, Step};

/// Read timeout of the shim's socket.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Delay from the agent's write to the driver's read, at 200 events per second.
pub(super) fn hop(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(2000, 400);
    let pipe = measure_pipe(bench, count)?;
    let shim = measure_shim(bench, count)?;
    Ok(vec![
        Figure::new("p50", "µs", shim.p50).with_floor(pipe.p50),
        Figure::new("p50 above the pipe", "µs", shim.p50 - pipe.p50),
        Figure::new("p99", "µs", shim.p99).with_floor(pipe.p99),
    ])
}

/// The agent's only message.
fn prompt(count: u64) -> String {
    let script = Script { steps: vec![Step::events(count, 200)] }.to_prompt();
    format!("{}\n", json!({ "type": "user", "message": { "role": "user", "content": script } }))
}

fn measure_pipe(bench: &Bench, count: u64) -> anyhow::Result<Summary> {
    let mut agent = KillOnDrop(Command::new(bench.test_bed.claude()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    agent.0.stdin.as_mut().context("no pipe")?.write_all(prompt(count).as_bytes())?;
    let mut output = BufReader::new(agent.0.stdout.take().context("no pipe")?);
    let mut delays = Delays::new();
    let mut line = Vec::new();
    while delays.count < count {
        line.clear();
        if output.read_until(b'\n', &mut line)? == 0 {
            bail!("the agent exited after {} of {count} events", delays.count);
        }
        delays.add(&line);
    }
    Ok(delays.histogram.summary())
}

fn measure_shim(bench: &Bench, count: u64) -> anyhow::Result<Summary> {
    let directory = tempfile::tempdir_in(&bench.test_bed.directory)?;
    let run_directory = directory.path().canonicalize()?.join("run");
    DirBuilder::new().mode(0o700).create(&run_directory)?;
    let (socket, shim_socket) = UnixStream::pair()?;
    socket.set_read_timeout(Some(READ_TIMEOUT))?;
    let mut command = Command::new(&bench.test_bed.program);
    command.arg("shim").arg(&run_directory).env_clear().current_dir(directory.path()).stdin(OwnedFd::from(shim_socket));
    let _shim = KillOnDrop(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    // Closes this process's copy of the shim's socket, so that reading fails when the shim exits.
    drop(command);

    let marker = "bench-hop";
    let (mut commands, mut reports) = (socket.try_clone()?, BufReader::new(socket));
    send(&mut commands, &json!({ "hello": { "protocol": 1 } }), b"")?;
    let start = json!({
        "program": bench.test_bed.claude(), "args": [], "env": [["PATH", "/usr/bin:/bin"], ["ORN_RUN", marker]], "umask": 0o077,
        "marker": marker, "max_out": 1_u64 << 30, "max_err": 1 << 20, "left_ms": null, "grace_ms": 0,
    });
    send(&mut commands, &json!({ "start": start }), b"")?;
    let prompt = prompt(count);
    send(&mut commands, &json!({ "input": { "at": 0, "close": false, "size": prompt.len() } }), prompt.as_bytes())?;

    let (mut delays, mut output, mut rest) = (Delays::new(), None, Vec::new());
    while delays.count < count {
        let report = receive(&mut reports)?;
        if let Some(reason) = report.get("not_started").or_else(|| report.get("ended")) {
            bail!("the shim ended after {} of {count} events: {reason}", delays.count);
        }
        let Some(out) = report["spooled"]["out"].as_u64() else { continue };
        let file = match &mut output {
            Some(file) => file,
            None => output.insert(File::open(run_directory.join("out"))?),
        };
        file.read_to_end(&mut rest)?;
        let complete = memchr::memrchr(b'\n', &rest).map_or(0, |end| end + 1);
        rest[..complete].split(|byte| *byte == b'\n').for_each(|line| delays.add(line));
        rest.drain(..complete);
        send(&mut commands, &json!({ "ack": { "out": out, "err": 0 } }), b"")?;
    }
    send(&mut commands, &json!({ "stop": { "grace_ms": 0 } }), b"")?;
    while receive(&mut reports)?.get("ended").is_none() {}
    Ok(delays.histogram.summary())
}

/// The delays of all marks read so far.
struct Delays {
    search: Search,
    histogram: Histogram,
    count: u64,
}

impl Delays {
    fn new() -> Self {
        Self { search: Search::new(), histogram: Histogram::new(), count: 0 }
    }

    /// Adds the delay of the mark in this line, if it has one.
    fn add(&mut self, line: &[u8]) {
        if let Some(mark) = self.search.find(line) {
            self.histogram.add(now().saturating_sub(mark.nanos));
            self.count += 1;
        }
    }
}

/// Sends a command, followed by its payload.
fn send(commands: &mut UnixStream, command: &Value, payload: &[u8]) -> anyhow::Result<()> {
    let mut frame = serde_json::to_vec(command)?;
    frame.push(b'\n');
    frame.extend_from_slice(payload);
    Ok(commands.write_all(&frame)?)
}

/// Receives the shim's next report.
fn receive(reports: &mut BufReader<UnixStream>) -> anyhow::Result<Value> {
    let mut line = String::new();
    reports.read_line(&mut line)?;
    serde_json::from_str(&line).context("the shim closed the connection")
}

/// Kills the process when dropped.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
