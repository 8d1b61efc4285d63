//! Start of a server, and start of a run.

use std::fs;
use std::time::{Duration, Instant};

use super::plans::{read_relay, read_run};
use crate::driver::bench::Bench;
use crate::driver::children::{Readers, Relay};
use crate::driver::figure::Figure;
use crate::driver::server::{Server, create_run};
use crate::floor::RelayRun;
use crate::script::{Script, Step};

/// Time until a server is healthy and its idle memory: at the first start, which creates its key and the default users, and at the second.
pub(super) fn start(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    // By then the background work of the start is done.
    let idle_memory = |server: &Server| -> anyhow::Result<f64> {
        std::thread::sleep(Duration::from_secs(2));
        Ok(server.memory()? as f64 / 1e6)
    };
    let server = Server::start(&bench.test_bed)?;
    let (first_start, first_memory) = (server.time_to_healthy, idle_memory(&server)?);
    let server = server.restart()?;
    Ok(vec![
        Figure::new("first start to healthy", "ms", first_start.as_secs_f64() * 1e3),
        Figure::new("idle memory after first start", "MB", first_memory),
        Figure::new("start to healthy", "ms", server.time_to_healthy.as_secs_f64() * 1e3),
        Figure::new("idle memory", "MB", idle_memory(&server)?),
        Figure::new("program size", "MB", fs::metadata(&bench.test_bed.program)?.len() as f64 / 1e6),
    ])
}

/// From the request to the first event of the agent, with consecutive runs on a warm server.
pub(super) fn first_event(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let script = Script { steps: vec![Step::events(1, 0)] };
    let (mut server_times, mut floor_times) = (Vec::new(), Vec::new());
    let server = Server::start(&bench.test_bed)?;
    let mut client = server.client()?;
    let runs = bench.size(20, 5);
    for run in 0..=runs {
        let started = Instant::now();
        let run_id = create_run(&mut client, "claude_code", &script)?;
        Readers::connect(&read_run(&server, &client, &run_id, 1, 1))?.report()?;
        let server_time = started.elapsed();

        let floor = Relay::floor(&bench.test_bed.claude(), &[RelayRun { prompt: script.to_prompt(), readers: 1 }])?;
        let started = Instant::now();
        Readers::connect(&read_relay(&floor, &[(1, 1)]))?.report()?;
        // The first run warms the caches.
        if run > 0 {
            server_times.push(server_time);
            floor_times.push(started.elapsed());
        }
    }
    let median = |mut times: Vec<Duration>| {
        times.sort();
        times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64) * 1e3
    };
    Ok(vec![Figure::new("request to first event", "ms", median(server_times)).with_floor(median(floor_times))])
}
