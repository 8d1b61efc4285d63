//! A full disk and a lack of file descriptors during runs: affected operations report it, and the server recovers by itself.
//!
//! Rules: W5.

use std::fs;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::json;

use crate::support::{Disk, Server, Setup, assert_dense, carrying, last, live};

async fn health(server: &Server) -> String {
    server.guest().get("/health").await.body["status"].as_str().expect("a status").to_owned()
}

#[test]
fn a_full_disk_fails_affected_runs_and_recovers_by_itself() {
    live(async {
        let setup = Setup::new();
        let Some(disk) = Disk::mount(&setup.directory().join("data"), 8) else { return };
        let server = setup.start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("children 2\nwait {}\nflood 2000\nhang", go.display())).await;
        let mut reader = user.follow(&id).await;
        let mut frames = vec![];
        frames.extend(reader.until("message").await);
        assert_eq!(health(&server).await, "ok");

        let filler = disk.fill();
        fs::write(&go, "").unwrap();
        server.logs("could not write the run").await;
        let refused = user.ask("result never", json!({ "agent_type": "claude_code" })).await;
        refused.problem(507, "storage");
        assert_eq!(health(&server).await, "degraded");
        assert!(user.run(&id).await["ended_at"].is_null(), "an end that is not on disk is none");
        assert_eq!(user.get("/api/runs").await.status, 200, "what is there can be read");

        fs::remove_file(filler).unwrap();
        frames.extend(reader.rest().await);
        assert_dense(&frames);
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("failed"), &json!("storage")));
        assert_eq!(carrying(&id), [0; 0]);
        assert_eq!(health(&server).await, "ok");
        let next = user.script("result again").await;
        assert_eq!(user.end_of(&next).await["status"], "completed");
    });
}

/// Prevents the server from opening anything, until the returned limit is restored.
fn take_descriptors(server: &Server) -> Rlimit {
    let mut open: Vec<u64> = fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .expect("Linux")
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    open.sort_unstable();
    // The kernel assigns the lowest free number.
    let free = (0..).zip(&open).find(|(number, open)| number != *open).map_or(open.len() as u64, |(number, _)| number);
    let limit = Rlimit { current: Some(free), maximum: rustix::process::getrlimit(Resource::Nofile).maximum };
    give_descriptors(server, limit)
}

/// Sets the descriptor limit of the server and returns the previous one.
fn give_descriptors(server: &Server, limit: Rlimit) -> Rlimit {
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("small"));
    prlimit(pid, Resource::Nofile, limit).expect("the server is ours")
}

#[test]
fn without_descriptors_the_server_keeps_running_and_recovers_by_itself() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("say up\nwait {}\nresult whole", go.display())).await;
        let mut reader = user.follow(&id).await;
        reader.until_text("up").await;
        // The stream uses its own connection, so this one stays open.
        user.run(&id).await;

        let enough = take_descriptors(&server);
        // Over the existing connection.
        assert_eq!(user.get("/health").await.body["status"], "degraded");
        let refused = user.ask("result never", json!({ "agent_type": "claude_code" })).await;
        refused.problem(503, "overloaded");
        assert_eq!(refused.header("retry-after"), "5");
        // Over a new connection, which cannot be accepted now.
        let late = server.guest();
        let (answer, ()) = tokio::join!(late.get("/health"), async {
            server.logs("cannot accept connections").await;
            give_descriptors(&server, enough);
        });
        assert_eq!(answer.body["status"], "ok");

        let enough = take_descriptors(&server);
        fs::write(&go, "").unwrap();
        assert_eq!(last(&reader.rest().await)["status"], "completed", "who works already goes on");
        give_descriptors(&server, enough);
        let next = user.script("result again").await;
        assert_eq!(user.end_of(&next).await["status"], "completed");
    });
}
