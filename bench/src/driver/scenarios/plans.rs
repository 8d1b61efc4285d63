//! Reading plans and waits that several scenarios use.

use std::time::{Duration, Instant};

use anyhow::bail;

use crate::driver::children::Relay;
use crate::driver::client::Client;
use crate::driver::server::Server;
use crate::reader::{Plan, Streams};

/// Timeout of a scenario, in seconds.
const TIMEOUT_SECS: u64 = 120;

/// Waits until a run's agent is running.
pub(super) fn wait_until_running(client: &mut Client, run_id: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(TIMEOUT_SECS);
    loop {
        let run = client.get(&format!("/api/runs/{run_id}"))?;
        match run["status"].as_str() {
            Some("running") => return Ok(()),
            Some("queued" | "starting") if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(2)),
            _ => bail!("the agent did not start: {run}"),
        }
    }
}

/// Reads a run from the start until `count` marks have been read.
pub(super) fn read_run(server: &Server, client: &Client, run_id: &str, readers: usize, count: u64) -> Plan {
    let streams = Streams { path: format!("/api/runs/{run_id}/events"), count: readers, after: 0, first: 0, until: count };
    read_streams(server, client, vec![streams])
}

/// Reads these streams of a server.
pub(super) fn read_streams(server: &Server, client: &Client, streams: Vec<Streams>) -> Plan {
    let token = client.token().to_owned();
    Plan { address: server.address, token, streams, hold: false, connect_at_once: false, timeout_secs: TIMEOUT_SECS }
}

/// Reads all runs of a relay. `expected` is the number of readers and of marks of each run.
pub(super) fn read_relay(relay: &Relay, expected: &[(usize, u64)]) -> Plan {
    let streams = |(path, (readers, marks)): (&String, &(usize, u64))| Streams {
        path: path.clone(),
        count: *readers,
        after: 0,
        first: 0,
        until: *marks,
    };
    let (streams, token) = (relay.paths.iter().zip(expected).map(streams).collect(), String::new());
    Plan { address: relay.address, token, streams, hold: false, connect_at_once: false, timeout_secs: TIMEOUT_SECS }
}
