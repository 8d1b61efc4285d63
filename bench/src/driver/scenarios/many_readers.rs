//! Thousands of readers of one run.

use std::time::Duration;

use anyhow::Context as _;

use super::plans::{read_run, read_streams, wait_until_running};
use crate::driver::bench::Bench;
use crate::driver::children::Readers;
use crate::driver::figure::{Figure, KIB, LOST};
use crate::driver::gate::Gate;
use crate::driver::server::{Server, create_run};
use crate::reader::{Plan, Streams};
use crate::script::{Script, Step};

/// Time for all readers to connect, in seconds. Readers that do not make it are counted as failed.
const CONNECT_TIMEOUT_SECS: u64 = 30;

/// Readers of a silent run, which then writes one event.
pub(super) fn idle_readers(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let readers = bench.size(10_000, 1000);
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let mut gate = Gate::new(server.directory(), "gate")?;
    let run_id = create_run(&mut client, "claude_code", &Script::gated(gate.path(), 1, 0))?;
    wait_until_running(&mut client, &run_id)?;
    let before = server.memory()?;
    let plan = Plan { timeout_secs: CONNECT_TIMEOUT_SECS, ..read_run(&server, &client, &run_id, readers, 1) };
    let mut reader = Readers::connect(&plan)?;
    // Until then, memory that was used only while answering the requests has been freed.
    std::thread::sleep(Duration::from_secs(1));
    let growth = server.memory()?.saturating_sub(before);
    let open = reader.ready.open;
    gate.open()?;
    let report = reader.report()?;
    Ok(vec![
        Figure::new("connected readers", "", open as f64),
        Figure::new("memory per reader", "KiB", growth as f64 / KIB / open.max(1) as f64),
        Figure::new("one event to all, p50", "ms", report.latency.p50 / 1e3),
        Figure::new("one event to all, p99", "ms", report.latency.p99 / 1e3),
        Figure::new("readers that missed it", LOST, (open - report.complete.min(open)) as f64),
    ])
}

/// Readers that reconnect all at once, each after the last event that it has read.
pub(super) fn storm(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let readers = bench.size(5000, 500);
    let (count, seen) = (1000, 500);
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let gate = Gate::new(server.directory(), "gate")?;
    let script = Script { steps: vec![Step::events(count, 0), Step::Gate(gate.path())] };
    let run_id = create_run(&mut client, "claude_code", &script)?;
    Readers::connect(&read_run(&server, &client, &run_id, 1, count))?.report()?;
    // The server's own events precede the agent's first: `run_queued`, `run_started`, and notices about the isolation level. The agent
    // waits at the gate, so the log ends with its events.
    let run = client.get(&format!("/api/runs/{run_id}"))?;
    let preceding = run["last_seq"].as_u64().and_then(|last| last.checked_sub(count)).with_context(|| format!("unexpected log: {run}"))?;
    let path = format!("/api/runs/{run_id}/events");
    let streams = Streams { path, count: readers, after: preceding + seen, first: seen, until: count };
    let plan = read_streams(&server, &client, vec![streams]);
    let mut reader = Readers::connect(&Plan { connect_at_once: true, timeout_secs: CONNECT_TIMEOUT_SECS, ..plan })?;
    let report = reader.report()?;
    Ok(vec![
        Figure::new("readers caught up", "", report.complete as f64),
        Figure::new("caught up after, p50", "s", report.time_to_complete.p50 / 1e6),
        Figure::new("caught up after, max", "s", report.time_to_complete.max / 1e6),
        Figure::new("lost or repeated", LOST, report.lost() as f64),
    ])
}
