//! Reading what was written earlier, and starting with a large database.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;

use super::plans::read_run;
use crate::driver::bench::Bench;
use crate::driver::children::Readers;
use crate::driver::client::Client;
use crate::driver::figure::{Figure, LOST, MIB};
use crate::driver::gate::Gate;
use crate::driver::server::{Server, create_run};
use crate::script::{Script, Step};

/// A reader that connects after a live run has written many events.
pub(super) fn late_reader(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(100_000, 10_000);
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let gate = Gate::new(server.directory(), "gate")?;
    let script = Script { steps: vec![Step::events(count, 0), Step::Gate(gate.path())] };
    let run_id = create_run(&mut client, "claude_code", &script)?;
    // The first reader only waits until everything is written.
    Readers::connect(&read_run(&server, &client, &run_id, 1, count))?.report()?;
    measure_reading(&server, &client, &run_id, count)
}

/// A reader of a run that has ended.
pub(super) fn replay(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(100_000, 10_000);
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let run_id = create_run(&mut client, "claude_code", &Script { steps: vec![Step::events(count, 0)] })?;
    client.wait_for_end(&run_id)?;
    measure_reading(&server, &client, &run_id, count)
}

fn measure_reading(server: &Server, client: &Client, run_id: &str, count: u64) -> anyhow::Result<Vec<Figure>> {
    let before = server.cpu()?;
    let report = Readers::connect(&read_run(server, client, run_id, 1, count))?.report()?;
    let cpu = server.cpu()?.since(before);
    let seconds = report.time_to_complete.max / 1e6;
    Ok(vec![
        Figure::new("time to read all", "ms", seconds * 1e3),
        Figure::new("events/s", "/s", report.marks as f64 / seconds),
        Figure::new("CPU per event", "µs", cpu.server * 1e6 / count as f64),
        Figure::new("lost or repeated", LOST, report.lost() as f64),
    ])
}

/// Concurrent clients that create the runs of `restart`.
const CLIENTS: usize = 8;

/// A server that starts with many runs in its database.
pub(super) fn restart(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let runs = bench.size(10_000, 300);
    let server = Server::start(&bench.test_bed)?;
    let token = server.client()?.token().to_owned();
    let left = AtomicUsize::new(runs);
    let create_runs = || -> anyhow::Result<()> {
        let mut client = Client::with_token(server.address, token.clone())?;
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let run_id = create_run(&mut client, "claude_code", &Script { steps: vec![Step::events(10, 0)] })?;
            let status = client.wait_for_end(&run_id)?;
            ensure!(status == "completed", "a run ended as {status}");
        }
        Ok(())
    };
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let threads: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(create_runs)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked"))))
    })?;
    let server = server.restart()?;
    Ok(vec![
        Figure::new("stored runs", "", runs as f64),
        Figure::new("start to healthy", "ms", server.time_to_healthy.as_secs_f64() * 1e3),
        Figure::new("memory", "MiB", server.memory()? as f64 / MIB),
    ])
}
