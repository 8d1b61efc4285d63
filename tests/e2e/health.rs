//! Detection of the agents on the machine.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Agent, Bench, Server, for_each_agent, wait_for};

for_each_agent!(Server::shared();
    an_installed_agent_is_reported_with_path_version_and_login,
);

for_each_agent!(bare_server();
    a_missing_agent_is_reported_with_its_install_command,
);

fn an_installed_agent_is_reported_with_path_version_and_login(server: &Server, agent: Agent) {
    let report = wait_for("the probe of the program", || Some(report(server, agent)).filter(|report| report["version"].is_string()));
    assert_eq!((&report["available"], &report["authenticated"]), (&json!(true), &json!("yes")));
    let versions = include_str!("../../scripts/agents.versions");
    let tested = versions.lines().find_map(|line| line.strip_prefix(agent.name())?.split_whitespace().last()).expect("a version");
    assert_eq!(report["version"], tested);
    assert!(report["path"].as_str().is_some_and(|path| path.starts_with(server.bench.agents.to_str().expect("UTF-8"))), "{report}");
    assert!(report.get("error").is_none(), "no error, no field");
    let measure = || {
        let started = Instant::now();
        server.get("/health/agents");
        started.elapsed()
    };
    // The minimum of several attempts: it includes the start of curl, and other tests start agents meanwhile.
    let took = (0..5).map(|_| measure()).min().unwrap_or_default();
    assert!(took < Duration::from_millis(200), "{took:?}");
}

fn a_missing_agent_is_reported_with_its_install_command(server: &Server, agent: Agent) {
    let report = report(server, agent);
    assert_eq!((&report["available"], report.get("version"), report.get("path")), (&json!(false), None, None));
    let install = report["install"].as_str().expect("a command");
    assert!(install.starts_with("npm install -g "), "{install}");
    let (_, events) = server.run(agent, "hello", &json!({}));
    events.assert_end("failed", "not_installed");
    let message = events.done()["message"].as_str().unwrap_or_default();
    assert!(message.contains(install), "{message}");
    assert!(events.all("run_started").is_empty());
}

#[test]
fn a_missing_key_is_reported_by_health_and_by_the_run() {
    let Some(bench) = Bench::get() else { return };
    let server = Server::start(bench, "keyless", &[("ANTHROPIC_API_KEY", ""), ("MOCK_KEY", "")]);
    // OpenCode's key is in its own configuration.
    for agent in [Agent::ClaudeCode, Agent::Codex] {
        let login = || Some(report(&server, agent)).filter(|report| report["authenticated"] != "unknown");
        let report = wait_for("the probe of the login", login);
        assert_eq!((&report["authenticated"], &report["available"]), (&json!("no"), &json!(true)), "{report}");
        assert!(report["login"].as_str().is_some_and(|how| how.contains("log")), "{report}");
        let (_, events) = server.run(agent, "hello [[mock:text]]", &json!({}));
        events.assert_end("failed", "not_logged_in");
    }
}

/// A server that finds no agent, neither in its own directory nor on its `PATH`.
fn bare_server() -> Option<&'static Server> {
    static BARE: OnceLock<Option<Server>> = OnceLock::new();
    let start = || {
        let bench = Bench::get()?;
        let empty = bench.new_directory().display().to_string();
        Some(Server::start(bench, "bare", &[("OPENRUNNER_AGENTS_DIR", &empty), ("PATH", &empty)]))
    };
    BARE.get_or_init(start).as_ref()
}

/// The agent in `/health/agents`.
pub(crate) fn report(server: &Server, agent: Agent) -> Value {
    let all = server.get("/health/agents");
    let agents = all["items"].as_array().unwrap_or_else(|| panic!("no list: {all}"));
    agents.iter().find(|report| report["agent_type"] == agent.name()).cloned().unwrap_or_else(|| panic!("no {agent}: {all}"))
}
