//! OpenAI's official clients for Python and JavaScript chat with Claude Code through this server, and use the Responses API with the demo
//! agent, also while the server is killed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::support::{Bench, Server, test_program, wait_for};

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

/// A client's program.
struct ClientProgram<'a> {
    clients: &'a Path,
    /// The interpreter and the program.
    command: [PathBuf; 2],
    key: String,
}

impl<'a> ClientProgram<'a> {
    /// The Python or JavaScript program `name`, as a user of its own.
    fn new(clients: &'a Path, server: &Server, name: &str) -> Self {
        let is_python = Path::new(name).extension().is_some_and(|extension| extension == "py");
        let interpreter = if is_python { clients.join("venv/bin/python") } else { PathBuf::from("node") };
        let key = server.create_key(if is_python { "python" } else { "javascript" });
        Self { clients, command: [interpreter, test_program(name)], key }
    }

    fn command(&self, server: &Server, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.command[0]);
        command
            .arg(&self.command[1])
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("OPENAI_BASE_URL", format!("http://{}/v1", server.address))
            .env("OPENAI_API_KEY", &self.key)
            .env("OPENAI_CLIENT", self.clients);
        command
    }

    /// Runs the program, which must succeed.
    fn run(&self, server: &Server, arguments: &[&str]) {
        assert_success(&self.command(server, arguments).output().expect("the client's program"));
    }
}

fn assert_success(output: &Output) {
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("all is well"), "{}\n{out}{errors}", output.status);
}

/// A client reads a stream while the server is killed, and resumes it at the next server.
fn resume_after_a_kill(clients: &Path, name: &str) {
    let Some(bench) = Bench::get() else { return };
    let data = format!("responses_{}", name.replace('.', "_"));
    let server = Server::start(bench, &data, &[]);
    let program = ClientProgram::new(clients, &server, name);
    program.run(&server, &[]);
    let state = bench.root.join(format!("{data}.json"));
    let state_path = state.to_str().expect("a path in UTF-8");
    let mut reading = program.command(&server, &["until-killed", state_path]);
    let reading = reading.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the client's program");
    wait_for("some text", || {
        let state: Value = serde_json::from_slice(&std::fs::read(&state).ok()?).ok()?;
        state["text"].as_str()?.contains('3').then_some(())
    });
    server.kill();
    assert_success(&reading.wait_with_output().expect("the client's program"));
    let server = Server::start(bench, &data, &[]);
    program.run(&server, &["resume", state_path]);
}

#[test]
fn the_official_python_client_chats_streams_and_maps_errors() {
    if let (Some(clients), Some(server)) = (clients(), server()) {
        ClientProgram::new(&clients, server, "openai_chat.py").run(server, &[]);
    }
}

#[test]
fn the_official_javascript_client_chats_streams_and_maps_errors() {
    if let (Some(clients), Some(server)) = (clients(), server()) {
        ClientProgram::new(&clients, server, "openai_chat.mjs").run(server, &[]);
    }
}

#[test]
fn the_official_python_client_uses_responses_and_resumes_a_stream_after_kill_9_of_the_server() {
    if let Some(clients) = clients() {
        resume_after_a_kill(&clients, "openai_responses.py");
    }
}

#[test]
fn the_official_javascript_client_uses_responses_and_resumes_a_stream_after_kill_9_of_the_server() {
    if let Some(clients) = clients() {
        resume_after_a_kill(&clients, "openai_responses.mjs");
    }
}
