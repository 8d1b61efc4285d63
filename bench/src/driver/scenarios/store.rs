//! What was written before it is read.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::ensure;

use super::super::Bench;
use super::super::client::Client;
use super::super::server::{Server, create};
use super::super::table::Figure;
use super::super::tools::{Gate, Readers};
use super::MIB;
use super::stream::everything;
use crate::script::{Script, Step};

/// A reader who comes when a live run has written much.
pub(super) fn late(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(100_000, 10_000);
    let server = Server::start(&bench.site)?;
    let mut client = server.client()?;
    let gate = Gate::new(server.folder(), "gate")?;
    let run = create(&mut client, "claude_code", &Script { steps: vec![Step::events(count, 0), Step::Gate(gate.path())] })?;
    // The first reader tells when all is written; the late one is measured.
    Readers::connect(&everything(&server, &client, &run, 1, count))?.report()?;
    read_again(&server, &client, &run, count)
}

/// A reader of a run that has ended.
pub(super) fn replay(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let count = bench.size(100_000, 10_000);
    let server = Server::start(&bench.site)?;
    let mut client = server.client()?;
    let run = create(&mut client, "claude_code", &Script { steps: vec![Step::events(count, 0)] })?;
    client.end_of(&run)?;
    read_again(&server, &client, &run, count)
}

fn read_again(server: &Server, client: &Client, run: &str, count: u64) -> anyhow::Result<Vec<Figure>> {
    let before = server.cpu()?;
    let report = Readers::connect(&everything(server, client, run, 1, count))?.report()?;
    let cpu = server.cpu()?.since(before);
    let seconds = report.whole_after.max / 1e6;
    Ok(vec![
        Figure::new("all of it after", "ms", seconds * 1e3),
        Figure::new("events/s", "/s", report.marks as f64 / seconds),
        Figure::new("CPU per event", "µs", cpu.server * 1e6 / count as f64),
        Figure::new("lost or repeated", "lost", report.lost() as f64),
    ])
}

/// How many ask for runs at the same time where many are made.
const HANDS: usize = 8;

/// A server that finds many runs in its database.
pub(super) fn restart(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let runs = bench.size(10_000, 300);
    let server = Server::start(&bench.site)?;
    let token = server.client()?.token().to_owned();
    let left = AtomicUsize::new(runs);
    let work = || -> anyhow::Result<()> {
        let mut client = Client::with_token(server.address, token.clone())?;
        while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            let run = create(&mut client, "claude_code", &Script { steps: vec![Step::events(10, 0)] })?;
            let status = client.end_of(&run)?;
            ensure!(status == "completed", "a run ended as {status}");
        }
        Ok(())
    };
    std::thread::scope(|scope| -> anyhow::Result<()> {
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(work)).collect();
        hands.into_iter().try_for_each(|hand| hand.join().unwrap_or_else(|_| Err(anyhow::anyhow!("a thread panicked"))))
    })?;
    let server = server.restart()?;
    Ok(vec![
        Figure::new("stored runs", "", runs as f64),
        Figure::new("start to healthy", "ms", server.healthy_after.as_secs_f64() * 1e3),
        Figure::new("memory", "MiB", server.memory()? as f64 / MIB),
    ])
}
