//! Runs as resources: list, get, wait, cancel, delete, ownership.
//!
//! Rules: I6, K4.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use crate::support::{Client, Server, Setup, assert_dense, last, live};

/// The ids of a list, in its order.
async fn listed(client: &Client, query: &str) -> Vec<String> {
    let answer = client.get(&format!("/api/runs{query}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let items = answer.body["items"].as_array().expect("a list");
    items.iter().filter_map(|run| run["run_id"].as_str().map(str::to_owned)).collect()
}

#[test]
fn lists_are_newest_first_filtered_and_paginated() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let mut made = Vec::new();
        for number in 0..5 {
            let labels = json!({ "number": number.to_string(), "odd?": (number % 2 == 1).to_string() });
            let script = if number == 4 { "error no" } else { "result yes" };
            made.insert(0, user.create(script, json!({ "agent_type": "claude_code", "labels": labels })).await);
            user.end_of(&made[0]).await;
        }
        assert_eq!(listed(&user, "").await, made);
        assert_eq!(listed(&user, "?status=completed").await, made[1..]);
        assert_eq!(listed(&user, "?status=failed&agent_type=claude_code").await, made[..1]);
        assert_eq!(listed(&user, "?label=odd%3F%3Dtrue").await, [made[1].clone(), made[3].clone()]);
        assert!(listed(&user, "?label=number=true").await.is_empty());
        assert!(listed(&user, "?agent_type=demo").await.is_empty());
        let second = user.run(&made[3]).await;
        assert_eq!(listed(&user, &format!("?session_id={}", second["session_id"].as_str().unwrap())).await, made[3..4]);
        assert_eq!(listed(&user, &format!("?since={}", second["created_at"].as_str().unwrap())).await, made[..4]);

        let (mut pages, mut query) = (Vec::new(), "?limit=2".to_owned());
        loop {
            let page = user.get(&format!("/api/runs{query}")).await.body;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 2);
            pages.extend(items.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("?limit=2&cursor={cursor}");
        }
        assert_eq!(pages, made);
        for (query, field) in
            [("limit=0", "limit"), ("limit=201", "limit"), ("status=dead", "status"), ("label=x", "label"), ("page=2", "page")]
        {
            assert_eq!(user.get(&format!("/api/runs?{query}")).await.problem(422, "invalid_field"), field, "{query}");
        }
    });
}

#[test]
fn lists_and_the_feed_return_summaries_and_a_single_run_is_complete() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let mut feed = user.request(Method::GET, "/api/events").header("Accept", "application/x-ndjson").send().await.unwrap();
        let answer = "ö".repeat(5_000);
        let script = format!("result {answer}");
        let id = user.create(&script, json!({ "agent_type": "claude_code" })).await;
        let run = user.end_of(&id).await;
        assert_eq!((run["prompt"].as_str(), run["result"].as_str()), (Some(script.as_str()), Some(answer.as_str())));
        assert_eq!(run.get("summary"), None);
        let assert_summary = |summary: &serde_json::Value| {
            assert_eq!(summary["summary"], true);
            assert_eq!(summary["prompt"], script.chars().take(2_000).collect::<String>());
            assert_eq!(summary["result"], "ö".repeat(400));
            for field in ["run_id", "session_id", "status", "title", "usage", "duration_ms", "labels", "last_seq"] {
                assert_eq!(summary[field], run[field], "{field}");
            }
        };
        assert_summary(&user.get("/api/runs").await.body["items"][0]);
        assert_summary(&user.get("/api/runs?q=result").await.body["items"][0]);
        let mut received = Vec::new();
        let ended = loop {
            received.extend_from_slice(&feed.chunk().await.unwrap().expect("the feed continues"));
            let lines: Vec<_> = received.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
            let ended = lines.iter().map(|event: &serde_json::Value| event["run"].clone()).find(|run| run["status"] == "completed");
            if let Some(ended) = ended {
                break ended;
            }
        };
        assert_summary(&ended);
    });
}

#[test]
fn a_run_shows_its_input_and_status() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let metadata = json!({ "agent_type": "claude_code", "model": "opus", "timeout_secs": 77, "idle_timeout_secs": 66, "labels": { "a": "b" },
            "extra_args": ["--max-turns", "3"], "permission_mode": "auto" });
        let id = user.create("say up\nhang", metadata.clone()).await;
        user.follow(&id).await.until_text("up").await;
        let run = user.run(&id).await;
        for (field, value) in metadata.as_object().unwrap() {
            assert_eq!(&run[field], value, "{field}");
        }
        assert_eq!(
            (&run["run_id"], &run["status"], &run["owner"], &run["prompt"]),
            (&json!(id), &json!("running"), &json!("user"), &json!("say up\nhang"))
        );
        for field in ["cause", "ended_at", "result", "duration_ms"] {
            assert!(run.get(field).is_none(), "{field} of a run that goes on");
        }
        let waited = user.get(&format!("/api/runs/{id}?wait=0")).await;
        assert_eq!(waited.body["status"], "running");
        assert_eq!(user.get(&format!("/api/runs/{id}?wait=601")).await.problem(422, "invalid_field"), "wait");
    });
}

