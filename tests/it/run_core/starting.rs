//! Clients' commands while a run is starting: they are carried out at once, also while the version of its program is being probed.

use std::path::PathBuf;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::{Client, Server, Setup, assert_dense, carrying, last, live, of};

/// Far longer than any command takes, and shorter than the time after which the server gives up the probe (20 s).
const LIMIT: Duration = Duration::from_secs(10);

/// A server whose agent does not report its version until the returned file exists, and counts its starts.
async fn server_with_slow_probe() -> (Server, PathBuf, PathBuf) {
    let setup = Setup::new();
    let (probed, starts) = (setup.directory().join("probed"), setup.directory().join("starts"));
    let wait = format!("while [ ! -e '{}' ]; do sleep 0.05; done", probed.display());
    let count = format!("case \"$1\" in auth) ;; *) echo started >> '{}';; esac", starts.display());
    let script = format!("case \"$1\" in --version) {wait};; *) {count};; esac\nexec \"$AGENT\" \"$@\"");
    let server = setup.agent_script(&script).start().await;
    (server, probed, starts)
}

/// Waits until the run has left the queue.
async fn until_starting(user: &Client, id: &str) {
    while user.run(id).await["status"] != "starting" {
        tokio::task::yield_now().await;
    }
}

/// The result of an operation that must not wait for the probe.
async fn at_once<T>(what: &str, operation: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, operation).await.unwrap_or_else(|_| panic!("{what} took longer than {LIMIT:?}"))
}

#[test]
fn a_run_that_is_starting_is_cancelled_at_once() {
    live(async {
        let (server, probed, starts) = server_with_slow_probe().await;
        let user = server.client("user").await;
        let id = user.script("result never").await;
        until_starting(&user, &id).await;
        let cancelled = at_once("a cancel", user.cancel(&id)).await;
        assert_eq!(cancelled.status, 200, "{}", cancelled.text);
        let end = at_once("the end", user.end_of(&id)).await;
        assert_eq!((&end["status"], &end["cause"]), (&json!("cancelled"), &json!("cancelled")));
        assert!(!probed.exists() && !starts.exists() && carrying(&id).is_empty(), "the agent was started");
        // The slot is free again.
        std::fs::write(probed, "").unwrap();
        assert_eq!(user.end_of(&user.script("result again").await).await["status"], "completed");
    });
}

#[test]
fn a_run_times_out_while_it_is_starting() {
    live(async {
        let (server, probed, _) = server_with_slow_probe().await;
        let user = server.client("user").await;
        let id = user.script_with("result never", json!({ "timeout_secs": 2 })).await;
        let end = at_once("the end", user.end_of(&id)).await;
        assert_eq!((&end["status"], &end["cause"]), (&json!("timed_out"), &json!("timeout")), "{end}");
        assert!(!probed.exists());
        assert_dense(&user.follow(&id).await.rest().await);
    });
}

#[test]
fn messages_and_requests_are_answered_while_a_run_is_starting() {
    live(async {
        let (server, probed, starts) = server_with_slow_probe().await;
        let user = server.client("user").await;
        let id = user.script("result one").await;
        until_starting(&user, &id).await;
        assert!(at_once("a list of requests", user.requests(&id)).await.is_empty());
        let path = format!("/api/runs/{id}/messages");
        let message = json!({ "text": "say more\nresult two" });
        for _ in 0..2 {
            let sent = at_once("a message", user.post_with_key(&path, "m", &message)).await;
            assert_eq!(sent.status, 202, "{}", sent.text);
        }
        let answer = user.answer(&id, "perm_1", json!({ "decision": "deny" }));
        at_once("an answer", answer).await.problem(404, "not_found");
        let path = format!("/api/runs/{id}");
        at_once("a deletion", user.delete(&path)).await.problem(409, "run_active");
        std::fs::write(probed, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!((of(&frames, "user_message").len(), &last(&frames)["result"]), (1, &json!("two")), "{}", last(&frames));
        assert_eq!(std::fs::read_to_string(starts).expect("a file").lines().count(), 1);
    });
}

#[test]
fn a_server_stops_while_a_run_is_starting_and_the_next_one_starts_it() {
    live(async {
        for signal in [Signal::TERM, Signal::KILL] {
            let (mut server, probed, starts) = server_with_slow_probe().await;
            let user = server.client("user").await;
            let id = user.script("result one").await;
            until_starting(&user, &id).await;
            server.signal(signal);
            at_once("the shutdown", server.ended()).await;
            assert!(!starts.exists());
            std::fs::write(probed, "").unwrap();
            let server = server.again().start().await;
            let end = user.at(server.url()).end_of(&id).await;
            assert_eq!((&end["status"], &end["result"]), (&json!("completed"), &json!("one")), "{signal:?}: {end}");
            assert_eq!(std::fs::read_to_string(starts).expect("a file").lines().count(), 1);
        }
    });
}
