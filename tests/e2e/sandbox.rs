//! The built-in agents in a sandbox: they work without a key, which the server adds to their requests to the model.
//!
//! Rules: G4, G5.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::OnceLock;

use serde_json::json;

use crate::support::{Agent, Bench, Server, for_each_agent};
use crate::tools::check_created_file;

/// What the model service logs of it, because it is obviously fake.
const REAL_KEY: &str = "sk-test-the-real-key";

for_each_agent!(sandboxed();
    a_file_is_created_with_a_placeholder_for_the_key,
);

/// A server that knows the key, but not in its environment. `None` if agents cannot be sandboxed here.
fn sandboxed() -> Option<&'static Server> {
    static SANDBOXED: OnceLock<Option<Server>> = OnceLock::new();
    let start = || {
        let bench = Bench::get()?;
        let model = &bench.model;
        let settings = format!(
            "[credentials.claude_code]\napi_key = \"{REAL_KEY}\"\nbase_url = \"{model}\"\n\
             [credentials.codex]\napi_key = \"{REAL_KEY}\"\nbase_url = \"{model}/v1\"\n\
             [credentials.opencode]\nprovider = \"mock\"\napi_key = \"{REAL_KEY}\"\nbase_url = \"{model}/v1\"\n"
        );
        let file = bench.root.join("sandboxed/openrunner.toml");
        fs::create_dir_all(bench.root.join("sandboxed")).expect("a data directory");
        fs::write(&file, settings).expect("a settings file");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the test owns it");
        // A sandbox does not contain the operator's configuration files.
        let limit = json!({ "context": 200_000, "output": 8000 });
        let models = json!({ "mock-model": { "name": "Mock", "limit": limit }, "mock-small": { "name": "Small", "limit": limit } });
        let opencode = json!({
            "autoupdate": false, "share": "disabled", "model": "mock/mock-model", "small_model": "mock/mock-small",
            "provider": { "mock": { "npm": "@ai-sdk/openai-compatible", "name": "Mock", "models": models } },
        });
        let opencode = opencode.to_string();
        let variables = [
            ("ANTHROPIC_API_KEY", ""),
            ("ANTHROPIC_BASE_URL", ""),
            ("MOCK_KEY", ""),
            ("OPENRUNNER_AGENT_ENV", ""),
            ("OPENCODE_CONFIG_CONTENT", opencode.as_str()),
        ];
        let server = Server::start(bench, "sandboxed", &variables);
        let probe = json!({ "input": { "text": "x" }, "metadata": { "agent_type": "demo", "isolation": "sandbox" } });
        let refused = server.post("/api/runs", &probe)["code"] == "isolation_unavailable";
        assert!(!refused || std::env::var("CI").as_deref() != Ok("true"), "with CI=true agents must be sandboxed");
        (!refused).then_some(server)
    };
    SANDBOXED.get_or_init(start).as_ref()
}

fn a_file_is_created_with_a_placeholder_for_the_key(server: &Server, agent: Agent) {
    let model = match agent {
        // A model with a tool for each purpose, see the bench.
        Agent::Codex => json!("gpt-5.5"),
        _ => json!(null),
    };
    let prompt = format!("create hello.py [[mock:tool path=hello.py id=sandbox_{agent}]]");
    let (run, events) = server.run(agent, &prompt, &json!({ "isolation": "sandbox", "model": model }));
    let connections: Vec<_> = events.all("network").into_iter().map(ToString::to_string).collect();
    check_created_file(agent, &run, &events);
    assert_eq!(events.one("run_started")["isolation"]["level"], "sandbox");
    let model = server.bench.model.trim_start_matches("http://");
    let is_model = |event: &&&serde_json::Value| format!("{}:{}", event["host"].as_str().unwrap_or_default(), event["port"]) == model;
    let requests: u64 = events.all("network").iter().filter(is_model).filter_map(|event| event["connections"].as_u64()).sum();
    assert!(requests >= 2, "{connections:?}");
    let asked = server.bench.model_requests("tool");
    let keys: Vec<&str> = asked.iter().filter_map(|request| request["auth"].as_str()).collect();
    assert!(keys.iter().any(|key| key.ends_with(REAL_KEY)), "{keys:?}");
    assert!(keys.iter().all(|key| !key.contains("placeholder") && *key != "(present)"), "{keys:?}");
}
