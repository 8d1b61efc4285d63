//! Hermes, as a preset: it reports failures of the model service as answers, and asks under call ids of its own, with the path in the diff only.
//!
//! It is a Python program, which `scripts/test.sh` installs where it can; elsewhere these tests are skipped with a message.

use std::io::Write;
use std::sync::OnceLock;

use serde_json::json;

use crate::support::{Agent, Bench, Events, Server};

fn server() -> Option<&'static Server> {
    static HERMES: OnceLock<Option<Server>> = OnceLock::new();
    HERMES
        .get_or_init(|| {
            let bench = Bench::get()?;
            if !bench.agents.join("bin/hermes-acp").exists() {
                // Not with `eprintln!`, which the test harness captures.
                let _ = writeln!(std::io::stderr(), "SKIPPED: the tests of Hermes, which is not installed; see scripts/test.sh");
                return None;
            }
            Some(Server::start(bench, "hermes", &[("OPENAI_API_KEY", "sk-test-not-a-key")]))
        })
        .as_ref()
}

/// Every call has its result before the end.
fn assert_calls_have_results(events: &Events) {
    let ids = |kind: &str| events.all(kind).into_iter().map(|event| event["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids("tool_call"), ids("tool_result"));
}

#[test]
fn an_error_of_the_model_service_that_is_told_as_the_answer_is_a_failure() {
    let Some(server) = server() else { return };
    let (_, events) = server.run(Agent::Hermes, "go [[mock:error status=401 id=hermes]]", &json!({}));
    events.assert_end("failed", "not_logged_in");
    let message = events.done()["message"].as_str().unwrap_or_default();
    assert!(message.contains("HTTP 401: mock error 401"), "{message}");
    assert!(events.done().get("result").is_none());
}

#[test]
fn an_answer_is_a_success() {
    let Some(server) = server() else { return };
    let (_, events) = server.run(Agent::Hermes, "hello [[mock:text]]", &json!({}));
    events.assert_end("completed", "ok");
    assert_eq!(events.done()["result"], "Hello! This is the mock model answering in several deltas.");
}

#[test]
fn a_rule_denies_an_edit_whose_path_only_the_diff_shows() {
    let Some(server) = server() else { return };
    let rules = json!({ "permission_rules": [{ "path": "**/hello.py", "decision": "deny" }] });
    let (run, events) = server.run(Agent::Hermes, "make it [[mock:tool path=hello.py]]", &rules);
    let resolved = events.one("permission_resolved");
    assert_eq!((&resolved["decision"], &resolved["by"]), (&json!("deny"), &json!("policy")));
    assert!(!run.directory.join("hello.py").exists());
    assert_calls_have_results(&events);
}

#[test]
fn an_allowed_edit_is_a_file_change_and_its_call_has_a_result() {
    let Some(server) = server() else { return };
    let (run, events) = server.run(Agent::Hermes, "make it [[mock:tool path=hello.py]]", &json!({}));
    events.assert_end("completed", "ok");
    assert!(run.directory.join("hello.py").exists());
    assert!(events.one("file_change")["path"].as_str().is_some_and(|path| path.ends_with("hello.py")));
    assert_calls_have_results(&events);
}
