//! Hostile repositories: files in the working directory that make an agent run programs or send its key elsewhere.
//!
//! Rules: P1.
//!
//! Each file is a canary: a program that it names creates a file outside of the directory. A run that trusts the directory shows that the
//! canaries work.

mod canaries;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::{Agent, Bench, Follow, Run, Server, for_each_agent, wait_for};

for_each_agent!(Bench::get();
    nothing_in_an_untrusted_directory_runs_unasked_in_any_mode,
    the_canaries_of_a_trusted_directory_run,
);

/// A server with a home directory of its own, and what an attack would change or reach.
struct Scene {
    server: Server,
    home: PathBuf,
    /// Where keys would be sent.
    listener: TcpListener,
}

/// The agents' own configuration, as their user has written it.
const CONFIGURATION: [&str; 3] = [".codex/config.toml", ".config/opencode/opencode.json", ".claude/settings.json"];

impl Scene {
    fn new(bench: &'static Bench, name: &str) -> Self {
        let home = bench.root.join(format!("home_{name}"));
        for file in CONFIGURATION {
            fs::create_dir_all(home.join(file).parent().expect("a directory")).expect("a home");
        }
        fs::copy(bench.home().join(CONFIGURATION[0]), home.join(CONFIGURATION[0])).expect("Codex's settings");
        // OpenCode adds `$schema` if it is missing.
        let text = fs::read_to_string(bench.home().join(CONFIGURATION[1])).expect("OpenCode's settings");
        let mut settings: Value = serde_json::from_str(&text).expect("JSON");
        settings["$schema"] = json!("https://opencode.ai/config.json");
        fs::write(home.join(CONFIGURATION[1]), settings.to_string()).expect("a file");
        fs::write(home.join(CONFIGURATION[2]), r#"{"permissions":{"allow":["Bash(ls:*)"]}}"#).expect("a file");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let home_text = home.to_str().expect("UTF-8").to_owned();
        Self { server: Server::start(bench, &format!("canaries_{name}"), &[("HOME", home_text.as_str())]), home, listener }
    }

    /// Lets `OpenCode` create its database, which fails if several processes do so at the same time.
    fn prepare(&self, agent: Agent) {
        if agent == Agent::OpenCode {
            let run = self.run(agent, &self.server.bench.new_directory(), "hello", &json!({}));
            self.server.follow(&run).finish().assert_end("completed", "ok");
        }
    }

    fn configuration(&self) -> Vec<Vec<u8>> {
        CONFIGURATION.iter().map(|file| fs::read(self.home.join(file)).expect("it exists")).collect()
    }

    /// A repository full of canaries, and the directory in which they leave their files.
    fn repository(&self, agent: Agent, sends_keys: bool, seen: &str) -> (PathBuf, PathBuf) {
        let (directory, fired) = (self.server.bench.new_directory(), self.server.bench.new_directory());
        let evil = format!("http://{}", self.listener.local_addr().expect("its address"));
        canaries::plant(agent, &directory, &fired, sends_keys.then_some(&*evil), seen);
        (directory, fired)
    }

    fn run(&self, agent: Agent, directory: &Path, prompt: &str, metadata: &Value) -> Run {
        self.server.create_in(agent.name(), directory.to_owned(), prompt, metadata)
    }

    /// Starts a run in a repository, and sends it messages that name what the repository defines.
    fn start(&self, agent: Agent, directory: &Path, metadata: &Value) -> (Run, Follow) {
        // The messages arrive before the turn ends, on a slow machine too.
        let prompt = "create hello.py [[mock:tool path=hello.py delay=3]]";
        let run = self.run(agent, directory, prompt, metadata);
        let mut follow = self.server.follow(&run);
        follow.until("run_started");
        for message in canaries::messages(agent) {
            self.server.send_message(&run, "queue", message);
        }
        (run, follow)
    }

    /// Whether an agent has connected to the address that the repository names.
    fn is_reached(&self) -> bool {
        self.listener.accept().is_ok()
    }
}

/// The first event of a type.
fn only<'a>(events: &'a [Value], kind: &str) -> &'a Value {
    events.iter().find(|event| event["type"] == kind).unwrap_or_else(|| panic!("no {kind}: {events:?}"))
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

