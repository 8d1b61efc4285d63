//! Users, keys, tickets and logouts over HTTP.
//!
//! Rules: I2, I5.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Server, live};

/// Sets a password for admin, which is required for keys.
async fn admin_with_own_password(server: &Server) -> Client {
    let admin = server.client("admin").await;
    let change = json!({ "current_password": "admin", "new_password": "better than before" });
    assert_eq!(admin.post("/api/auth/password", &change).await.status, 200);
    server.guest().login("admin", "better than before").await
}

async fn key(client: &Client, scopes: &[&str]) -> Value {
    let answer = client.post("/api/keys", &json!({ "name": "ci", "scopes": scopes })).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.body
}

async fn patch(client: &Client, path: &str, body: Value) -> crate::support::Answer {
    client.send(client.request(Method::PATCH, path).json(&body)).await
}

#[test]
fn an_admin_manages_users() {
    live(async {
        let server = Server::start().await;
        let (admin, guest) = (server.client("admin").await, server.guest());
        let carol = json!({ "username": "carol", "password": "correct horse" });
        let made = admin.post("/api/users", &carol).await;
        let expected = json!({ "username": "carol", "user_id": made.body["user_id"], "role": "user", "default_password": false });
        assert_eq!((made.status, &made.body), (201, &expected));
        assert!(made.body["user_id"].as_str().is_some_and(|id| id.starts_with("usr_")), "{}", made.text);
        assert_eq!(admin.post("/api/users", &carol).await.problem(409, "user_exists"), "username");
        let elsewhere = guest.request(Method::POST, "/api/auth/login").header("x-forwarded-for", "203.0.113.9").json(&carol);
        assert_eq!(guest.send(elsewhere).await.status, 200, "with a password of one's own one may come from anywhere");
        let client = guest.login("carol", "correct horse").await;
        client.get("/api/users").await.problem(403, "admin_only");
        assert_eq!(patch(&admin, "/api/users/carol", json!({ "role": "admin" })).await.body["role"], "admin");
        assert_eq!(client.get("/api/users").await.status, 200, "a role counts from the next request on");
        assert_eq!(patch(&admin, "/api/users/carol", json!({ "password": "another horse" })).await.status, 200);
        client.get("/api/auth/me").await.problem(401, "token_invalid");
        let list = admin.get("/api/users?limit=2").await;
        assert_eq!((&list.body["items"][0]["username"], &list.body["items"][0]["default_password"]), (&json!("admin"), &json!(true)));
        assert_eq!(list.body["next_cursor"], "carol");
        assert_eq!(admin.get("/api/users?limit=2&cursor=carol").await.body["items"][0]["username"], "user");
        assert_eq!(admin.get("/api/users/carol").await.body["username"], "carol");
        assert_eq!(admin.delete("/api/users/carol").await.status, 204);
        admin.delete("/api/users/carol").await.problem(404, "not_found");
        guest.post("/api/auth/login", &json!({ "username": "carol", "password": "another horse" })).await.problem(401, "wrong_credentials");
        admin.delete("/api/users/admin").await.problem(409, "last_admin");
        patch(&admin, "/api/users/admin", json!({ "role": "user" })).await.problem(409, "last_admin");
        assert_eq!(patch(&admin, "/api/users/user", json!({})).await.problem(422, "invalid_field"), "body");
        for (field, body) in [
            ("username", json!({ "username": "../x", "password": "correct horse" })),
            ("password", json!({ "username": "dora", "password": "short" })),
            ("password", json!({ "username": "long.name", "password": "long.name" })),
            ("role", json!({ "username": "dora", "password": "correct horse", "role": "king" })),
        ] {
            assert_eq!(admin.post("/api/users", &body).await.problem(422, "invalid_field"), field);
        }
    });
}

