//! Hundreds of agents at once, each with its own readers.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::load::Load;
use super::plans::{read_relay, read_streams, wait_until_running};
use crate::driver::bench::Bench;
use crate::driver::children::{Readers, Relay};
use crate::driver::client::Client;
use crate::driver::figure::{Figure, KIB, LOST, MIB};
use crate::driver::gate::Gate;
use crate::driver::proc_stats;
use crate::driver::server::{Server, create_run};
use crate::floor::RelayRun;
use crate::reader::{Report, Streams};
use crate::script::Script;

/// Number of transactions of the store.
const COMMITS: &str = "openrunner_commit_seconds_count";

/// Number of runs that are started before memory is measured.
const WARM_UP: u64 = 10;

/// Runs of `load` on the server, on the floor, and on the peer if there is one.
pub(super) fn live(bench: &Bench, runs: u64, load: Load) -> anyhow::Result<Vec<Figure>> {
    let secs = bench.size(10, 3);
    let (floor, floor_micros) = measure_relay(bench, runs, load, secs, Relay::floor)?;
    if floor.lost() > 0 {
        bail!("the floor lost events, so the comparison is invalid: {floor:?}");
    }
    let measured = measure_server(bench, runs, load, secs)?;
    let (report, events) = (&measured.report, measured.events);
    let micros_per_event = |seconds: f64| seconds * 1e6 / events;
    let (server, helpers) = (micros_per_event(measured.cpu.0), micros_per_event(measured.cpu.1));
    let mut figures = vec![
        Figure::new("time to start all", "s", measured.time_to_start.as_secs_f64()),
        Figure::new("memory per run", "KiB", measured.memory_per_run / KIB),
        Figure::new("memory per helper", "MiB", measured.memory_per_helper / MIB),
        Figure::new("events/s", "/s", events / report.seconds()),
        Figure::new("latency p50", "ms", report.latency.p50 / 1e3).with_floor(floor.latency.p50 / 1e3),
        Figure::new("latency p99", "ms", report.latency.p99 / 1e3).with_floor(floor.latency.p99 / 1e3),
        Figure::new("CPU per event", "µs", server + helpers).with_floor(floor_micros),
        Figure::new("of which server", "µs", server),
        Figure::new("of which helpers", "µs", helpers),
        Figure::new("commits/s", "/s", measured.commits / report.seconds()),
        Figure::new("wake-ups/s of the server", "/s", measured.wake_ups.0 / report.seconds()),
        Figure::new("wake-ups/s of helpers", "/s", measured.wake_ups.1 / report.seconds()),
        Figure::new("lost or repeated", LOST, report.lost() as f64),
    ];
    if let Some(command) = &bench.peer {
        let (peer, peer_micros) = measure_relay(bench, runs, load, secs, |agent, runs| Relay::peer(command, agent, runs))?;
        figures.extend([
            Figure::new("peer: latency p50", "ms", peer.latency.p50 / 1e3).with_floor(floor.latency.p50 / 1e3),
            Figure::new("peer: latency p99", "ms", peer.latency.p99 / 1e3).with_floor(floor.latency.p99 / 1e3),
            Figure::new("peer: CPU per event", "µs", peer_micros).with_floor(floor_micros),
            // Not a failure of the server.
            Figure::new("peer: missing or repeated", "", (peer.missing + peer.repeated) as f64),
        ]);
    }
    Ok(figures)
}

/// Figures of the server in one pass.
struct Measured {
    report: Report,
    /// Events that were stored while the agents wrote, other than those of the server itself.
    events: f64,
    time_to_start: Duration,
    /// In bytes.
    memory_per_run: f64,
    memory_per_helper: f64,
    /// Of the server and of its helpers, in seconds.
    cpu: (f64, f64),
    commits: f64,
    wake_ups: (f64, f64),
}

