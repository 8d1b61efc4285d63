//! Work in the background that outlives the agent's turn: sub-agents and commands.
//!
//! The server's exit grace period is one second, so that an agent whose stdin is closed too early is stopped before its work ends.

use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::stops::processes_of;
use crate::support::{Agent, Bench, Events, Follow, Run, Server, test_with};

const REPORT: &str = "REPORT: the work in the background is finished.";
const FIRST_RESULT: &str = "I started it and will report back.";

fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let start = || Bench::get().map(|bench| Server::start(bench, "background", &[("OPENRUNNER_EXIT_GRACE_SECS", "1")]));
    SERVER.get_or_init(start).as_ref()
}

test_with!(server(), a_sub_agent_finishes_and_its_report_is_the_result, claude_code, ClaudeCode);

mod a_command_finishes_before_the_run_ends {
    use super::*;

    test_with!(server(), a_command_finishes_before_the_run_ends, claude_code, ClaudeCode);
    test_with!(server(), a_command_finishes_before_the_run_ends, codex, Codex);
}

mod cancelling_ends_the_work {
    use super::*;

    test_with!(server(), cancelling_ends_the_work, claude_code, ClaudeCode);
    test_with!(server(), cancelling_ends_the_work, codex, Codex);
}

mod a_steering_message_is_answered_while_the_work_continues {
    use super::*;

    test_with!(server(), a_steering_message_is_answered_while_the_work_continues, claude_code, ClaudeCode);
    test_with!(server(), a_steering_message_is_answered_while_the_work_continues, codex, Codex);
}

fn task(events: &Events) -> (&Value, &Value) {
    let (started, ended) = (events.one("task_started"), events.one("task_ended"));
    assert_eq!(started["id"], ended["id"]);
    let calls = events.all("tool_call");
    assert!(calls.iter().any(|call| call["id"] == started["tool_call_id"]), "the call that started the task: {started}");
    (started, ended)
}

/// Reads up to the agent's first result, after which only the work in the background is left.
fn await_first_result(follow: &mut Follow, agent: Agent) {
    while follow.until("message")["content"] != FIRST_RESULT {}
    if agent == Agent::Codex {
        // Only then a running command is in the background.
        follow.until("task_started");
    } else {
        // The cost is reported with the result.
        while follow.until("usage")["cost_usd"].is_null() {}
    }
}

fn is_built(run: &Run) -> bool {
    run.directory.join("built").exists()
}

fn a_sub_agent_finishes_and_its_report_is_the_result(server: &Server, agent: Agent) {
    let run = server.create(agent, "Look into it [[mock:bgagent s=3]]", &json!({}));
    let mut follow = server.follow(&run);
    while follow.until("message")["content"] != FIRST_RESULT {}
    assert_eq!(server.get(&format!("/api/runs/{}", run.id))["status"], "running");
    let events = follow.finish();
    events.assert_completed(REPORT);
    let (started, ended) = task(&events);
    assert_eq!((&started["kind"], &ended["status"]), (&json!("agent"), &json!("completed")));
    let messages = events.all("message");
    assert!(messages.iter().any(|message| message["parent_tool_call_id"] == started["tool_call_id"]), "the sub-agent's own text");
}

#[test]
fn a_sub_agent_asks_for_permission_after_the_result_of_the_turn() {
    let Some(server) = server() else { return };
    for (mode, is_allowed) in [("auto", true), ("ask", true), ("read_only", false)] {
        let run = server.create(Agent::ClaudeCode, "Look into it [[mock:bgagent s=2 perm=1]]", &json!({ "permission_mode": mode }));
        let mut follow = server.follow(&run);
        if mode == "ask" {
            // Every call is asked for, also the one that starts the sub-agent.
            loop {
                let request = follow.until("permission_request");
                assert_eq!(server.get(&format!("/api/runs/{}", run.id))["status"], "waiting");
                server.answer(&run, &request, &json!({ "decision": "allow_once" }));
                if request["tool"] == "Bash" {
                    break;
                }
            }
        }
        let events = follow.finish();
        events.assert_completed(REPORT);
        let request = *events.all("permission_request").iter().find(|request| request["tool"] == "Bash").expect("it asks");
        let resolved = *events.all("permission_resolved").iter().find(|resolved| resolved["id"] == request["id"]).expect("resolved");
        assert_eq!(resolved["decision"] != "deny", is_allowed, "{mode}");
        assert_eq!(is_built(&run), is_allowed, "{mode}");
    }
}

fn a_command_finishes_before_the_run_ends(server: &Server, agent: Agent) {
    let (run, events) = server.run(agent, "Build it [[mock:bgshell s=4]]", &json!({}));
    events.assert_end("completed", "ok");
    // Codex does not tell its model when the command has ended.
    assert_eq!(events.done()["result"], if agent == Agent::Codex { FIRST_RESULT } else { REPORT });
    assert!(is_built(&run));
    let (started, ended) = task(&events);
    assert_eq!((&started["kind"], &ended["status"]), (&json!("command"), &json!("completed")));
}

fn cancelling_ends_the_work(server: &Server, agent: Agent) {
    let run = server.create(agent, "Build it [[mock:bgshell s=600]]", &json!({}));
    let mut follow = server.follow(&run);
    await_first_result(&mut follow, agent);
    server.cancel(&run);
    let events = follow.finish();
    events.assert_end("cancelled", "cancelled");
    assert_eq!((task(&events).1["status"].as_str(), is_built(&run)), (Some("stopped"), false));
    assert_eq!(processes_of(&run), [""; 0]);
}

fn a_steering_message_is_answered_while_the_work_continues(server: &Server, agent: Agent) {
    let run = server.create(agent, "Build it [[mock:bgshell s=8]]", &json!({}));
    let mut follow = server.follow(&run);
    await_first_result(&mut follow, agent);
    server.send_message(&run, "steer", "And what do you know? [[mock:history]]");
    while follow.until("message")["content"] != "I have seen 2 marked prompts." {}
    assert!(!is_built(&run), "the command still runs");
    follow.finish().assert_end("completed", "ok");
    assert!(is_built(&run));
}
