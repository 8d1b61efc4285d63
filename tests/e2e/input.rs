//! What a run gives to its agent besides the prompt reaches the model.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::support::{Agent, Server, for_each_agent, for_each_agent_and_adapter};

for_each_agent!(Server::shared();
    instructions_reach_the_model_also_in_a_continued_session,
);

for_each_agent_and_adapter!(Server::configured();
    an_image_reaches_the_model_and_a_file_can_be_read,
);

/// An image of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

for_each_agent_and_adapter!(Server::configured();
    an_answer_matches_its_schema_after_a_correction,
);

/// Claude Code compares the answer itself, also where it must ask about every tool.
fn an_answer_matches_its_schema_after_a_correction(server: &Server, agent: Agent) {
    let schema = json!({
        "type": "object", "properties": { "answer": { "type": "string" } }, "required": ["answer"], "additionalProperties": false,
    });
    let mode = if agent == Agent::ClaudeCode { "read_only" } else { "auto" };
    let metadata = json!({ "output_schema": schema, "permission_mode": mode });
    let (_, events) = server.run(agent, &format!("answer [[mock:structured id={} values=1,yes]]", agent.name()), &metadata);
    events.assert_end("completed", "ok");
    assert_eq!(events.done()["output"], json!({ "answer": "yes" }));
    let corrections = usize::from(agent != Agent::ClaudeCode);
    assert_eq!(events.notices("bad_output").len(), corrections, "{agent}");
    assert!(events.all("permission_request").is_empty(), "{agent}");
}

fn an_image_reaches_the_model_and_a_file_can_be_read(server: &Server, agent: Agent) {
    let seen = format!("file_{}", agent.name());
    let marker = format!("id=parts_{}", agent.name());
    let notes = STANDARD.encode(format!("[[seen:{seen}]]"));
    let input = json!({
        "text": "Look at this:",
        "parts": [
            { "type": "image", "media_type": "image/png", "data": PNG },
            { "type": "file", "media_type": "text/plain", "name": "notes.txt", "data": notes },
            { "type": "text", "text": format!("[[mock:shell {marker} cmd=cat+$TMPDIR/openrunner-input/notes.txt]]") },
        ],
    });
    let run = server.create_with_input(agent, &input, &json!({}));
    let events = server.follow(&run).finish();
    events.assert_completed("The command ran.");
    let result = events.one("tool_result")["content"].as_str().unwrap_or_default();
    assert!(result.contains(&seen), "{agent}: the file is where the agent can read it: {result}");
    assert!(server.bench.has_seen(&seen), "{agent}");
    let requests = server.bench.model_requests("shell");
    let shown = requests.iter().filter(|request| request["params"]["id"] == format!("parts_{}", agent.name()));
    let images: Vec<_> = shown.map(|request| &request["images"]).collect();
    assert!(images.iter().any(|images| **images == json!([PNG])), "{agent}: {images:?}");
}

fn instructions_reach_the_model_also_in_a_continued_session(server: &Server, agent: Agent) {
    let seen = |run: &str| format!("instructions_{}_{run}", agent.name());
    let (first, events) =
        server.run(agent, "hello [[mock:text]]", &json!({ "instructions": format!("Be kind. [[seen:{}]]", seen("first")) }));
    events.assert_end("completed", "ok");
    let next = server.create_after(
        &first,
        "hello again [[mock:history]]",
        &json!({ "instructions": format!("Be brief. [[seen:{}]]", seen("next")) }),
    );
    server.follow(&next).finish().assert_completed("I have seen 2 marked prompts.");
    for run in ["first", "next"] {
        assert!(server.bench.has_seen(&seen(run)), "{agent} {run}");
    }
}
