//! Runs that wait for a usage limit of the model's provider to reset.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::support::{Client, Server, Setup, assert_dense, last, live, notice, of};

fn now() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the limit resets soon by the clock of the server")]
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_secs()
}

/// A script that fails by a usage limit that resets in this many seconds.
fn limited(secs: u64) -> String {
    let resets_at = now() + secs;
    let event = json!({ "type": "rate_limit_event", "rate_limit_info": { "status": "rejected", "resetsAt": resets_at } });
    format!("say begun\nraw {event}\nerror Claude AI usage limit reached|{resets_at}")
}

/// A run of the scripted agent in this directory that waits for limits. When it continues, the agent plays `then`.
async fn waiting(user: &Client, dir: &Path, script: &str, then: &str, mut metadata: Value) -> String {
    std::fs::create_dir_all(dir).expect("a directory");
    std::fs::write(dir.join("continue"), then).expect("a directory");
    metadata["on_rate_limit"] = "wait".into();
    metadata["cwd"] = dir.display().to_string().into();
    user.script_with(script, metadata).await
}

/// Waits until the run is parked: nothing of its agent is left.
async fn parked(server: &Server, user: &Client, id: &str) -> Value {
    server.logs("waiting for a limit to reset").await;
    let run = user.run(id).await;
    assert_eq!(run["status"], "waiting", "{run}");
    run
}

#[test]
fn a_run_continues_its_conversation_when_the_limit_has_been_reset() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let dir = server.directory().join("work");
        let then = "report prompt\nreport argv\nresult finished";
        let id = waiting(&user, &dir, &limited(2), then, json!({ "env": {}, "max_wait_secs": 600 })).await;
        assert_eq!((&user.run(&id).await["on_rate_limit"], &user.run(&id).await["max_wait_secs"]), (&json!("wait"), &json!(600)));
        let mut frames = user.follow(&id).await;
        let before = frames.until_match(|frame| frame.data["code"] == "waiting_for_reset").await;
        assert_eq!(user.say(&id, "queue", "say heard\nresult both").await.status, 202);
        let frames = [before, frames.rest().await].concat();
        assert_dense(&frames);
        let wait = notice(&frames, "waiting_for_reset").expect("the log tells until when");
        assert!(wait["data"]["resets_at"].is_string() && wait["data"]["resumes_at"].is_string(), "{wait}");
        let resumed = notice(&frames, "resumed").expect("the log tells that it continues");
        let session = resumed["data"]["agent_session"].as_str().unwrap();
        let messages: Vec<&str> = of(&frames, "message").iter().filter_map(|message| message["content"].as_str()).collect();
        assert_eq!((messages[0], messages.last()), ("begun", Some(&"heard")), "{messages:?}");
        assert!(messages.iter().any(|text| text.contains(&format!("--resume={session}"))), "{messages:?}");
        assert_eq!(of(&frames, "run_started").len(), 1);
        let end = last(&frames);
        assert_eq!((&end["status"], &end["result"]), (&json!("completed"), &json!("both")));
        // Three turns of 18 tokens, in two processes.
        assert_eq!((&end["usage"]["input_tokens"], &end["usage"]["output_tokens"]), (&json!(21), &json!(33)));
        assert_eq!(user.run(&id).await["waits_until"], Value::Null);
    });
}

#[test]
fn the_files_of_the_prompt_are_there_again_when_the_run_continues() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let dir = server.directory().join("work");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("continue"), "save content continued.json\nreport input\nresult finished").unwrap();
        let parts = json!([
            { "type": "file", "media_type": "text/plain", "name": "notes.txt", "data": STANDARD.encode("notes") },
            { "type": "image", "media_type": "image/png", "name": "shot.png", "data": STANDARD.encode("pixels") },
        ]);
        let request = json!({
            "input": { "text": limited(2), "parts": parts },
            "metadata": { "agent_type": "claude_code", "on_rate_limit": "wait", "cwd": dir },
        });
        let id = user.post("/api/runs", &request).await.body["run_id"].as_str().unwrap().to_owned();
        assert_eq!(user.said(&id).await, ["begun", &json!({ "notes.txt": "notes" }).to_string()]);
        let content = std::fs::read_to_string(dir.join("continued.json")).unwrap();
        assert!(content.contains("/openrunner-input/notes.txt (text/plain)"), "{content}");
        assert!(!content.contains("base64"), "the image is part of the conversation: {content}");
        assert_eq!(user.end_of(&id).await["result"], "finished");
    });
}

#[test]
fn a_run_that_waits_occupies_its_session_but_no_slot() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_RUNS", 1).start().await;
        let user = server.client("user").await;
        let id = waiting(&user, &server.directory().join("work"), &limited(3600), "result never", json!({})).await;
        let run = parked(&server, &user, &id).await;
        assert!(run["waits_until"].is_string(), "{run}");
        assert_eq!(run["queue_position"], Value::Null);
        assert_eq!(user.requests(&id).await, Vec::<Value>::new());
        let other = user.script("result other").await;
        assert_eq!(user.end_of(&other).await["result"], "other", "the only slot is free");
        let session = json!({ "agent_type": "claude_code", "session_id": run["session_id"], "on_busy": "reject" });
        user.ask("result next", session).await.problem(409, "session_busy");
        assert_eq!(user.run(&id).await["status"], "waiting");
        assert_eq!(user.cancel(&id).await.status, 200);
        assert_eq!(user.end_of(&id).await["status"], "cancelled");
    });
}

