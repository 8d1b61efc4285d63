//! The server as an MCP server, over HTTP and over standard input and output. The official conformance suite and real agents as clients are
//! in the end-to-end tests.

use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};

use crate::support::{Client, Server, live};

/// Sends a request in a version of the protocol, and returns all messages of the response.
async fn exchange(user: &Client, version: &str, method: &str, params: Value) -> Vec<Value> {
    let mut request = user.request(reqwest::Method::POST, "/mcp").header("Accept", "application/json, text/event-stream");
    request = request.header("MCP-Protocol-Version", version).header("Mcp-Method", method);
    if let Some(name) = ["name", "taskId", "uri"].iter().find_map(|name| params[name].as_str()) {
        request = request.header("Mcp-Name", name);
    }
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let response = request.json(&body).send().await.expect("an answer");
    let (status, text) = (response.status(), response.text().await.expect("a body"));
    assert_eq!(status, 200, "{text}");
    if let Ok(whole) = serde_json::from_str(&text) {
        return vec![whole];
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).filter(|data| !data.is_empty());
    data.map(|data| serde_json::from_str(data).expect("JSON")).collect()
}

/// Sends a request as a client of protocol version 2025-11-25.
async fn messages(user: &Client, method: &str, params: Value) -> Vec<Value> {
    exchange(user, "2025-11-25", method, params).await
}

async fn request(user: &Client, method: &str, params: Value) -> Value {
    messages(user, method, params).await.pop().expect("an answer")
}

/// Calls a tool and returns its result.
async fn call(user: &Client, name: &str, arguments: Value) -> Value {
    let answer = request(user, "tools/call", json!({ "name": name, "arguments": arguments })).await;
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// Calls a tool that succeeds, and returns its structured result.
async fn done(user: &Client, name: &str, arguments: Value) -> Value {
    let result = call(user, name, arguments).await;
    assert_ne!(result["isError"], true, "{result}");
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().expect("a text")).expect("JSON");
    assert_eq!(text, result["structuredContent"], "clients that know no structured results read the text");
    text
}

/// Sends a request as a client of protocol version 2026-07-28 that knows tasks.
async fn modern(user: &Client, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": { "extensions": { "io.modelcontextprotocol/tasks": {} }, "elicitation": { "form": {} } },
    });
    exchange(user, "2026-07-28", method, params).await.pop().expect("an answer")
}

#[test]
fn a_client_learns_what_the_server_is_and_which_tools_it_has() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let client = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
        let hello = request(&user, "initialize", client).await;
        assert_eq!(
            (&hello["result"]["protocolVersion"], &hello["result"]["serverInfo"]["name"]),
            (&json!("2025-11-25"), &json!("openrunner"))
        );
        let tools = request(&user, "tools/list", json!({})).await;
        let tools = tools["result"]["tools"].as_array().unwrap().clone();
        let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "run_agent",
                "start_run",
                "wait_for_run",
                "get_run",
                "read_events",
                "send_message",
                "list_requests",
                "answer_request",
                "cancel_run",
                "list_runs",
                "get_changes",
                "list_sessions",
                "list_agents"
            ]
        );
        for tool in &tools {
            assert_eq!(
                (&tool["inputSchema"]["type"], &tool["inputSchema"]["additionalProperties"]),
                (&json!("object"), &json!(false)),
                "{tool}"
            );
            let properties = tool["inputSchema"]["properties"].as_object().cloned().unwrap_or_default();
            assert!(properties.values().all(|property| property["description"].is_string() || property["$ref"].is_string()), "{tool}");
        }
        let reads: Vec<&str> =
            tools.iter().filter(|tool| tool["annotations"]["readOnlyHint"] == true).map(|tool| tool["name"].as_str().unwrap()).collect();
        assert!(!reads.contains(&"cancel_run") && reads.contains(&"get_run"), "{reads:?}");
    });
}