#[test]
fn the_runs_of_a_removed_user_are_kept() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (server.client("admin").await, server.client("user").await);
        let run = user.script("result fine").await;
        user.end_of(&run).await;
        assert_eq!(admin.delete("/api/users/user").await.status, 204);
        user.get("/api/runs").await.problem(401, "token_invalid");
        assert_eq!(admin.run(&run).await["owner"], "user");
        let server = server.killed_and_started_again().await;
        let login = json!({ "username": "user", "password": "user" });
        server.guest().post("/api/auth/login", &login).await.problem(401, "wrong_credentials");
    });
}

#[test]
fn changing_the_password_revokes_the_default_and_all_older_tokens() {
    live(async {
        let server = Server::start().await;
        let (one, other) = (server.client("user").await, server.client("user").await);
        let change = |current: &str, new: &str| json!({ "current_password": current, "new_password": new });
        assert_eq!(
            one.post("/api/auth/password", &change("wrong", "a fine password")).await.problem(403, "wrong_password"),
            "current_password"
        );
        assert_eq!(one.post("/api/auth/password", &change("user", "user")).await.problem(422, "invalid_field"), "new_password");
        let answer = one.post("/api/auth/password", &change("user", "a fine password")).await;
        assert_eq!((answer.status, &answer.body["user"]["username"]), (200, &json!("user")));
        for old in [&one, &other] {
            old.get("/api/auth/me").await.problem(401, "token_invalid");
        }
        let fresh = one.with_token(answer.body["token"].as_str().unwrap());
        assert_eq!(fresh.get("/api/auth/me").await.status, 200);
        server.guest().post("/api/auth/login", &json!({ "username": "user", "password": "user" })).await.problem(401, "wrong_credentials");
    });
}

#[test]
fn a_logout_revokes_the_token_and_ends_its_streams() {
    live(async {
        let server = Server::start().await;
        let (one, other) = (server.client("user").await, server.client("user").await);
        let run = one.script("say hello\nhang").await;
        let (mut mine, mut theirs) = (one.follow(&run).await, other.follow(&run).await);
        mine.until_text("hello").await;
        assert_eq!(one.send(one.request(Method::POST, "/api/auth/logout")).await.status, 204);
        one.get("/api/auth/me").await.problem(401, "token_invalid");
        let notice = mine.next().await.expect("a notice");
        assert_eq!((&notice.data["code"], notice.id), (&json!("access_ended"), None));
        assert_eq!(mine.next().await, None, "it ends, although the run does not");
        theirs.until_text("hello").await;
        assert_eq!(other.run(&run).await["status"], "running");
        other.cancel(&run).await;
        assert_eq!(theirs.rest().await.last().expect("the end").event, "done");
    });
}