#[test]
fn a_wait_survives_the_death_of_the_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (long, short) = (server.directory().join("long"), server.directory().join("short"));
        let long = waiting(&user, &long, &limited(3600), "result never", json!({})).await;
        let until = parked(&server, &user, &long).await["waits_until"].clone();
        let short = waiting(&user, &short, &limited(5), "result finished", json!({})).await;
        user.follow(&short).await.until_match(|frame| frame.data["code"] == "waiting_for_reset").await;
        assert_eq!(user.say(&long, "queue", "result more").await.status, 202);
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        let run = user.run(&long).await;
        assert_eq!((&run["status"], &run["waits_until"]), (&json!("waiting"), &until));
        let frames = user.follow(&short).await.rest().await;
        assert_dense(&frames);
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("finished")));
        assert_eq!(user.cancel(&long).await.status, 200);
        let frames = user.follow(&long).await.rest().await;
        assert_eq!(last(&frames)["status"], "cancelled");
        assert_eq!(notice(&frames, "undelivered").expect("a message is left")["data"]["messages"], json!(["result more"]));
    });
}

#[test]
fn a_continued_run_is_found_again_by_a_later_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let (dir, go) = (server.directory().join("work"), server.directory().join("go"));
        let then = format!("say continued\nwait {}\nresult finished", go.display());
        let id = waiting(&user, &dir, &limited(2), &then, json!({ "max_tokens": 30 })).await;
        user.follow(&id).await.until_text("continued").await;
        let server = server.killed_and_started_again().await;
        let user = user.at(server.url());
        std::fs::write(go, "").unwrap();
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        let end = last(&frames);
        assert_eq!((&end["cause"], &end["result"]), (&json!("spend_limit"), &json!("finished")), "the usage of both agents counts");
        assert_eq!(end["message"], "the run exceeded max_tokens (36 of 30 tokens)");
    });
}

#[test]
fn a_limit_that_resets_too_late_or_at_an_unknown_time_is_a_failure() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_MAX_WAIT_SECS", 60).start().await;
        let user = server.client("user").await;
        let work = server.directory().join("work");
        let far = waiting(&user, &work, &limited(3600), "result never", json!({})).await;
        let end = user.end_of(&far).await;
        assert_eq!((&end["status"], &end["cause"]), (&json!("failed"), &json!("rate_limited")));
        assert!(end["message"].as_str().unwrap().contains("max_wait_secs is 60"), "{end}");
        let unknown = waiting(&user, &work, "error Claude AI usage limit reached", "result never", json!({})).await;
        let end = user.end_of(&unknown).await;
        assert!(end["message"].as_str().unwrap().ends_with("it is unknown when the limit resets"), "{end}");
        let fails = user.script(&limited(1)).await;
        assert_eq!(
            (&user.end_of(&fails).await["cause"], &user.run(&fails).await["on_rate_limit"]),
            (&json!("rate_limited"), &json!("fail"))
        );
    });
}

#[test]
fn a_wait_that_is_not_possible_is_rejected() {
    live(async {
        let setup = Setup::new().env("OPENRUNNER_MAX_WAIT_SECS", 60);
        let file = setup.directory().join("settings.toml");
        std::fs::write(&file, "[agents.plain]\nprotocol = \"text\"\ncommand = [\"true\"]\n").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let server = setup.env("OPENRUNNER_CONFIG", file.display()).start().await;
        let user = server.client("user").await;
        for (metadata, field) in [
            (json!({ "agent_type": "plain", "on_rate_limit": "wait" }), "on_rate_limit"),
            (json!({ "agent_type": "claude_code", "on_rate_limit": "sleep" }), "on_rate_limit"),
            (json!({ "agent_type": "claude_code", "on_rate_limit": "wait", "max_wait_secs": 61 }), "max_wait_secs"),
            (json!({ "agent_type": "claude_code", "on_rate_limit": "wait", "max_wait_secs": 0 }), "max_wait_secs"),
            (json!({ "agent_type": "claude_code", "max_wait_secs": 9 }), "max_wait_secs"),
        ] {
            let refused = user.ask("result one", metadata).await;
            assert_eq!(refused.problem(422, "invalid_field"), format!("metadata.{field}"));
        }
    });
}

