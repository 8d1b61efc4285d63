//! Secrets of a run reach its agent only.
//!
//! Rules: C8.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Server, Setup, live};

const SECRET: &str = "do-not-leak-4711";

/// Asserts that the secret is in no event, list, log or file of the server, and in the one file that the agent wrote.
async fn assert_hidden(server: Server, run: &str, kept: &Path) {
    let admin = server.client("admin").await;
    let frames = admin.follow(run).await.rest().await;
    assert!(!frames.iter().any(|frame| frame.bytes.contains(SECRET)));
    for path in [format!("/api/runs/{run}"), "/api/runs".to_owned(), "/api/sessions".to_owned(), "/health/agents".to_owned()] {
        assert!(!admin.get(&path).await.text.contains(SECRET), "{path}");
    }
    assert!(!server.log().contains(SECRET));
    assert!(std::fs::read_to_string(kept).expect("the agent wrote it").contains(SECRET), "else this would show nothing");
    std::fs::remove_file(kept).expect("it is there");
    let data = server.data();
    // A killed server leaves everything that it ever wrote on disk.
    let _again = server.killed_and_started_again().await;
    assert_eq!(files_containing(&data), Vec::<String>::new());
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// Files below `directory` that contain the secret.
fn files_containing(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("a directory can be read").path();
        if path.is_dir() {
            found.extend(files_containing(&path));
        } else if path.is_file() && contains(&std::fs::read(&path).expect("a file can be read"), SECRET) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn env_values_reach_the_agent_only() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_LOG", "debug").start().await;
        let admin = server.client("admin").await;
        let kept = server.directory().join("kept");
        let env = json!({ "DEPLOY_TOKEN": SECRET, "HOME_OF_MINE": "x" });
        let id = admin.script_with(&format!("save env {}\nresult fine", kept.display()), json!({ "env": env })).await;
        assert_eq!(admin.end_of(&id).await["status"], "completed");
        let found: Value = serde_json::from_str(&std::fs::read_to_string(&kept).unwrap()).unwrap();
        assert_eq!((&found["DEPLOY_TOKEN"], &found["ORN_RUN"]), (&json!(SECRET), &json!(id)));
        assert_eq!(admin.run(&id).await["env"], json!(["DEPLOY_TOKEN", "HOME_OF_MINE"]), "names are shown");
        assert_hidden(server, &id, &kept).await;
    });
}

#[test]
fn a_user_can_set_only_the_configured_variables() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_RUN_ENV", "CI_JOB,OTHER").start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let with = |env: Value| json!({ "agent_type": "claude_code", "env": env });
        let allowed = user.reports(&["env"], with(json!({ "CI_JOB": "7" }))).await;
        assert_eq!(allowed[0]["CI_JOB"], "7");
        for name in ["PATH", "ANTHROPIC_BASE_URL", "ci_job"] {
            assert_eq!(
                user.ask("result x", with(json!({ name: "x" }))).await.problem(403, "env_not_allowed"),
                format!("metadata.env.{name}")
            );
        }
        for name in ["OPENRUNNER_JWT_SECRET", "OPENRUNNER_X", "ORN_RUN", "LD_PRELOAD", "DATABASE_URL"] {
            for who in [&user, &admin] {
                assert_eq!(
                    who.ask("result x", with(json!({ name: "x" }))).await.problem(403, "env_not_allowed"),
                    format!("metadata.env.{name}")
                );
            }
        }
        let many: Value = (0..65).map(|number| (format!("V{number}"), json!("x"))).collect::<serde_json::Map<_, _>>().into();
        for env in
            [json!({ "": "x" }), json!({ "A=B": "x" }), json!({ "1A": "x" }), json!({ "A": "x\0" }), json!({ "A": "x".repeat(32_769) })]
        {
            let field = format!("metadata.env.{}", env.as_object().unwrap().keys().next().unwrap());
            assert_eq!(admin.ask("result x", with(env)).await.problem(422, "invalid_field"), field);
        }
        assert_eq!(admin.ask("result x", with(many)).await.problem(422, "invalid_field"), "metadata.env");
        let long: Value = (0..9).map(|number| (format!("V{number}"), json!("x".repeat(32_000)))).collect::<serde_json::Map<_, _>>().into();
        assert_eq!(admin.ask("result x", with(long)).await.problem(422, "invalid_field"), "metadata.env");
        let faulty = json!({ "agent_type": "claude_code", "env": { "1A": "x", "B": "\0" }, "timeout_secs": 0, "labels": { "": "x" }, "model": "-m" });
        let answer = admin.ask(" ", faulty).await;
        answer.problem(422, "invalid_field");
        let fields: Vec<_> = answer.body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect();
        let expected = ["input.text", "metadata.model", "metadata.env.1A", "metadata.env.B", "metadata.timeout_secs", "metadata.labels"];
        assert_eq!(fields, expected);
    });
}

#[test]
fn mcp_servers_and_their_secrets_reach_the_agent_only() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_LOG", "debug").start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let kept = server.directory().join("kept");
        let servers = json!([
            { "name": "db", "command": "db-mcp", "args": ["--fast"], "env": { "DB_KEY": SECRET } },
            { "name": "web", "url": "https://example.com/mcp", "headers": { "Authorization": SECRET } },
        ]);
        let metadata = json!({ "agent_type": "claude_code", "mcp_servers": servers });
        assert_eq!(user.ask("result x", metadata.clone()).await.problem(403, "admin_only"), "metadata.mcp_servers");
        let id = admin.create(&format!("save mcp {}\nreport argv\nresult fine", kept.display()), metadata).await;
        let run = admin.end_of(&id).await;
        assert_eq!((&run["status"], &run["mcp_servers"]), (&json!("completed"), &json!(["db", "web"])));
        assert_eq!(run["widened"], json!(["mcp_servers"]));
        let given: Value = serde_json::from_str(&std::fs::read_to_string(&kept).unwrap()).unwrap();
        assert_eq!((&given["db"]["command"], &given["db"]["env"]["DB_KEY"]), (&json!("db-mcp"), &json!(SECRET)));
        assert_eq!(given["web"]["headers"]["Authorization"], SECRET);
        assert_hidden(server, &id, &kept).await;
    });
}

#[test]
fn invalid_mcp_servers_are_rejected() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        for servers in [
            json!([{ "name": "", "command": "x" }]),
            json!([{ "name": "a b", "command": "x" }]),
            json!([{ "name": "a", "command": "" }]),
            json!([{ "name": "a", "url": "ftp://x" }]),
            json!([{ "name": "a", "command": "x" }, { "name": "a", "command": "y" }]),
        ] {
            let answer = admin.ask("result x", json!({ "agent_type": "claude_code", "mcp_servers": servers })).await;
            let last = servers.as_array().unwrap().len() - 1;
            assert_eq!(answer.problem(422, "invalid_field"), format!("metadata.mcp_servers[{last}]"), "{servers}");
        }
        let demo = json!({ "agent_type": "demo", "mcp_servers": [{ "name": "a", "command": "x" }] });
        assert_eq!(admin.ask("x", demo).await.problem(422, "invalid_field"), "metadata.mcp_servers");
    });
}
