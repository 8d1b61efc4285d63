//! The core of runs under concurrency, disk faults and damaged data.

mod abandoned_reads;
mod bounds;
mod creation;
mod damaged_background_work;
mod damaged_logs;
mod damaged_rows;
mod damaged_unfinished_runs;
mod deletion;
mod disk_full;
mod durability;
mod large_logs;
mod liveness;
mod lost_files;
mod starting;
mod statuses;

use serde_json::{Value, json};

use crate::support::Client;

/// The body of a request for a run of the scripted agent.
fn run_of(script: &str, mut metadata: Value) -> Value {
    metadata["agent_type"] = "claude_code".into();
    json!({ "input": { "text": script }, "metadata": metadata })
}

/// The ids in a list of runs or sessions.
async fn listed(client: &Client, path: &str, id: &str) -> Vec<String> {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    let items = answer.body["items"].as_array().expect("a list").iter();
    items.map(|item| item[id].as_str().expect("an id").to_owned()).collect()
}
