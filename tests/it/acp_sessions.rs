//! Sessions of ACP agents, as scripts that play one dialog: titles, commands and modes, the end of a session, and its deletion.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::isolation::is_isolated;
use crate::support::{Server, Setup, live};

/// A response to the request `id`, as a line of a shell script.
fn respond(id: u32, result: &str) -> String {
    format!("read -r line\nprintf '%s\\n' '{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}'\n")
}

/// An update of the session, as a line of a shell script.
fn update(update: &str) -> String {
    format!(
        "printf '%s\\n' '{{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{{\"sessionId\":\"s\",\"update\":{{\"sessionUpdate\":{update}}}}}}}'\n"
    )
}

/// An agent with these session capabilities that sends these updates in its turn and then writes every line of its input to the file `record`
/// in its working directory.
fn agent(capabilities: &str, updates: &[&str]) -> String {
    let initialized = respond(1, &format!(r#"{{"protocolVersion":1,"agentCapabilities":{{"sessionCapabilities":{capabilities}}}}}"#));
    let opened = respond(2, r#"{"sessionId":"s","modes":{"currentModeId":"default","availableModes":[{"id":"default"}]}}"#);
    let updates: String = updates.iter().map(|each| update(each)).collect();
    let chunk = update(r#""agent_message_chunk","content":{"type":"text","text":"done"}"#);
    let end = "printf '%s\\n' '{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"stopReason\":\"end_turn\"}}'\n";
    let record = "while read -r line; do printf '%s\\n' \"$line\" >> record; done\n";
    format!("#!/bin/sh\n{initialized}{opened}read -r line\n{updates}{chunk}{end}{record}")
}

/// A server with the agent `mine`, which runs `script`.
async fn server(script: &str) -> Server {
    let setup = Setup::new();
    let program = setup.directory().join("agents/bin/mine");
    std::fs::write(&program, script).expect("a directory for agents");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("the test owns it");
    let settings = "[agents.mine]\nprotocol = \"acp\"\ncommand = [\"mine\"]\n";
    let file = setup.directory().join("settings.toml");
    std::fs::write(&file, settings).expect("a directory");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("the test owns it");
    setup.env("OPENRUNNER_CONFIG", file.display()).start().await
}

/// What the agent of the run recorded.
fn record(run: &Value) -> Option<String> {
    let directory = run["working_dir"].as_str().expect("a path");
    std::fs::read_to_string(std::path::Path::new(directory).join("record")).ok()
}

#[test]
fn a_client_sees_title_commands_mode_and_context_of_a_session_which_is_closed_at_its_end() {
    live(async {
        let updates = [
            r#""session_info_update","title":"Tidy\nup""#,
            r#""available_commands_update","availableCommands":[{"name":"review","description":"Reviews"}]"#,
            r#""usage_update","used":7,"size":100"#,
        ];
        let server = server(&agent(r#"{"close":{}}"#, &updates)).await;
        let user = server.client("user").await;
        let id = user.create("go", json!({ "agent_type": "mine" })).await;
        let end = user.end_of(&id).await;
        assert_eq!((&end["status"], &end["result"]), (&json!("completed"), &json!("done")), "{end}");
        let frames = user.follow(&id).await.rest().await;
        let mut seen = json!({});
        for frame in frames.iter().filter(|frame| frame.event == "session_updated") {
            let event = &frame.data;
            for name in ["title", "commands", "mode", "context"] {
                if let Some(value) = event.get(name) {
                    seen[name] = value.clone();
                }
            }
        }
        let expected = json!({
            "title": "Tidy up",
            "mode": "default",
            "commands": [{ "name": "review", "description": "Reviews" }],
            "context": { "used_tokens": 7, "max_tokens": 100 },
        });
        assert_eq!(seen, expected);
        let session = end["session_id"].as_str().expect("an id");
        assert_eq!(user.get(&format!("/api/sessions/{session}")).await.body["title"], "Tidy up");
        assert_eq!(user.get("/api/sessions").await.body["items"][0]["title"], "Tidy up");
        let input = record(&end).expect("the agent records its input");
        let closed: Value = serde_json::from_str(input.trim_end()).expect("one request");
        assert_eq!((&closed["method"], &closed["params"]), (&json!("session/close"), &json!({ "sessionId": "s" })));
    });
}

#[test]
fn a_session_is_not_closed_by_an_agent_that_does_not_offer_it() {
    live(async {
        let server = server(&agent("{}", &[])).await;
        let user = server.client("user").await;
        let id = user.create("go", json!({ "agent_type": "mine" })).await;
        let end = user.end_of(&id).await;
        assert_eq!((&end["status"], record(&end)), (&json!("completed"), None), "{end}");
        let session = user.get("/api/sessions").await.body["items"][0].clone();
        assert_eq!(session.get("title"), None, "{session}");
    });
}

/// An agent that works like [`agent`], but on `session/delete` writes the request to the pipe `deleted` in its home directory.
fn deleting_agent(capabilities: &str) -> String {
    let rest = agent(capabilities, &[]);
    let (initialized, rest) =
        rest.split_once("read -r line\n").and_then(|(head, rest)| Some((head, rest.split_once("read -r line\n")?))).expect("two requests");
    let (initialize, session) = rest;
    let answer = "printf '%s\\n' '{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{}}'";
    let delete = format!("case $line in *session/delete*) printf '%s\\n' \"$line\" > \"$HOME/deleted\"; {answer}; exec sleep 600;; esac\n");
    format!("{initialized}read -r line\n{initialize}read -r line\n{delete}{session}")
}

/// The request in the pipe.
async fn read_pipe(path: std::path::PathBuf) -> Value {
    let text = tokio::fs::read_to_string(path).await.expect("the agent writes to it");
    serde_json::from_str(text.trim_end()).expect("one request")
}

#[test]
fn the_agents_conversation_is_deleted_with_the_last_run_of_its_session() {
    live(async {
        let server = server(&deleting_agent(r#"{"resume":{},"delete":{}}"#)).await;
        let pipe = server.directory().join("home/deleted");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("a program").success());
        let user = server.client("user").await;
        let first = user.create("go", json!({ "agent_type": "mine" })).await;
        let session = user.end_of(&first).await["session_id"].clone();
        let second = user.create("go on", json!({ "agent_type": "mine", "session_id": session })).await;
        assert_eq!(user.end_of(&second).await["status"], "completed");
        // If this deleted the conversation, the pipe would contain two requests.
        assert_eq!(user.delete(&format!("/api/runs/{first}")).await.status, 204);
        assert_eq!(user.delete(&format!("/api/runs/{second}")).await.status, 204);
        let request = read_pipe(pipe).await;
        assert_eq!((&request["method"], &request["params"]), (&json!("session/delete"), &json!({ "sessionId": "s" })));
    });
}

#[test]
fn a_sandboxed_agent_cannot_name_a_conversation_outside_that_is_deleted() {
    live(async {
        let server = server(&deleting_agent(r#"{"resume":{},"delete":{}}"#)).await;
        if !is_isolated(&server) {
            return;
        }
        let user = server.client("user").await;
        let id = user.create("go", json!({ "agent_type": "mine", "isolation": "sandbox" })).await;
        let end = user.end_of(&id).await;
        assert_eq!(end["status"], "completed", "{end}");
        assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        server.logs("conversation of a sandboxed session removed").await;
        assert!(!server.directory().join("home/deleted").exists());
    });
}

#[test]
fn a_session_is_deleted_although_its_agent_cannot_delete_the_conversation() {
    live(async {
        let server = server(&deleting_agent("{}")).await;
        let user = server.client("user").await;
        let id = user.create("go", json!({ "agent_type": "mine" })).await;
        let session = user.end_of(&id).await["session_id"].clone();
        assert_eq!(user.delete(&format!("/api/runs/{id}")).await.status, 204);
        assert_eq!(user.get(&format!("/api/sessions/{}", session.as_str().expect("an id"))).await.status, 404);
    });
}
