//! Environment variables and MCP servers of a run.

use std::fs;

use serde_json::json;

use crate::support::{Agent, Server, for_each_agent_and_adapter, test_program, wait_for};

for_each_agent_and_adapter!(Server::configured();
    a_variable_reaches_the_agents_commands_and_no_listing,
    an_mcp_server_is_started_with_its_environment,
);

fn a_variable_reaches_the_agents_commands_and_no_listing(server: &Server, agent: Agent) {
    let prompt = "look [[mock:shell cmd=printenv+GREETING]]";
    let (run, events) = server.run(agent, prompt, &json!({ "env": { "GREETING": "good-morning" } }));
    events.assert_completed("The command ran.");
    // The mask proves both: the command had the value, and readers do not see it.
    let result = events.one("tool_result")["content"].as_str().unwrap_or_default();
    assert_eq!(result.lines().next(), Some("[masked]"));
    assert!(events.iter().all(|event| !event.to_string().contains("good-morning")));
    let listed = server.get(&format!("/api/runs/{}", run.id)).to_string();
    assert!(!listed.contains("good-morning"), "{listed}");
}

fn an_mcp_server_is_started_with_its_environment(server: &Server, agent: Agent) {
    let proof = server.bench.new_directory().join("started");
    let greeter = json!({
        "name": "greeter", "command": "python3", "args": [test_program("mcp_server.py"), proof],
        "env": { "GREETING": "good-evening" },
    });
    let run = server.create(agent, "wait [[mock:slow n=6 delay=0.5]]", &json!({ "mcp_servers": [greeter] }));
    let follow = server.follow(&run);
    let written = || fs::read_to_string(&proof).ok().filter(|text| !text.is_empty());
    assert_eq!(wait_for("the MCP server", written), "good-evening");
    let events = follow.finish();
    events.assert_end("completed", "ok");
    assert!(events.iter().all(|event| !event.to_string().contains("good-evening")));
    let listed = server.get(&format!("/api/runs/{}", run.id)).to_string();
    assert!(!listed.contains("good-evening"), "{listed}");
}
