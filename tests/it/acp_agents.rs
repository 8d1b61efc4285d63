//! Agents that speak the Agent Client Protocol, as scripts that play one dialog: what a client sees of late text, options, secrets and
//! presets.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::support::{Client, Server, Setup, live};

/// A program that answers `initialize` and `session/new`, carries out `turn` when the prompt has arrived, and reads on to the end of its
/// input.
fn agent(turn: &str) -> String {
    let respond = |id: u32, result: &str| format!("read -r line\necho '{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}'\n");
    let initialized = respond(1, r#"{"protocolVersion":1,"agentInfo":{"name":"played","version":"1.2.3"}}"#);
    let opened = respond(2, r#"{"sessionId":"s"}"#);
    format!("#!/bin/sh\n{initialized}{opened}read -r line\n{turn}\nwhile read -r line; do :; done\n")
}

/// A chunk of the answer. `text` may contain variables of the shell.
fn chunk(text: &str) -> String {
    let update = r#"{\"sessionUpdate\":\"agent_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"TEXT\"}}"#.replace("TEXT", text);
    format!(r#"{{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{{\"sessionId\":\"s\",\"update\":{update}}}}}\n"#)
}

const END_OF_TURN: &str = r#"{\"jsonrpc\":\"2.0\",\"id\":3,\"result\":{\"stopReason\":\"end_turn\"}}\n"#;

/// A server with these programs in its agents directory and these settings.
async fn server(programs: &[(&str, String)], settings: &str) -> Server {
    let setup = Setup::new();
    for (name, script) in programs {
        let path = setup.directory().join("agents/bin").join(name);
        std::fs::write(&path, script).expect("a directory for agents");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("the test owns it");
    }
    let file = setup.directory().join("settings.toml");
    std::fs::write(&file, settings).expect("a directory");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("the test owns it");
    setup.env("OPENRUNNER_CONFIG", file.display()).start().await
}

/// The result and the messages of a run of the agent `mine` in this mode.
async fn run(user: &Client, mode: &str) -> (Value, Vec<String>) {
    let id = user.create("go", json!({ "agent_type": "mine", "permission_mode": mode })).await;
    let end = user.end_of(&id).await;
    assert_eq!(end["status"], "completed", "{end}");
    (end["result"].clone(), user.said(&id).await)
}

const MINE: &str = "[agents.mine]\nprotocol = \"acp\"\ncommand = [\"mine\"]\n";

#[test]
fn text_after_the_result_of_a_turn_belongs_to_its_answer() {
    live(async {
        let turn = format!("printf \"{}{END_OF_TURN}{}{}\"", chunk("The result "), chunk("overtakes "), chunk("its answer."));
        let server = server(&[("mine", agent(&turn))], MINE).await;
        let user = server.client("user").await;
        let text = "The result overtakes its answer.";
        assert_eq!(run(&user, "auto").await, (json!(text), vec![text.to_owned()]));
        let chat = user.post("/api/chat", &json!({ "model": "mine", "message": "go" })).await;
        assert_eq!(chat.body["message"], text, "{}", chat.text);
    });
}

#[test]
fn output_that_is_no_event_counts_as_activity() {
    live(async {
        // An extension, and the echo of the prompt. Neither is an event; together they last longer than the idle timeout.
        let echo = r#"{\"sessionUpdate\":\"user_message_chunk\",\"content\":{\"type\":\"text\",\"text\":\"go\"}}"#;
        let echo =
            format!(r#"{{\"jsonrpc\":\"2.0\",\"method\":\"session/update\",\"params\":{{\"sessionId\":\"s\",\"update\":{echo}}}}}\n"#);
        let extension = r#"{\"jsonrpc\":\"2.0\",\"method\":\"_x/progress\",\"params\":{}}\n"#.to_owned();
        let busy = |line: &str| {
            let turn = format!("printf \"{}{END_OF_TURN}\"", chunk("done"));
            agent(&format!("for second in 1 2 3 4 5 6; do printf \"{line}\"; sleep 1; done\n{turn}"))
        };
        let settings = format!("{MINE}[agents.other]\nprotocol = \"acp\"\ncommand = [\"other\"]\n");
        let server = server(&[("mine", busy(&extension)), ("other", busy(&echo))], &settings).await;
        let user = server.client("user").await;
        let mut runs = Vec::new();
        for agent in ["mine", "other"] {
            runs.push(user.create("go", json!({ "agent_type": agent, "idle_timeout_secs": 4 })).await);
        }
        for run in runs {
            let end = user.end_of(&run).await;
            assert_eq!((&end["status"], &end["result"]), (&json!("completed"), &json!("done")), "{end}");
        }
    });
}

#[test]
fn a_user_chooses_one_of_several_options_of_the_same_decision_even_in_auto() {
    live(async {
        let options =
            r#"[{"optionId":"drop","name":"Drop the data","kind":"allow_once"},{"optionId":"keep","name":"Keep","kind":"allow_once"}]"#;
        let params = format!(r#"{{"sessionId":"s","toolCall":{{"toolCallId":"c","title":"Which?"}},"options":{options}}}"#);
        let ask = format!("echo '{{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"session/request_permission\",\"params\":{params}}}'");
        let answer = "read -r line\ncase $line in *keep*) chosen=keep;; *drop*) chosen=drop;; *) chosen=neither;; esac";
        let turn = format!("{ask}\n{answer}\nprintf \"{}{END_OF_TURN}\"", chunk("$chosen"));
        let server = server(&[("mine", agent(&turn))], MINE).await;
        let user = server.client("user").await;
        let id = user.create("go", json!({ "agent_type": "mine" })).await;
        let mut frames = user.follow(&id).await;
        frames.until("permission_request").await;
        let requests = user.get(&format!("/api/runs/{id}/requests")).await.body;
        let request = &requests["items"][0];
        assert_eq!(request["options"], json!(["deny"]));
        assert_eq!(request["choices"][1], json!({ "id": "keep", "name": "Keep", "decision": "allow_once" }));
        let path = format!("/api/runs/{id}/requests/{}", request["id"].as_str().expect("an id"));
        for (wrong, field) in [(json!({ "decision": "allow_once" }), "decision"), (json!({ "option_id": "other" }), "option_id")] {
            assert_eq!(user.post(&path, &wrong).await.problem(422, "invalid_field"), field);
        }
        let answered = user.post(&path, &json!({ "option_id": "keep" })).await;
        assert_eq!((answered.status, &answered.body["decision"], &answered.body["option_id"]), (200, &json!("allow_once"), &json!("keep")));
        assert_eq!(user.end_of(&id).await["result"], "keep");
    });
}

#[test]
fn variables_of_one_agent_are_masked_by_name_and_in_its_own_runs_only() {
    live(async {
        let settings = format!(
            "{MINE}set_env = {{ NODE_ENV = \"production\", SOME_API_KEY = \"fake-key-of-mine\" }}\nsecret_env = {{ HEADER = \"declared-secret\" }}\n"
        );
        let turn = format!("printf \"{}{END_OF_TURN}\"", chunk("$NODE_ENV $SOME_API_KEY $HEADER"));
        let server = server(&[("mine", agent(&turn))], &settings).await;
        let user = server.client("user").await;
        assert_eq!(run(&user, "auto").await.0, "production [masked] [masked]");
        let id = user.create("create production.py with fake-key-of-mine", json!({ "agent_type": "demo" })).await;
        let frames = user.follow(&id).await.rest().await;
        assert!(frames.iter().all(|frame| !frame.bytes.contains("[masked]")), "nothing of another agent's run is masked");
        assert!(frames.iter().any(|frame| frame.event == "file_change" && frame.bytes.contains("production.py")));
    });
}

#[test]
fn an_installed_preset_is_listed_with_its_version_and_used_by_its_name() {
    live(async {
        let turn = format!("printf \"{}{END_OF_TURN}\"", chunk("Hello"));
        let server = server(&[("copilot", agent(&turn))], "").await;
        let user = server.client("user").await;
        let id = user.create("go", json!({ "agent_type": "copilot" })).await;
        assert_eq!(user.end_of(&id).await["result"], "Hello");
        let reports = user.get("/health/agents").await.body;
        let report =
            |name: &str| reports["items"].as_array().and_then(|items| items.iter().find(|item| item["agent_type"] == name)).cloned();
        let copilot = report("copilot").unwrap_or_default();
        assert_eq!((&copilot["available"], &copilot["version"]), (&json!(true), &json!("1.2.3")), "{copilot}");
        assert_eq!(report("qwen"), None, "it is not installed");
    });
}

#[test]
fn images_are_refused_for_an_installed_agent_that_takes_none_before_a_run_is_created() {
    live(async {
        let turn = format!("printf \"{}{END_OF_TURN}\"", chunk("Hello"));
        let seeing = agent(&turn)
            .replace(r#""protocolVersion":1"#, r#""protocolVersion":1,"agentCapabilities":{"promptCapabilities":{"image":true}}"#);
        let server = server(&[("copilot", agent(&turn)), ("grok", seeing), ("mine", agent(&turn))], MINE).await;
        let user = server.client("user").await;
        let create = async |name: &str, kind: &str, media_type: &str| {
            let part = json!({ "type": kind, "media_type": media_type, "data": "eA==" });
            user.post("/api/runs", &json!({ "input": { "text": "go", "parts": [part] }, "metadata": { "agent_type": name } })).await
        };
        assert_eq!(create("copilot", "image", "image/png").await.problem(422, "invalid_field"), "input.parts[0].type");
        assert_eq!(user.get("/api/runs").await.body["items"], json!([]), "nothing was created");
        for (name, kind, media_type) in [("copilot", "file", "text/plain"), ("grok", "image", "image/png")] {
            let created = create(name, kind, media_type).await;
            assert_eq!(created.status, 201, "{name}: {}", created.text);
            assert_eq!(user.end_of(created.body["run_id"].as_str().unwrap()).await["result"], "Hello", "{name}");
        }
        let reports = user.get("/health/agents").await.body;
        let images = |name: &str| {
            let report = reports["items"].as_array().unwrap().iter().find(|item| item["agent_type"] == name).unwrap();
            report["capabilities"]["images"].clone()
        };
        assert_eq!([images("copilot"), images("grok")], [json!(false), json!(true)]);
        // An agent of the settings is started for runs only, so it refuses at its start.
        let id = create("mine", "image", "image/png").await.body["run_id"].as_str().unwrap().to_owned();
        let end = user.end_of(&id).await;
        assert_eq!(end["cause"], "bad_arguments", "{end}");
        assert!(end["message"].as_str().unwrap().contains("takes no images"), "{end}");
    });
}

#[test]
fn a_mode_that_an_agent_does_not_keep_is_refused_before_a_run_is_created() {
    live(async {
        let settings = "[agents.mine]\nprotocol = \"acp\"\ncommand = [\"mine\"]\nasks = \"edits\"\n";
        let server = server(&[("mine", agent(""))], settings).await;
        let user = server.client("user").await;
        for (name, mode) in [("mine", "ask"), ("mine", "read_only"), ("pi", "ask"), ("hermes", "read_only"), ("goose", "ask")] {
            let answer = user.ask("go", json!({ "agent_type": name, "permission_mode": mode })).await;
            assert_eq!(answer.problem(422, "cannot_ask"), "metadata.permission_mode", "{name}");
        }
        assert_eq!(user.get("/api/runs").await.body["items"], json!([]));
    });
}
