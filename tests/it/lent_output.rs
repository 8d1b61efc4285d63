//! The server moves the output of its agents, and cannot: it is stopped, or their shims are killed.
//!
//! Rules: K3.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use serde_json::json;

use crate::support::{Client, Frame, Server, assert_dense, carrying, last, live, of, shim_of};

/// A run whose agent has said that it is up, and waits until the returned file exists.
async fn waiting(server: &Server, user: &Client, then: &str) -> (String, std::path::PathBuf) {
    let go = server.directory().join("go");
    let id = user.script(&format!("say up\nwait {}\n{then}", go.display())).await;
    user.follow(&id).await.until_text("up").await;
    (id, go)
}

/// The numbers that the scripted agent has counted.
fn counted(frames: &[Frame]) -> Vec<u64> {
    of(frames, "token").iter().filter_map(|token| token["content"].as_str()?.trim().parse().ok()).collect()
}

/// Waits until the file exists.
async fn until_there(path: &Path) {
    let limit = Instant::now() + Duration::from_mins(1);
    while !path.exists() {
        assert!(Instant::now() < limit, "{} does not appear", path.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[test]
fn while_the_server_is_stopped_an_agent_exits_and_nothing_of_its_output_is_lost() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (id, go) = waiting(&server, &user, "pace 50 10000\nexit 3").await;
        let exit = server.data().join("runs").join(&id).join("exit.json");
        server.signal(Signal::STOP);
        std::fs::write(go, "").unwrap();
        // The shim records the end without the server, which never returns the output.
        until_there(&exit).await;
        assert_eq!(carrying(&id), [0; 0]);
        server.signal(Signal::CONT);
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(counted(&frames), (1..=50).collect::<Vec<_>>());
        let end = last(&frames);
        assert_eq!((&end["status"], &end["cause"], &end["exit_code"]), (&json!("failed"), &json!("crashed"), &json!(3)), "{end}");
    });
}

#[test]
fn an_agent_that_writes_more_than_a_pipe_holds_waits_for_a_stopped_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (id, go) = waiting(&server, &user, "flood 3000\nresult done").await;
        server.signal(Signal::STOP);
        std::fs::write(go, "").unwrap();
        // It is blocked, or will be.
        assert_eq!(carrying(&id).len(), 1);
        server.signal(Signal::CONT);
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(counted(&frames), (1..=3000).collect::<Vec<_>>());
        assert_eq!(last(&frames)["result"], "done");
    });
}

#[test]
fn a_stopped_server_that_is_killed_leaves_its_agents_to_the_next_one() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (id, go) = waiting(&server, &user, "pace 3000 10000\nresult done").await;
        let agents = carrying(&id);
        server.signal(Signal::STOP);
        std::fs::write(go, "").unwrap();
        let server = server.killed_and_started_again().await;
        assert!(carrying(&id).is_empty() || carrying(&id) == agents, "the agent is the same process");
        let frames = user.at(server.url()).follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(counted(&frames), (1..=3000).collect::<Vec<_>>());
        assert_eq!(last(&frames)["result"], "done");
    });
}

#[test]
fn what_an_agent_wrote_before_its_shim_was_killed_is_read() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("say up\npace 100000 1000\nresult done").await;
        let mut reader = user.follow(&id).await;
        let mut frames = reader.until_match(|frame| frame.event == "token" && frame.data["content"] == "50 ").await;
        kill_process(shim_of(&id), Signal::KILL).unwrap();
        frames.extend(reader.rest().await);
        assert_dense(&frames);
        let numbers = counted(&frames);
        assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "nothing is missing or repeated");
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("interrupted"), &json!("node_lost")));
        assert_eq!(carrying(&id), [0; 0]);
    });
}
