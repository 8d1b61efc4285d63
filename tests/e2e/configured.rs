//! Configured agents that take a prompt and answer in plain text or in JSON lines.

use serde_json::json;

use crate::support::{Agent, Events, Run, Server};

fn run(server: &Server, agent: &str, prompt: &str) -> (Run, Events) {
    let run = server.create_in(agent, server.bench.new_directory(), prompt, &json!({}));
    let events = server.follow(&run).finish();
    (run, events)
}

#[test]
fn plain_text_output_is_the_answer() {
    let Some(server) = Server::configured() else { return };
    let (_, events) = run(server, "reverse", "-n hello");
    events.assert_completed("Your words, turned round:\nolleh n-");
    assert_eq!(events.text("token"), "Your words, turned round:\nolleh n-");
    assert_eq!(events.one("run_started")["agent_type"], "reverse");
}

#[test]
fn a_failing_program_is_reported_with_its_stderr_tail() {
    let Some(server) = Server::configured() else { return };
    let (_, events) = run(server, "reverse", "fail");
    assert_eq!(events.done()["status"], "failed");
    assert_eq!(events.done()["exit_code"], 4);
    assert!(events.done()["stderr_tail"].as_str().is_some_and(|tail| tail.contains("it cannot be done")));
}

#[test]
fn json_lines_yield_tokens_usage_and_a_resumable_session() {
    let Some(server) = Server::configured() else { return };
    let (first, events) = run(server, "lines", "hello");
    events.assert_completed("You said: hello");
    assert_eq!(events.text("token"), "You said: hello");
    let usage = &events.done()["usage"];
    assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(12), &json!(34)));

    let second = server.create_after(&first, "hello", &json!({ "model": "large" }));
    server.follow(&second).finish().assert_completed("As in talk-1, you said: hello (large)");

    let (_, events) = run(server, "lines", "fail");
    events.assert_end("failed", "agent_error");
    assert_eq!(events.done()["message"], "the model is not in the mood");
}

#[test]
fn configured_agents_are_listed_and_reject_unsupported_options() {
    let Some(server) = Server::configured() else { return };
    let agents = server.get("/api/agents");
    let agents = agents["items"].as_array().expect("a list");
    for (name, protocol) in [("claude_acp", "acp"), ("codex_acp", "acp"), ("reverse", "text"), ("lines", "jsonl")] {
        let agent = agents.iter().find(|agent| agent["agent_type"] == name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!(agent["protocol"], protocol);
    }
    let unsupported = json!({ "input": { "text": "hello" }, "metadata": { "agent_type": "reverse", "permission_mode": "ask" } });
    assert_eq!(server.post("/api/runs", &unsupported)["status"], 422);
    let (done, _) = run(server, "reverse", "hello");
    let continued = json!({ "input": { "text": "and then?" }, "metadata": { "session_id": done.session } });
    assert_eq!(server.post("/api/runs", &continued)["status"], 422, "the agent cannot continue a session");
}

/// Codex's adapter ends such a turn like a good one, with the error as its answer.
#[test]
fn a_rate_limit_that_an_adapter_tells_as_the_answer_is_a_failure() {
    let Some(server) = Server::configured() else { return };
    let (_, events) = server.run(Agent::CodexAcp, "go [[mock:error status=429 id=codex_acp]]", &json!({}));
    events.assert_end("failed", "rate_limited");
    let message = events.done()["message"].as_str().unwrap_or_default();
    assert!(message.contains("429 Too Many Requests"), "{message}");
    assert!(events.done().get("result").is_none());
}
