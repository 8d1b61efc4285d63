//! Agents as MCP clients of this server: one agent starts and supervises another.

use serde_json::{Value, json};

use crate::support::{Agent, Events, Run, Server, for_each_agent, wait_for};

for_each_agent!(Server::shared();
    an_agent_starts_another_over_http_and_reads_its_result,
    an_agent_starts_another_through_the_command_and_supervises_it,
);

/// A prompt for which the model calls this tool of the server.
fn call(tool: &str, arguments: &Value) -> String {
    let encoded = arguments.to_string().bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02x}"));
    format!("[[mock:mcp tool={tool} args={encoded}]]")
}

/// The output of the tool that the agent called.
fn result(events: &Events) -> String {
    let results: Vec<&str> = events.all("tool_result").into_iter().filter_map(|event| event["content"].as_str()).collect();
    results.join("\n")
}

/// The newest run of the demo agent that belongs to this user.
fn child_of(server: &Server, user: &str) -> Option<Value> {
    let runs = server.get(&format!("/api/runs?agent_type=demo&owner={user}"));
    runs["items"].get(0).cloned()
}

fn as_run(run: &Value) -> Run {
    let text = |name: &str| run[name].as_str().unwrap_or_else(|| panic!("no {name}: {run}")).to_owned();
    Run { id: text("run_id"), session: text("session_id"), directory: text("working_dir").into(), isolation: Value::Null }
}

fn an_agent_starts_another_over_http_and_reads_its_result(server: &Server, agent: Agent) {
    let user = format!("http_{agent}");
    let authorization = format!("Bearer {}", server.create_key(&user));
    let url = format!("http://{}/mcp", server.address);
    let openrunner = json!({ "name": "openrunner", "url": url, "headers": { "Authorization": authorization } });
    let prompt = call("run_agent", &json!({ "agent_type": "demo", "prompt": "fast say the bell rings at noon" }));
    let (_run, events) = server.run(agent, &prompt, &json!({ "mcp_servers": [openrunner] }));
    events.assert_end("completed", "ok");
    let child = child_of(server, &user).expect("the run that the agent started");
    assert_eq!((&child["status"], &child["result"]), (&json!("completed"), &json!("the bell rings at noon")), "{child}");
    let result = result(&events);
    assert!(result.contains("the bell rings at noon") && result.contains(child["run_id"].as_str().expect("an id")), "{result}");
}

fn an_agent_starts_another_through_the_command_and_supervises_it(server: &Server, agent: Agent) {
    let user = format!("stdio_{agent}");
    let openrunner = json!({
        "name": "openrunner", "command": env!("CARGO_BIN_EXE_openrunner"), "args": ["mcp", "--server", format!("http://{}", server.address)],
        "env": { "OPENRUNNER_TOKEN": server.create_key(&user) },
    });
    let with_server = json!({ "mcp_servers": [openrunner] });
    let start = call("start_run", &json!({ "agent_type": "demo", "prompt": "fast create note.txt", "permission_mode": "ask" }));
    let (first, events) = server.run(agent, &start, &with_server);
    events.assert_end("completed", "ok");
    let child = as_run(&child_of(server, &user).expect("the run that the agent started"));
    let request = wait_for("the request", || server.requests(&child).pop());
    let request = request["id"].as_str().expect("an id");
    assert!(!child.directory.join("note.txt").exists(), "the agent waits for the answer");

    // In its next turns the agent answers the request, and waits for the end.
    let answer = call("answer_request", &json!({ "run_id": child.id, "request_id": request, "decision": "allow_once" }));
    let second = server.create_after(&first, &answer, &with_server);
    server.follow(&second).finish().assert_end("completed", "ok");
    let wait = call("wait_for_run", &json!({ "run_id": child.id }));
    let third = server.create_after(&second, &wait, &with_server);
    let events = server.follow(&third).finish();
    events.assert_end("completed", "ok");
    let ended = server.get(&format!("/api/runs/{}", child.id));
    assert_eq!((&ended["status"], child.directory.join("note.txt").exists()), (&json!("completed"), true), "{ended}");
    assert!(result(&events).contains("completed"), "{}", result(&events));
    let resolved = server.follow(&child).finish();
    assert_eq!(resolved.last("permission_resolved")["by"], "user");
}
