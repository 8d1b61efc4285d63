//! How failures of the model service are reported.

use serde_json::json;

use crate::support::{Agent, Server, for_each_agent};

for_each_agent!(Server::shared();
    a_rejected_key_fails_as_not_logged_in,
    an_unknown_model_fails_as_model_not_found,
    a_temporary_rate_limit_is_retried,
    a_persistent_provider_error_is_reported_with_its_message,
);

fn a_rejected_key_fails_as_not_logged_in(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, &format!("go [[mock:error status=401 id={agent}]]"), &json!({}));
    events.assert_end("failed", "not_logged_in");
    assert!(events.done()["message"].as_str().is_some_and(|message| !message.is_empty()));
    assert!(events.done().get("result").is_none());
    if agent != Agent::OpenCode {
        // Each agent retries first, except OpenCode.
        assert!(!events.notices("retrying").is_empty());
    }
}

fn an_unknown_model_fails_as_model_not_found(server: &Server, agent: Agent) {
    let model = if agent == Agent::OpenCode { "mock/no-such-model" } else { "no-such-model" };
    let prompt = format!("go [[mock:error status=404 id={agent}]]");
    let (_, events) = server.run(agent, &prompt, &json!({ "model": model }));
    events.assert_end("failed", "model_not_found");
    if let Some(started) = events.all("run_started").first() {
        assert_eq!(started["model"], model, "the requested model");
    }
}

fn a_temporary_rate_limit_is_retried(server: &Server, agent: Agent) {
    let prompt = format!("go [[mock:error status=429 times=1 retry_after=1 id={agent}]]");
    let (_, events) = server.run(agent, &prompt, &json!({}));
    events.assert_completed("Hello! This is the mock model answering in several deltas.");
    // OpenCode does not report its retries.
    if agent != Agent::OpenCode {
        let notices = events.notices("retrying");
        assert_eq!((notices.len(), &notices[0]["data"]["attempt"], &notices[0]["data"]["status"]), (1, &json!(1), &json!(429)));
    }
}

fn a_persistent_provider_error_is_reported_with_its_message(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, &format!("go [[mock:error status=400 id={agent}]]"), &json!({}));
    events.assert_end("failed", "agent_error");
    let message = events.done()["message"].as_str().unwrap_or_default();
    assert!(message.contains("mock error 400"), "{message}");
}
