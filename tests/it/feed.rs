//! The feed of all visible runs, and search in the list of runs.
//!
//! Rules: I2, I6, W2.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Client, Frame, Frames, Server, live};

/// Follows the feed from now on, or from a cursor.
async fn feed(client: &Client, after: Option<&Value>) -> Frames {
    let request = client.request(Method::GET, "/api/events");
    let request = match after {
        Some(place) => request.header("last-event-id", place.as_str().expect("a cursor is a text")),
        None => request,
    };
    let response = request.send().await.expect("the server answers");
    assert_eq!(
        (response.status().as_u16(), response.headers()["content-type"].as_bytes()),
        (200, &b"text/event-stream; charset=utf-8"[..])
    );
    Frames::of(response)
}

/// The feed from now on, after its first event.
async fn ready(client: &Client) -> (Frames, Value) {
    let mut frames = feed(client, None).await;
    let first = frames.next().await.expect("an event").data;
    assert_eq!((&first["type"], &first["resumed"]), (&json!("ready"), &json!(false)));
    (frames, first["cursor"].clone())
}

/// Reads until this run has this status.
async fn until(frames: &mut Frames, id: &str, status: &str) -> Vec<Frame> {
    let is_it = |frame: &Frame| frame.data["run"]["run_id"] == id && frame.data["run"]["status"] == status;
    frames.until_match(is_it).await
}

#[test]
fn the_feed_reports_a_run_from_creation_to_end_with_its_current_status() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (mut frames, _) = ready(&user).await;
        let id = user.asking("permission Bash {\"command\":\"ls\"}\nresult done").await;
        let mut seen = until(&mut frames, &id, "waiting").await;
        let open = user.requests(&id).await;
        user.decide(&id, open[0]["id"].as_str().unwrap(), "allow_once").await;
        seen.extend(until(&mut frames, &id, "completed").await);
        for frame in &seen {
            assert_eq!((frame.event.as_str(), &frame.data["type"]), ("run", &json!("run")));
            let cursor = frame.data["cursor"].as_str().unwrap();
            assert!(frame.bytes.starts_with(&format!("id: {cursor}\nevent: run\ndata: {{")), "{}", frame.bytes);
        }
        let last = &seen.last().unwrap().data["run"];
        assert_eq!(*last, user.get("/api/runs").await.body["items"][0], "it is the summary that lists have");
        assert_eq!((&last["cause"], &last["title"]), (&json!("ok"), &json!("permission Bash {\"command\":\"ls\"}")));
        assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        let gone = frames.next().await.unwrap();
        assert_eq!((gone.event.as_str(), &gone.data["run_id"]), ("run_deleted", &json!(id)));
    });
}

#[test]
fn the_feed_contains_own_runs_and_all_runs_for_admins() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let ((mut all, _), (mut own, _)) = (ready(&admin).await, ready(&user).await);
        let admins = admin.script("result secret").await;
        admin.end_of(&admins).await;
        assert_eq!(admin.delete(&format!("/api/runs/{admins}")).await.status, 204);
        let users = user.script("result done").await;
        let seen = until(&mut own, &users, "completed").await;
        assert!(seen.iter().all(|frame| frame.data["run"]["run_id"] == users.as_str()), "{seen:?}");
        let seen = until(&mut all, &users, "completed").await;
        assert!(seen.iter().any(|frame| frame.data["run_id"] == admins.as_str()), "{seen:?}");
    });
}

