//! What agents do: files, commands, plans.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Agent, Events, Run, Server, for_each_agent};

for_each_agent!(Server::shared();
    a_created_file_is_reported_from_request_to_diff,
    an_edit_is_reported_with_its_diff,
    a_failing_command_is_reported_with_its_output,
    one_of_two_parallel_calls_may_fail,
    each_plan_event_contains_the_whole_plan,
);

/// What `[[mock:tool]]` and similar markers write into hello.py.
const HELLO: &str = "print(\"hello from the mock\")\n";

fn a_created_file_is_reported_from_request_to_diff(server: &Server, agent: Agent) {
    let (run, events) = server.run(agent, "create hello.py [[mock:tool path=hello.py]]", &json!({}));
    check_created_file(agent, &run, &events);
    let request = events.one("permission_request");
    assert_eq!((&request["kind"], &request["tool_call_id"]), (&json!("edit"), &events.one("tool_call")["id"]));
    let tokens = events.text("token");
    assert_eq!(tokens, "I will create hello.py now.Done: hello.py is created.");
    // The order of the events.
    let order = ["run_queued", "run_started", "token", "message", "tool_call", "permission_request", "file_change", "tool_result", "done"];
    let positions = order.map(|kind| events.iter().position(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}")));
    assert!(positions.is_sorted(), "{order:?}: positions {positions:?}");
}

/// What every mode of every agent reports about a created hello.py.
pub(crate) fn check_created_file(agent: Agent, run: &Run, events: &Events) {
    assert_eq!(fs::read_to_string(run.directory.join("hello.py")).expect("the agent made it"), HELLO);
    events.assert_completed("Done: hello.py is created.");
    let started = events.one("run_started");
    assert_eq!(started["agent_type"], agent.name());
    assert_eq!(started["working_dir"], json!(run.directory));
    assert!(started["agent_version"].is_string(), "{started}");
    assert!(started["session_id"].as_str().is_some_and(|id| id.starts_with("ses_")));
    assert_eq!((events.one("tool_call")["kind"].as_str(), events.one("tool_result")["status"].as_str()), (Some("edit"), Some("ok")));
    let change = events.one("file_change");
    assert_eq!((change["kind"].as_str(), &change["path"]), (Some("create"), &json!(run.directory.join("hello.py"))));
    let usage = &events.done()["usage"];
    assert!(usage["output_tokens"].as_u64() >= Some(42) && usage["cache_read_tokens"].as_u64() >= Some(1000), "{usage}");
}

fn an_edit_is_reported_with_its_diff(server: &Server, agent: Agent) {
    let (run, events) = server.run(agent, "change it [[mock:edit]]", &json!({}));
    events.assert_completed("The file is created, edited and read.");
    assert_eq!(fs::read_to_string(run.directory.join("hello.py")).expect("a file"), HELLO.replace("hello from", "goodbye from"));
    let changes = events.all("file_change");
    assert_eq!(changes.iter().map(|change| &change["kind"]).collect::<Vec<_>>(), ["create", "update"]);
    let diff = changes[1]["diff"].as_str().expect("every agent gives a diff");
    assert!(diff.contains("\n-print(\"hello from the mock\")\n+print(\"goodbye from the mock\")"), "{diff}");
    let read = events.last("tool_result");
    assert!(read["content"].as_str().is_some_and(|content| content.contains("goodbye from the mock")), "{read}");
}

fn a_failing_command_is_reported_with_its_output(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, "run it [[mock:shell]]", &json!({}));
    events.assert_completed("The command ran.");
    let call = events.one("tool_call");
    assert_eq!((call["kind"].as_str(), call["title"].as_str()), (Some("execute"), Some("echo out; echo err >&2; exit 3")));
    let result = events.one("tool_result");
    assert_eq!(result["status"], "error", "it exits with 3");
    // Two streams have no order between them.
    let lines: Vec<_> = result["content"].as_str().unwrap_or_default().lines().collect();
    assert!(lines.contains(&"out") && lines.contains(&"err"), "{result}");
}

fn one_of_two_parallel_calls_may_fail(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, "do both [[mock:parallel]]", &json!({}));
    events.assert_completed("Both came back.");
    let result_of = |title: &str| -> &Value {
        let call = events.all("tool_call").into_iter().find(|call| call["title"] == title).unwrap_or_else(|| panic!("no call {title}"));
        events.all("tool_result").into_iter().find(|result| result["id"] == call["id"]).expect("each call has a result")
    };
    let (good, bad) = (result_of("echo one"), result_of("cat /no/such/file"));
    assert_eq!((&good["status"], good["content"].as_str().map(str::trim)), (&json!("ok"), Some("one")));
    assert_eq!(bad["status"], "error");
    assert!(bad["content"].as_str().is_some_and(|content| content.contains("No such file")), "{bad}");
}

fn each_plan_event_contains_the_whole_plan(server: &Server, agent: Agent) {
    // Two of the tested models are not offered the tool. An admin may request it.
    let extra_args = match agent {
        Agent::ClaudeCode => json!(["--tools=TaskCreate,TaskUpdate,Bash,Write"]),
        Agent::Codex => json!(["-c", "tools.update_plan.enabled=true"]),
        _ => json!([]),
    };
    let (run, events) = server.run(agent, "plan it [[mock:plan]]", &json!({ "extra_args": extra_args }));
    events.assert_completed("The plan is finished.");
    assert!(run.directory.join("hello.py").exists());
    let plans = events.all("plan");
    assert!(plans.len() >= 2, "{} plans", plans.len());
    assert_eq!(plans[0]["entries"][0]["content"], "Write hello.py");
    let entries = events.last("plan")["entries"].as_array().expect("the whole plan");
    assert!(entries.iter().all(|entry| entry["status"] == "completed"), "{entries:?}");
}