#[test]
fn an_agent_is_started_watched_and_read_with_tools() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let run = done(&user, "run_agent", json!({ "prompt": "fast create notes.txt, then say hello", "agent_type": "demo" })).await;
        assert_eq!((&run["status"], &run["result"]), (&json!("completed"), &json!("hello")));
        let id = run["run_id"].as_str().unwrap();

        let events = done(&user, "read_events", json!({ "run_id": id, "limit": 3 })).await;
        assert_eq!(
            (events["events"].as_array().unwrap().len(), &events["next_after"], &events["last_seq"]),
            (3, &json!(3), &run["last_seq"])
        );
        let rest = done(&user, "read_events", json!({ "run_id": id, "after": 3, "limit": 500 })).await;
        let last = rest["events"].as_array().unwrap().last().unwrap();
        assert_eq!((&last["type"], &rest["next_after"]), (&json!("done"), &run["last_seq"]));
        let none = done(&user, "read_events", json!({ "run_id": id, "after": run["last_seq"] })).await;
        assert_eq!(none["events"], json!([]));

        let changes = done(&user, "get_changes", json!({ "run_id": id, "patch": true })).await;
        assert_eq!(changes["items"][0]["path"], "notes.txt");
        assert!(changes["patch"].as_str().unwrap().contains("+++ b/notes.txt"), "{changes}");

        let again = json!({ "prompt": "fast say again", "session_id": run["session_id"], "labels": { "team": "web" } });
        let started = done(&user, "start_run", again).await;
        let second = started["run_id"].clone();
        let second = done(&user, "wait_for_run", json!({ "run_id": second })).await;
        assert_eq!((&second["result"], &second["agent_type"]), (&json!("again"), &json!("demo")));
        let runs = done(&user, "list_runs", json!({ "session_id": run["session_id"], "limit": 1 })).await;
        assert_eq!((&runs["items"][0]["run_id"], runs["next_cursor"].is_string()), (&second["run_id"], true));
        assert_eq!(done(&user, "list_sessions", json!({})).await["items"][0]["session_id"], run["session_id"]);
        let agents = done(&user, "list_agents", json!({})).await.to_string();
        assert!(agents.contains("\"demo\""), "{agents}");
    });
}

#[test]
fn an_agent_that_asks_is_answered_and_one_that_hangs_gets_a_message_or_is_cancelled() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let start = json!({ "prompt": "fast create notes.txt", "agent_type": "demo", "permission_mode": "ask" });
        let waiting = done(&user, "run_agent", start).await;
        let (id, asked) = (waiting["run_id"].clone(), waiting["requests"][0]["id"].clone());
        assert_eq!(waiting["status"], "waiting");
        assert_eq!(done(&user, "list_requests", json!({ "run_id": id })).await["items"][0]["id"], asked);
        let answer = json!({ "run_id": id, "request_id": asked, "decision": "deny", "message": "not here" });
        assert_eq!(done(&user, "answer_request", answer.clone()).await["decision"], "deny");
        let twice = call(&user, "answer_request", answer).await;
        assert_eq!(twice["isError"], true, "{twice}");
        assert_eq!(done(&user, "wait_for_run", json!({ "run_id": id })).await["status"], "completed");
        assert_eq!(done(&user, "get_changes", json!({ "run_id": id })).await["files"], 0, "nothing was written");

        let hangs = done(&user, "start_run", json!({ "prompt": "fast hang", "agent_type": "demo" })).await;
        let sent = json!({ "run_id": hangs["run_id"], "text": "fast say awake", "mode": "steer" });
        user.follow(hangs["run_id"].as_str().unwrap()).await.until("run_started").await;
        done(&user, "send_message", sent).await;
        assert_eq!(done(&user, "wait_for_run", json!({ "run_id": hangs["run_id"] })).await["result"], "awake");

        let hangs = done(&user, "start_run", json!({ "prompt": "fast hang", "agent_type": "demo" })).await;
        done(&user, "cancel_run", json!({ "run_id": hangs["run_id"] })).await;
        let cancelled = call(&user, "wait_for_run", json!({ "run_id": hangs["run_id"] })).await;
        assert_eq!((&cancelled["isError"], &cancelled["structuredContent"]["status"]), (&json!(true), &json!("cancelled")));
    });
}

