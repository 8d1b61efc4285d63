//! Decisions on what an agent may do: by a person, a rule, the mode, or the timeout.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Agent, Events, Server, for_each_agent, for_each_agent_and_adapter};

for_each_agent_and_adapter!(Server::configured();
    an_allowed_tool_call_is_executed,
    a_denied_tool_call_is_not_executed_and_the_run_continues,
    parallel_tool_calls_are_requested_one_by_one,
    read_only_denies_creating_a_file,
    a_path_rule_denies_without_waiting_for_an_answer,
);

// Codex's adapter asks about no command: its sandbox rejects writes.
for_each_agent!(Server::configured();
    a_command_rule_denies_the_command,
);

for_each_agent_and_adapter!(Server::with_short_timeout();
    an_unanswered_request_is_denied,
);

const CREATE: &str = "create hello.py [[mock:tool path=hello.py]]";

fn an_allowed_tool_call_is_executed(server: &Server, agent: Agent) {
    let run = server.create(agent, CREATE, &json!({ "permission_mode": "ask" }));
    let mut follow = server.follow(&run);
    let request = follow.until("permission_request");
    assert_eq!(request["kind"], "edit");
    assert!(!run.directory.join("hello.py").exists(), "the agent waits for the answer");
    assert_eq!(server.get(&format!("/api/runs/{}", run.id))["status"], "waiting");
    let listed = server.requests(&run);
    assert_eq!(
        (listed.len(), &listed[0]["id"], &listed[0]["input"]),
        (1, &request["id"], &request["input"]),
        "the listed request equals the event"
    );

    let accepted = server.answer(&run, &request, &json!({ "decision": "allow_once" }));
    assert_eq!(accepted, json!({ "id": request["id"], "decision": "allow_once", "by": "user" }));
    let again = server.answer(&run, &request, &json!({ "decision": "deny" }));
    assert_eq!(again["status"], 409, "{again}");

    let events = follow.finish();
    events.assert_completed("Done: hello.py is created.");
    assert!(run.directory.join("hello.py").exists());
    assert_eq!(events.one("permission_resolved")["by"], "user");
    assert_eq!(events.one("tool_result")["status"], "ok");
}

fn a_denied_tool_call_is_not_executed_and_the_run_continues(server: &Server, agent: Agent) {
    let run = server.create(agent, CREATE, &json!({ "permission_mode": "ask" }));
    let mut follow = server.follow(&run);
    let request = follow.until("permission_request");
    server.answer(&run, &request, &json!({ "decision": "deny", "message": "Not in this directory." }));
    let events = follow.finish();
    let resolved = events.one("permission_resolved");
    assert_eq!((&resolved["decision"], &resolved["by"]), (&json!("deny"), &json!("user")));
    assert_eq!(resolved["reason"], "Not in this directory.");
    assert_denied(agent, &run.directory.join("hello.py"), &events);
}

fn an_unanswered_request_is_denied(server: &Server, agent: Agent) {
    let run = server.create(agent, CREATE, &json!({ "permission_mode": "ask" }));
    let events = server.follow(&run).finish();
    let resolved = events.one("permission_resolved");
    assert_eq!((&resolved["decision"], &resolved["by"]), (&json!("deny"), &json!("timeout")));
    assert_denied(agent, &run.directory.join("hello.py"), &events);
}

fn parallel_tool_calls_are_requested_one_by_one(server: &Server, agent: Agent) {
    let prompt = "create both [[mock:parallel files=one.py,two.py]]";
    let run = server.create(agent, prompt, &json!({ "permission_mode": "ask" }));
    let mut follow = server.follow(&run);
    let first = follow.until("permission_request");
    server.answer(&run, &first, &json!({ "decision": "allow_once" }));
    let second = follow.until("permission_request");
    assert_ne!(first["id"], second["id"]);
    server.answer(&run, &second, &json!({ "decision": "deny" }));
    let events = follow.finish();
    let statuses: Vec<&Value> = [&first, &second].map(|request| &result_of(&events, request)["status"]).into();
    assert_eq!(statuses, ["ok", "denied"]);
    let made = ["one.py", "two.py"].map(|name| run.directory.join(name).exists());
    let named = ["one.py", "two.py"].map(|name| first["input"].to_string().contains(name));
    assert!(made == named || !named.contains(&true), "made {made:?}, allowed {named:?}");
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
}

fn read_only_denies_creating_a_file(server: &Server, agent: Agent) {
    let (run, events) = server.run(agent, CREATE, &json!({ "permission_mode": "read_only" }));
    assert_eq!(events.one("permission_resolved")["by"], "policy");
    assert_denied(agent, &run.directory.join("hello.py"), &events);
}

fn a_path_rule_denies_without_waiting_for_an_answer(server: &Server, agent: Agent) {
    let rules = json!([{ "path": "*.py", "decision": "deny" }]);
    let (run, events) = server.run(agent, CREATE, &json!({ "permission_rules": rules }));
    assert_eq!(events.one("permission_resolved")["by"], "policy");
    assert_denied(agent, &run.directory.join("hello.py"), &events);
}

fn a_command_rule_denies_the_command(server: &Server, agent: Agent) {
    let rules = json!([{ "command": "touch", "decision": "deny" }, { "decision": "allow" }]);
    let run =
        server.create(agent, "make it [[mock:shell cmd=touch+made.txt]]", &json!({ "permission_mode": "ask", "permission_rules": rules }));
    let events = server.follow(&run).finish();
    assert_eq!(events.one("permission_resolved")["by"], "policy");
    assert_denied(agent, &run.directory.join("made.txt"), &events);
}

/// The file does not exist, the call is reported as denied, and the run completes or states the cause.
fn assert_denied(agent: Agent, file: &Path, events: &Events) {
    assert!(!file.exists(), "it was denied");
    assert_eq!(events.one("permission_resolved")["decision"], "deny");
    assert_eq!(events.one("tool_result")["status"], "denied");
    let done = events.done();
    match agent {
        // It ends the turn on a denial.
        Agent::CodexAcp => {
            assert_eq!((&done["status"], &done["cause"]), (&json!("failed"), &json!("agent_error")), "{done}");
            assert_eq!(done["message"], "the agent cancelled the turn after a denial");
        }
        _ => assert_eq!((&done["status"], &done["cause"]), (&json!("completed"), &json!("ok")), "{done}"),
    }
}

fn result_of<'a>(events: &'a Events, request: &Value) -> &'a Value {
    let results = events.all("tool_result");
    results.into_iter().find(|result| result["id"] == request["tool_call_id"]).expect("each call has a result")
}
