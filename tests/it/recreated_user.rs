//! A user who is created under the name of a removed user, and everything that the removed user left behind.
//!
//! Rules: I10.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, Frames, Receiver, Setup, live};

/// In every prompt, answer, label and key of the removed user.
const CANARY: &str = "canary-58d1";

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

async fn create_carol(admin: &Client) -> Client {
    let made = admin.post("/api/users", &json!({ "username": "carol", "password": "correct horse" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    admin.login("carol", "correct horse").await
}

/// The feed after this cursor, or from now on.
async fn feed(client: &Client, after: Option<&str>) -> Frames {
    let request = client.request(Method::GET, "/api/events");
    let request = match after {
        Some(cursor) => request.header("last-event-id", cursor),
        None => request,
    };
    Frames::of(request.send().await.expect("the server answers"))
}

fn completion(more: &Value) -> Value {
    let mut body = json!({ "model": "claude", "messages": [{ "role": "user", "content": format!("result {CANARY}") }] });
    body["openrunner"] = more.clone();
    body
}

#[test]
fn a_recreated_user_sees_nothing_of_the_removed_one_and_an_admin_everything() {
    live(async {
        let receiver = Receiver::start(&[]).await;
        let server = Setup::new().env("OPENRUNNER_WEBHOOK_ALLOW", "127.0.0.1").start().await;
        let admin = server.client("admin").await;
        let old = create_carol(&admin).await;
        let cursor = feed(&old, None).await.next().await.expect("the first event").data["cursor"].as_str().unwrap().to_owned();
        let metadata =
            json!({ "agent_type": "claude_code", "webhook": { "url": receiver.url, "secret": SECRET }, "labels": { "team": CANARY } });
        let body = json!({ "input": { "text": format!("say {CANARY}\nresult {CANARY}") }, "metadata": metadata });
        let created = old.post_with_key("/api/runs", "the-key", &body).await;
        assert_eq!(created.status, 201, "{}", created.text);
        let run = created.body["run_id"].as_str().unwrap().to_owned();
        let session = old.end_of(&run).await["session_id"].as_str().unwrap().to_owned();
        let completed = old.post_with_key("/v1/chat/completions", "completion-key", &completion(&json!({}))).await;
        assert_eq!(completed.status, 200, "{}", completed.text);
        let key = old.post("/api/keys", &json!({ "name": CANARY, "scopes": ["runs:read"] })).await.body;
        let ticket = old.send(old.request(Method::POST, &format!("/api/runs/{run}/ticket"))).await.body;
        let held = old.script(&format!("say {CANARY}\nhang")).await;
        old.follow(&held).await.until_text(CANARY).await;

        assert_eq!(admin.delete("/api/users/carol").await.status, 204);
        let new = create_carol(&admin).await;

        for credential in [old.token(), key["key"].as_str().unwrap()] {
            new.with_token(credential).get("/api/runs").await.problem(401, "token_invalid");
        }
        server.guest().get(ticket["events_url"].as_str().unwrap()).await.problem(401, "token_invalid");
        for run in [&run, &held] {
            for path in ["", "/events", "/requests"] {
                new.get(&format!("/api/runs/{run}{path}")).await.problem(404, "not_found");
            }
            new.post(&format!("/api/runs/{run}/messages"), &json!({ "text": "hello" })).await.problem(404, "not_found");
            new.send(new.request(Method::POST, &format!("/api/runs/{run}/ticket"))).await.problem(404, "not_found");
            new.cancel(run).await.problem(404, "not_found");
            new.delete(&format!("/api/runs/{run}")).await.problem(404, "not_found");
        }
        new.get(&format!("/api/sessions/{session}")).await.problem(404, "not_found");
        let continued = json!({ "input": { "text": "result x" }, "metadata": { "agent_type": "claude_code", "session_id": session } });
        new.post("/api/runs", &continued).await.problem(404, "not_found");
        let continued = new.post("/v1/chat/completions", &completion(&json!({ "session_id": session }))).await;
        assert_eq!(continued.status, 404, "{}", continued.text);
        new.get("/api/audit").await.problem(403, "admin_only");
        for list in [
            "/api/runs",
            "/api/runs?owner=carol",
            &format!("/api/runs?label=team={CANARY}"),
            &format!("/api/runs?q={CANARY}"),
            "/api/sessions",
            "/api/keys",
            "/api/keys?owner=carol",
            "/api/webhooks/deliveries",
            "/api/webhooks/deliveries?owner=carol",
            "/api/usage?group_by=run",
            "/api/usage?group_by=owner&owner=carol",
        ] {
            let answer = new.get(list).await;
            assert_eq!((answer.status, &answer.body["items"]), (200, &json!([])), "{list}: {}", answer.text);
        }
        assert_eq!(new.get("/api/usage").await.body["total"]["runs"], 0);
        assert_eq!(new.get("/api/usage/budget").await.body["tokens"]["used"], 0);
        // The same requests under the same keys are new requests, also with another body.
        let mut other = body.clone();
        other["input"]["text"] = json!("result mine");
        other["metadata"] = json!({ "agent_type": "claude_code" });
        let again = new.post_with_key("/api/runs", "the-key", &other).await;
        assert_eq!(again.status, 201, "{}", again.text);
        let own = again.body["run_id"].as_str().unwrap();
        assert_ne!(own, run);
        new.end_of(own).await;
        let again = new.post_with_key("/v1/chat/completions", "completion-key", &completion(&json!({}))).await;
        assert_eq!(again.status, 200, "{}", again.text);
        assert_ne!(again.header("x-openrunner-run-id"), completed.header("x-openrunner-run-id"));
        // With a cursor from before the first run of the removed user, the feed has only the new user's runs.
        let mut changes = feed(&new, Some(&cursor)).await;
        let seen = changes.until_match(|frame| frame.data["run"]["run_id"] == own).await;
        assert!(seen.iter().all(|frame| frame.event != "run" || frame.data["run"]["run_id"] == own), "{seen:?}");

        let seen = admin.get("/api/runs?owner=carol").await;
        for run in [run.as_str(), &held, own] {
            assert!(seen.text.contains(run), "{run}: {}", seen.text);
            assert_eq!(admin.run(run).await["owner"], "carol");
        }
        let ids = admin.get("/api/audit?action=user.create").await.body["items"].clone();
        assert_ne!(ids[0]["target_user_id"], ids[1]["target_user_id"], "the audit log distinguishes the users: {ids}");
        let audit = admin.get(&format!("/api/audit?run_id={run}&action=run.create")).await.body["items"][0].clone();
        assert_eq!((&audit["username"], &audit["user_id"]), (&json!("carol"), &ids[1]["target_user_id"]));
        assert_eq!(admin.get("/api/users/carol").await.body["user_id"], ids[0]["target_user_id"]);
        admin.cancel(&held).await;
    });
}
