//! Hostile output stays text: secrets do not leak, and nothing reaches a log or a terminal unescaped.
//!
//! Rules: C2, S9, W7.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Server, Setup, assert_dense, last, live, of};

const SECRET: &str = "do-not-leak-4711";
const QUOTED: &str = r#"quo"ted\secret"#;
const PROVIDER_KEY: &str = "sk-made-up-0815";

/// A line with which the scripted agent writes a part of its answer.
fn piece(text: &str) -> String {
    let event = json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } });
    format!("raw {}\n", json!({ "type": "stream_event", "event": event, "parent_tool_use_id": null }))
}

fn env() -> Value {
    json!({ "DEPLOY_TOKEN": SECRET, "OTHER": QUOTED })
}

#[test]
fn secrets_in_agent_output_are_masked_across_chunks() {
    live(async {
        let setup = Setup::new().env("ANTHROPIC_API_KEY", PROVIDER_KEY).env("OPENRUNNER_ADMIN_PASSWORD", "the-admins-own");
        let server = setup.start().await;
        let admin = server.guest().login("admin", "the-admins-own").await;
        let pieces = [piece("it is do-no"), piece("t-leak-"), piece("4711, and sk-"), piece("made-up-0815!"), piece(" do-n")].concat();
        let raw = json!({ "unknown": [SECRET, QUOTED, PROVIDER_KEY, "the-admins-own"] });
        let script = format!("{pieces}raw {raw}\nstderr {SECRET} {QUOTED}\nerror {SECRET} {PROVIDER_KEY}");
        let id = admin.script_with(&script, json!({ "env": env() })).await;
        let mut run = admin.end_of(&id).await;
        let frames = admin.follow(&id).await.rest().await;
        assert_dense(&frames);
        let tokens: Vec<&str> = of(&frames, "token").iter().filter_map(|token| token["content"].as_str()).collect();
        assert_eq!(tokens.concat(), "it is [masked], and [masked]! do-n");
        let line = of(&frames, "raw")[0]["line"].as_str().unwrap();
        assert_eq!(line, r#"{"unknown":["[masked]","[masked]","[masked]","[masked]"]}"#);
        assert_eq!(of(&frames, "log")[0]["content"], "[masked] [masked]");
        let done = last(&frames);
        assert_eq!((&done["message"], &done["stderr_tail"]), (&json!("[masked] [masked]"), &json!("[masked] [masked]\n")));
        assert!(run["prompt"].take().as_str().unwrap().contains(SECRET), "what the caller wrote is the caller's");
        for secret in [SECRET, PROVIDER_KEY, "the-admins-own", "ted\\\\secret"] {
            assert!(!frames.iter().any(|frame| frame.bytes.contains(secret)) && !run.to_string().contains(secret), "{secret}");
        }
        assert!(!server.log().contains("[masked]"), "nothing had to be hidden there");
    });
}

#[test]
fn a_request_is_shown_without_secrets_and_executed_unchanged() {
    live(async {
        let server = Server::start().await;
        let admin = server.client("admin").await;
        let input = json!({ "command": format!("curl -H {SECRET} \u{202e}gpj.exe \u{1b}[2J") });
        let metadata = json!({ "permission_mode": "ask", "env": env() });
        let kept = server.directory().join("kept");
        let id = admin.script_with(&format!("permission Bash {input}\nsave allowed {}\nresult fine", kept.display()), metadata).await;
        let request = last(&admin.follow(&id).await.until("permission_request").await).clone();
        // Exactly what runs, except for the secret. Clients make invisible characters visible.
        let shown = json!({ "command": "curl -H [masked] \u{202e}gpj.exe \u{1b}[2J" });
        assert_eq!((&request["input"], &admin.requests(&id).await[0]["input"]), (&shown, &shown));
        let allowed = admin.answer(&id, request["id"].as_str().unwrap(), json!({ "decision": "allow_once" })).await;
        assert_eq!(allowed.status, 200);
        let frames = admin.follow(&id).await.rest().await;
        let ran: Value = serde_json::from_str(&std::fs::read_to_string(kept).unwrap()).unwrap();
        assert_eq!(ran, input);
        assert_eq!(of(&frames, "tool_result")[0]["content"].as_str().unwrap(), shown.to_string());
    });
}

#[test]
fn hostile_text_cannot_break_log_lines() {
    live(async {
        const HOSTILE: &str = "\u{1b}[2J\r\nINFO forged=\u{202e}";
        let server = Setup::new().env("OPENRUNNER_LOG", "trace").start().await;
        let user = server.client("user").await;
        let labels = json!({ "agent_type": "claude_code", "labels": { "x": HOSTILE }, "model": "opus" });
        let id = user.create(&format!("raw \u{1b}]0;forged\u{7}\nstderr {HOSTILE}\nerror forged \u{1b}[31m"), labels).await;
        user.end_of(&id).await;
        user.ask("x", json!({ "agent_type": HOSTILE })).await.problem(422, "unknown_agent");
        user.ask("x", json!({ "working_dir": format!("/nowhere/{HOSTILE}") })).await;
        user.get("/api/runs/%1b%5b2J%0d%0aforged").await;
        user.send(user.request(Method::GET, "/health").header("user-agent", b"\xc2\x9b31m forged \xff".as_slice())).await;
        user.post("/api/auth/login", &json!({ "username": HOSTILE, "password": HOSTILE })).await;
        server.logs("http.route=\"/api/auth/login\" http.status=401").await;
        for line in server.log().lines() {
            assert!(!line.chars().any(openrunner::types::is_unsafe_to_display), "{line:?}");
            assert!(!line.contains("forged"), "{line:?}");
        }
    });
}

#[test]
fn nothing_in_a_hostile_directory_runs_before_the_agent() {
    live(async {
        let setup = Setup::new();
        let directory = setup.directory().join("repository");
        let ran = setup.directory().join("ran");
        let script = format!("#!/bin/sh\necho \"$0\" >>{}\n", ran.display());
        std::fs::create_dir_all(directory.join(".git/hooks")).unwrap();
        let programs = ["git", "claude", "node", "sh", "openrunner", ".git/hooks/post-checkout", ".git/watch"];
        for name in programs {
            std::fs::write(directory.join(name), &script).unwrap();
            std::fs::set_permissions(directory.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        }
        let watch = directory.join(".git/watch");
        std::fs::write(directory.join(".git/config"), format!("[core]\n\tfsmonitor = {0}\n\tpager = {0}\n", watch.display())).unwrap();
        std::fs::write(directory.join(".env"), "PATH=.\nCLAUDE_CONFIG_DIR=.\n").unwrap();
        let server = setup.env("PATH", ".:/usr/bin:/bin").start().await;
        let admin = server.client("admin").await;
        let with = json!({ "working_dir": directory });
        assert_eq!(admin.reports(&["cwd"], with.clone()).await[0], directory.canonicalize().unwrap().display().to_string());
        let demo = admin.create("create hello.py", json!({ "agent_type": "demo", "working_dir": directory })).await;
        assert_eq!(admin.end_of(&demo).await["status"], "completed");
        assert_eq!(std::fs::read_to_string(&ran).ok(), None, "something of the directory was run");
    });
}
