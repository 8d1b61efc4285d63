//! Streams of readers who lose access: they end at once, with the reason.
//!
//! Rules: I11.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Frame, Frames, Server, live};

/// Less than the keep-alive interval, after which access is checked anyway. The streams end within milliseconds; the rest is for slow machines.
const SOON: Duration = Duration::from_secs(10);

/// Reads a stream to its end, which must come soon, and returns the last event.
async fn end(frames: Frames) -> Option<Frame> {
    tokio::time::timeout(SOON, frames.rest()).await.expect("the stream continues").pop()
}

/// The reason in the notice at the end of a stream.
async fn reason(frames: Frames) -> Value {
    let last = end(frames).await.expect("a notice");
    assert_eq!((last.event.as_str(), last.id, &last.data["code"]), ("notice", None, &json!("access_ended")), "{last:?}");
    last.data["data"]["reason"].clone()
}

async fn feed(client: &Client) -> Frames {
    let mut frames = Frames::of(client.request(Method::GET, "/api/events").send().await.expect("the server answers"));
    frames.until("ready").await;
    frames
}

/// A live run, and its stream.
async fn held(client: &Client) -> (String, Frames) {
    let run = client.script("say hello\nhang").await;
    let frames = following(client, &run).await;
    (run, frames)
}

/// The stream of a live run, after its first text.
async fn following(client: &Client, run: &str) -> Frames {
    let mut frames = client.follow(run).await;
    frames.until_text("hello").await;
    frames
}

/// A user with a password.
async fn add(admin: &Client, name: &str, role: &str) -> Client {
    let made = admin.post("/api/users", &json!({ "username": name, "password": "correct horse", "role": role })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    admin.login(name, "correct horse").await
}

async fn patch(admin: &Client, name: &str, change: Value) {
    let changed = admin.send(admin.request(Method::PATCH, &format!("/api/users/{name}")).json(&change)).await;
    assert_eq!(changed.status, 200, "{}", changed.text);
}

#[test]
fn the_streams_of_a_removed_user_end_and_those_of_others_continue() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let carol = add(&admin, "carol", "user").await;
        let (run, stream) = held(&carol).await;
        let watched = following(&admin, &run).await;
        let (other, others) = held(&user).await;
        let (changes, mut admins) = (feed(&carol).await, feed(&admin).await);
        let message = json!([{ "role": "user", "content": "say hello\nhang" }]);
        let body = json!({ "model": "claude", "messages": message, "stream": true, "openrunner": { "on_disconnect": "continue" } });
        let mut completion = carol.request(Method::POST, "/v1/chat/completions").json(&body).send().await.unwrap();
        let mut text = String::new();
        while !text.contains("hello") {
            text.push_str(std::str::from_utf8(&completion.chunk().await.unwrap().expect("it continues")).unwrap());
        }
        let lines = carol.request(Method::GET, &format!("/api/runs/{run}/events")).header("accept", "application/x-ndjson");
        let lines = lines.send().await.unwrap();

        assert_eq!(admin.delete("/api/users/carol").await.status, 204);

        assert_eq!(reason(stream).await, "revoked");
        assert_ne!(end(changes).await.expect("a run").event, "notice", "the feed has no event for it");
        let lines = tokio::time::timeout(SOON, lines.text()).await.expect("the stream continues").unwrap();
        let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(
            (&last["type"], &last["code"], &last["data"]),
            (&json!("notice"), &json!("access_ended"), &json!({ "reason": "revoked" }))
        );
        let rest = async {
            while let Some(bytes) = completion.chunk().await.unwrap() {
                text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        };
        tokio::time::timeout(SOON, rest).await.expect("the stream continues");
        let last = text.trim_end().lines().last().unwrap().strip_prefix("data: ").unwrap();
        assert_eq!(serde_json::from_str::<Value>(last).unwrap()["error"]["code"], "invalid_api_key", "{last}");

        for run in [&run, &other] {
            admin.cancel(run).await;
        }
        for frames in [watched, others] {
            assert_eq!(frames.rest().await.pop().expect("an event").event, "done");
        }
        admins.until_match(|frame| frame.data["run"]["status"] == "cancelled").await;
    });
}

#[test]
fn streams_end_at_once_if_access_is_lost_by_a_command_on_the_data_directory() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let offline = async |args: &[&str]| {
            let printed = server.offline(args).done().await;
            assert_eq!(printed.code, 0, "{printed:?}");
        };
        let carol = add(&admin, "carol", "user").await;
        let deputy = add(&admin, "deputy", "admin").await;
        let (run, stream) = held(&carol).await;
        let watched = following(&deputy, &run).await;

        offline(&["user", "set", "deputy", "--role", "user"]).await;
        assert_eq!(reason(watched).await, "forbidden");
        offline(&["user", "rm", "carol"]).await;
        assert_eq!(reason(stream).await, "revoked");
        admin.cancel(&run).await;
    });
}

#[test]
fn a_demoted_admin_keeps_only_the_streams_of_own_runs() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let deputy = add(&admin, "deputy", "admin").await;
        let (theirs, _stream) = held(&user).await;
        let (own, own_stream) = held(&deputy).await;
        let (others, changes) = (following(&deputy, &theirs).await, feed(&deputy).await);
        let path = format!("/api/runs/{theirs}?wait=60");
        let demoting = async {
            patch(&admin, "deputy", json!({ "role": "user" })).await;
            let reason = reason(others).await;
            user.cancel(&theirs).await;
            reason
        };
        let (waited, reason) = tokio::join!(deputy.get(&path), demoting);

        assert_eq!(reason, "forbidden");
        end(changes).await;
        waited.problem(404, "not_found");
        assert_eq!(deputy.cancel(&own).await.status, 200);
        assert_eq!(own_stream.rest().await.pop().expect("an event").event, "done");
    });
}

#[test]
fn the_streams_of_a_revoked_key_and_of_a_changed_password_end() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let carol = add(&admin, "carol", "user").await;
        let (run, by_token) = held(&carol).await;
        let key = carol.post("/api/keys", &json!({ "name": "ci", "scopes": ["runs:read"] })).await.body;
        let program = carol.with_token(key["key"].as_str().unwrap());
        let by_key = following(&program, &run).await;

        assert_eq!(carol.delete(&format!("/api/keys/{}", key["id"].as_str().unwrap())).await.status, 204);
        assert_eq!(reason(by_key).await, "revoked");

        patch(&admin, "carol", json!({ "password": "another horse" })).await;
        assert_eq!(reason(by_token).await, "revoked");

        // One's own change ends the streams of all older tokens.
        let carol = carol.login("carol", "another horse").await;
        let stream = following(&carol, &run).await;
        let change = json!({ "current_password": "another horse", "new_password": "a third horse" });
        assert_eq!(carol.post("/api/auth/password", &change).await.status, 200);
        assert_eq!(reason(stream).await, "revoked");
        admin.cancel(&run).await;
    });
}
