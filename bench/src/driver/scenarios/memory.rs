//! Memory of a server without readers, and with readers that stall.

use std::time::Duration;

use super::plans::{read_run, wait_until_running};
use crate::driver::bench::Bench;
use crate::driver::children::Readers;
use crate::driver::figure::{Figure, KIB, LOST, MIB};
use crate::driver::gate::Gate;
use crate::driver::server::{Server, create_run};
use crate::reader::Plan;
use crate::script::{Script, Step};

/// Number of readers that stall at once: the memory of a single one would be less than the variation between two measurements.
const STALLED: usize = 16;

/// Readers that stop reading during a flood of events, and then resume.
pub(super) fn stalled(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let seconds = bench.size(10, 3);
    let (rate, count) = (20_000, 20_000 * seconds);
    let measure = |stalled: usize| -> anyhow::Result<(f64, u64)> {
        let server = Server::start(&bench.test_bed)?;
        let mut client = server.client()?;
        let mut gate = Gate::new(server.directory(), "gate")?;
        let run_id = create_run(&mut client, "claude_code", &Script::gated(gate.path(), count, rate))?;
        wait_until_running(&mut client, &run_id)?;
        let plan = Plan { hold: true, ..read_run(&server, &client, &run_id, stalled, count) };
        let mut reader = if stalled > 0 { Some(Readers::connect(&plan)?) } else { None };
        let before = server.memory()?;
        gate.open()?;
        client.wait_for_end(&run_id)?;
        let growth = server.memory()? as f64 - before as f64;
        let Some(reader) = &mut reader else { return Ok((growth, 0)) };
        reader.start()?;
        Ok((growth, reader.report()?.lost()))
    };
    let (without, _) = measure(0)?;
    let (with, lost) = measure(STALLED)?;
    Ok(vec![
        Figure::new("memory for the run itself", "KiB", without / KIB),
        Figure::new("memory per stalled reader", "KiB", (with - without) / KIB / STALLED as f64),
        Figure::new("lost or repeated", LOST, lost as f64),
    ])
}

/// Consecutive runs with many events and no reader.
pub(super) fn memory(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let (runs, count) = (5, bench.size(100_000, 10_000));
    let server = Server::start(&bench.test_bed)?;
    std::thread::sleep(Duration::from_secs(1));
    let idle = server.memory()?;
    let mut client = server.client()?;
    let after_login = server.memory()?;
    for _ in 0..runs {
        let run_id = create_run(&mut client, "claude_code", &Script { steps: vec![Step::events(count, 0)] })?;
        client.wait_for_end(&run_id)?;
    }
    let after_runs = server.memory()?;
    Ok(vec![
        Figure::new("above idle", "MiB", (after_runs as f64 - idle as f64) / MIB),
        Figure::new("of which login", "MiB", (after_login as f64 - idle as f64) / MIB),
    ])
}
