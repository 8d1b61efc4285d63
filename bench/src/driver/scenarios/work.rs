//! Very many runs.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::super::Bench;
use super::super::client::Client;
use super::super::process;
use super::super::server::{Server, create};
use super::super::table::Figure;
use super::super::tools::{Gate, Readers};
use super::stream::{plan, until_running};
use super::{KIB, MIB};
use crate::histogram::Histogram;
use crate::reader::Streams;
use crate::script::{Script, Step};

/// Runs that all go on at once, 2,000 events/s together, each with a reader.
pub(super) fn live(bench: &Bench, runs: u64) -> anyhow::Result<Vec<Figure>> {
    let rate = 2000 / runs;
    let count = rate * bench.size(10, 3);
    let server = Server::start(&bench.site)?;
    let mut client = server.client()?;
    let mut gate = Gate::new(server.folder(), "gate")?;
    let before = server.memory()?;
    let begun = Instant::now();
    let script = Script::gated(gate.path(), count, rate).and_pause(1000);
    let ids = (0..runs).map(|_| create(&mut client, "claude_code", &script)).collect::<anyhow::Result<Vec<_>>>()?;
    ids.iter().try_for_each(|run| until_running(&mut client, run))?;
    let started = begun.elapsed();
    let path = |run: &String| Streams { path: format!("/api/runs/{run}/events"), count: 1, after: 0, first: 0, until: count };
    let mut reading = Readers::connect(&plan(&server, &client, ids.iter().map(path).collect()))?;
    let grown = server.memory()?.saturating_sub(before);
    let helpers = server.helpers();
    let private = helpers.iter().filter_map(|pid| process::private(*pid)).sum::<u64>();
    let cpu = server.cpu()?;
    gate.open()?;
    let report = reading.report()?;
    let cpu = server.cpu()?.since(cpu);
    let events = (runs * count) as f64;
    let mut figures = vec![
        Figure::new("all started after", "s", started.as_secs_f64()),
        Figure::new("memory of each", "KiB", grown as f64 / KIB / runs as f64),
        Figure::new("latency p50", "µs", report.latency.p50),
        Figure::new("latency p99", "ms", report.latency.p99 / 1e3),
        Figure::new("CPU per event", "µs", cpu.server * 1e6 / events),
        Figure::new("CPU of helpers per event", "µs", cpu.helpers * 1e6 / events),
        Figure::new("lost or repeated", "lost", report.lost() as f64),
    ];
    if !helpers.is_empty() {
        figures.push(Figure::new("helpers", "", helpers.len() as f64));
        figures.push(Figure::new("memory of each helper", "MiB", private as f64 / MIB / helpers.len() as f64));
    }
    Ok(figures)
}

/// How many ask at the same time: enough that none has to wait for another's answer.
const HANDS: u32 = 8;
/// New runs a second.
const RATE: u32 = 100;

/// New runs at a rate, from the moment at which each was due: who asks late because the one before took long, waited, too.
pub(super) fn creates(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let total = RATE * bench.size(60, 5);
    let server = Server::start(&bench.site)?;
    let token = server.client()?.token().to_owned();
    let script = Script { steps: vec![Step::events(1, 0)] };
    let begun = Instant::now();
    let ask = |hand: u32| -> anyhow::Result<Vec<(String, Duration)>> {
        let mut client = Client::with_token(server.address, token.clone())?;
        let one = |at: u32| {
            let due = begun + Duration::from_secs(1) / RATE * at;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let run = create(&mut client, "claude_code", &script)?;
            Ok((run, due.elapsed()))
        };
        (hand..total).step_by(HANDS as usize).map(one).collect()
    };
    let made = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|hand| scope.spawn(move || ask(hand))).collect();
        hands.into_iter().map(|hand| hand.join().ok().context("a thread panicked")?).collect::<anyhow::Result<Vec<_>>>()
    })?;
    let mut histogram = Histogram::new();
    let mut client = server.client()?;
    let mut unfinished = 0;
    for (run, took) in made.iter().flatten() {
        histogram.add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        unfinished += u64::from(client.end_of(run)? != "completed");
    }
    let all_done = begun.elapsed().as_secs_f64() - f64::from(total) / f64::from(RATE);
    let took = histogram.summary();
    Ok(vec![
        Figure::new("POST p50", "ms", took.p50 / 1e3),
        Figure::new("POST p99", "ms", took.p99 / 1e3),
        Figure::new("all done after the last", "s", all_done),
        Figure::new("runs that did not complete", "lost", unfinished as f64),
    ])
}
