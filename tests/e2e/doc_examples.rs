//! The commands of the documents, pasted into a shell in page order.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Agent, Events, Run, Server, for_each_agent};
use crate::tools::check_created_file;

for_each_agent!(Server::shared();
    the_tour_works_as_written,
    the_first_published_commands_work_unchanged,
);

fn the_tour_works_as_written(server: &Server, agent: Agent) {
    let directory = server.bench.new_directory().join("test");
    let blocks: Vec<String> =
        tour().iter().map(|block| adapted(&block.replace("localhost:3000", &localhost(server)), agent, &directory)).collect();
    // One shell for all of them, because they set variables for each other.
    let printed = shell(&blocks.join("\nprintf '\\036'\n"));
    let printed: Vec<&str> = printed.split('\u{1e}').collect();
    let [health, login, create, events, rest, chat] = printed[..] else { panic!("{} outputs of six blocks", printed.len()) };
    assert!(health.contains("\"status\":\"ok\"") && health.contains(agent.name()), "{health}");
    assert_eq!((login, create), ("", ""), "these commands store their output in a variable");

    let events = Events::parse(events);
    check_created_file(agent, &Run { id: String::new(), session: String::new(), directory, isolation: Value::Null }, &events);
    assert!(events.one("run_started")["model"].is_string());
    let rest: Vec<Value> = Events::parse_frames(rest);
    assert!(rest.iter().eq(events.iter().skip(3)), "a resumed reader gets the rest");
    check_chat(&json(chat));
}

/// As in the project's first README, placeholders included. Existing clients rely on them.
fn the_first_published_commands_work_unchanged(server: &Server, agent: Agent) {
    const HEALTH: &str = "curl http://localhost:8090/health";
    const AGENTS: &str = "curl http://localhost:8090/health/agents";
    const LOGIN: &str = r#"curl -X POST http://localhost:8090/api/auth/login \
  -H "Content-Type: application/json" \
  -d '{"username": "admin", "password": "admin"}'"#;
    const CREATE: &str = r#"curl -X POST http://localhost:8090/api/runs \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer <token>" \
  -d '{
    "input": {"text": "create hello.py"},
    "metadata": {"agent_type": "claude_code", "cwd": "/tmp/test"}
  }'"#;
    const EVENTS: &str = r#"curl -N "http://localhost:8090/api/runs/run_abc123/events?access_token=<token>""#;
    const CHAT: &str = r#"curl -X POST http://localhost:8090/api/chat \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer <token>" \
  -d '{"message": "hello", "model": "claude"}'"#;

    let directory = server.bench.new_directory().join("test");
    let paste = |command: &str, token: &str, run: &str| {
        let command = command.replace("localhost:8090", &localhost(server)).replace("<token>", token).replace("run_abc123", run);
        shell(&adapted(&command, agent, &directory))
    };
    assert_eq!(json(&paste(HEALTH, "", ""))["status"], "ok");
    assert!(json(&paste(AGENTS, "", ""))["items"].is_array());
    let login = json(&paste(LOGIN, "", ""));
    let token = login["token"].as_str().unwrap_or_else(|| panic!("no token: {login}"));
    let created = json(&paste(CREATE, token, ""));
    let run = created["run_id"].as_str().unwrap_or_else(|| panic!("no run: {created}"));
    assert!(run.starts_with("run_"));
    let events = Events::parse(&paste(EVENTS, token, run));
    check_created_file(
        agent,
        &Run { id: run.to_owned(), session: String::new(), directory: directory.clone(), isolation: Value::Null },
        &events,
    );
    check_chat(&json(&paste(CHAT, token, "")));
}

fn check_chat(answer: &Value) {
    assert_eq!(answer["message"], "Hello! This is the mock model answering in several deltas.", "{answer}");
    assert_eq!(answer["status"], "completed");
}

/// The shell commands of the section "A tour" of the page for beginners, block by block.
fn tour() -> Vec<String> {
    let page = include_str!("../../docs/getting-started.md");
    let section = page.split("\n## ").find_map(|section| section.strip_prefix("A tour\n")).expect("the section is there");
    let blocks = section.split("```bash\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// The command with what a reader would change: another agent, another directory, and the marker that scripts the model.
fn adapted(command: &str, agent: Agent, directory: &Path) -> String {
    command
        .replace("claude_code", agent.name())
        .replace(r#""model": "claude""#, &format!(r#""model": "{}""#, agent.chat_name()))
        .replace(r#""cwd": "/tmp/test""#, &format!(r#""cwd": {}"#, json!(directory)))
        .replace("create hello.py", "create hello.py [[mock:tool path=hello.py]]")
}

fn localhost(server: &Server) -> String {
    server.address.replace("127.0.0.1", "localhost")
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn shell(script: &str) -> String {
    let mut command = Command::new("bash");
    // The machine's proxy cannot reach the server.
    command.args(["-o", "errexit", "-o", "pipefail", "-c", script]).env("NO_PROXY", "*").env("no_proxy", "*");
    let output = command.output().expect("bash");
    assert!(output.status.success(), "{script}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}
