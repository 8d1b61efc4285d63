//! The documented life of a run: create, follow to the end, read afterwards.
//!
//! Rules: S13.

use serde_json::{Value, json};

use crate::support::{Server, assert_dense, last, live};

#[test]
fn the_documented_flow_works_with_the_built_in_agent() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let directory = server.directory().join("work");
        let created = user.ask("create hello.py", json!({ "agent_type": "demo", "cwd": directory, "timeout_secs": 60 })).await;
        assert_eq!((created.status, created.body["status"].as_str()), (201, Some("queued")));
        let id = created.body["run_id"].as_str().unwrap();
        assert_eq!(created.header("location"), format!("/api/runs/{id}"));
        assert_eq!(created.body["events_url"], format!("/api/runs/{id}/events"));

        let frames = user.follow(id).await.rest().await;
        assert_dense(&frames);
        let names: Vec<&str> = frames.iter().map(|frame| frame.event.as_str()).collect();
        assert_eq!(names[..2], ["run_queued", "run_started"]);
        let mut seen: Vec<&str> = names.clone();
        seen.sort_unstable();
        seen.dedup();
        let expected = [
            "changes",
            "done",
            "file_change",
            "message",
            "permission_request",
            "permission_resolved",
            "plan",
            "run_queued",
            "run_started",
            "thinking",
            "token",
            "tool_call",
            "tool_result",
            "usage",
        ];
        assert_eq!(seen, expected);
        let started = &frames[1].data;
        assert_eq!((&started["agent_type"], &started["session_id"]), (&json!("demo"), &created.body["session_id"]));
        assert_eq!((&started["working_dir"], &started["permission_mode"]), (&json!(directory), &json!("auto")));
        assert!(std::fs::read_to_string(directory.join("hello.py")).unwrap().starts_with("print("));

        let done = last(&frames);
        assert_eq!((&done["status"], &done["cause"], &done["exit_code"]), (&json!("completed"), &json!("ok"), &json!(0)));
        let run = user.run(id).await;
        assert_eq!(run["last_seq"], frames.len());
        for field in ["status", "cause", "exit_code", "result", "usage", "duration_ms"] {
            assert_eq!(run[field], done[field], "{field}");
        }
    });
}

#[test]
fn the_demo_agent_neither_reads_nor_writes_through_a_symbolic_link() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (directory, outside) = (server.directory().join("work"), server.directory().join("outside"));
        std::fs::create_dir(&directory).unwrap();
        std::fs::write(&outside, "private text").unwrap();
        std::os::unix::fs::symlink(&outside, directory.join("hello.py")).unwrap();
        let id = user.create("create hello.py", json!({ "agent_type": "demo", "cwd": directory })).await;
        let frames = user.follow(&id).await.rest().await;
        let result = frames.iter().find(|frame| frame.event == "tool_result").unwrap();
        assert_eq!(result.data["status"], "error", "{}", result.data);
        assert!(result.data["content"].as_str().unwrap().contains("symbolic link"), "{}", result.data);
        assert!(!frames.iter().any(|frame| frame.event == "file_change" || frame.bytes.contains("private text")));
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "private text");
    });
}

#[test]
fn a_decision_is_durable_before_it_takes_effect() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let id = user.script("permission Bash\nresult fine").await;
        let frames = user.follow(&id).await.rest().await;
        let of = |name: &str| frames.iter().find(|frame| frame.event == name).unwrap();
        let (asked, resolved, result) = (of("permission_request"), of("permission_resolved"), of("tool_result"));
        assert!(asked.id < resolved.id && resolved.id < result.id);
        assert_eq!(asked.data["tool"], "Bash");
        assert_eq!((&resolved.data["decision"], &resolved.data["by"]), (&json!("allow_once"), &json!("policy")));
        assert_eq!((&result.data["status"], &result.data["content"]), (&json!("ok"), &json!("{\"command\":\"true\"}")));
    });
}

#[test]
fn chat_answers_with_the_final_text() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let answer = user.post("/api/chat", &json!({ "message": "create hello.py", "model": "demo" })).await;
        assert_eq!((answer.status, &answer.body["status"], &answer.body["cause"]), (200, &json!("completed"), &json!("ok")));
        assert!(answer.body["message"].as_str().unwrap().contains("hello.py is written"));
        assert!(answer.body["usage"]["output_tokens"].as_u64().unwrap() > 0);
        let run = user.run(answer.body["run_id"].as_str().unwrap()).await;
        assert_eq!((&run["session_id"], &run["result"]), (&answer.body["session_id"], &answer.body["message"]));

        let answer = user.post("/api/chat", &json!({ "message": "result from claude", "model": "claude/opus" })).await;
        assert_eq!((&answer.body["message"], answer.body["usage"]["cost_usd"].as_f64()), (&json!("from claude"), Some(0.25)));
        assert_eq!(user.run(answer.body["run_id"].as_str().unwrap()).await["model"], "opus");
    });
}

#[test]
fn a_chat_reports_the_failure_of_its_agent() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let answer = user.post("/api/chat", &json!({ "message": "error no more paper", "model": "claude" })).await;
        assert_eq!((answer.status, &answer.body["status"], &answer.body["cause"]), (200, &json!("failed"), &json!("agent_error")));
        assert_eq!((&answer.body["message"], &answer.body["error"]), (&json!(""), &json!("no more paper")));
    });
}

#[test]
fn agent_health_lists_the_agents_without_a_token() {
    live(async {
        let server = Server::start().await;
        let health = server.guest().get("/health").await;
        assert_eq!((health.status, &health.body["status"]), (200, &json!("ok")));
        server.client("user").await.end_of(&server.client("user").await.script("result seen").await).await;
        let agents = server.client("user").await.get("/health/agents").await;
        let known = agents.body["items"].as_array().unwrap();
        let named = |name: &str| known.iter().find(|agent| agent["agent_type"] == name).unwrap();
        let claude = named("claude_code");
        assert_eq!((&claude["available"], &claude["version"], &claude["authenticated"]), (&json!(true), &json!("9.9.9"), &json!("yes")));
        assert_eq!(named("demo")["available"], true);
        assert!(named("codex")["install"].as_str().is_some_and(|command| !command.is_empty()));
        assert_eq!(
            known.iter().map(|agent| agent["agent_type"].clone()).collect::<Value>(),
            json!(["claude_code", "codex", "demo", "opencode"])
        );
    });
}