#[test]
fn the_feed_resumes_at_a_cursor_or_reports_a_reset() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (frames, place) = ready(&user).await;
        drop(frames);
        let id = user.script("result done").await;
        user.end_of(&id).await;
        let mut again = feed(&user, Some(&place)).await;
        let first = again.next().await.unwrap().data;
        assert_eq!((&first["type"], &first["resumed"], &first["cursor"]), (&json!("ready"), &json!(true), &place));
        let missed = until(&mut again, &id, "completed").await;
        // The cursor can also be passed in the URL, and the feed as NDJSON.
        let path = format!("/api/events?after={}", place.as_str().unwrap());
        let request = user.request(Method::GET, &path).header("accept", "application/x-ndjson");
        let mut lines = request.send().await.expect("the server answers");
        assert_eq!(lines.headers()["content-type"], "application/x-ndjson; charset=utf-8");
        let mut text = String::new();
        while !text.contains("\"completed\"") {
            text.push_str(std::str::from_utf8(&lines.chunk().await.unwrap().expect("more")).unwrap());
        }
        assert!(text.ends_with(&format!("{}\n", missed.last().unwrap().line)), "{text}");
        let newest = missed.last().unwrap().data["cursor"].clone();
        let epoch = newest.as_str().unwrap().split_once('-').unwrap().0.to_owned();
        let mut ahead = feed(&user, Some(&json!(format!("{epoch}-99999")))).await;
        let reset = ahead.next().await.unwrap();
        assert_eq!((reset.event.as_str(), &reset.data["cursor"]), ("reset", &newest));
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;
        let mut after_restart = feed(&user, Some(&newest)).await;
        assert_eq!(after_restart.next().await.unwrap().event, "reset", "a place of the server before this one");
        let bad = user.request(Method::GET, "/api/events").header("last-event-id", "12");
        assert_eq!(user.send(bad).await.problem(422, "invalid_field"), "Last-Event-ID");
        assert_eq!(user.get("/api/events?after=x").await.problem(422, "invalid_field"), "after");
    });
}

#[test]
fn the_feed_ends_when_the_key_is_revoked() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let change = json!({ "current_password": "admin", "new_password": "better than before" });
        assert_eq!(admin.post("/api/auth/password", &change).await.status, 200);
        let admin = server.guest().login("admin", "better than before").await;
        let made = admin.post("/api/keys", &json!({ "name": "board", "scopes": ["runs:read"] })).await;
        let (mut frames, _) = ready(&admin.with_token(made.body["key"].as_str().unwrap())).await;
        assert_eq!(admin.delete(&format!("/api/keys/{}", made.body["id"].as_str().unwrap())).await.status, 204);
        assert_eq!(frames.next().await, None, "it ends, although runs may still change");
    });
}

#[test]
fn a_shutdown_reports_the_end_of_runs_and_then_ends_the_feed() {
    live(async {
        let mut server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("say hello\nhang").await;
        user.follow(&id).await.until_text("hello").await;
        let (mut frames, _) = ready(&user).await;
        server.signal(Signal::INT);
        until(&mut frames, &id, "interrupted").await;
        assert!(frames.next().await.is_none());
        assert_eq!(server.ended().await, 0);
    });
}

#[test]
fn runs_are_found_by_words_labels_ids_and_several_statuses() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let labelled = user.script_with("result Done with 100%", json!({ "labels": { "Team": "Web" } })).await;
        let failing = user.script("say nothing to find\nexit 3").await;
        let live = user.script("say hello\nhang").await;
        for ended in [&labelled, &failing] {
            user.end_of(ended).await;
        }
        user.follow(&live).await.until_text("hello").await;
        let found = async |query: &str| {
            let answer = user.get(&format!("/api/runs?{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            let items = answer.body["items"].as_array().unwrap().iter();
            items.map(|run| run["run_id"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(found("q=WITH%20100%25").await, labelled);
        assert_eq!(found("q=team%3Dweb").await, labelled);
        assert_eq!(found("q=100_").await, "", "nothing in it is a pattern");
        assert_eq!(found(&format!("q={}", failing.to_uppercase())).await, failing);
        assert_eq!(found(&format!("q={}", &failing["run_".len()..])).await, failing);
        assert_eq!(found("status=failed,completed").await, format!("{failing} {labelled}"));
        assert_eq!(found("status=running,completed&q=result").await, labelled);
        for (field, query) in [("q", "q="), ("status", "status="), ("status", "status=running,lost"), ("status", "status=running,")] {
            assert_eq!(user.get(&format!("/api/runs?{query}")).await.problem(422, "invalid_field"), field, "{query}");
        }
        let long = "x".repeat(201);
        assert_eq!(user.get(&format!("/api/runs?q={long}")).await.problem(422, "invalid_field"), "q");
    });
}
