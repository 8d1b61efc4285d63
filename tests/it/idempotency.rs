//! A request that is repeated with its `Idempotency-Key` is executed once.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, live, of};

/// Sends a request with these keys.
async fn keyed(user: &Client, path: &str, keys: &[&str], body: &Value) -> Answer {
    let request = keys.iter().fold(user.request(Method::POST, path), |request, key| request.header("idempotency-key", *key));
    user.send(request.json(body)).await
}

fn run_of(script: &str) -> Value {
    json!({ "input": { "text": script }, "metadata": { "agent_type": "claude_code" } })
}

/// The number of runs of the user, and of directories created for them.
async fn made(user: &Client, server: &Server) -> (usize, usize) {
    let runs = user.get("/api/runs").await.body["items"].as_array().expect("a listing").len();
    (runs, std::fs::read_dir(server.data().join("workspaces")).expect("the directory of workspaces").count())
}

#[test]
fn a_repeated_request_with_the_same_key_creates_one_run() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let body = run_of("result one");
        let first = keyed(&user, "/api/runs", &["one"], &body).await;
        assert_eq!(first.status, 201, "{}", first.text);
        user.end_of(first.body["run_id"].as_str().unwrap()).await;
        let again = keyed(&user, "/api/runs", &["one"], &body).await;
        assert_eq!((again.status, &again.text, again.header("location")), (201, &first.text, first.header("location")));
        let other = keyed(&user, "/api/runs", &["one"], &run_of("result two")).await;
        assert_eq!(other.problem(422, "idempotency_key_reused"), "Idempotency-Key");
        assert_eq!(made(&user, &server).await, (1, 1));
        // Another key, or the same key of another user, is another run.
        assert_ne!(keyed(&user, "/api/runs", &["two"], &body).await.body["run_id"], first.body["run_id"]);
        let foreign = keyed(&admin, "/api/runs", &["one"], &body).await;
        assert_eq!(foreign.status, 201);
        assert_ne!(foreign.body["run_id"], first.body["run_id"]);

        let server = server.killed_and_started_again().await;
        let again = keyed(&user.at(server.url()), "/api/runs", &["one"], &body).await;
        assert_eq!((again.status, &again.text), (201, &first.text));
    });
}

#[test]
fn concurrent_requests_with_the_same_key_create_one_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let body = run_of("result one");
        let answers = join_all((0..16).map(|_| keyed(&user, "/api/runs", &["k"], &body))).await;
        assert!(answers.iter().all(|answer| (answer.status, &answer.text) == (201, &answers[0].text)), "{answers:?}");
        assert_eq!(made(&user, &server).await, (1, 1));
        assert_eq!(user.end_of(answers[0].body["run_id"].as_str().unwrap()).await["result"], "one");
    });
}

#[test]
fn a_repeated_request_does_not_conflict_with_its_own_run() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let session = user.run(&user.script("result one").await).await["session_id"].clone();
        for on_busy in ["reject", "interrupt"] {
            user.end_of(user.get("/api/runs").await.body["items"][0]["run_id"].as_str().unwrap()).await;
            let go = server.directory().join(on_busy);
            let mut body = run_of(&format!("say up\nwait {}\nresult two", go.display()));
            body["metadata"]["session_id"] = session.clone();
            let first = loop {
                // The session may not be free immediately after the end of its last run.
                body["metadata"]["on_busy"] = on_busy.into();
                let answer = keyed(&user, "/api/runs", &[on_busy], &body).await;
                if answer.status != 409 {
                    break answer;
                }
            };
            let id = first.body["run_id"].as_str().unwrap();
            user.follow(id).await.until_text("up").await;
            let again = keyed(&user, "/api/runs", &[on_busy], &body).await;
            assert_eq!((again.status, &again.text), (201, &first.text), "{on_busy}");
            std::fs::write(go, "").unwrap();
            assert_eq!(user.end_of(id).await["result"], "two", "{on_busy}");
        }
    });
}

#[test]
fn a_repeated_message_with_the_same_key_is_sent_once() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let script = format!("say up\nwait {}\nresult one", go.display());
        let (id, other) = (user.script(&script).await, user.script(&script).await);
        for run in [&id, &other] {
            user.follow(run).await.until_text("up").await;
        }
        let path = format!("/api/runs/{id}/messages");
        let body = json!({ "text": "say more\nresult two" });
        let first = keyed(&user, &path, &["m"], &body).await;
        assert_eq!(first.status, 202, "{}", first.text);
        let again = keyed(&user, &path, &["m"], &body).await;
        assert_eq!((again.status, &again.text), (202, &first.text));
        keyed(&user, &path, &["m"], &json!({ "text": "say else" })).await.problem(422, "idempotency_key_reused");
        keyed(&user, &format!("/api/runs/{other}/messages"), &["m"], &body).await.problem(422, "idempotency_key_reused");
        keyed(&user, "/api/runs", &["m"], &run_of("result x")).await.problem(422, "idempotency_key_reused");
        std::fs::write(go, "").unwrap();
        user.end_of(&id).await;
        // A client that did not receive the response in time still learns that the message was accepted.
        let late = keyed(&user, &path, &["m"], &body).await;
        assert_eq!((late.status, &late.text), (202, &first.text));
        let frames = user.follow(&id).await.rest().await;
        assert_eq!((of(&frames, "user_message").len(), of(&frames, "message").len()), (1, 2));
    });
}

#[test]
fn an_invalid_idempotency_key_is_rejected() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let long = "k".repeat(256);
        for keys in [&[""][..], &["a b"], &[&long], &["a", "b"], &["a", "a"], &["schlüssel"]] {
            let answer = keyed(&user, "/api/runs", keys, &run_of("result x")).await;
            assert_eq!(answer.problem(422, "invalid_field"), "Idempotency-Key", "{keys:?}");
        }
        assert_eq!(keyed(&user, "/api/runs", &[&long[..255]], &run_of("result x")).await.status, 201);
        assert_eq!(user.get("/api/runs").await.body["items"].as_array().unwrap().len(), 1);
    });
}

#[test]
fn an_idempotency_key_expires_after_a_day_while_the_server_runs() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let ended = user.script("result done").await;
        user.end_of(&ended).await;
        let body = run_of("result one");
        let first = user.post_with_key("/api/runs", "k", &body).await.body["run_id"].clone();
        assert_eq!(user.post_with_key("/api/runs", "k", &body).await.body["run_id"], first);
        let aged = "UPDATE idempotency SET created_at = created_at - 24 * 60 * 60 * 1000";
        server.database().execute_batch(aged).expect("a change that the database accepts");
        // A deletion makes the server look for expired data at once.
        assert_eq!(user.delete(&format!("/api/runs/{ended}")).await.status, 204);
        while user.post_with_key("/api/runs", "k", &body).await.body["run_id"] == first {
            tokio::task::yield_now().await;
        }
    });
}