#[test]
fn a_run_is_a_task_that_requires_input_while_it_waits_and_outlives_the_server() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let arguments = json!({ "prompt": "fast create notes.txt", "agent_type": "demo", "permission_mode": "ask" });
        let created = modern(&user, "tools/call", json!({ "name": "run_agent", "arguments": arguments })).await;
        assert_eq!((&created["result"]["resultType"], &created["result"]["status"]), (&json!("task"), &json!("working")), "{created}");
        let task = created["result"]["taskId"].as_str().unwrap().to_owned();
        user.follow(&task).await.until("permission_request").await;
        let server = server.killed_and_started_again().await;
        let user = server.client("user").await;

        let waiting = loop {
            let now = modern(&user, "tasks/get", json!({ "taskId": task })).await["result"].clone();
            if now["status"] != "working" {
                break now;
            }
        };
        assert_eq!(waiting["status"], "input_required", "{waiting}");
        let (asked, form) = waiting["inputRequests"].as_object().unwrap().iter().next().unwrap();
        assert_eq!(form["method"], "elicitation/create");
        let wrong = json!({ "taskId": task, "inputResponses": { asked: { "action": "accept", "content": {} } } });
        assert!(modern(&user, "tasks/update", wrong).await["error"].is_object());
        let answer = json!({ "action": "accept", "content": { "decision": "allow_once" } });
        let answered = modern(&user, "tasks/update", json!({ "taskId": task, "inputResponses": { asked: answer } })).await;
        assert!(answered["error"].is_null(), "{answered}");
        user.end_of(&task).await;
        let ended = modern(&user, "tasks/get", json!({ "taskId": task })).await["result"].clone();
        assert_eq!(
            (&ended["status"], &ended["result"]["structuredContent"]["status"]),
            (&json!("completed"), &json!("completed")),
            "{ended}"
        );

        let hangs = json!({ "prompt": "fast hang", "agent_type": "demo" });
        let created = modern(&user, "tools/call", json!({ "name": "run_agent", "arguments": hangs })).await;
        let task = created["result"]["taskId"].as_str().unwrap().to_owned();
        modern(&user, "tasks/cancel", json!({ "taskId": task })).await;
        user.end_of(&task).await;
        assert_eq!(modern(&user, "tasks/get", json!({ "taskId": task })).await["result"]["status"], "cancelled");
        assert!(modern(&user, "tasks/get", json!({ "taskId": "run_0198a8f0c0de7000800000000000000a" })).await["error"].is_object());
    });
}

#[test]
fn logs_and_changes_are_resources() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let run = done(&user, "run_agent", json!({ "prompt": "fast create notes.txt", "agent_type": "demo" })).await;
        let id = run["run_id"].as_str().unwrap();
        let listed = request(&user, "resources/list", json!({})).await;
        let uris: Vec<&str> =
            listed["result"]["resources"].as_array().unwrap().iter().map(|resource| resource["uri"].as_str().unwrap()).collect();
        let expected = ["", "/events", "/changes.patch"].map(|part| format!("openrunner://runs/{id}{part}"));
        assert_eq!(uris, expected);
        let read = async |uri: &str| request(&user, "resources/read", json!({ "uri": uri })).await["result"]["contents"][0]["text"].clone();
        let whole: Value = serde_json::from_str(read(&expected[0]).await.as_str().unwrap()).unwrap();
        assert_eq!(whole["run_id"], id);
        let log = read(&expected[1]).await.as_str().unwrap().to_owned();
        assert_eq!(log.lines().count() as u64, run["last_seq"].as_u64().unwrap());
        assert!(read(&expected[2]).await.as_str().unwrap().contains("+++ b/notes.txt"));
        let templates = request(&user, "resources/templates/list", json!({})).await;
        assert_eq!(templates["result"]["resourceTemplates"].as_array().unwrap().len(), 3);
        assert!(request(&user, "resources/read", json!({ "uri": "file:///etc/passwd" })).await["error"].is_object());
    });
}

#[test]
fn a_client_hears_of_progress_if_it_asks_for_it() {
    live(async {
        let server = Server::start().await;
        let user = server.client("user").await;
        let arguments = json!({ "prompt": "fast create notes.txt", "agent_type": "demo" });
        let params = json!({ "name": "run_agent", "arguments": arguments, "_meta": { "progressToken": "p" } });
        let heard = messages(&user, "tools/call", params).await;
        let progress: Vec<f64> = heard
            .iter()
            .filter(|message| message["method"] == "notifications/progress")
            .map(|message| message["params"]["progress"].as_f64().unwrap())
            .collect();
        assert!(!progress.is_empty() && progress.is_sorted(), "{heard:?}");
        assert!(heard.last().unwrap()["result"].is_object());
    });
}

