//! The server under test, and a client of it: `curl`, as in the documents.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use super::bench::{Bench, path};
use super::watched_process::WatchedProcess;
use super::{Agent, Events, Follow};

/// A running server, and a token for it.
pub(crate) struct Server {
    pub(crate) bench: &'static Bench,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
    token: String,
    log: PathBuf,
    process: WatchedProcess,
}

/// A created run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: String,
    /// Its session.
    pub(crate) session: String,
    /// Its working directory.
    pub(crate) directory: PathBuf,
    /// The isolation level that it asked for, if any.
    pub(crate) isolation: Value,
}

impl Server {
    /// The server that most tests share.
    pub(crate) fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Server>> = OnceLock::new();
        SHARED.get_or_init(|| Bench::get().map(|bench| Self::start(bench, "shared", &[]))).as_ref()
    }

    /// The same with each agent in one-shot mode.
    pub(crate) fn one_shot() -> Option<&'static Self> {
        static ONE_SHOT: OnceLock<Option<Server>> = OnceLock::new();
        let start = || {
            let bench = Bench::get()?;
            let config = Agent::ALL.map(|agent| format!("[agents.{agent}]\nmode = \"one_shot\"\n")).concat();
            fs::create_dir_all(bench.root.join("one_shot")).expect("a data directory");
            fs::write(bench.root.join("one_shot/openrunner.toml"), config).expect("a settings file");
            Some(Self::start(bench, "one_shot", &[]))
        };
        ONE_SHOT.get_or_init(start).as_ref()
    }

    /// A server that also has the ACP adapters and the small programs as configured agents.
    pub(crate) fn configured() -> Option<&'static Self> {
        static CONFIGURED: OnceLock<Option<Server>> = OnceLock::new();
        CONFIGURED.get_or_init(|| Bench::get().map(|bench| Self::start_configured(bench, "configured", &[]))).as_ref()
    }

    /// The same with a permission timeout of two seconds.
    pub(crate) fn with_short_timeout() -> Option<&'static Self> {
        static SHORT_TIMEOUT: OnceLock<Option<Server>> = OnceLock::new();
        let timeout = [("OPENRUNNER_PERMISSION_TIMEOUT_SECS", "2")];
        SHORT_TIMEOUT.get_or_init(|| Bench::get().map(|bench| Self::start_configured(bench, "short_timeout", &timeout))).as_ref()
    }

    /// [`Server::start`] with the agents of [`Bench::configured_agents`].
    pub(crate) fn start_configured(bench: &'static Bench, name: &str, variables: &[(&str, &str)]) -> Self {
        fs::create_dir_all(bench.root.join(name)).expect("a data directory");
        fs::write(bench.root.join(name).join("openrunner.toml"), bench.configured_agents()).expect("a settings file");
        Self::start(bench, name, variables)
    }

    /// A server with the data directory `name` and these additional variables. An empty variable is removed.
    pub(crate) fn start(bench: &'static Bench, name: &str, variables: &[(&str, &str)]) -> Self {
        let data = bench.root.join(name);
        fs::create_dir_all(&data).expect("a data directory");
        let address = format!("127.0.0.1:{}", free_port());
        let log = bench.root.join(format!("{name}.log"));
        let mut env = bench.environment();
        let own = [("OPENRUNNER_ADDR", address.as_str()), ("OPENRUNNER_DATA_DIR", path(&data))];
        for (name, value) in own.iter().chain(variables) {
            env.retain(|(known, _)| known != name);
            env.push(((*name).to_owned(), (*value).to_owned()));
        }
        env.retain(|(_, value)| !value.is_empty());
        let process = WatchedProcess::start(&[env!("CARGO_BIN_EXE_openrunner")], &env, &log, None);
        let ready = || fs::read_to_string(&log).ok().filter(|text| text.contains("openrunner is ready"));
        wait_for("the server", ready);
        let mut server = Self { bench, address, token: String::new(), log, process };
        let login = server.post("/api/auth/login", &json!({ "username": "admin", "password": "admin" }));
        login["token"].as_str().unwrap_or_else(|| panic!("no token: {login}")).clone_into(&mut server.token);
        server
    }

    /// `kill -9`.
    pub(crate) fn kill(self) {
        self.process.kill();
    }

    pub(crate) fn get(&self, route: &str) -> Value {
        self.request(route, &[], b"")
    }

    pub(crate) fn post(&self, route: &str, body: &Value) -> Value {
        self.request(route, &["-X", "POST", "-H", "Content-Type: application/json", "--data-binary", "@-"], body.to_string().as_bytes())
    }

    fn request(&self, route: &str, more: &[&str], body: &[u8]) -> Value {
        let (url, auth) = (self.url(route), format!("Authorization: Bearer {}", self.token));
        let mut args = vec![url.as_str()];
        if !self.token.is_empty() {
            args.extend(["-H", auth.as_str()]);
        }
        args.extend(more);
        let answer = curl(&args, body);
        serde_json::from_slice(&answer).unwrap_or_else(|error| panic!("{route}: {error}: {}", String::from_utf8_lossy(&answer)))
    }

    /// Creates a user and an API key of theirs: a user with a default password cannot create keys.
    pub(crate) fn create_key(&self, user: &str) -> String {
        let credentials = json!({ "username": user, "password": "long enough" });
        let created = self.post("/api/users", &credentials);
        assert_eq!(created["username"], user, "{created}");
        let token = self.post("/api/auth/login", &credentials)["token"].as_str().expect("a token").to_owned();
        let (url, bearer) = (self.url("/api/keys"), format!("Authorization: Bearer {token}"));
        let body = json!({ "name": "test", "scopes": ["runs:read", "runs:write"] }).to_string();
        let answer = curl(&[&url, "-H", &bearer, "-H", "Content-Type: application/json", "--data-binary", "@-"], body.as_bytes());
        let key: Value = serde_json::from_slice(&answer).expect("a key");
        key["key"].as_str().unwrap_or_else(|| panic!("no key: {key}")).to_owned()
    }

    /// The open requests of the run.
    pub(crate) fn requests(&self, run: &Run) -> Vec<Value> {
        self.get(&format!("/api/runs/{}/requests", run.id))["items"].as_array().expect("a list").clone()
    }

    /// Answers the request of this event.
    pub(crate) fn answer(&self, run: &Run, request: &Value, answer: &Value) -> Value {
        let id = request["id"].as_str().expect("requests have ids").replace('#', "%23").replace('"', "%22");
        self.post(&format!("/api/runs/{}/requests/{id}", run.id), answer)
    }

    /// Sends the run a further message, which must be accepted.
    pub(crate) fn send_message(&self, run: &Run, mode: &str, text: &str) {
        let answer = self.post(&format!("/api/runs/{}/messages", run.id), &json!({ "text": text, "mode": mode }));
        assert_eq!(answer, json!({ "run_id": run.id, "mode": mode }));
    }

    fn url(&self, route: &str) -> String {
        format!("http://{}{route}", self.address)
    }

    /// Creates a run in a fresh directory. `metadata` is merged into the usual values.
    pub(crate) fn create(&self, agent: Agent, prompt: &str, metadata: &Value) -> Run {
        self.create_in(agent.name(), self.bench.new_directory(), prompt, metadata)
    }

    /// Creates a run that continues the session of `earlier`.
    pub(crate) fn create_after(&self, earlier: &Run, prompt: &str, metadata: &Value) -> Run {
        let mut all = json!({ "session_id": earlier.session, "agent_type": null, "cwd": null, "isolation": earlier.isolation });
        merge(&mut all, metadata);
        self.create_in("", earlier.directory.clone(), prompt, &all)
    }

    /// Creates a run with this input.
    pub(crate) fn create_with_input(&self, agent: Agent, input: &Value, metadata: &Value) -> Run {
        self.create_run(agent.name(), self.bench.new_directory(), input, metadata)
    }

    /// Creates a run of any agent in a directory.
    pub(crate) fn create_in(&self, agent_type: &str, directory: PathBuf, prompt: &str, metadata: &Value) -> Run {
        self.create_run(agent_type, directory, &json!({ "text": prompt }), metadata)
    }

    fn create_run(&self, agent_type: &str, directory: PathBuf, input: &Value, metadata: &Value) -> Run {
        let mut all = json!({ "agent_type": agent_type, "cwd": directory, "timeout_secs": 100 });
        if agent_type == Agent::CodexAcp.name() {
            // Its own sandbox, without which it does not ask, does not start in an isolated agent of root.
            all["isolation"] = json!("none");
        }
        merge(&mut all, metadata);
        let isolation = all["isolation"].clone();
        let answer = self.post("/api/runs", &json!({ "input": input, "metadata": all }));
        let word = |name: &str| answer[name].as_str().unwrap_or_else(|| panic!("no run: {answer}")).to_owned();
        Run { id: word("run_id"), session: word("session_id"), directory, isolation }
    }

    /// Creates a run and reads its events to the end.
    pub(crate) fn run(&self, agent: Agent, prompt: &str, metadata: &Value) -> (Run, Events) {
        let run = self.create(agent, prompt, metadata);
        let events = self.follow(&run).finish();
        (run, events)
    }

    /// Reads the events of a run as they come.
    pub(crate) fn follow(&self, run: &Run) -> Follow {
        Follow::start(&self.url(&format!("/api/runs/{}/events?access_token={}", run.id, self.token)))
    }

    pub(crate) fn cancel(&self, run: &Run) {
        self.post(&format!("/api/runs/{}/cancel", run.id), &json!({}));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server's log:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Merges the fields of one object into another.
fn merge(into: &mut Value, from: &Value) {
    for (name, value) in from.as_object().into_iter().flatten() {
        into[name] = value.clone();
    }
}

/// Runs `curl` and returns its output.
pub(crate) fn curl(args: &[&str], body: &[u8]) -> Vec<u8> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--noproxy", "*", "--max-time", "120"]).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut curl = command.spawn().expect("curl is needed for these tests");
    curl.stdin.take().expect("its stdin").write_all(body).expect("it reads the body");
    let output = curl.wait_with_output().expect("its output");
    assert!(output.status.success(), "curl {args:?}: {}", output.status);
    output.stdout
}

/// Polls for a condition that no event reports.
pub(crate) fn wait_for<T>(what: &str, mut poll: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = poll() {
            return found;
        }
        assert!(started.elapsed() < Duration::from_secs(30), "{what}: not within 30 s");
        thread::sleep(Duration::from_millis(20));
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}
