//! Deleting large logs: in steps, between which others write, and to the end, also across a crash.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::listed;
use crate::support::{Server, live, query};

/// Rows in the log of a run that takes many steps to delete, and their size.
const CHUNKS: i64 = 200;
const CHUNK_BYTES: usize = 100_000;

/// A server with an ended run whose log has many large chunks, and the id of the run.
async fn with_large_log() -> (Server, String) {
    let server = Server::start().await;
    let user = server.client("user").await;
    let id = user.script("result done").await;
    let seq = user.end_of(&id).await["last_seq"].as_i64().expect("a number");
    let line = format!("{{\"type\":\"log\",\"message\":\"{}\"}}\n", "x".repeat(CHUNK_BYTES));
    let crc = crc32fast::hash(line.as_bytes());
    // More than one transaction could be observed to delete at once.
    let change = format!(
        "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {CHUNKS})
         INSERT INTO event_chunks (run_id, first_seq, last_seq, crc32, body) SELECT '{id}', {seq} + n, {seq} + n, {crc}, CAST('{line}' AS BLOB) FROM number;
         UPDATE runs SET last_seq = last_seq + {CHUNKS} WHERE id = '{id}'"
    );
    (server.killed_and_changed(&change).await.start().await, id)
}

fn chunks_of(server: &Server, id: &str) -> i64 {
    query(&server.database(), &format!("SELECT count(*) FROM event_chunks WHERE run_id = '{id}'"))
}

#[test]
fn a_large_log_is_deleted_in_steps_between_which_others_write() {
    live(async {
        let (server, id) = with_large_log().await;
        let user = server.client("user").await;
        let database = server.database();
        let count = format!("SELECT count(*) FROM event_chunks WHERE run_id = '{id}'");
        let observed = tokio::task::spawn_blocking(move || {
            let (mut observed, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(30));
            while observed.last() != Some(&0) && Instant::now() < deadline {
                observed.push(query::<i64>(&database, &count));
                observed.dedup();
            }
            observed
        });
        assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        user.get(&format!("/api/runs/{id}")).await.problem(404, "not_found");
        user.get(&format!("/api/runs/{id}/events")).await.problem(404, "not_found");
        assert!(listed(&user, "/api/runs", "run_id").await.is_empty());
        let observed = observed.await.expect("no panic");
        assert_eq!(observed.last(), Some(&0), "{observed:?}");
        assert!(observed.len() > 2, "all of the log was deleted by one transaction: {observed:?}");
    });
}

#[test]
fn a_deletion_that_a_crash_interrupts_is_completed_by_the_next_server() {
    live(async {
        let (mut server, id) = with_large_log().await;
        let user = server.client("user").await;
        let directories = [server.data().join("workspaces").join(&id), server.data().join("runs").join(&id)];
        assert!(directories[0].exists());
        assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        server.signal(Signal::KILL);
        assert_eq!(server.ended().await, -9);
        let server = server.again().start().await;
        let user = user.at(server.url());
        user.get(&format!("/api/runs/{id}")).await.problem(404, "not_found");
        assert!(listed(&user, "/api/sessions", "session_id").await.is_empty());
        while chunks_of(&server, &id) > 0 {
            tokio::task::yield_now().await;
        }
        while directories.iter().any(|directory| directory.exists()) {
            tokio::task::yield_now().await;
        }
    });
}