fn measure_server(bench: &Bench, runs: u64, load: Load, secs: u64) -> anyhow::Result<Measured> {
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let mut gate = Gate::new(server.directory(), "gate")?;
    // What the first runs bring into memory for good is no memory per run.
    let _warm_up = LiveRuns::start(&server, &mut client, WARM_UP, &|_| Script::gated(gate.path(), 0, 0))?;
    let memory_before = server.memory()?;
    let started = Instant::now();
    let live = LiveRuns::start(&server, &mut client, runs, &|run| load.script(gate.path(), (run, runs), secs))?;
    let time_to_start = started.elapsed();
    let mut reader = live.connect_readers(&server, &client, load)?;
    let growth = server.memory()?.saturating_sub(memory_before);
    let helpers = server.helpers();
    let helper_memory = helpers.iter().filter_map(|pid| proc_stats::private_memory(*pid)).sum::<u64>();
    let wake_ups = || {
        let of_helpers = helpers.iter().filter_map(|pid| proc_stats::wake_ups(*pid)).sum::<u64>();
        (proc_stats::wake_ups(server.pid()).unwrap_or(0) as f64, of_helpers as f64)
    };

    let (wakes_before, commits_before, seq_before) = (wake_ups(), client.metric(COMMITS)?, live.last_seq(&mut client)?);
    let cpu_before = server.cpu()?;
    gate.open()?;
    let report = reader.report()?;
    let cpu = server.cpu()?.since(cpu_before);
    // The server closes connections that are idle for long.
    let mut client = Client::with_token(server.address, client.token().to_owned())?;
    let (wakes, commits) = (wake_ups(), client.metric(COMMITS)? - commits_before);
    Ok(Measured {
        report,
        events: (live.last_seq(&mut client)? - seq_before) as f64,
        time_to_start,
        memory_per_run: growth as f64 / runs as f64,
        memory_per_helper: helper_memory as f64 / helpers.len().max(1) as f64,
        cpu: (cpu.server, cpu.helpers),
        commits,
        wake_ups: (wakes.0 - wakes_before.0, wakes.1 - wakes_before.1),
    })
}

/// Runs of the server whose agents wait at a gate.
pub(super) struct LiveRuns {
    /// The run's id, and the number of its marks.
    runs: Vec<(String, u64)>,
}

impl LiveRuns {
    /// Creates them and waits until their agents are running.
    pub(super) fn start(server: &Server, client: &mut Client, runs: u64, script: &dyn Fn(u64) -> Script) -> anyhow::Result<Self> {
        let create = |run| {
            let script = script(run);
            Ok((create_run(client, "claude_code", &script)?, script.marks()))
        };
        let live = Self { runs: (0..runs).map(create).collect::<anyhow::Result<Vec<_>>>()? };
        let mut client = server.client()?;
        live.runs.iter().try_for_each(|(run_id, _)| wait_until_running(&mut client, run_id))?;
        Ok(live)
    }

    /// Connects the readers of each run.
    pub(super) fn connect_readers(&self, server: &Server, client: &Client, load: Load) -> anyhow::Result<Readers> {
        let streams = |((run_id, marks), run): (&(String, u64), u64)| Streams {
            path: format!("/api/runs/{run_id}/events"),
            count: load.readers(run),
            after: 0,
            first: 0,
            until: *marks,
        };
        let reader = Readers::connect(&read_streams(server, client, self.runs.iter().zip(0..).map(streams).collect()))?;
        require_all(&reader, (0..self.runs.len() as u64).map(|run| load.readers(run)).sum())?;
        Ok(reader)
    }

    /// The number of events of all runs together.
    fn last_seq(&self, client: &mut Client) -> anyhow::Result<u64> {
        let last_seq = |(run_id, _): &(String, u64)| Ok(client.get(&format!("/api/runs/{run_id}"))?["last_seq"].as_u64().unwrap_or(0));
        self.runs.iter().map(last_seq).sum()
    }
}

fn require_all(reader: &Readers, readers: usize) -> anyhow::Result<()> {
    if reader.ready.open != readers {
        bail!("not all of {readers} readers could connect: {:?}", reader.ready);
    }
    Ok(())
}

/// Measures the same load on a relay. Returns what its readers read, and its CPU time per mark in microseconds.
fn measure_relay(
    bench: &Bench,
    runs: u64,
    load: Load,
    secs: u64,
    start: impl FnOnce(&Path, &[RelayRun]) -> anyhow::Result<Relay>,
) -> anyhow::Result<(Report, f64)> {
    let directory = tempfile::tempdir_in(&bench.test_bed.directory)?;
    let mut gate = Gate::new(directory.path(), "gate")?;
    let script = |run| load.script(gate.path(), (run, runs), secs);
    let relayed: Vec<RelayRun> = (0..runs).map(|run| RelayRun { prompt: script(run).to_prompt(), readers: load.readers(run) }).collect();
    let expected: Vec<(usize, u64)> = (0..runs).map(|run| (load.readers(run), script(run).marks())).collect();
    let relay = start(&bench.test_bed.claude(), &relayed)?;
    let mut reader = Readers::connect(&read_relay(&relay, &expected))?;
    require_all(&reader, expected.iter().map(|(readers, _)| readers).sum())?;
    let before = relay.cpu()?;
    gate.open()?;
    let report = reader.report()?;
    let marks: u64 = expected.iter().map(|(_, marks)| marks).sum();
    let micros = (relay.cpu()? - before) * 1e6 / marks.max(1) as f64;
    Ok((report, micros))
}