#[test]
fn tools_have_the_permissions_of_the_token_and_wrong_arguments_are_explained() {
    live(async {
        let server = Server::start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        assert_eq!(server.guest().post("/mcp", &body).await.status, 401);
        let theirs = admin.create("fast say secret", json!({ "agent_type": "demo" })).await;
        admin.end_of(&theirs).await;
        for tool in ["get_run", "cancel_run", "list_requests", "get_changes", "read_events"] {
            let refused = call(&user, tool, json!({ "run_id": theirs })).await;
            assert_eq!(refused["isError"], true, "{tool}");
            assert!(!refused.to_string().contains("secret"));
        }
        let change = json!({ "current_password": "user", "new_password": "better than before" });
        assert_eq!(user.post("/api/auth/password", &change).await.status, 200);
        let user = server.guest().login("user", "better than before").await;
        let key = user.post("/api/keys", &json!({ "name": "reader", "scopes": ["runs:read"] })).await.body["key"].clone();
        let reader = server.guest().with_token(key.as_str().unwrap());
        let refused = call(&reader, "start_run", json!({ "prompt": "fast say x", "agent_type": "demo" })).await;
        assert_eq!(refused["content"][0]["text"], "requires an API key with the scope runs:write");
        assert_eq!(done(&reader, "list_runs", json!({})).await["items"], json!([]));

        for (tool, arguments, reason) in [
            ("get_run", json!({}), "missing field `run_id`"),
            ("get_run", json!({ "run_id": "x/../../users" }), "`x/../../users` is not the ID of a run"),
            ("get_run", json!({ "run_id": "run_1", "other": 1 }), "unknown field `other`"),
            ("start_run", json!({ "prompt": "x", "agent_type": "none_such" }), "metadata.agent_type: "),
            ("start_run", json!({ "prompt": "" }), "input.text: "),
        ] {
            let wrong = call(&user, tool, arguments).await;
            let text = wrong["content"][0]["text"].as_str().unwrap();
            assert!(wrong["isError"] == true && text.contains(reason), "{wrong}");
        }
        assert!(request(&user, "tools/call", json!({ "name": "rm" })).await["error"].is_object());
    });
}

/// Reads the next message that has an ID.
async fn answer(lines: &mut tokio::io::Lines<BufReader<ChildStdout>>) -> Value {
    loop {
        let line = lines.next_line().await.expect("output").expect("a line");
        let message: Value = serde_json::from_str(&line).expect("nothing but messages is printed");
        if message["id"].is_number() {
            return message;
        }
    }
}

async fn write(stdin: &mut ChildStdin, message: &Value) {
    stdin.write_all(format!("{message}\n").as_bytes()).await.expect("open input");
}

#[test]
fn the_command_serves_the_same_tools_on_standard_input_and_output() {
    live(async {
        let server = Server::start().await;
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_openrunner"));
        command.args(["mcp", "--server", &server.url()]).env("HOME", server.directory()).env("XDG_CONFIG_HOME", server.directory());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the command");
        let (mut stdin, mut lines) = (child.stdin.take().expect("input"), BufReader::new(child.stdout.take().expect("output")).lines());
        let client = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
        write(&mut stdin, &json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client })).await;
        assert_eq!(answer(&mut lines).await["result"]["serverInfo"]["name"], "openrunner");
        write(&mut stdin, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        let arguments = json!({ "prompt": "fast create notes.txt, then say hello", "agent_type": "demo" });
        let params = json!({ "name": "run_agent", "arguments": arguments });
        write(&mut stdin, &json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params })).await;
        let run = answer(&mut lines).await["result"]["structuredContent"].clone();
        assert_eq!(run["result"], "hello");
        let params = json!({ "name": "read_events", "arguments": { "run_id": run["run_id"] } });
        write(&mut stdin, &json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params })).await;
        assert_eq!(answer(&mut lines).await["result"]["structuredContent"]["next_after"], run["last_seq"]);
        drop(stdin);
        assert!(child.wait().await.expect("its end").success());
    });
}
