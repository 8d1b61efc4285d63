//! Deleting runs while their session is in use.

use std::path::Path;

use futures_util::future::join_all;
use serde_json::json;

use super::listed;
use crate::support::{Client, Server, live};

#[test]
fn deleting_a_run_keeps_the_working_directory_of_its_session() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let first = user.script("result one").await;
        let end = user.end_of(&first).await;
        let (session, directory) = (end["session_id"].clone(), end["working_dir"].as_str().expect("a path").to_owned());
        let script = format!("say up\nwait {}\nsave ids ids.json\nresult two", go.display());
        let second = user.script_with(&script, json!({ "session_id": session })).await;
        user.follow(&second).await.until_text("up").await;

        assert_eq!(user.delete(&format!("/api/runs/{first}")).await.status, 204);
        assert!(Path::new(&directory).is_dir(), "the live run works there");
        std::fs::write(go, "").unwrap();
        let end = user.end_of(&second).await;
        assert_eq!((&end["status"], &end["working_dir"]), (&json!("completed"), &json!(directory)), "{end}");
        assert!(Path::new(&directory).join("ids.json").exists());

        // An ended run keeps it, too: the session can be continued.
        let third = user.script_with("result three", json!({ "session_id": session })).await;
        user.end_of(&third).await;
        assert_eq!(user.delete(&format!("/api/runs/{second}")).await.status, 204);
        assert!(Path::new(&directory).join("ids.json").exists());
        assert_eq!(user.delete(&format!("/api/runs/{third}")).await.status, 204);
        gone(Path::new(&directory)).await;
    });
}

#[test]
fn a_follow_up_that_races_with_the_deletion_of_its_session_completes_or_is_refused() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let outcomes = join_all((0..16).map(|_| follow_up_and_delete(&user))).await;
        let accepted = outcomes.into_iter().flatten().collect::<Vec<_>>();
        let mut sessions = listed(&user, "/api/sessions", "session_id").await;
        sessions.sort();
        let mut expected = accepted.clone();
        expected.sort();
        assert_eq!(sessions, expected, "the sessions that were continued are there, and no others");
        for session in &sessions {
            assert_eq!(user.get(&format!("/api/sessions/{session}")).await.status, 200);
        }
    });
}

/// Deletes the only run of a session while a follow-up is created. Returns the session if the follow-up was accepted; it must have
/// completed then.
async fn follow_up_and_delete(user: &Client) -> Option<String> {
    let first = user.script("result one").await;
    let session = user.end_of(&first).await["session_id"].as_str().expect("a session").to_owned();
    let path = format!("/api/runs/{first}");
    let metadata = json!({ "agent_type": "claude_code", "session_id": session });
    let (follow_up, deleted) = tokio::join!(user.ask("save ids ids.json\nresult two", metadata), user.delete(&path));
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    if follow_up.status != 201 {
        follow_up.problem(404, "not_found");
        return None;
    }
    let end = user.end_of(follow_up.body["run_id"].as_str().expect("an id")).await;
    assert_eq!((&end["status"], &end["result"]), (&json!("completed"), &json!("two")), "{end}");
    Some(session)
}

/// Waits until a directory is removed.
async fn gone(directory: &Path) {
    while directory.exists() {
        tokio::task::yield_now().await;
    }
}