#[test]
fn a_key_is_shown_once_and_limited_to_its_scopes() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let wanted = json!({ "name": "ci", "scopes": ["runs:read"] });
        user.post("/api/keys", &wanted).await.problem(403, "own_password_needed");
        let admin = admin_with_own_password(&server).await;
        let made = key(&admin, &["runs:read"]).await;
        let text = made["key"].as_str().unwrap().to_owned();
        assert!(text.starts_with("orn_") && text.len() == 68, "{text}");
        let program = server.guest().with_token(&text);
        assert_eq!(program.get("/api/runs").await.status, 200);
        program.post("/api/runs", &json!({ "input": { "text": "x" } })).await.problem(403, "scope_missing");
        program.post("/api/keys", &wanted).await.problem(403, "scope_missing");
        let me = program.get("/api/auth/me").await.body;
        assert_eq!((&me["username"], &me["role"]), (&json!("admin"), &json!("user")), "without the scope no admin");
        let run = user.script("result fine").await;
        assert_eq!(admin.run(&run).await["owner"], "user");
        program.get(&format!("/api/runs/{run}")).await.problem(404, "not_found");
        let listed = admin.get("/api/keys").await;
        assert!(!listed.text.contains(&text[4..]), "{}", listed.text);
        assert!(listed.body["items"][0]["last_used_at"].is_string(), "{}", listed.text);
        let id = made["id"].as_str().unwrap();
        user.delete(&format!("/api/keys/{id}")).await.problem(404, "not_found");
        assert_eq!(user.get("/api/keys?owner=admin").await.body["items"], json!([]));
        let of_other = json!({ "name": "ci", "scopes": ["runs:read"], "owner": "admin" });
        user.post("/api/keys", &of_other).await.problem(403, "admin_only");
        let missing = json!({ "name": "ci", "scopes": ["runs:read"], "owner": "missing" });
        admin.post("/api/keys", &missing).await.problem(404, "not_found");
        user.post("/api/keys", &missing).await.problem(403, "admin_only");
        let new = json!({ "username": "carol", "password": "correct horse" });
        assert_eq!(admin.post("/api/users", &new).await.status, 201);
        let of_carol = admin.post("/api/keys", &json!({ "name": "ci", "scopes": ["runs:read"], "owner": "carol" })).await;
        assert_eq!((of_carol.status, &of_carol.body["owner"]), (201, &json!("carol")), "{}", of_carol.text);
        let me = server.guest().with_token(of_carol.body["key"].as_str().unwrap()).get("/api/auth/me").await.body;
        assert_eq!(me["username"], "carol");
        admin.post("/api/keys", &json!({ "name": "x", "scopes": ["admin"], "owner": "carol" })).await.problem(403, "admin_only");
        let entries = admin.get("/api/audit?action=key.create").await.body["items"].clone();
        assert_eq!((&entries[0]["username"], &entries[0]["outcome"]), (&json!("admin"), &json!("admin_only")), "{entries}");
        let created = (&entries[1]["target_key_id"], entries[1]["detail"].as_str());
        assert_eq!(created, (&of_carol.body["id"], Some("runs:read owner=carol")), "{entries}");
        assert_eq!(admin.delete(&format!("/api/keys/{id}")).await.status, 204);
        program.get("/api/runs").await.problem(401, "token_invalid");
        for (field, body) in [
            ("scopes", json!({ "name": "x", "scopes": [] })),
            ("scopes[0]", json!({ "name": "x", "scopes": ["runs"] })),
            ("name", json!({ "name": "", "scopes": ["admin"] })),
            ("expires_in", json!({ "name": "x", "scopes": ["admin"], "expires_in": 0 })),
        ] {
            assert_eq!(admin.post("/api/keys", &body).await.problem(422, "invalid_field"), field);
        }
    });
}

#[test]
fn a_ticket_opens_the_stream_of_its_run_and_nothing_else() {
    live(async {
        let server = Server::start().await;
        let (admin, user) = (admin_with_own_password(&server).await, server.client("user").await);
        let (run, other) = (user.script("say hello\nresult fine").await, user.script("result fine").await);
        let answer = user.send(user.request(Method::POST, &format!("/api/runs/{run}/ticket"))).await;
        let (ticket, url) = (answer.body["ticket"].as_str().unwrap(), answer.body["events_url"].as_str().unwrap());
        assert_eq!((answer.body["expires_in"].as_u64(), url), (Some(60), format!("/api/runs/{run}/events?access_token={ticket}").as_str()));
        let guest = server.guest();
        let stream = guest.get(url).await;
        assert_eq!((stream.status, stream.header("cache-control")), (200, "no-store"));
        assert!(stream.text.contains("event: done"), "{}", stream.text);
        guest.get(&format!("/api/runs/{other}/events?access_token={ticket}")).await.problem(401, "token_invalid");
        guest.get(&format!("/api/runs/{run}?access_token={ticket}")).await.problem(401, "token_missing");
        guest.with_token(ticket).get(&format!("/api/runs/{run}/events")).await.problem(401, "token_invalid");
        let stranger = server.guest().with_token(key(&admin, &["runs:read"]).await["key"].as_str().unwrap());
        stranger.send(stranger.request(Method::POST, &format!("/api/runs/{run}/ticket"))).await.problem(404, "not_found");
        let in_address = guest.get(&format!("/api/runs/{run}/events?access_token={}", stranger.token())).await;
        in_address.problem(401, "token_invalid");
        user.send(user.request(Method::POST, "/api/auth/logout")).await;
        guest.get(url).await.problem(401, "token_invalid");
    });
}