#[test]
fn wait_returns_when_the_run_ends() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let go = server.directory().join("go");
        let id = user.script(&format!("say up\nwait {}\nresult done", go.display())).await;
        user.follow(&id).await.until_text("up").await;
        let (run, ()) = tokio::join!(user.end_of(&id), async { std::fs::write(go, "").unwrap() });
        assert_eq!((&run["status"], &run["result"]), (&json!("completed"), &json!("done")));
    });
}

#[test]
fn cancelling_is_idempotent() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("say up\nhang").await;
        let mut reader = user.follow(&id).await;
        let mut frames = reader.until_text("up").await;
        let (one, two) = tokio::join!(user.cancel(&id), user.cancel(&id));
        for answer in [one, two] {
            assert_eq!(answer.status, 200, "{}", answer.text);
            assert!(["stopping", "cancelled"].contains(&answer.body["status"].as_str().unwrap()), "{}", answer.text);
        }
        frames.extend(reader.rest().await);
        assert_dense(&frames);
        assert_eq!((&last(&frames)["status"], &last(&frames)["cause"]), (&json!("cancelled"), &json!("cancelled")));
        let again = user.cancel(&id).await;
        assert_eq!((again.status, &again.body), (200, &user.run(&id).await));
        assert_eq!(again.body["last_seq"], frames.len());
    });
}

#[test]
fn cancelling_an_ended_run_changes_nothing() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("result done").await;
        let before = user.end_of(&id).await;
        assert_eq!(user.cancel(&id).await.body, before);
        assert_eq!(user.run(&id).await, before);
    });
}

#[test]
fn a_queued_run_is_cancelled_without_starting() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let first = user.script("say up\nhang").await;
        user.follow(&first).await.until_text("up").await;
        let second = user.script("result never").await;
        let answer = user.cancel(&second).await;
        assert_eq!(answer.body["status"], "cancelled");
        let frames = user.follow(&second).await.rest().await;
        assert_dense(&frames);
        assert_eq!(frames.iter().map(|frame| frame.event.as_str()).collect::<Vec<_>>(), ["run_queued", "done"]);
    });
}

#[test]
fn only_an_ended_run_can_be_deleted_and_it_is_removed_completely() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("say up\nhang").await;
        user.follow(&id).await.until_text("up").await;
        let path = format!("/api/runs/{id}");
        let workspace = server.data().join("workspaces").join(&id);
        assert!(workspace.is_dir());
        user.delete(&path).await.problem(409, "run_active");
        user.cancel(&id).await;
        user.end_of(&id).await;
        assert_eq!(user.delete(&path).await.status, 204);
        assert!(!workspace.exists());
        user.delete(&path).await.problem(404, "not_found");
        user.get(&path).await.problem(404, "not_found");
        user.get(&format!("{path}/events")).await.problem(404, "not_found");
        assert!(listed(&user, "").await.is_empty());
    });
}

#[test]
fn the_run_of_another_user_is_404_on_every_route() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let theirs = admin.create("say up\nhang", json!({ "agent_type": "claude_code", "labels": { "whose": "admin" } })).await;
        admin.follow(&theirs).await.until_text("up").await;
        let path = format!("/api/runs/{theirs}");
        let never = "/api/runs/run_00000000000070008000000000000000";
        let routes =
            [(Method::GET, ""), (Method::GET, "?wait=1"), (Method::DELETE, ""), (Method::GET, "/events"), (Method::POST, "/cancel")];
        for (method, rest) in routes {
            let hidden = user.send(user.request(method.clone(), &format!("{path}{rest}"))).await;
            hidden.problem(404, "not_found");
            // The response equals that for a run that never existed.
            let missing = user.send(user.request(method, &format!("{never}{rest}"))).await;
            assert_eq!(hidden.text.replace(&theirs, "ID"), missing.text.replace("run_00000000000070008000000000000000", "ID"));
        }
        let by_cursor = format!("?cursor={theirs}");
        for query in ["", "?owner=admin", "?status=running", "?label=whose=admin", &by_cursor] {
            assert!(listed(&user, query).await.is_empty(), "{query}");
        }
        assert_eq!(admin.run(&theirs).await["status"], "running");

        let mine = user.script("result mine").await;
        user.end_of(&mine).await;
        assert_eq!(listed(&admin, "").await, [mine.clone(), theirs.clone()]);
        assert_eq!(listed(&admin, "?owner=user").await, [mine.as_str()]);
        assert_eq!(admin.run(&mine).await["owner"], "user");
    });
}

#[test]
fn ids_are_unguessable() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let mut ids = BTreeSet::new();
        for _ in 0..3 {
            ids.insert(user.script("result x").await);
        }
        assert_eq!(ids.len(), 3);
        for wrong in ["1", "run_", "run_1", "..", "run_zzzzzzzzzzzz70008000000000000000", "%00", "run_0198A8F0C0DE7000800000000000000A"] {
            let answer = user.get(&format!("/api/runs/{wrong}")).await;
            answer.problem(404, "not_found");
        }
        assert_eq!(user.get("/api/runs?limit=1").await.body["items"].as_array().map(Vec::len), Some(1));
        assert_eq!(user.get("/api/auth/me").await.body["username"], "user");
    });
}

#[test]
fn null_metadata_is_accepted_as_absent() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let created = user.post("/api/runs", &json!({ "input": { "text": "result fine" }, "metadata": null })).await;
        assert_eq!(created.status, 201, "{}", created.text);
        assert_eq!(user.end_of(created.body["run_id"].as_str().unwrap()).await["status"], "completed");
    });
}
