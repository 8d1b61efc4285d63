//! Messages to a live run: after its turn, into its turn, instead of its turn.

use serde_json::{Value, json};

use crate::stops::{SLEEPER, processes_of, sleeps};
use crate::support::{Agent, Server, for_each_agent, for_each_agent_and_adapter, test_with, wait_for};

for_each_agent_and_adapter!(Server::configured();
    a_queued_message_starts_the_next_turn,
    a_steering_message_joins_or_ends_the_turn,
    an_interrupt_ends_the_tool_and_the_session_continues,
);

for_each_agent!(Server::configured();
    an_ended_run_rejects_messages_and_names_its_session,
);

/// OpenCode and the adapters cannot ask questions over their protocol.
mod a_question_is_answered {
    use super::*;

    test_with!(Server::configured(), a_question_is_answered, claude_code, ClaudeCode);
    test_with!(Server::configured(), a_question_is_answered, codex, Codex);
}

/// The model reports how many prompts it was shown.
const HISTORY: &str = "what do you know [[mock:history]]";

fn a_queued_message_starts_the_next_turn(server: &Server, agent: Agent) {
    let run = server.create(agent, "count [[mock:slow n=4 delay=0.5]]", &json!({}));
    let mut follow = server.follow(&run);
    follow.until("token");
    server.send_message(&run, "queue", HISTORY);
    let events = follow.finish();
    events.assert_completed("I have seen 2 marked prompts.");
    let message = events.one("user_message");
    assert_eq!((&message["content"], &message["mode"]), (&json!(HISTORY), &json!("queue")));
    let messages: Vec<_> = events.all("message").iter().map(|message| message["content"].as_str().unwrap_or_default().trim()).collect();
    assert_eq!(messages, ["tick 0 tick 1 tick 2 tick 3", "I have seen 2 marked prompts."], "the first turn was finished");
}

/// Codex reads it while its command continues; the others are interrupted, and the command with them.
fn a_steering_message_joins_or_ends_the_turn(server: &Server, agent: Agent) {
    let steers = agent == Agent::Codex;
    let prompt = format!("sleep [[mock:sleeper s={}]]", if steers { 4 } else { 300 });
    let run = server.create(agent, &prompt, &json!({}));
    let mut follow = server.follow(&run);
    follow.until("tool_call");
    wait_for("the tool", || sleeps(&run).then_some(()));
    server.send_message(&run, "steer", HISTORY);
    let events = follow.finish();
    events.assert_completed("I have seen 2 marked prompts.");
    assert_eq!(events.one("user_message")["mode"], "steer");
    assert_eq!(was_interrupted(events.one("tool_result")), !steers);
}

fn an_interrupt_ends_the_tool_and_the_session_continues(server: &Server, agent: Agent) {
    let run = server.create(agent, SLEEPER, &json!({}));
    let mut follow = server.follow(&run);
    follow.until("tool_call");
    wait_for("the tool", || sleeps(&run).then_some(()));
    server.send_message(&run, "interrupt", "count [[mock:slow n=6 delay=0.5]]");
    follow.until("token");
    if agent != Agent::CodexAcp {
        wait_for("the end of the tool", || (!sleeps(&run)).then_some(()));
    }
    server.send_message(&run, "queue", HISTORY);
    let events = follow.finish();
    events.assert_completed("I have seen 3 marked prompts.");
    assert!(was_interrupted(events.one("tool_result")));
    // Codex's adapter cannot end the command of an interrupted turn, but the command does not outlive the run.
    assert_eq!(processes_of(&run), [""; 0]);

    let next = server.create_after(&run, HISTORY, &json!({}));
    server.follow(&next).finish().assert_completed("I have seen 4 marked prompts.");
}

/// OpenCode reports success, and failure in the output.
fn was_interrupted(result: &Value) -> bool {
    result["status"] != "ok" || result["content"].as_str().is_some_and(|content| content.contains("aborted"))
}

fn an_ended_run_rejects_messages_and_names_its_session(server: &Server, agent: Agent) {
    let (run, _) = server.run(agent, "hello [[mock:text]]", &json!({}));
    let answer = server.post(&format!("/api/runs/{}/messages", run.id), &json!({ "text": "and then?" }));
    assert_eq!(answer["status"], 409, "{answer}");
    assert!(answer["detail"].as_str().is_some_and(|detail| detail.contains(&run.session)), "{answer}");
}

fn a_question_is_answered(server: &Server, agent: Agent) {
    let run = server.create(agent, "ask me [[mock:question]]", &json!({ "permission_mode": "ask" }));
    let mut follow = server.follow(&run);
    let request = follow.until("question");
    let question = &request["questions"][0];
    assert_eq!(question["text"], "Which colour?");
    assert_eq!(server.requests(&run)[0]["id"], request["id"]);
    server.answer(&run, &request, &json!({ "answers": ["blue"] }));
    let events = follow.finish();
    events.assert_completed("Thanks.");
    let resolved = events.one("question_resolved");
    assert_eq!((&resolved["answers"], &resolved["by"]), (&json!([["blue"]]), &json!("user")));
}

#[test]
fn the_options_of_a_question_are_described() {
    let Some(server) = Server::shared() else { return };
    let run = server.create(Agent::ClaudeCode, "ask me [[mock:question desc=1]]", &json!({ "permission_mode": "ask" }));
    let mut follow = server.follow(&run);
    let request = follow.until("question");
    let question = &request["questions"][0];
    assert_eq!((&question["text"], &question["header"]), (&json!("Which colour?"), &json!("Colour")));
    let options = json!([{ "name": "red", "description": "seen from afar" }, { "name": "blue", "description": "calm" }]);
    assert_eq!(question["options"], options);
    assert_eq!(server.requests(&run)[0]["questions"], request["questions"]);
    server.answer(&run, &request, &json!({ "answers": ["blue"] }));
    follow.finish().assert_completed("Thanks.");
}

/// Whether a message meets the end of its turn depends on the program's timing, so this is repeated.
#[test]
fn a_steering_message_near_the_end_of_a_turn_is_never_lost() {
    let Some(server) = Server::shared() else { return };
    for delay in [200, 260, 290, 300, 310, 320, 330, 340, 360] {
        let run = server.create(Agent::Codex, "count [[mock:slow n=3 delay=0.1]]", &json!({}));
        let mut follow = server.follow(&run);
        follow.until("token");
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let message = json!({ "text": HISTORY, "mode": "steer" });
        let answer = server.post(&format!("/api/runs/{}/messages", run.id), &message);
        let events = follow.finish();
        // The run may have ended before the message arrived.
        if answer["mode"] == "steer" {
            let is_answered = events.done()["result"] == "I have seen 2 marked prompts.";
            assert!(is_answered || !events.notices("undelivered").is_empty(), "after {delay} ms: lost");
            assert_eq!(events.all("user_message").len(), 1);
        }
    }
}
