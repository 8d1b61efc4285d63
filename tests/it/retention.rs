//! Expired data is removed, and readers are informed.
//!
//! Rules: W2.

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::json;

use crate::support::{Server, Setup, last, live};

/// Stops the server, changes its database, and starts it again.
async fn with_database(mut server: Server, change: &str, setup: impl FnOnce(Setup) -> Setup) -> Server {
    server.signal(Signal::TERM);
    server.ended().await;
    Connection::open(server.data().join("openrunner.db")).expect("a database").execute_batch(change).expect("a change that it takes");
    setup(server.again()).start().await
}

#[test]
fn expired_sessions_are_removed_with_their_workspaces() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (old, young) = (user.script("result done").await, user.script("result done").await);
        let mut places = Vec::new();
        for id in [&old, &young] {
            let end = user.end_of(id).await;
            places.push(std::path::PathBuf::from(end["working_dir"].as_str().unwrap()));
        }
        let session = user.run(&old).await["session_id"].as_str().unwrap().to_owned();
        // As if it had ended in 1970, because the server uses the clock of the machine.
        let server = with_database(server, &format!("UPDATE runs SET ended_at = 1 WHERE id = '{old}'"), |setup| {
            setup.env("OPENRUNNER_KEEP_DAYS", 30)
        })
        .await;
        server.logs("removed or trimmed old runs").await;
        let user = user.at(server.url());
        user.get(&format!("/api/runs/{old}")).await.problem(404, "not_found");
        user.get(&format!("/api/sessions/{session}")).await.problem(404, "not_found");
        assert_eq!(user.run(&young).await["status"], "completed");
        assert_eq!(places.iter().map(|place| place.exists()).collect::<Vec<_>>(), [false, true]);
        assert!(!server.data().join("runs").join(&old).exists());
    });
}

#[test]
fn a_trimmed_log_reports_the_gap() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("flood 50000\nresult done").await;
        let follow_to_end = user.follow(&id).await.rest().await;
        let before = user.run(&id).await;
        let mut server = with_database(server, "", |setup| setup.env("OPENRUNNER_MAX_STORE_MB", 1)).await;
        server.logs("removed or trimmed old runs").await;
        let user = user.at(server.url());
        let left = user.follow(&id).await.rest().await;
        let next = left[1].id.unwrap();
        assert_eq!((left[0].id, left[0].event.as_str(), &left[0].data["code"]), (None, "notice", &json!("gap")));
        assert_eq!(left[0].data["data"], json!({ "after": 0, "next": next }));
        assert!(next > 1 && left[1..] == follow_to_end[usize::try_from(next).unwrap() - 1..], "what is left has the bytes that it had");
        assert_eq!(last(&left)["type"], "done");
        assert_eq!(user.run(&id).await, before, "its row is as it was");
        // The command line continues after the gap.
        let printed = server.typed(&["logs", &id, "--json"]).done().await;
        assert_eq!((printed.code, printed.out.lines().count()), (0, left.len()), "{}", printed.err);
        server.signal(Signal::TERM);
        server.ended().await;
        let path = server.data().join("openrunner.db");
        // The latest writes are still in the write-ahead log.
        Connection::open(&path).unwrap().execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let size = std::fs::metadata(path).unwrap().len();
        assert!(size < 2 * 1024 * 1024, "the file is {size} bytes long");
    });
}
