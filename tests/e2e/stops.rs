//! Cancelling and timeouts kill the whole process tree.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{Agent, Run, Server, for_each_agent, wait_for};

for_each_agent!(Server::shared();
    a_run_without_a_model_answer_times_out,
    a_cancelled_run_leaves_no_process,
);

/// The default time from TERM to KILL.
const GRACE: Duration = Duration::from_secs(10);

/// A tool that sleeps for five minutes in its own session.
pub(crate) const SLEEPER: &str = "sleep [[mock:sleeper s=300]]";

fn a_run_without_a_model_answer_times_out(server: &Server, agent: Agent) {
    // The limit counts from the start, and OpenCode takes long to get ready.
    let limit = if agent == Agent::OpenCode { 10 } else { 3 };
    let (run, events) = server.run(agent, "go [[mock:hang]]", &json!({ "timeout_secs": limit }));
    events.assert_end("timed_out", "timeout");
    let took = Duration::from_millis(events.done()["duration_ms"].as_u64().expect("a duration"));
    assert!(took >= Duration::from_secs(limit) && took < Duration::from_secs(limit) + GRACE, "{took:?}");
    assert_eq!(processes_of(&run), [""; 0]);
}

/// In either mode, whether or not the call has been reported yet.
pub(crate) fn a_cancelled_run_leaves_no_process(server: &Server, agent: Agent) {
    let run = server.create(agent, SLEEPER, &json!({}));
    let follow = server.follow(&run);
    wait_for("the tool", || sleeps(&run).then_some(()));
    let started = Instant::now();
    server.cancel(&run);
    server.cancel(&run);
    let events = follow.finish();
    events.assert_end("cancelled", "cancelled");
    assert!(started.elapsed() < GRACE, "no agent needs KILL: {:?}", started.elapsed());
    assert_eq!(processes_of(&run), [""; 0]);
}

pub(crate) fn sleeps(run: &Run) -> bool {
    processes_of(run).iter().any(|command| command.contains("python3 -c import time"))
}

/// The command lines of all living processes of the run. They have its id in their environment.
pub(crate) fn processes_of(run: &Run) -> Vec<String> {
    ids_of(run).into_values().collect()
}

/// The same, by pid.
pub(crate) fn ids_of(run: &Run) -> BTreeMap<u32, String> {
    let marker = format!("ORN_RUN={}", run.id);
    let carries = |environ: &[u8]| environ.split(|byte| *byte == 0).any(|entry| entry == marker.as_bytes());
    let mut found = BTreeMap::new();
    for process in fs::read_dir("/proc").expect("Linux").flatten() {
        let read = |name: &str| fs::read(process.path().join(name)).unwrap_or_default();
        // A zombie has no environment.
        if carries(&read("environ"))
            && let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok())
        {
            found.insert(id, String::from_utf8_lossy(&read("cmdline")).replace('\0', " "));
        }
    }
    found
}
