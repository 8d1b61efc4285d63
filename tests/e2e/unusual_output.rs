//! Output of models and programs that is easily misread: half characters, repeated ids, and long input without an event.

use std::fs;

use serde_json::json;

use crate::support::{Agent, Events, Server};

fn answer(marker: &str) -> Option<Events> {
    let server = Server::shared()?;
    Some(server.run(Agent::ClaudeCode, &format!("say it [[mock:{marker}]]"), &json!({})).1)
}

fn assert_answer(events: &Events, text: &str) {
    events.assert_completed(text);
    assert_eq!(events.text("token"), text);
    assert_eq!(events.all("message").last().expect("the answer")["content"], text);
    assert!(events.all("raw").is_empty(), "{:?}", events.all("raw"));
}

#[test]
fn an_answer_that_is_cut_within_a_character_is_complete_but_for_it() {
    let Some(events) = answer("half") else { return };
    assert_answer(&events, "the label is cut: 🔥\u{fffd}…");
}

#[test]
fn a_character_that_is_split_over_two_deltas_is_joined() {
    let Some(events) = answer("half where=split") else { return };
    assert_answer(&events, "lift off 🚀 now");
}

#[test]
fn calls_with_the_same_id_are_told_apart() {
    let Some(server) = Server::shared() else { return };
    let (run, events) = server.run(Agent::ClaudeCode, "do all [[mock:sameid]]", &json!({}));
    events.assert_completed("All three are done.");
    let ids = |kind: &str| events.all(kind).into_iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    let calls = ids("tool_call");
    assert!(calls.len() == 3 && calls[0] == "call_0" && calls[1] != calls[2] && !calls[1..].contains(&calls[0]), "{calls:?}");
    assert_eq!(ids("tool_result"), calls);
    let asked: Vec<_> = events.all("permission_request").into_iter().map(|request| request["tool_call_id"].clone()).collect();
    assert!(asked.iter().all(|id| calls.contains(id)), "{asked:?}");
    assert_eq!(events.one("file_change")["path"], json!(run.directory.join("third.txt")));
    assert!(run.directory.join("second").exists());
    assert!(events.all("raw").is_empty());
}

#[test]
fn an_agent_that_writes_without_an_event_is_not_idle() {
    let Some(server) = Server::shared() else { return };
    let metadata = json!({ "idle_timeout_secs": 3 });
    let (run, events) = server.run(Agent::ClaudeCode, "write it [[mock:slowwrite n=40 delay=0.2]]", &metadata);
    events.assert_completed("Written.");
    assert!(fs::read_to_string(run.directory.join("big.txt")).expect("the agent wrote it").contains("line 159"));
}
