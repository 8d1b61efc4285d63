//! OpenAI's official clients for Python and JavaScript chat with Claude Code through this server.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::{Bench, Server, curl, test_program};

/// Where `scripts/install-openai-clients.sh` installed them; `None` if these tests are skipped.
fn clients() -> Option<PathBuf> {
    let directory = std::env::var_os("OPENRUNNER_TEST_OPENAI").map(PathBuf::from).filter(|path| !path.as_os_str().is_empty());
    if directory.is_none() {
        let remedy =
            "run ./scripts/test.sh, or set OPENRUNNER_TEST_OPENAI to the directory that scripts/install-openai-clients.sh was given";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "with CI=true OpenAI's clients must be tested: {remedy}");
        let _ = writeln!(std::io::stderr(), "SKIPPED: OpenAI's clients are missing; {remedy}");
    }
    directory.map(|directory| directory.canonicalize().expect("the directory of OpenAI's clients"))
}

/// A server that allows one stream per user.
fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    let one_stream = [("OPENRUNNER_MAX_STREAMS_PER_USER", "1")];
    SERVER.get_or_init(|| Bench::get().map(|bench| Server::start(bench, "openai", &one_stream))).as_ref()
}

/// Creates a user and an API key: a user with a default password cannot create keys.
fn create_key(server: &Server, name: &str) -> String {
    let credentials = json!({ "username": name, "password": "long enough" });
    let created = server.post("/api/users", &credentials);
    assert_eq!(created["username"], name, "{created}");
    let token = server.post("/api/auth/login", &credentials)["token"].as_str().expect("a token").to_owned();
    let (url, bearer) = (format!("http://{}/api/keys", server.address), format!("Authorization: Bearer {token}"));
    let body = json!({ "name": "chat", "scopes": ["runs:read", "runs:write"] }).to_string();
    let answer = curl(&[&url, "-H", &bearer, "-H", "Content-Type: application/json", "--data-binary", "@-"], body.as_bytes());
    let key: Value = serde_json::from_slice(&answer).expect("a key");
    key["key"].as_str().unwrap_or_else(|| panic!("no key: {key}")).to_owned()
}

/// Runs a program as a user of its own, which must succeed.
fn run_client(server: &Server, name: &str, program: &Path, arguments: &[&Path], clients: &Path) {
    let output = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("OPENAI_BASE_URL", format!("http://{}/v1", server.address))
        .env("OPENAI_API_KEY", create_key(server, name))
        .env("OPENAI_CLIENT", clients)
        .output()
        .expect("the client's program");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("all is well"), "{name}: {}\n{out}{errors}", output.status);
}

#[test]
fn the_official_python_client_chats_streams_and_maps_errors() {
    if let (Some(clients), Some(server)) = (clients(), server()) {
        run_client(server, "python", &clients.join("venv/bin/python"), &[&test_program("openai_chat.py")], &clients);
    }
}

#[test]
fn the_official_javascript_client_chats_streams_and_maps_errors() {
    if let (Some(clients), Some(server)) = (clients(), server()) {
        run_client(server, "javascript", Path::new("node"), &[&test_program("openai_chat.mjs")], &clients);
    }
}
