//! What an API key gives to requests that do not state it themselves.
//!
//! Rules: K4.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Client, Server, live};

const CHAT: &str = "/v1/chat/completions";

/// A server and an admin with an own password, whose keys may choose directories.
async fn admin(server: &Server) -> Client {
    let admin = server.client("admin").await;
    let change = json!({ "current_password": "admin", "new_password": "long enough" });
    assert_eq!(admin.post("/api/auth/password", &change).await.status, 200);
    admin.login("admin", "long enough").await
}

/// A client with a key that has these defaults, and the key as it is listed.
async fn with_key(admin: &Client, defaults: Value) -> (Client, Value) {
    let mut body = json!({ "name": "chat", "scopes": ["runs:read", "runs:write", "admin"] });
    for (name, value) in defaults.as_object().expect("fields") {
        body[name] = value.clone();
    }
    let created = admin.post("/api/keys", &body).await;
    assert_eq!(created.status, 201, "{}", created.text);
    let listed = admin.get("/api/keys").await.body["items"][0].clone();
    (admin.with_token(created.body["key"].as_str().expect("a key")), listed)
}

fn asking(script: &str, more: &Value) -> Value {
    let mut body = json!({ "model": "claude", "messages": [{ "role": "user", "content": script }] });
    for (name, value) in more.as_object().expect("fields") {
        body[name] = value.clone();
    }
    body
}

fn session_of(answer: &Answer) -> &str {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.header("x-openrunner-session-id")
}

#[test]
fn requests_with_a_key_use_its_session_and_directory_unless_they_name_others() {
    live(async {
        let server = Server::start().await;
        let admin = admin(&server).await;
        let (directory, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let defaults = json!({ "default_session": "editor", "default_directory": directory.path() });
        let (client, listed) = with_key(&admin, defaults.clone()).await;
        assert_eq!(
            (&listed["default_session"], &listed["default_directory"]),
            (&defaults["default_session"], &defaults["default_directory"])
        );
        let first = client.post(CHAT, &asking("result one", &json!({}))).await;
        let run = client.run(first.header("x-openrunner-run-id")).await;
        assert_eq!(run["working_dir"], directory.path().canonicalize().unwrap().to_str().unwrap());
        let second = client.post(CHAT, &asking("result two", &json!({}))).await;
        assert_eq!(session_of(&second), session_of(&first));
        let response = client.post("/v1/responses", &json!({ "model": "claude", "input": "result three" })).await;
        assert_eq!(session_of(&response), session_of(&first), "the other API too");
        // What the request states counts.
        let new = client.request(Method::POST, CHAT).header("openrunner-session", "new").json(&asking("result x", &json!({})));
        assert_ne!(session_of(&client.send(new).await), session_of(&first));
        let elsewhere = json!({ "openrunner": { "working_dir": other.path() } });
        let elsewhere = client.post(CHAT, &asking("result x", &elsewhere)).await;
        assert_ne!(session_of(&elsewhere), session_of(&first));
        let by_id = json!({ "openrunner": { "session_id": session_of(&elsewhere) } });
        assert_eq!(session_of(&client.post(CHAT, &asking("result y", &by_id)).await), session_of(&elsewhere));
    });
}

#[test]
fn the_key_decides_what_happens_if_a_client_disconnects_unless_the_request_does() {
    live(async {
        let server = Server::start().await;
        let admin = admin(&server).await;
        let (staying, _listed) = with_key(&admin, json!({ "on_disconnect": "continue" })).await;
        let (leaving, listed) = with_key(&admin, json!({ "on_disconnect": "cancel" })).await;
        assert_eq!(listed["on_disconnect"], "cancel");
        let go = server.directory().join("go");
        let script = format!("say up\nwait {}\nresult done", go.display());
        let stream = |more: Value| {
            let mut body = asking(&script, &json!({ "stream": true }));
            body["openrunner"] = more;
            body
        };
        let kept = disconnected(&staying, CHAT, &stream(json!({}))).await;
        let cancelled = disconnected(&staying, CHAT, &stream(json!({ "on_disconnect": "cancel" }))).await;
        assert_eq!(admin.end_of(&cancelled).await["cause"], "cancelled");
        let response = json!({ "model": "claude", "input": script, "stream": true });
        let cancelled = disconnected(&leaving, "/v1/responses", &response).await;
        assert_eq!(admin.end_of(&cancelled).await["cause"], "cancelled");
        let chat = disconnected(&leaving, "/api/chat", &json!({ "model": "claude", "message": script })).await;
        assert_eq!(admin.end_of(&chat).await["cause"], "cancelled");
        let continued = json!({ "model": "claude", "message": script, "on_disconnect": "continue" });
        let continued = disconnected(&leaving, "/api/chat", &continued).await;
        for run in [&kept, &continued] {
            assert_eq!(admin.run(run).await["status"], "running");
        }
        std::fs::write(&go, "").unwrap();
        for run in [&kept, &continued] {
            assert_eq!(admin.end_of(run).await["status"], "completed");
        }
    });
}

/// Sends a request, disconnects as soon as its run has written, and returns the run.
async fn disconnected(client: &Client, path: &str, body: &Value) -> String {
    let known = client.get("/api/runs?limit=1").await.body["items"][0]["run_id"].clone();
    let request = client.request(Method::POST, path).json(body);
    let waiting = async {
        let mut response = request.send().await.expect("the server answers");
        while response.chunk().await.expect("the stream goes on").is_some() {}
    };
    let leaving = async {
        loop {
            let running = client.get("/api/runs?limit=1&status=running").await.body["items"][0]["run_id"].clone();
            // IDs sort by age: an older one may still be running.
            if let Some(run) = running.as_str().filter(|run| *run > known.as_str().unwrap_or_default()) {
                client.follow(run).await.until_text("up").await;
                return run.to_owned();
            }
        }
    };
    tokio::select! {
        () = waiting => panic!("the run waits"),
        run = leaving => run,
    }
}

#[test]
fn wrong_defaults_are_refused_by_field() {
    live(async {
        let server = Server::start().await;
        let admin = admin(&server).await;
        for (field, value) in [
            ("default_session", json!("")),
            ("default_session", json!("x".repeat(257))),
            ("default_session", json!("a\nb")),
            ("default_directory", json!("relative")),
            ("default_directory", json!("/home/../etc")),
            ("on_disconnect", json!("wait")),
        ] {
            let body = json!({ "name": "chat", "scopes": ["runs:read"], field: value });
            let refused = admin.post("/api/keys", &body).await;
            refused.problem(422, "invalid_field");
            assert_eq!(refused.body["errors"][0]["field"], field, "{}", refused.text);
        }
    });
}
