//! One run and its concurrent readers.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;

use super::plans::{read_relay, read_run, wait_until_running};
use crate::driver::bench::Bench;
use crate::driver::children::{Readers, Relay};
use crate::driver::figure::{Figure, LOST};
use crate::driver::gate::Gate;
use crate::driver::server::{Cpu, Server, create_run};
use crate::floor::RelayRun;
use crate::histogram::{Histogram, Summary};
use crate::mark::now;
use crate::reader::Report;
use crate::script::Script;

/// How long an agent stays after its last event, so that the CPU time of its helpers can be sampled, in milliseconds.
const FINAL_PAUSE_MS: u64 = 500;

/// Delay from the agent's write to a reader's read, at a low rate.
pub(super) fn latency(bench: &Bench, readers: usize) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(2000, 400);
    let script = |gate: PathBuf| Script::gated(gate, count, 200);
    let (floor, _) = measure_floor(bench, &script, readers, count)?;
    let (report, _) = measure_server(bench, "claude_code", &script, readers, count)?;
    let sync = sync_time(bench)?.p50;
    Ok(vec![
        Figure::new("p50", "µs", report.latency.p50).with_floor(floor.latency.p50),
        Figure::new("p50 above the floor", "µs", report.latency.p50 - floor.latency.p50),
        Figure::new("fdatasync p50", "µs", sync),
        Figure::new("p50 above the floor and fdatasync", "µs", report.latency.p50 - floor.latency.p50 - sync),
        Figure::new("p99", "µs", report.latency.p99).with_floor(floor.latency.p99),
        Figure::new("lost or repeated", LOST, report.lost() as f64),
    ])
}

/// Duration of the smallest durable write: an `fdatasync` of one page that is appended, at the same rate as the events.
fn sync_time(bench: &Bench) -> anyhow::Result<Summary> {
    let mut file = tempfile::tempfile_in(&bench.test_bed.directory)?;
    let mut histogram = Histogram::new();
    for _ in 0..bench.size(400, 50) {
        std::thread::sleep(Duration::from_millis(5));
        let started = now();
        file.write_all(&[1; 4096])?;
        file.sync_data()?;
        histogram.add(now() - started);
    }
    Ok(histogram.summary())
}

/// An agent that writes at full speed.
pub(super) fn flood(bench: &Bench, readers: usize) -> anyhow::Result<Vec<Figure>> {
    let count = match readers {
        1 => bench.size(500_000, 50_000),
        2..100 => bench.size(100_000, 10_000),
        _ => bench.size(5000, 1000),
    };
    let script = |gate: PathBuf| Script::gated(gate, count, 0).with_final_pause(FINAL_PAUSE_MS);
    let (floor, floor_cpu) = measure_floor(bench, &script, readers, count)?;
    let (report, cpu) = measure_server(bench, "claude_code", &script, readers, count)?;
    let micros_per = |seconds: f64, number: u64| seconds * 1e6 / number.max(1) as f64;
    let deliveries = |report: &Report| report.marks as f64 / report.seconds();
    let mut figures = vec![
        Figure::new("events/s", "/s", count as f64 / report.seconds()).with_floor(count as f64 / floor.seconds()),
        Figure::new("deliveries/s", "/s", deliveries(&report)).with_floor(deliveries(&floor)),
        Figure::new("CPU per event", "µs", micros_per(cpu.server, count)).with_floor(micros_per(floor_cpu, count)),
        Figure::new("CPU per delivery", "µs", micros_per(cpu.server, report.marks)).with_floor(micros_per(floor_cpu, floor.marks)),
        Figure::new("CPU of helpers per event", "µs", micros_per(cpu.helpers, count)),
        Figure::new("lost or repeated", LOST, report.lost() as f64),
    ];
    if readers == 1 {
        // With one reader, deliveries equal events.
        figures.retain(|figure| !figure.name.contains("deliver"));
    }
    Ok(figures)
}

/// The flood with another agent, and so with another parser; without the floor.
pub(super) fn flood_agent(bench: &Bench, agent_type: &str) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(200_000, 20_000);
    let script = |gate: PathBuf| Script::gated(gate, count, 0).with_final_pause(FINAL_PAUSE_MS);
    let (report, cpu) = measure_server(bench, agent_type, &script, 1, count)?;
    Ok(vec![
        Figure::new("events/s", "/s", count as f64 / report.seconds()),
        Figure::new("CPU per event", "µs", cpu.server * 1e6 / count as f64),
        Figure::new("lost or repeated", LOST, report.lost() as f64),
    ])
}

/// Measures one run on a new server: what its readers read, and the CPU time from the opening of the gate.
fn measure_server(
    bench: &Bench,
    agent_type: &str,
    script: &dyn Fn(PathBuf) -> Script,
    readers: usize,
    count: u64,
) -> anyhow::Result<(Report, Cpu)> {
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let mut gate = Gate::new(server.directory(), "gate")?;
    let run_id = create_run(&mut client, agent_type, &script(gate.path()))?;
    let mut reader = Readers::connect(&read_run(&server, &client, &run_id, readers, count))?;
    if reader.ready.open != readers {
        bail!("not all of {readers} readers could connect: {:?}", reader.ready);
    }
    wait_until_running(&mut client, &run_id)?;
    let before = server.cpu()?;
    gate.open()?;
    let report = reader.report()?;
    let cpu = server.cpu()?.since(before);
    Ok((report, cpu))
}

/// Measures the floor with the same agent and readers.
fn measure_floor(bench: &Bench, script: &dyn Fn(PathBuf) -> Script, readers: usize, count: u64) -> anyhow::Result<(Report, f64)> {
    let directory = tempfile::tempdir_in(&bench.test_bed.directory)?;
    let mut gate = Gate::new(directory.path(), "gate")?;
    let runs = [RelayRun { prompt: script(gate.path()).to_prompt(), readers }];
    let floor = Relay::floor(&bench.test_bed.claude(), &runs)?;
    let mut reader = Readers::connect(&read_relay(&floor, &[(readers, count)]))?;
    let before = floor.cpu()?;
    gate.open()?;
    let report = reader.report()?;
    let cpu = floor.cpu()? - before;
    if report.lost() > 0 {
        bail!("the floor lost events, so the comparison is invalid: {report:?}");
    }
    Ok((report, cpu))
}