#[test]
fn actions_are_audited_without_secrets() {
    live(async {
        let server = Server::start().await;
        let admin = admin_with_own_password(&server).await;
        let guest = server.guest();
        for (name, password) in [("admin", "canary-1"), ("canary-2", "canary-3")] {
            let login = json!({ "username": name, "password": password });
            guest.post("/api/auth/login", &login).await.problem(401, "wrong_credentials");
        }
        let made = key(&admin, &["runs:read", "runs:write"]).await;
        let program = guest.with_token(made["key"].as_str().unwrap());
        let run = program.script("# canary-4\nresult canary-5").await;
        program.end_of(&run).await;
        program.send(program.request(Method::POST, &format!("/api/runs/{run}/ticket"))).await;
        program.delete(&format!("/api/runs/{run}")).await;
        program.delete(&format!("/api/runs/{run}")).await.problem(404, "not_found");
        admin.post("/api/users", &json!({ "username": "carol", "password": "canary-6" })).await;
        patch(&admin, "/api/users/carol", json!({ "role": "admin", "password": "canary-7" })).await;
        admin.delete("/api/users/carol").await;
        let log = admin.get("/api/audit?limit=200").await;
        let said: Vec<String> = log.body["items"].as_array().unwrap().iter().rev().map(line).collect();
        let expected = [
            "login ok admin - -",
            "password ok admin - -",
            "login ok admin - -",
            "login wrong_credentials admin - -",
            "login wrong_credentials - - -",
            "key.create ok admin key runs:read,runs:write",
            "run.create ok admin run -",
            "ticket ok admin run -",
            "run.delete ok admin run -",
            "run.delete not_found admin run -",
            "user.create ok admin carol role=user",
            "user.change ok admin carol role=admin password",
            "user.delete ok admin carol -",
        ];
        assert_eq!(said, expected);
        for secret in ["canary", admin.token(), &made["key"].as_str().unwrap()[4..], "eyJ"] {
            assert!(!log.text.contains(secret), "{secret}: {}", log.text);
        }
        assert!(log.body["items"].as_array().unwrap().iter().all(|entry| entry["address"] == "127.0.0.1"));
        let of_run = admin.get(&format!("/api/audit?run_id={run}&action=run.delete&username=admin&limit=1")).await;
        assert_eq!((&of_run.body["items"][0]["outcome"], &of_run.body["items"][0]["key_id"]), (&json!("not_found"), &made["id"]));
        let next = of_run.body["next_cursor"].as_str().expect("there is more").to_owned();
        let of_run = admin.get(&format!("/api/audit?run_id={run}&action=run.delete&limit=1&cursor={next}")).await;
        assert_eq!((&of_run.body["items"][0]["outcome"], &of_run.body["next_cursor"]), (&json!("ok"), &Value::Null));
        let user = server.client("user").await;
        user.get("/api/audit").await.problem(403, "admin_only");
        assert_eq!(admin.get("/api/audit?action=run").await.problem(422, "invalid_field"), "action");
        assert_eq!(admin.get("/api/audit?since=2999-01-01T00:00:00Z").await.body["items"], json!([]));
    });
}

/// An audit entry as one line: action, outcome, user, target and detail.
fn line(entry: &Value) -> String {
    let text = |field: &str| entry[field].as_str().unwrap_or("-").to_owned();
    let target = match (&entry["run_id"], &entry["target_username"], &entry["target_key_id"]) {
        (Value::String(_), Value::Null, Value::Null) => "run".to_owned(),
        (Value::Null, Value::String(name), Value::Null) => name.clone(),
        (Value::Null, Value::Null, Value::String(_)) => "key".to_owned(),
        _ => "-".to_owned(),
    };
    format!("{} {} {} {target} {}", text("action"), text("outcome"), text("username"), text("detail"))
}
