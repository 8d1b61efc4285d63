//! What the process between the server and an agent adds to an event's way: the agent alone on a pipe, beside the agent kept by a shim.
//!
//! The driver takes the server's place here, in the simplest way that there is, so that nothing but the hop is measured: it is told how
//! far the agent's output has come, and reads it from the file.

use std::fs::{DirBuilder, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::super::Bench;
use super::super::table::Figure;
use crate::histogram::{Histogram, Summary};
use crate::mark::{Search, now};
use crate::script::{Script, Step};

/// How long the shim may be silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// Delay from the agent's writing to whoever takes the server's place, at 200 events a second.
pub(super) fn hop(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(2000, 400);
    let pipe = by_pipe(bench, count)?;
    let shim = by_shim(bench, count)?;
    Ok(vec![
        Figure::new("p50", "µs", shim.p50).over(pipe.p50),
        Figure::new("p50 above the pipe", "µs", shim.p50 - pipe.p50),
        Figure::new("p99", "µs", shim.p99).over(pipe.p99),
    ])
}

/// The agent's first and only message.
fn prompt(count: u64) -> String {
    let script = Script { steps: vec![Step::events(count, 200)] }.prompt();
    format!("{}\n", json!({ "type": "user", "message": { "role": "user", "content": script } }))
}

fn by_pipe(bench: &Bench, count: u64) -> anyhow::Result<Summary> {
    let mut agent = Ended(Command::new(bench.site.claude()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    agent.0.stdin.as_mut().context("no pipe")?.write_all(prompt(count).as_bytes())?;
    let mut output = BufReader::new(agent.0.stdout.take().context("no pipe")?);
    let mut marks = Marks::new();
    let mut line = Vec::new();
    while marks.seen < count {
        line.clear();
        if output.read_until(b'\n', &mut line)? == 0 {
            bail!("the agent ended after {} of {count} events", marks.seen);
        }
        marks.see(&line);
    }
    Ok(marks.delays.summary())
}

fn by_shim(bench: &Bench, count: u64) -> anyhow::Result<Summary> {
    let folder = tempfile::tempdir_in(&bench.site.dir)?;
    let kept = folder.path().canonicalize()?.join("run");
    DirBuilder::new().mode(0o700).create(&kept)?;
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(PATIENCE))?;
    let mut command = Command::new(&bench.site.program);
    command.arg("shim").arg(&kept).env_clear().current_dir(folder.path()).stdin(OwnedFd::from(theirs));
    let _shim = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    // Only the child is to hold the other end, else its end would not be noticed.
    drop(command);

    let marker = "bench-hop";
    let (mut orders, mut reports) = (ours.try_clone()?, BufReader::new(ours));
    say(&mut orders, &json!({ "hello": { "protocol": 1 } }), b"")?;
    let start = json!({
        "program": bench.site.claude(), "args": [], "env": [["PATH", "/usr/bin:/bin"], ["ORN_RUN", marker]], "umask": 0o077,
        "marker": marker, "max_out": 1_u64 << 30, "max_err": 1 << 20, "left_ms": null, "grace_ms": 0,
    });
    say(&mut orders, &json!({ "start": start }), b"")?;
    let prompt = prompt(count);
    say(&mut orders, &json!({ "input": { "at": 0, "close": false, "size": prompt.len() } }), prompt.as_bytes())?;

    let (mut marks, mut output, mut rest) = (Marks::new(), None, Vec::new());
    while marks.seen < count {
        let report = hear(&mut reports)?;
        if let Some(why) = report.get("not_started").or_else(|| report.get("ended")) {
            bail!("the shim is done after {} of {count} events: {why}", marks.seen);
        }
        let Some(out) = report["spooled"]["out"].as_u64() else { continue };
        let file = match &mut output {
            Some(file) => file,
            None => output.insert(File::open(kept.join("out"))?),
        };
        file.read_to_end(&mut rest)?;
        let whole = memchr::memrchr(b'\n', &rest).map_or(0, |end| end + 1);
        rest[..whole].split(|byte| *byte == b'\n').for_each(|line| marks.see(line));
        rest.drain(..whole);
        say(&mut orders, &json!({ "taken": { "out": out, "err": 0 } }), b"")?;
    }
    say(&mut orders, &json!({ "stop": { "grace_ms": 0 } }), b"")?;
    while hear(&mut reports)?.get("ended").is_none() {}
    Ok(marks.delays.summary())
}

/// Marks that have arrived, and how long each took.
struct Marks {
    search: Search,
    delays: Histogram,
    seen: u64,
}

impl Marks {
    fn new() -> Self {
        Self { search: Search::new(), delays: Histogram::new(), seen: 0 }
    }

    fn see(&mut self, line: &[u8]) {
        if let Some(mark) = self.search.find(line) {
            self.delays.add(now().saturating_sub(mark.nanos));
            self.seen += 1;
        }
    }
}

fn say(orders: &mut UnixStream, order: &Value, bytes: &[u8]) -> anyhow::Result<()> {
    let mut frame = serde_json::to_vec(order)?;
    frame.push(b'\n');
    frame.extend_from_slice(bytes);
    Ok(orders.write_all(&frame)?)
}

fn hear(reports: &mut BufReader<UnixStream>) -> anyhow::Result<Value> {
    let mut line = String::new();
    reports.read_line(&mut line)?;
    serde_json::from_str(&line).context("the shim says nothing more")
}

/// A process that ends with its owner.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
