//! The test bench: the installed programs, a home directory for them, and the model service.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::server::{curl, wait_for};
use super::watched_process::WatchedProcess;

/// A fake key.
const KEY: &str = "sk-test-not-a-key";

/// One for all tests of a run.
pub(crate) struct Bench {
    /// The `--prefix` of `scripts/install-agents.sh`.
    pub(crate) agents: PathBuf,
    /// Contains everything that tests write.
    pub(crate) root: PathBuf,
    /// Address of the model service.
    pub(crate) model: String,
    _mock: WatchedProcess,
    directories: AtomicUsize,
}

impl Bench {
    /// The bench, or `None` if the end-to-end tests are skipped.
    pub(crate) fn get() -> Option<&'static Self> {
        static BENCH: OnceLock<Option<Bench>> = OnceLock::new();
        BENCH.get_or_init(Self::set_up).as_ref()
    }

    fn set_up() -> Option<Self> {
        let agents = std::env::var_os("OPENRUNNER_TEST_AGENTS").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
        let Some(agents) = agents else {
            let remedy = "run ./scripts/test.sh, or set OPENRUNNER_TEST_AGENTS to the --prefix of scripts/install-agents.sh";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "with CI=true the end-to-end tests must run: {remedy}");
            // Not with `eprintln!`, which the test harness captures.
            let _ = writeln!(std::io::stderr(), "SKIPPED: the end-to-end tests have no agent programs; {remedy}");
            return None;
        };
        let adapters = ["claude-agent-acp", "codex-acp"].map(|program| adapter(&agents, program));
        for path in ["claude", "codex", "opencode"].map(|program| agents.join("bin").join(program)).iter().chain(&adapters) {
            assert!(path.exists(), "{} is missing; scripts/test.sh installs it", path.display());
        }
        // Not below /tmp: Codex warns about a home directory there at each start. The watcher of the model service removes it.
        let root = tempfile::Builder::new().prefix("openrunner-e2e-").tempdir_in("/var/tmp").expect("a directory in /var/tmp").keep();
        let port_file = root.join("port");
        let mock = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mock-llm/mock_llm.py");
        let mock = ["python3", path(&mock), "--port", "0", "--port-file", path(&port_file)];
        let mock = WatchedProcess::start(&mock, &base_environment(&root), &root.join("mock.log"), Some(&root));
        let port = wait_for("the model service", || fs::read_to_string(&port_file).ok().filter(|text| !text.is_empty()));
        let bench = Self {
            agents: agents.canonicalize().expect("an absolute path"),
            model: format!("http://127.0.0.1:{}", port.trim()),
            root,
            _mock: mock,
            directories: AtomicUsize::new(0),
        };
        bench.write_agent_configs();
        Some(bench)
    }

    /// Writes the configuration that each program needs for the model service, as its user would.
    fn write_agent_configs(&self) {
        let model = &self.model;
        let write = |file: &str, text: &str| {
            let file = self.home().join(file);
            fs::create_dir_all(file.parent().expect("a directory")).expect("a directory in the home");
            fs::write(file, text).expect("a file in the home");
        };
        // Newer models run their tools through one JavaScript tool; this one has a tool for each.
        let codex = format!(
            "model = \"gpt-5.5\"\nmodel_provider = \"mock\"\ncheck_for_update_on_startup = false\n\
             [analytics]\nenabled = false\n\
             [model_providers.mock]\nname = \"mock\"\nbase_url = \"{model}/v1\"\nenv_key = \"MOCK_KEY\"\nwire_api = \"responses\"\n"
        );
        write(".codex/config.toml", &codex);
        let hermes = json!({ "provider": "custom", "default": "mock-model", "base_url": format!("{model}/v1"), "api_key": KEY });
        // JSON is YAML.
        write(".hermes/config.yaml", &json!({ "model": hermes }).to_string());
        let limit = json!({ "context": 200_000, "output": 8000 });
        let price = json!({ "input": 3, "output": 15, "cache_read": 0.3, "cache_write": 0 });
        let opencode = json!({
            "autoupdate": false, "share": "disabled", "model": "mock/mock-model", "small_model": "mock/mock-small",
            "provider": { "mock": {
                "npm": "@ai-sdk/openai-compatible", "name": "Mock", "options": { "baseURL": format!("{model}/v1"), "apiKey": KEY },
                "models": {
                    "mock-model": {
                        "name": "Mock", "cost": price, "reasoning": true, "limit": limit,
                        "attachment": true, "modalities": { "input": ["text", "image"], "output": ["text"] },
                    },
                    "mock-small": { "name": "Small", "limit": limit },
                },
            } },
        });
        write(".config/opencode/opencode.json", &opencode.to_string());
    }

    /// Settings that configure the ACP adapters and two small programs as agents.
    pub(crate) fn configured_agents(&self) -> String {
        let program = |name: &str| path(&self.agents.join("bin").join(name)).to_owned();
        let (claude, codex) = (program("claude"), program("codex"));
        let adapter = |name: &str| path(&adapter(&self.agents, name)).to_owned();
        let (claude_acp, codex_acp) = (adapter("claude-agent-acp"), adapter("codex-acp"));
        let script = |name: &str| path(&test_program(name)).to_owned();
        let (reverse, lines) = (script("reverse.sh"), script("lines.py"));
        // Both adapters would bring their own program. Codex's adapter does not ask unless its sandbox is closed.
        format!(
            r#"
[agents.claude_acp]
protocol = "acp"
command = ["{claude_acp}"]
pass_env = ["ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"]
set_env = {{ CLAUDE_CODE_EXECUTABLE = "{claude}" }}

[agents.codex_acp]
protocol = "acp"
command = ["{codex_acp}"]
set_env = {{ CODEX_PATH = "{codex}", MODEL_PROVIDER = "mock", INITIAL_AGENT_MODE = "read-only", NO_BROWSER = "1" }}

[agents.reverse]
protocol = "text"
command = ["/bin/sh", "{reverse}"]

[agents.lines]
protocol = "jsonl"
command = ["python3", "{lines}"]
model_args = ["--model={{model}}"]
resume_args = ["--resume={{session}}"]

[agents.lines.fields]
session = "/conversation"
token = {{ at = "/text", if = {{ "/type" = "piece" }} }}
result = {{ at = "/text", if = {{ "/type" = "end" }} }}
error = {{ at = "/text", if = {{ "/type" = "problem" }} }}
input_tokens = "/tokens/in"
output_tokens = "/tokens/out"
"#
        )
    }

    /// The official SDK of the Agent Client Protocol for JavaScript, which the ACP adapters use.
    pub(crate) fn acp_sdk(&self) -> PathBuf {
        self.agents.join("adapters/node_modules/@agentclientprotocol/sdk")
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// The environment in which an operator would start the server.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let mut env = base_environment(&self.home());
        let own = [
            ("ANTHROPIC_BASE_URL", self.model.as_str()),
            ("ANTHROPIC_API_KEY", KEY),
            ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
            // Ten retries of a rejected key would take three minutes.
            ("CLAUDE_CODE_MAX_RETRIES", "2"),
            ("OPENCODE_DISABLE_MODELS_FETCH", "1"),
            ("OPENCODE_DISABLE_LSP_DOWNLOAD", "1"),
            // Named in Codex's configuration above. Only the operator knows that it belongs to the agent.
            ("MOCK_KEY", KEY),
            ("OPENRUNNER_AGENT_ENV", "MOCK_KEY"),
            ("OPENRUNNER_AGENTS_DIR", path(&self.agents)),
            // Programs of the tests, in case the sources lie in `/tmp`, of which isolated agents have their own.
            ("OPENRUNNER_AGENT_PATHS", env!("CARGO_MANIFEST_DIR")),
            // Nothing outlives the tests.
            ("OPENRUNNER_ON_SHUTDOWN", "stop"),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env
    }

    /// A new working directory.
    pub(crate) fn new_directory(&self) -> PathBuf {
        let number = self.directories.fetch_add(1, Ordering::Relaxed);
        let directory = self.root.join(format!("directories/{number}"));
        fs::create_dir_all(&directory).expect("a fresh directory");
        directory
    }

    /// The requests to the model with the marker `scenario`, oldest first.
    pub(crate) fn model_requests(&self, scenario: &str) -> Vec<Value> {
        let all = curl(&[&format!("{}/__mock/requests", self.model)], b"");
        let all: Vec<Value> = serde_json::from_slice(&all).expect("a list of requests");
        all.into_iter().filter(|request| request["scenario"] == scenario).collect()
    }
}

impl Bench {
    /// Whether the model was shown `[[seen:NAME]]`.
    pub(crate) fn has_seen(&self, name: &str) -> bool {
        let all = curl(&[&format!("{}/__mock/requests", self.model)], b"");
        let all: Vec<Value> = serde_json::from_slice(&all).expect("a list of requests");
        all.iter().any(|request| request["seen"].as_array().is_some_and(|seen| seen.iter().any(|seen| seen == name)))
    }
}

fn base_environment(home: &Path) -> Vec<(String, String)> {
    let search = std::env::var("PATH").unwrap_or_else(|_| "/usr/local/bin:/usr/bin:/bin".into());
    [("PATH", search.as_str()), ("HOME", path(home)), ("LANG", "C.UTF-8")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// An adapter installed by `scripts/test.sh`.
fn adapter(agents: &Path, name: &str) -> PathBuf {
    agents.join("adapters/node_modules/.bin").join(name)
}

/// A small program that stands in for a third-party agent.
pub(crate) fn test_program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/programs").join(name)
}

/// The tests choose their paths, and all of them are UTF-8.
pub(crate) fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
