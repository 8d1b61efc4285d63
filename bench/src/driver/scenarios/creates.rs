//! New runs at a fixed rate.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::live::LiveRuns;
use super::load::Load;
use crate::driver::bench::Bench;
use crate::driver::client::Client;
use crate::driver::figure::{Figure, LOST};
use crate::driver::gate::Gate;
use crate::driver::server::{Server, create_run};
use crate::histogram::Histogram;
use crate::script::{Script, Step};

/// Concurrent clients: enough that no request waits for the response to another.
const CLIENTS: u32 = 8;
/// New runs per second.
const RATE: u32 = 100;

/// On a server without other runs.
pub(super) fn creates(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let server = Server::start(&bench.test_bed)?;
    measure(&server, RATE * bench.size(60, 5))
}

/// While 100 agents write 20 events per second each, to one reader each.
pub(super) fn beside_live(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let (runs, load) = (100, Load::Steady { rate: 20 });
    let secs = bench.size(20, 5);
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let mut gate = Gate::new(server.directory(), "gate")?;
    // They write as long as new runs are created and end.
    let live = LiveRuns::start(&server, &mut client, runs, &|run| load.script(gate.path(), (run, runs), u64::from(secs) + 5))?;
    let mut reader = live.connect_readers(&server, &client, load)?;
    gate.open()?;
    let mut figures = measure(&server, RATE * secs)?;
    figures.push(Figure::new("lost or repeated", LOST, reader.report()?.lost() as f64));
    Ok(figures)
}

/// Creates `total` runs. Each is timed from the moment at which it was due, so a request that is late because of a slow one before it counts
/// as slow, too (coordinated omission).
fn measure(server: &Server, total: u32) -> anyhow::Result<Vec<Figure>> {
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
