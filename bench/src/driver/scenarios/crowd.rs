//! Very many readers of one run.

use std::time::Duration;

use super::super::Bench;
use super::super::server::{Server, create};
use super::super::table::Figure;
use super::super::tools::{Gate, Readers};
use super::KIB;
use super::stream::{everything, plan, until_running};
use crate::reader::{Plan, Streams};
use crate::script::{Script, Step};

/// Seconds that a crowd has to be let in; those who are not are counted.
const PATIENCE: u64 = 30;

/// Readers of a run that says nothing, and then one thing.
pub(super) fn idle(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let readers = bench.size(10_000, 1000);
    let server = Server::start(&bench.site)?;
    let mut client = server.client()?;
    let mut gate = Gate::new(server.folder(), "gate")?;
    let run = create(&mut client, "claude_code", &Script::gated(gate.path(), 1, 0))?;
    until_running(&mut client, &run)?;
    let before = server.memory()?;
    let mut reading = Readers::connect(&Plan { patience: PATIENCE, ..everything(&server, &client, &run, readers, 1) })?;
    // Whatever answering takes for a moment is given back by then.
    std::thread::sleep(Duration::from_secs(1));
    let grown = server.memory()?.saturating_sub(before);
    let open = reading.ready.open;
    gate.open()?;
    let report = reading.report()?;
    Ok(vec![
        Figure::new("readers let in", "", open as f64),
        Figure::new("memory of each", "KiB", grown as f64 / KIB / open.max(1) as f64),
        Figure::new("one event to all, p50", "ms", report.latency.p50 / 1e3),
        Figure::new("one event to all, p99", "ms", report.latency.p99 / 1e3),
        Figure::new("readers without it", "lost", (open - report.whole.min(open)) as f64),
    ])
}

/// Readers who come back all at once, each with the number of the last event that it has seen.
pub(super) fn storm(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let readers = bench.size(5000, 500);
    let (count, seen) = (1000, 500);
    let server = Server::start(&bench.site)?;
    let mut client = server.client()?;
    let gate = Gate::new(server.folder(), "gate")?;
    let run = create(&mut client, "claude_code", &Script { steps: vec![Step::events(count, 0), Step::Gate(gate.path())] })?;
    Readers::connect(&everything(&server, &client, &run, 1, count))?.report()?;
    // Two events come before the agent's first: that the run was queued, and that it has started.
    let streams = Streams { path: format!("/api/runs/{run}/events"), count: readers, after: seen + 2, first: seen, until: count };
    let plan = Plan { storm: true, patience: PATIENCE, ..plan(&server, &client, vec![streams]) };
    let mut reading = Readers::connect(&plan)?;
    let report = reading.report()?;
    Ok(vec![
        Figure::new("readers caught up", "", report.whole as f64),
        Figure::new("the middle one after", "s", report.whole_after.p50 / 1e6),
        Figure::new("the last one after", "s", report.whole_after.max / 1e6),
        Figure::new("lost or repeated", "lost", report.lost() as f64),
    ])
}
