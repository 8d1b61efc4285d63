//! What isolation adds to the start of a run.

use std::time::{Duration, Instant};

use super::plans::read_run;
use crate::driver::bench::Bench;
use crate::driver::children::Readers;
use crate::driver::client::Client;
use crate::driver::figure::Figure;
use crate::driver::server::{Server, create_run_at};
use crate::script::{Script, Step};

/// A level, and the names of its figures.
struct Level {
    name: &'static str,
    start: &'static str,
    added: &'static str,
}

const LEVELS: [Level; 3] = [
    Level { name: "files", start: "request to first event, files", added: "added by files" },
    Level { name: "guard", start: "request to first event, guard", added: "added by guard" },
    Level { name: "sandbox", start: "request to first event, sandbox", added: "added by sandbox" },
];

/// From the request to the first event of the agent at each isolation level that this machine can hold, with runs at level `none` in between,
/// which are the floor.
pub(super) fn isolation(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let mut figures = Vec::new();
    for level in LEVELS {
        // The first runs warm the caches.
        if let Err(refused) = time_to_first_event(&server, &mut client, level.name) {
            eprintln!("isolation: level {} is left out: {refused:#}", level.name);
            continue;
        }
        time_to_first_event(&server, &mut client, "none")?;
        let (mut isolated, mut open) = (Vec::new(), Vec::new());
        for _ in 0..bench.size(20, 5) {
            isolated.push(time_to_first_event(&server, &mut client, level.name)?);
            open.push(time_to_first_event(&server, &mut client, "none")?);
        }
        let (isolated, open) = (median_ms(isolated), median_ms(open));
        figures.push(Figure::new(level.start, "ms", isolated).with_floor(open));
        figures.push(Figure::new(level.added, "ms", isolated - open));
    }
    Ok(figures)
}

fn time_to_first_event(server: &Server, client: &mut Client, level: &str) -> anyhow::Result<Duration> {
    let script = Script { steps: vec![Step::events(1, 0)] };
    let started = Instant::now();
    let run_id = create_run_at(client, "claude_code", &script, level)?;
    Readers::connect(&read_run(server, client, &run_id, 1, 1))?.report()?;
    Ok(started.elapsed())
}

fn median_ms(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1e3
}
