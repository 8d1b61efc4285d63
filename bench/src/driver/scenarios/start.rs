//! The beginning: of a server, and of a run.

use std::fs;
use std::time::{Duration, Instant};

use super::super::Bench;
use super::super::server::{Server, create};
use super::super::table::Figure;
use super::super::tools::{Floor, Readers};
use super::stream::{everything, everything_of_floor};
use crate::script::{Script, Step};

/// Time until a server is healthy, and what it takes while nothing happens: without a past, when it makes its key and the default users,
/// and the second time.
pub(super) fn start(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    // What is done at the start and in the background is over by then.
    let settled = |server: &Server| -> anyhow::Result<f64> {
        std::thread::sleep(Duration::from_secs(2));
        Ok(server.memory()? as f64 / 1e6)
    };
    let server = Server::start(&bench.site)?;
    let (first, first_memory) = (server.healthy_after, settled(&server)?);
    let server = server.restart()?;
    Ok(vec![
        Figure::new("first start to healthy", "ms", first.as_secs_f64() * 1e3),
        Figure::new("idle memory after it", "MB", first_memory),
        Figure::new("start to healthy", "ms", server.healthy_after.as_secs_f64() * 1e3),
        Figure::new("idle memory", "MB", settled(&server)?),
        Figure::new("program", "MB", fs::metadata(&bench.site.program)?.len() as f64 / 1e6),
    ])
}

/// From the request to the first event that the agent has written, one run after the other, on a server that is warm.
pub(super) fn first_event(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let script = Script { steps: vec![Step::events(1, 0)] };
    let (mut ours, mut floors) = (Vec::new(), Vec::new());
    let server = Server::start(&bench.site)?;
    let mut client = server.client()?;
    let runs = bench.size(20, 5);
    for at in 0..=runs {
        let begun = Instant::now();
        let run = create(&mut client, "claude_code", &script)?;
        Readers::connect(&everything(&server, &client, &run, 1, 1))?.report()?;
        let took = begun.elapsed();

        let floor = Floor::start(&bench.site.claude(), &script, 1)?;
        let begun = Instant::now();
        Readers::connect(&everything_of_floor(&floor, 1, 1))?.report()?;
        // The first of each is for the caches.
        if at > 0 {
            ours.push(took);
            floors.push(begun.elapsed());
        }
    }
    let middle = |mut times: Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1e3
    };
    Ok(vec![Figure::new("request to first event", "ms", middle(ours)).over(middle(floors))])
}
