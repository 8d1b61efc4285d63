//! One run, and those who read it while it goes on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::super::Bench;
use super::super::client::Client;
use super::super::server::{Cpu, Server, create};
use super::super::table::Figure;
use super::super::tools::{Floor, Gate, Readers};
use crate::reader::{Plan, Report, Streams};
use crate::script::Script;

/// Seconds after which a scenario is given up.
const PATIENCE: u64 = 120;
/// How long an agent stays after its last event, so that whatever works beside it can be measured.
const LINGER_MS: u64 = 500;

/// Delay from the agent's writing to a reader's reading, at a rate at which nothing has to wait.
pub(super) fn latency(bench: &Bench, readers: usize) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(2000, 400);
    let script = |gate: PathBuf| Script::gated(gate, count, 200);
    let (floor, _) = floor_pass(bench, &script, readers, count)?;
    let (report, _) = server_pass(bench, "claude_code", &script, readers, count)?;
    Ok(vec![
        Figure::new("p50", "µs", report.latency.p50).over(floor.latency.p50),
        Figure::new("p50 above the floor", "µs", report.latency.p50 - floor.latency.p50),
        Figure::new("p99", "µs", report.latency.p99).over(floor.latency.p99),
        Figure::new("lost or repeated", "lost", report.lost() as f64),
    ])
}

/// An agent that writes as fast as it can.
pub(super) fn flood(bench: &Bench, readers: usize) -> anyhow::Result<Vec<Figure>> {
    let count = match readers {
        1 => bench.size(500_000, 50_000),
        2..100 => bench.size(100_000, 10_000),
        _ => bench.size(5000, 1000),
    };
    let script = |gate: PathBuf| Script::gated(gate, count, 0).and_pause(LINGER_MS);
    let (floor, floor_cpu) = floor_pass(bench, &script, readers, count)?;
    let (report, cpu) = server_pass(bench, "claude_code", &script, readers, count)?;
    let each = |seconds: f64, number: u64| seconds * 1e6 / number.max(1) as f64;
    let delivered = |report: &Report| report.marks as f64 / report.seconds();
    let mut figures = vec![
        Figure::new("events/s", "/s", count as f64 / report.seconds()).over(count as f64 / floor.seconds()),
        Figure::new("deliveries/s", "/s", delivered(&report)).over(delivered(&floor)),
        Figure::new("CPU per event", "µs", each(cpu.server, count)).over(each(floor_cpu, count)),
        Figure::new("CPU per delivery", "µs", each(cpu.server, report.marks)).over(each(floor_cpu, floor.marks)),
        Figure::new("CPU of helpers per event", "µs", each(cpu.helpers, count)),
        Figure::new("lost or repeated", "lost", report.lost() as f64),
    ];
    if readers == 1 {
        // With one reader the two are the same.
        figures.retain(|figure| !figure.name.contains("deliver"));
    }
    Ok(figures)
}

/// The flood of another agent, whose lines another parser reads.
pub(super) fn flood_of(bench: &Bench, agent: &str) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(200_000, 20_000);
    let script = |gate: PathBuf| Script::gated(gate, count, 0).and_pause(LINGER_MS);
    let (report, cpu) = server_pass(bench, agent, &script, 1, count)?;
    Ok(vec![
        Figure::new("events/s", "/s", count as f64 / report.seconds()),
        Figure::new("CPU per event", "µs", cpu.server * 1e6 / count as f64),
        Figure::new("lost or repeated", "lost", report.lost() as f64),
    ])
}

/// One run on a new server: what its readers got, and what it took from the gate's opening on.
fn server_pass(
    bench: &Bench,
    agent: &str,
    script: &dyn Fn(PathBuf) -> Script,
    readers: usize,
    count: u64,
) -> anyhow::Result<(Report, Cpu)> {
    let server = Server::start(&bench.site)?;
    let mut client = server.client()?;
    let mut gate = Gate::new(server.folder(), "gate")?;
    let run = create(&mut client, agent, &script(gate.path()))?;
    let mut reading = Readers::connect(&everything(&server, &client, &run, readers, count))?;
    if reading.ready.open != readers {
        bail!("of {readers} readers these were let in: {:?}", reading.ready);
    }
    until_running(&mut client, &run)?;
    let before = server.cpu()?;
    gate.open()?;
    let report = reading.report()?;
    let cpu = server.cpu()?.since(before);
    Ok((report, cpu))
}

/// The same of the floor.
fn floor_pass(bench: &Bench, script: &dyn Fn(PathBuf) -> Script, readers: usize, count: u64) -> anyhow::Result<(Report, f64)> {
    let folder = tempfile::tempdir_in(&bench.site.dir)?;
    let mut gate = Gate::new(folder.path(), "gate")?;
    let floor = Floor::start(&bench.site.claude(), &script(gate.path()), readers)?;
    let mut reading = Readers::connect(&everything_of_floor(&floor, readers, count))?;
    let before = floor.cpu()?;
    gate.open()?;
    let report = reading.report()?;
    let cpu = floor.cpu()? - before;
    if report.lost() > 0 {
        bail!("the floor loses events, so nothing can be compared with it: {report:?}");
    }
    Ok((report, cpu))
}

/// Waits until a run's agent has begun.
pub(super) fn until_running(client: &mut Client, run: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(PATIENCE);
    loop {
        let view = client.get(&format!("/api/runs/{run}"))?;
        match view["status"].as_str() {
            Some("running") => return Ok(()),
            Some("queued" | "starting") if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            _ => bail!("the agent did not begin: {view}"),
        }
    }
}

/// Reads a run from its first event until `count` marks have come.
pub(super) fn everything(server: &Server, client: &Client, run: &str, readers: usize, count: u64) -> Plan {
    plan(server, client, vec![Streams { path: format!("/api/runs/{run}/events"), count: readers, after: 0, first: 0, until: count }])
}

/// Reads these streams of a server.
pub(super) fn plan(server: &Server, client: &Client, streams: Vec<Streams>) -> Plan {
    Plan { address: server.address, token: client.token().to_owned(), streams, held: false, storm: false, patience: PATIENCE }
}

/// Reads all that the floor passes on.
pub(super) fn everything_of_floor(floor: &Floor, readers: usize, count: u64) -> Plan {
    let streams = vec![Streams { path: "/".to_owned(), count: readers, after: 0, first: 0, until: count }];
    Plan { address: floor.address, token: String::new(), streams, held: false, storm: false, patience: PATIENCE }
}
