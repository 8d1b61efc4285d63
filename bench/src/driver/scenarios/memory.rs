//! What is held in memory when nobody reads, or somebody does not go on.

use std::time::Duration;

use super::super::Bench;
use super::super::server::{Server, create};
use super::super::table::Figure;
use super::super::tools::{Gate, Readers};
use super::stream::{everything, until_running};
use super::{KIB, MIB};
use crate::reader::Plan;
use crate::script::{Script, Step};

/// Readers who stand still at once. What one of them holds is less than a server's memory moves by itself from one time to the next.
const STALLED: usize = 16;

/// Readers who stop in the middle of much, and then go on.
pub(super) fn stalled(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let seconds = bench.size(10, 3);
    let (rate, count) = (20_000, 20_000 * seconds);
    let grown = |stalled: usize| -> anyhow::Result<(f64, u64)> {
        let server = Server::start(&bench.site)?;
        let mut client = server.client()?;
        let mut gate = Gate::new(server.folder(), "gate")?;
        let run = create(&mut client, "claude_code", &Script::gated(gate.path(), count, rate))?;
        until_running(&mut client, &run)?;
        let plan = Plan { held: true, ..everything(&server, &client, &run, stalled, count) };
        let mut reading = if stalled > 0 { Some(Readers::connect(&plan)?) } else { None };
        let before = server.memory()?;
        gate.open()?;
        client.end_of(&run)?;
        let grown = server.memory()? as f64 - before as f64;
        let Some(reading) = &mut reading else { return Ok((grown, 0)) };
        reading.let_go()?;
        Ok((grown, reading.report()?.lost()))
    };
    let (without, _) = grown(0)?;
    let (with, lost) = grown(STALLED)?;
    Ok(vec![
        Figure::new("memory for the run itself", "KiB", without / KIB),
        Figure::new("memory for each stalled reader", "KiB", (with - without) / KIB / STALLED as f64),
        Figure::new("lost or repeated", "lost", lost as f64),
    ])
}

/// Many events that nobody reads, one run after the other; and the processes that a run needs beside its agent.
pub(super) fn growth(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let (runs, count) = (5, bench.size(100_000, 10_000));
    let server = Server::start(&bench.site)?;
    std::thread::sleep(Duration::from_secs(1));
    let idle = server.memory()?;
    let mut client = server.client()?;
    let login = server.memory()?;
    for _ in 0..runs {
        let run = create(&mut client, "claude_code", &Script { steps: vec![Step::events(count, 0)] })?;
        client.end_of(&run)?;
    }
    let after = server.memory()?;
    Ok(vec![
        Figure::new("over idle", "MiB", (after as f64 - idle as f64) / MIB),
        Figure::new("of which by the login", "MiB", (login as f64 - idle as f64) / MIB),
    ])
}