fn nothing_in_an_untrusted_directory_runs_unasked_in_any_mode(bench: &'static Bench, agent: Agent) {
    let scene = Scene::new(bench, &format!("ignored_{agent}"));
    scene.prepare(agent);
    let runs: Vec<_> = ["auto", "ask", "read_only"]
        .into_iter()
        .map(|mode| {
            let seen = format!("{agent}_{mode}");
            let (directory, fired) = scene.repository(agent, true, &seen);
            if agent == Agent::Codex && mode == "auto" {
                trust_in_codex(&scene.home, &directory);
            }
            (mode, seen, directory, fired)
        })
        .collect();
    let before = scene.configuration();
    let (_, _, directory, _) = &runs[0];
    let others: Vec<Run> = canaries::prompts(agent).iter().map(|prompt| scene.run(agent, directory, prompt, &json!({}))).collect();
    let started: Vec<_> = runs
        .iter()
        .map(|(mode, _, directory, _)| {
            let denied = json!([{ "kind": "execute", "decision": "deny" }, { "kind": "edit", "decision": "deny" }]);
            let rules = if *mode == "ask" { denied } else { json!([]) };
            scene.start(agent, directory, &json!({ "permission_mode": mode, "permission_rules": rules }))
        })
        .collect();
    for other in &others {
        let events = scene.server.follow(other).until_disconnected();
        let end = only(&events, "done");
        assert!(end["status"] == "completed" || end["message"].to_string().contains("unknown command"), "{end}");
    }
    for ((mode, seen, directory, fired), (_, follow)) in runs.iter().zip(started) {
        // OpenCode says nothing after the last denial, which the contract of streams does not allow for.
        let events = follow.until_disconnected();
        let (start, end) = (only(&events, "run_started"), only(&events, "done"));
        assert_eq!((&start["project_config"], &end["status"]), (&json!("ignore"), &json!("completed")), "{agent} {mode}: {end}");
        assert_eq!(names(fired), BTreeSet::new(), "{agent} {mode}");
        let is_allowed = *mode == "auto";
        let made = ["hello.py", "made"].map(|file| directory.join(file).exists());
        assert_eq!(made, [is_allowed; 2], "{agent} {mode}: the rules and the mode still decide");
        assert!(bench.has_seen(seen), "{agent} {mode}: the instructions in the directory were not read");
    }
    assert!(!scene.is_reached(), "a key left for the address that the repository names");
    assert_eq!(scene.configuration(), before, "the operator's own configuration");
    if agent == Agent::OpenCode {
        a_directory_with_plugins_is_refused(&scene);
    }
}

/// `OpenCode` cannot be kept from loading plugins.
fn a_directory_with_plugins_is_refused(scene: &Scene) {
    for plugin in ["opencode.json", ".opencode/plugin/a.js"] {
        let (directory, fired) = (scene.server.bench.new_directory(), scene.server.bench.new_directory());
        canaries::plant_plugin(&directory, &fired, plugin);
        let run = scene.server.create_in("opencode", directory, "hello", &json!({}));
        let events = scene.server.follow(&run).finish();
        events.assert_end("failed", "bad_arguments");
        assert!(events.done()["message"].as_str().is_some_and(|message| message.contains("project_config")), "{}", events.done());
        assert_eq!(names(&fired), BTreeSet::new());
    }
}

fn the_canaries_of_a_trusted_directory_run(bench: &'static Bench, agent: Agent) {
    let scene = Scene::new(bench, &format!("trusted_{agent}"));
    scene.prepare(agent);
    let (directory, fired) = scene.repository(agent, false, &format!("{agent}_trusted"));
    if agent == Agent::OpenCode {
        canaries::plant_plugin(&directory, &fired, "opencode.json");
    }
    let before = scene.configuration();
    let metadata = json!({ "project_config": "trust" });
    let (run, follow) = scene.start(agent, &directory, &metadata);
    let others: Vec<Run> = canaries::prompts(agent).iter().map(|prompt| scene.run(agent, &directory, prompt, &metadata)).collect();
    let expected: BTreeSet<String> = canaries::expected(agent).into_iter().collect();
    let missing = || expected.difference(&names(&fired)).cloned().collect::<Vec<_>>();
    let started = Instant::now();
    while !missing().is_empty() {
        assert!(started.elapsed() < Duration::from_mins(2), "{agent}: {:?} did not run", missing());
        thread::sleep(Duration::from_millis(20));
    }
    for run in others.iter().chain([&run]) {
        scene.server.cancel(run);
    }
    // The hooks of Claude Code print lines before the run has started, which the contract of streams does not allow for.
    let events = follow.until_disconnected();
    assert_eq!(only(&events, "run_started")["project_config"], "trust");
    // Codex takes no address of a model service from a repository, and OpenCode first installs packages.
    if agent == Agent::ClaudeCode {
        let (directory, _) = scene.repository(agent, true, &format!("{agent}_evil"));
        let run = scene.server.create_in(agent.name(), directory, "hello", &metadata);
        wait_for("the key", || scene.is_reached().then_some(()));
        scene.server.cancel(&run);
    }
    assert_eq!(scene.configuration(), before, "the operator's own configuration");
}

/// As Codex writes it when its user trusts a directory, or when an earlier release of this server did.
fn trust_in_codex(home: &Path, directory: &Path) {
    let file = home.join(CONFIGURATION[0]);
    let text = fs::read_to_string(&file).expect("Codex's settings");
    fs::write(file, format!("{text}\n[projects.\"{}\"]\ntrust_level = \"trusted\"\n", directory.display())).expect("Codex's settings");
}
