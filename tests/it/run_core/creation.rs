//! A run is created completely or not at all, and once per idempotency key.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use super::{listed, run_of};
use crate::support::{Client, Server, Setup, live};

/// Number of sessions in which the same request is repeated concurrently.
const SESSIONS: usize = 16;

/// Number of concurrent requests with one key.
const REPEATS: usize = 10;

/// Creates sessions whose only run has ended.
async fn idle_sessions(user: &Client, count: usize) -> Vec<String> {
    let sessions = join_all((0..count).map(|_| async {
        let run = user.script("result one").await;
        user.end_of(&run).await["session_id"].as_str().expect("a session").to_owned()
    }));
    sessions.await
}

/// Sends equal requests with one key concurrently, in each of several sessions. All must be answered with the same run, which completes.
async fn concurrent_requests_with_one_key_return_the_same_run(on_busy: &str) {
    let server = Server::start().await;
    let user = server.client("user").await;
    let sessions = idle_sessions(&user, SESSIONS).await;
    let (user, runs) = (&user, |session: &str| run_of("result two", json!({ "session_id": session, "on_busy": on_busy })));
    let answers = join_all(sessions.iter().flat_map(|session| {
        let body = runs(session);
        (0..REPEATS).map(move |repeat| {
            let body = body.clone();
            async move {
                // A repeat arrives while the first request is carried out, in one step or another.
                tokio::time::sleep(Duration::from_millis(repeat as u64 * 4)).await;
                user.post_with_key("/api/runs", session, &body).await
            }
        })
    }))
    .await;
    for (session, answers) in sessions.iter().zip(answers.chunks(REPEATS)) {
        for answer in answers {
            assert_eq!((answer.status, &answer.text), (201, &answers[0].text), "{on_busy}: repeats in {session}");
        }
        let end = user.end_of(answers[0].body["run_id"].as_str().expect("an id")).await;
        assert_eq!((&end["status"], &end["result"]), (&json!("completed"), &json!("two")), "{on_busy}: {end}");
        assert_eq!(listed(user, &format!("/api/runs?session_id={session}"), "run_id").await.len(), 2, "{on_busy}");
    }
}

#[test]
fn concurrent_requests_with_one_key_do_not_interrupt_their_own_run() {
    live(concurrent_requests_with_one_key_return_the_same_run("interrupt"));
}

#[test]
fn concurrent_requests_with_one_key_are_not_rejected_because_of_their_own_run() {
    live(concurrent_requests_with_one_key_return_the_same_run("reject"));
}

#[test]
fn refused_requests_leave_no_directories() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).env("OPENRUNNER_MAX_QUEUE", 2).start().await;
        let user = server.client("user").await;
        let busy = user.script("say up\nhang").await;
        user.follow(&busy).await.until_text("up").await;
        let answers = join_all((0..40).map(|_| user.ask("result done", json!({ "agent_type": "claude_code" })))).await;
        let refused = answers.iter().filter(|answer| answer.status == 429).count();
        assert_eq!((refused, answers.len() - refused), (38, 2));
        assert_eq!(workspaces(&server), listed(&user, "/api/runs", "run_id").await.len());
        // Neither does a refused request occupy a place in the queue.
        for answer in answers.iter().filter(|answer| answer.status == 201) {
            user.cancel(answer.body["run_id"].as_str().expect("an id")).await;
        }
        for _ in 0..2 {
            user.script("result done").await;
        }
    });
}

/// The number of fresh working directories.
fn workspaces(server: &Server) -> usize {
    std::fs::read_dir(server.data().join("workspaces")).expect("the directory of workspaces").count()
}
