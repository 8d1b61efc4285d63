//! Prompts and answers.

use serde_json::json;

use crate::support::{Agent, Server, for_each_agent};

for_each_agent!(Server::shared();
    thinking_precedes_the_answer_in_separate_events,
    a_200_kib_prompt_that_looks_like_a_flag_arrives_unchanged,
    a_1_mib_answer_is_identical_in_tokens_message_and_result,
    chat_returns_the_final_text,
);

fn thinking_precedes_the_answer_in_separate_events(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, "think [[mock:thinking]]", &json!({}));
    events.assert_completed("After thinking: 2 + 2 = 4.");
    assert_eq!(events.text("thinking"), "Let me think about this. The answer should be short.");
    assert_eq!(events.text("token"), "After thinking: 2 + 2 = 4.");
    let position = |kind: &str| events.iter().position(|event| event["type"] == kind);
    assert!(position("thinking") < position("token"));
}

fn a_200_kib_prompt_that_looks_like_a_flag_arrives_unchanged(server: &Server, agent: Agent) {
    let filler = "0123456789abcde\n".repeat(200 * 1024 / 16);
    let prompt = format!("-sdanger-full-access --help Grüße, 世界 🚀 'quoted' $HOME `id`\n{filler}\n[[mock:unicode agent={agent}]]");
    let (_, events) = server.run(agent, &prompt, &json!({}));
    events.assert_completed("Grüße, 世界 🚀\n```py\nprint(\"\\u0000\\ttab\")\n```\n\u{2028}end");
    let requests = server.bench.model_requests("unicode");
    assert!(requests.iter().any(|request| request["bytes"].as_u64() > Some(200 * 1024)), "{requests:?}");
}

fn a_1_mib_answer_is_identical_in_tokens_message_and_result(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, "much [[mock:big kb=1024]]", &json!({}));
    events.assert_end("completed", "ok");
    let line = "0123456789abcdef".repeat(4) + "\n";
    let expected = &line.repeat(1024 * 1024 / line.len() + 1)[..1024 * 1024];
    // Without `assert_eq!`, which would print all of it.
    assert!(events.text("token") == expected, "{} bytes of tokens", events.text("token").len());
    assert!(events.one("message")["content"] == expected);
    assert!(events.done()["result"] == expected);
    assert!(events.notices("truncated").is_empty());
}

fn chat_returns_the_final_text(server: &Server, agent: Agent) {
    // The model may follow the agent's name; each agent has a model that the mock service accepts.
    let model = match agent {
        Agent::ClaudeCode => "claude/claude-sonnet-4-5",
        Agent::Codex => "codex/gpt-5.5",
        _ => "opencode/mock/mock-model",
    };
    let answer = server.post("/api/chat", &json!({ "message": "hello [[mock:text]]", "model": model }));
    assert_eq!(answer["message"], "Hello! This is the mock model answering in several deltas.", "{answer}");
    assert_eq!((&answer["status"], &answer["usage"]["output_tokens"]), (&json!("completed"), &json!(42)));
    let run = server.get(&format!("/api/runs/{}", answer["run_id"].as_str().expect("a run id")));
    assert_eq!((&run["agent_type"], &run["status"]), (&json!(agent.name()), &json!("completed")));
}