#[test]
fn a_run_with_secrets_waits_as_long_as_its_server_lives() {
    live(async {
        let server = Setup::new().env("OPENRUNNER_RUN_ENV", "SECRET").start().await;
        let user = server.client("user").await;
        let then = "report env\nresult finished";
        let env = json!({ "env": { "SECRET": "a-long-secret-value" } });
        let long = waiting(&user, &server.directory().join("long"), &limited(3600), then, env.clone()).await;
        parked(&server, &user, &long).await;
        let short = waiting(&user, &server.directory().join("short"), &limited(2), then, env).await;
        let frames = user.follow(&short).await.rest().await;
        assert_eq!(last(&frames)["status"], "completed");
        let report = of(&frames, "message").into_iter().find(|message| message["content"].as_str().unwrap().contains("SECRET"));
        assert!(report.unwrap()["content"].as_str().unwrap().contains("[masked]"), "the agent that continues has it, and no reader");
        let server = server.killed_and_started_again().await;
        let end = user.at(server.url()).end_of(&long).await;
        assert_eq!((&end["status"], &end["cause"]), (&json!("interrupted"), &json!("node_lost")), "{end}");
    });
}

/// `codex app-server`, in the format of the recording `appserver_error_429`: the first process reports that the account's limits are used up
/// and fails; the next one, which resumes the thread, answers.
fn codex(resets_at: u64) -> String {
    let lines = |messages: &[Value]| messages.iter().map(|message| format!("echo '{message}'\n")).collect::<Vec<_>>().concat();
    let turn = |status: &str, error: Value| json!({ "id": "u", "items": [], "status": status, "error": error });
    let opening = format!(
        "read -r line\n{}read -r line\nread -r line\ncase \"$line\" in *thread/resume*) resumed=1;; *) resumed=;; esac\n{}read -r line\n{}",
        lines(&[json!({ "id": 1, "result": { "userAgent": "openrunner/0.171.0 (Debian)" } })]),
        lines(&[json!({ "id": 2, "result": { "thread": { "id": "t" }, "model": "gpt" } })]),
        lines(&[
            json!({ "id": 3, "result": { "turn": turn("inProgress", Value::Null) } }),
            json!({ "method": "turn/started", "params": { "threadId": "t", "turn": turn("inProgress", Value::Null) } }),
        ]),
    );
    let error = json!({
        "message": "exceeded retry limit, last status: 429 Too Many Requests",
        "codexErrorInfo": { "responseTooManyFailedAttempts": { "httpStatusCode": 429 } },
        "additionalDetails": null, "misalignment": null,
    });
    let limits = json!({
        "primary": { "usedPercent": 100, "windowDurationMins": 300, "resetsAt": resets_at },
        "secondary": { "usedPercent": 40, "windowDurationMins": 10_080, "resetsAt": resets_at + 500_000 },
        "rateLimitReachedType": "rate_limit_reached",
    });
    let failed = lines(&[
        json!({ "method": "account/rateLimits/updated", "params": { "rateLimits": limits } }),
        json!({ "method": "error", "params": { "error": error, "willRetry": false, "threadId": "t", "turnId": "u" } }),
        json!({ "method": "turn/completed", "params": { "threadId": "t", "turn": turn("failed", error) } }),
    ]);
    let message = json!({ "type": "agentMessage", "id": "m", "text": "finished" });
    let answered = lines(&[
        json!({ "method": "item/started", "params": { "threadId": "t", "turnId": "u", "item": message } }),
        json!({ "method": "item/completed", "params": { "threadId": "t", "turnId": "u", "item": message } }),
        json!({ "method": "turn/completed", "params": { "threadId": "t", "turn": turn("completed", Value::Null) } }),
    ]);
    let dialog = format!("{opening}if [ -n \"$resumed\" ]; then\n{answered}else\n{failed}fi\nwhile read -r line; do :; done\n");
    format!("#!/bin/sh\ncase \"$*\" in *app-server*) ;; *) echo 'codex-cli 0.171.0'; exit 0;; esac\n{dialog}")
}

#[test]
fn a_run_of_codex_waits_until_the_limit_of_the_account_resets_and_resumes_its_thread() {
    live(async {
        let setup = Setup::new();
        let path = setup.directory().join("agents/bin/codex");
        std::fs::write(&path, codex(now() + 2)).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let server = setup.start().await;
        let user = server.client("user").await;
        let metadata = json!({ "agent_type": "codex", "on_rate_limit": "wait", "timeout_secs": 600 });
        let id = user.create("go", metadata).await;
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        let codes: Vec<&str> = of(&frames, "notice").iter().filter_map(|notice| notice["code"].as_str()).collect();
        let expected = ["rate_limited", "waiting_for_reset", "resumed"];
        assert_eq!(codes.iter().filter(|code| expected.contains(*code)).copied().collect::<Vec<_>>(), expected, "{codes:?}");
        let [limited, wait] = ["rate_limited", "waiting_for_reset"].map(|code| notice(&frames, code).unwrap());
        assert_eq!(wait["data"]["resets_at"], limited["data"]["resets_at"], "the window that is used up counts");
        let left = wait["data"]["timeout_left_ms"].as_u64().unwrap();
        assert!((1..=600_000).contains(&left), "{wait}");
        assert_eq!((&last(&frames)["status"], &last(&frames)["result"]), (&json!("completed"), &json!("finished")));
    });
}
