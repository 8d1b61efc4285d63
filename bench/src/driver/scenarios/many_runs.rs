//! Hundreds of runs.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::plans::{read_streams, wait_until_running};
use crate::driver::bench::Bench;
use crate::driver::children::Readers;
use crate::driver::client::Client;
use crate::driver::figure::{Figure, KIB, LOST, MIB};
use crate::driver::gate::Gate;
use crate::driver::proc_stats;
use crate::driver::server::{Server, create_run};
use crate::histogram::Histogram;
use crate::reader::Streams;
use crate::script::{Script, Step};

/// Concurrent runs with 2,000 events/s in total, each with one reader.
pub(super) fn live(bench: &Bench, runs: u64) -> anyhow::Result<Vec<Figure>> {
    let rate = 2000 / runs;
    let count = rate * bench.size(10, 3);
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let mut gate = Gate::new(server.directory(), "gate")?;
    let memory_before = server.memory()?;
    let started = Instant::now();
    let script = Script::gated(gate.path(), count, rate).with_final_pause(1000);
    let run_ids = (0..runs).map(|_| create_run(&mut client, "claude_code", &script)).collect::<anyhow::Result<Vec<_>>>()?;
    run_ids.iter().try_for_each(|run_id| wait_until_running(&mut client, run_id))?;
    let time_to_start = started.elapsed();
    let stream = |run_id: &String| Streams { path: format!("/api/runs/{run_id}/events"), count: 1, after: 0, first: 0, until: count };
    let mut reader = Readers::connect(&read_streams(&server, &client, run_ids.iter().map(stream).collect()))?;
    let growth = server.memory()?.saturating_sub(memory_before);
    let helpers = server.helpers();
    let helper_memory = helpers.iter().filter_map(|pid| proc_stats::private_memory(*pid)).sum::<u64>();
    let cpu_before = server.cpu()?;
    gate.open()?;
    let report = reader.report()?;
    let cpu = server.cpu()?.since(cpu_before);
    let events = (runs * count) as f64;
    let mut figures = vec![
        Figure::new("time to start all", "s", time_to_start.as_secs_f64()),
        Figure::new("memory per run", "KiB", growth as f64 / KIB / runs as f64),
        Figure::new("latency p50", "µs", report.latency.p50),
        Figure::new("latency p99", "ms", report.latency.p99 / 1e3),
        Figure::new("CPU per event", "µs", cpu.server * 1e6 / events),
        Figure::new("CPU of helpers per event", "µs", cpu.helpers * 1e6 / events),
        Figure::new("lost or repeated", LOST, report.lost() as f64),
    ];
    if !helpers.is_empty() {
        figures.push(Figure::new("helpers", "", helpers.len() as f64));
        figures.push(Figure::new("memory per helper", "MiB", helper_memory as f64 / MIB / helpers.len() as f64));
    }
    Ok(figures)
}

/// Concurrent clients of `creates`: enough that no request waits for the response to another.
const CLIENTS: u32 = 8;
/// New runs per second.
const RATE: u32 = 100;

/// New runs at a fixed rate. Each is timed from the moment at which it was due, so a request that is late because of a slow one before it
/// counts as slow, too (coordinated omission).
pub(super) fn creates(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let total = RATE * bench.size(60, 5);
    let server = Server::start(&bench.test_bed)?;
    let token = server.client()?.token().to_owned();
    let script = Script { steps: vec![Step::events(1, 0)] };
    let started = Instant::now();
    let create_runs = |client_index: u32| -> anyhow::Result<Vec<(String, Duration)>> {
        let mut client = Client::with_token(server.address, token.clone())?;
        let create_when_due = |index: u32| {
            let due = started + Duration::from_secs(1) / RATE * index;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let run_id = create_run(&mut client, "claude_code", &script)?;
            Ok((run_id, due.elapsed()))
        };
        (client_index..total).step_by(CLIENTS as usize).map(create_when_due).collect()
    };
    let created = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CLIENTS).map(|index| scope.spawn(move || create_runs(index))).collect();
        threads.into_iter().map(|thread| thread.join().ok().context("a thread panicked")?).collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut histogram = Histogram::new();
    let mut client = server.client()?;
    let mut not_completed = 0;
    for (run_id, time) in created.iter().flatten() {
        histogram.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        not_completed += u64::from(client.wait_for_end(run_id)? != "completed");
    }
    let backlog = started.elapsed().as_secs_f64() - f64::from(total) / f64::from(RATE);
    let times = histogram.summary();
    Ok(vec![
        Figure::new("POST p50", "ms", times.p50 / 1e3),
        Figure::new("POST p99", "ms", times.p99 / 1e3),
        Figure::new("last request to all done", "s", backlog),
        Figure::new("runs not completed", LOST, not_completed as f64),
    ])
}
