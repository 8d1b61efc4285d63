//! What a snapshot of a large working directory takes.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::driver::bench::Bench;
use crate::driver::figure::Figure;
use crate::driver::gate::Gate;
use crate::driver::server::{Server, create_run_in};
use crate::script::{Script, Step};

/// Number of files in a directory.
const FILES_PER_DIRECTORY: usize = 100;

/// Snapshots of a directory with 10,000 files, one of which has changed: requests for the changes of a live run, each of which takes one and
/// compares it with the first.
pub(super) fn snapshot(bench: &Bench) -> anyhow::Result<Vec<Figure>> {
    let (files, rounds) = (bench.size(10_000, 1_000), bench.size(20, 5));
    let server = Server::start(&bench.test_bed)?;
    let project = server.directory().join("project");
    for number in 0..files {
        let directory = project.join(format!("directory-{}", number / FILES_PER_DIRECTORY));
        if number % FILES_PER_DIRECTORY == 0 {
            fs::create_dir_all(&directory)?;
        }
        fs::write(directory.join(format!("file-{number}.txt")), format!("content of file {number}\n").repeat(20))?;
    }
    let mut client = server.client()?;
    let mut gate = Gate::new(server.directory(), "gate")?;
    let script = Script { steps: vec![Step::events(1, 0), Step::Gate(gate.path())] };
    let started = Instant::now();
    let run_id = create_run_in(&mut client, "claude_code", &script, &project)?;
    let path = format!("/api/runs/{run_id}/changes");
    // Until the first snapshot is there.
    while client.get(&path).is_err() {
        ensure!(started.elapsed() < Duration::from_mins(1), "the run has no first snapshot");
        std::thread::sleep(Duration::from_millis(5));
    }
    let first = started.elapsed();
    let mut times = Vec::new();
    for round in 0..rounds {
        change(&project, round)?;
        let started = Instant::now();
        let changes = client.get(&path)?;
        times.push(started.elapsed());
        ensure!(changes["files"] == round + 1, "the snapshot contains the changes so far: {changes}");
    }
    gate.open()?;
    client.wait_for_end(&run_id)?;
    times.sort();
    let at = |index: usize| times.get(index).map_or(0.0, Duration::as_secs_f64) * 1e3;
    Ok(vec![
        Figure::new("first snapshot, with the start", "ms", first.as_secs_f64() * 1e3),
        Figure::new("after a small change, p50", "ms", at(times.len() / 2)),
        Figure::new("after a small change, max", "ms", at(times.len() - 1)),
    ])
}

/// Changes another file in each round.
fn change(project: &Path, round: usize) -> anyhow::Result<()> {
    let number = round * FILES_PER_DIRECTORY;
    Ok(fs::write(project.join(format!("directory-{round}/file-{number}.txt")), "changed\n")?)
}
