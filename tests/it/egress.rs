//! The network and the keys of agents at isolation level `sandbox`, and the keys of agents at lower levels.
//!
//! Rules: G4, G5, K3, R7.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use serde_json::{Value, json};

use crate::support::{Client, Frame, Server, Setup, assert_dense, last, live, notice, of};

const REAL_KEY: &str = "sk-ant-the-real-key-0123456789";
const REAL_TOKEN: &str = "ghp-the-real-token-0123456789";

/// What each agent does on the network, before it carries out its script: `steps` are the names of its attempts, each of which writes its
/// result to a file in the working directory.
const PROBE: &str = r#"
import http.client, json, os, pathlib, socket, sys, time

facts = json.load(open(sys.argv[1]))

def tunnel(target):
    host, port = target.rsplit(":", 1)
    connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=30)
    connection.set_tunnel(host, int(port))
    connection.request("GET", "/through-a-tunnel")
    return connection.getresponse().read().decode()

def plain(target):
    connection = http.client.HTTPConnection("127.0.0.1", 3128, timeout=30)
    connection.request("GET", f"http://{target}/plain", headers={"Host": target})
    response = connection.getresponse()
    return f"{response.status} {response.read().decode().strip()}"

def direct(target):
    host, port = target.rsplit(":", 1)
    socket.create_connection((host, int(port)), timeout=30)
    return "connected"

def model(_):
    url = os.environ["ANTHROPIC_BASE_URL"].removeprefix("http://")
    host, path = url.split("/", 1)
    connection = http.client.HTTPConnection(host, timeout=30)
    connection.request("POST", f"/{path}/v1/messages", "{}", {"x-api-key": os.environ["ANTHROPIC_API_KEY"], "authorization": "Bearer mine"})
    response = connection.getresponse()
    return f"{response.status} {response.read().decode().strip()}"

def subscription(_):
    url = os.environ["ANTHROPIC_BASE_URL"].removeprefix("http://")
    host, path = url.split("/", 1)
    connection = http.client.HTTPConnection(host, timeout=30)
    headers = {"authorization": "Bearer " + os.environ["CLAUDE_CODE_OAUTH_TOKEN"], "anthropic-beta": "oauth"}
    connection.request("POST", f"/{path}/v1/messages", "{}", headers)
    return str(connection.getresponse().status)

def git(target):
    import subprocess
    done = subprocess.run(["git", "ls-remote", f"https://{target}/a/b.git"], capture_output=True, text=True, timeout=30)
    return done.stdout + done.stderr

def flood(count):
    for number in range(int(count)):
        try:
            tunnel(f"h{number}.example:443")
        except OSError:
            pass
    return "done"

def environment(_):
    return json.dumps(dict(os.environ))

def attempt(step):
    try:
        return globals()[step["do"]](step.get("with"))
    except Exception as error:
        return f"{type(error).__name__}: {error}"

results = {step["name"]: attempt(step) for step in facts["steps"]}
pathlib.Path("first").write_text(json.dumps(results))
while "later" in facts and not os.path.exists(facts["go"]):
    time.sleep(0.02)
pathlib.Path("second").write_text(json.dumps({step["name"]: attempt(step) for step in facts.get("later", [])}))
"#;

/// Starts the probe next to the scripted agent.
const AGENT: &str = r#"
base="${0%/agents/bin/claude}"
[ "$1" = --version ] || [ "$1" = auth ] || python3 "$base/probe.py" "$base/facts" >"$PWD/probe.log" 2>&1 &
exec "$AGENT" "$@"
"#;

/// A host on this machine: answers every request with its path, and records it.
#[derive(Clone)]
struct Host {
    name: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Host {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = Self { name: listener.local_addr().expect("an address").to_string(), requests: Arc::default() };
        let router = Router::new().fallback(record).with_state(host.clone());
        tokio_util::task::TaskTracker::new().spawn(async move { axum::serve(listener, router).await });
        host
    }

    /// Everything that it has received.
    fn received(&self) -> String {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

async fn record(State(host): State<Host>, request: Request) -> String {
    let headers: Vec<String> =
        request.headers().iter().map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes()))).collect();
    let line = format!("{} {}\n{}\n", request.method(), request.uri(), headers.join("\n"));
    host.requests.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    format!("answer to {}", request.uri().path())
}

/// A server whose agents probe the network, with credentials for a model and a git host at `host`.
fn probing(host: &Host, facts: &Value) -> Setup {
    let setup = Setup::new().agent_script(AGENT);
    let directory = setup.directory().to_owned();
    let name = &host.name;
    let settings = format!(
        "[credentials.claude_code.users.user]\napi_key = \"{REAL_KEY}\"\nbase_url = \"http://{name}/base\"\n\
         [credentials.git.\"{name}\"]\ntoken = \"{REAL_TOKEN}\"\nbase_url = \"http://{name}\"\n"
    );
    for (file, text) in [("settings.toml", settings.as_str()), ("probe.py", PROBE), ("facts", &facts.to_string())] {
        std::fs::write(directory.join(file), text).expect("test setup");
    }
    std::fs::set_permissions(directory.join("settings.toml"), PermissionsExt::from_mode(0o600)).expect("test setup");
    let setup = setup.env("OPENRUNNER_CONFIG", directory.join("settings.toml").display());
    setup.env("OPENRUNNER_EGRESS", format!("{name},*.example:443")).env("AWS_SECRET_ACCESS_KEY", "not-for-agents")
}

/// Whether a run can have level `sandbox` here. If not, the test is skipped, except as root with CI=true.
async fn has_sandbox(client: &Client) -> bool {
    let asked = client.ask("result x", json!({ "agent_type": "claude_code", "isolation": "sandbox" })).await;
    if asked.status == 201 {
        return true;
    }
    let must = std::env::var("CI").as_deref() == Ok("true") && rustix::process::geteuid().is_root();
    assert!(!must, "no sandbox: {}", asked.text);
    eprintln!("NOT TESTED: agents cannot be sandboxed here: {}", asked.text);
    false
}

fn step(name: &str, what: &str, with: &str) -> Value {
    json!({ "name": name, "do": what, "with": with })
}

fn results(server: &Server, id: &str, file: &str) -> BTreeMap<String, String> {
    let workspace = server.data().join("workspaces").join(id);
    let text = std::fs::read_to_string(workspace.join(file));
    let text = text.unwrap_or_else(|error| panic!("{error}: {:?}", std::fs::read_to_string(workspace.join("probe.log"))));
    serde_json::from_str(&text).expect("JSON")
}

/// The `network` events of a host: allowed, reason and number of connections.
fn uses<'a>(frames: &'a [Frame], host: &str) -> Vec<(bool, Option<&'a str>, u64)> {
    let all =
        of(frames, "network").into_iter().filter(|event| format!("{}:{}", event["host"].as_str().expect("a host"), event["port"]) == host);
    all.map(|event| (event["allowed"] == true, event["reason"].as_str(), event["connections"].as_u64().expect("a number"))).collect()
}

/// Asserts that no file below `dir` contains the text.
fn no_file_contains(dir: &Path, text: &str) {
    // The server still removes what belongs to ended runs.
    fn unless_removed<T>(result: std::io::Result<T>) -> Option<T> {
        result.map_or_else(|error| if error.kind() == std::io::ErrorKind::NotFound { None } else { panic!("{error}") }, Some)
    }
    for entry in unless_removed(std::fs::read_dir(dir)).into_iter().flatten().filter_map(unless_removed) {
        let path = entry.path();
        let Some(kind) = unless_removed(entry.file_type()) else { continue };
        if kind.is_dir() {
            no_file_contains(&path, text);
        } else if let Some(bytes) = kind.is_file().then(|| unless_removed(std::fs::read(&path))).flatten() {
            assert!(memchr::memmem::find(&bytes, text.as_bytes()).is_none(), "{} contains {text}", path.display());
        }
    }
}

#[test]
fn a_sandboxed_agent_reaches_the_hosts_of_its_list_and_never_sees_a_key() {
    live(async {
        let host = Host::start().await;
        let other = Host::start().await;
        let steps = [
            step("listed", "tunnel", &host.name),
            step("listed plain", "plain", &host.name),
            step("other", "tunnel", &other.name),
            step("other plain", "plain", &other.name),
            step("covered but not listed", "tunnel", "a.example:443"),
            step("around the proxy", "direct", &host.name),
            step("the internet", "direct", "192.0.2.1:443"),
            step("model", "model", ""),
            step("git", "git", &host.name),
            step("environment", "environment", ""),
        ];
        let server = probing(&host, &json!({ "steps": steps })).start().await;
        let user = server.client("user").await;
        if !has_sandbox(&user).await {
            return;
        }
        let metadata = json!({ "agent_type": "claude_code", "isolation": "sandbox", "egress": [host.name] });
        let id = user.create("wait second\nresult done", metadata).await;
        let frames = user.follow(&id).await.rest().await;
        assert_dense(&frames);
        assert_eq!(last(&frames)["status"], "completed", "{}", last(&frames));
        let found = results(&server, &id, "first");
        assert_eq!(found["listed"], "answer to /through-a-tunnel", "{found:?}");
        assert_eq!(found["listed plain"], "200 answer to /plain");
        assert!(found["other"].contains("403") && found["other plain"].starts_with("403"), "{found:?}");
        assert!(found["covered but not listed"].contains("403"), "{found:?}");
        for around in ["around the proxy", "the internet"] {
            assert!(found[around].contains("Error") && !found[around].contains("connected"), "{around}: {}", found[around]);
        }
        assert_eq!(found["model"], "200 answer to /base/v1/messages");
        // The answer is not one of git, but it has arrived.
        let received = host.received();
        assert!(received.contains("GET /a/b.git/info/refs?service=git-upload-pack"), "{}\n{received}", found["git"]);
        assert_eq!(other.received(), "");

        // Only the hosts see the real keys.
        let environment: Value = serde_json::from_str(&found["environment"]).unwrap();
        assert!(environment["ANTHROPIC_API_KEY"].as_str().unwrap().contains("placeholder"), "{environment}");
        assert_eq!(environment.get("AWS_SECRET_ACCESS_KEY"), None);
        assert!(received.contains(&format!("x-api-key: {REAL_KEY}")) && !received.contains("placeholder") && !received.contains("mine"));
        assert!(received.contains("authorization: Basic "), "{received}");
        for secret in [REAL_KEY, REAL_TOKEN] {
            assert!(!found["environment"].contains(secret));
            no_file_contains(&server.data(), secret);
            assert!(!server.log().contains(secret) && frames.iter().all(|frame| !frame.bytes.contains(secret)));
            let settings = server.client("admin").await.get("/api/settings").await;
            assert!(settings.text.contains("credentials") && !settings.text.contains(secret), "{}", settings.text);
        }

        // Every connection is an event.
        let listed: u64 = uses(&frames, &host.name).iter().map(|(allowed, _, count)| if *allowed { *count } else { 0 }).sum();
        assert!(listed >= 4, "{:?}", of(&frames, "network"));
        assert!(uses(&frames, &other.name).iter().all(|(allowed, reason, _)| !allowed && *reason == Some("not_allowed")));
        assert_eq!(uses(&frames, &other.name).iter().map(|(.., count)| count).sum::<u64>(), 2);
        assert_eq!(uses(&frames, "a.example:443"), [(false, Some("not_allowed"), 1)]);
        assert_eq!(user.run(&id).await["egress"], json!([host.name]));
    });
}

#[test]
fn the_network_of_a_sandboxed_agent_survives_its_server() {
    live(async {
        let host = Host::start().await;
        let (one, two) = ([step("before", "tunnel", &host.name)], [step("after", "tunnel", &host.name), step("model", "model", "")]);
        let setup = probing(&host, &json!({}));
        let go = setup.directory().join("go");
        let facts = json!({ "steps": one, "later": two, "go": go });
        std::fs::write(setup.directory().join("facts"), facts.to_string()).unwrap();
        let mut server = setup.start().await;
        let user = server.client("user").await;
        if !has_sandbox(&user).await {
            return;
        }
        let metadata = json!({ "agent_type": "claude_code", "isolation": "sandbox", "egress": [host.name] });
        let id = user.create("wait first\nsay up\nwait second\nresult done", metadata).await;
        user.follow(&id).await.until_text("up").await;
        for _ in 0..2 {
            server = server.killed_and_started_again().await;
        }
        std::fs::write(go, "").unwrap();
        let user = server.client("user").await;
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(last(&frames)["status"], "completed", "{}", last(&frames));
        assert_eq!(results(&server, &id, "first")["before"], "answer to /through-a-tunnel");
        let after = results(&server, &id, "second");
        assert_eq!((after["after"].as_str(), after["model"].as_str()), ("answer to /through-a-tunnel", "200 answer to /base/v1/messages"));
        assert!(!uses(&frames, &host.name).is_empty());
    });
}

#[test]
fn an_agent_that_floods_the_network_gets_one_notice_and_a_bounded_number_of_events() {
    live(async {
        let host = Host::start().await;
        let server = probing(&host, &json!({ "steps": [step("flood", "flood", "600")] })).start().await;
        let user = server.client("user").await;
        if !has_sandbox(&user).await {
            return;
        }
        let id =
            user.create("wait second\nresult done", json!({ "agent_type": "claude_code", "isolation": "sandbox", "egress": [] })).await;
        let frames = user.follow(&id).await.rest().await;
        let reported = of(&frames, "network");
        assert_eq!(reported.iter().map(|event| event["connections"].as_u64().unwrap()).sum::<u64>(), 600);
        let hosts: std::collections::BTreeSet<&str> = reported.iter().map(|event| event["host"].as_str().unwrap()).collect();
        assert_eq!(hosts.len(), 257, "256 hosts, and all others together");
        assert_eq!(notice(&frames, "limit_reached").expect("a notice")["data"], json!({ "limit": "network_hosts", "max": 256 }));
    });
}

#[test]
fn a_list_of_hosts_is_checked_against_that_of_the_operator_and_the_level() {
    live(async {
        let host = Host::start().await;
        let server = probing(&host, &json!({ "steps": [] })).start().await;
        let user = server.client("user").await;
        let ask = async |isolation: &str, egress: Value| {
            user.ask("result x", json!({ "agent_type": "claude_code", "isolation": isolation, "egress": egress })).await
        };
        if !has_sandbox(&user).await {
            return;
        }
        for (egress, field) in [
            (json!(["evil.test:443"]), "metadata.egress[0]"),
            (json!(["a.example:443", "a.example:22"]), "metadata.egress[1]"),
            (json!(["*:443"]), "metadata.egress[0]"),
            (json!(["https://a.example/"]), "metadata.egress[0]"),
            (json!(vec!["a.example"; 65]), "metadata.egress"),
        ] {
            assert_eq!(ask("sandbox", egress).await.problem(422, "invalid_field"), field);
        }
        assert_eq!(ask("guard", json!(["a.example:443"])).await.problem(422, "invalid_field"), "metadata.egress");
        assert_eq!(ask("sandbox", json!(["*.example:443"])).await.status, 201);
    });
}

#[test]
fn the_git_remotes_of_a_directory_are_in_the_list_as_far_as_the_operator_allows_them() {
    live(async {
        let host = Host::start().await;
        let server = probing(&host, &json!({ "steps": [] })).start().await;
        let user = server.client("user").await;
        if !has_sandbox(&user).await {
            return;
        }
        let repository = tempfile::tempdir_in(server.directory()).unwrap();
        std::fs::create_dir(repository.path().join(".git")).unwrap();
        let config = "[remote \"a\"]\nurl = https://git.example/x\n[remote \"b\"]\nurl = https://evil.test/x\n";
        std::fs::write(repository.path().join(".git/config"), config).unwrap();
        let metadata = json!({ "agent_type": "claude_code", "isolation": "sandbox", "working_dir": repository.path() });
        let id = user.create("result x", metadata).await;
        assert_eq!(user.run(&id).await["egress"], json!(["git.example:443"]));
    });
}

#[test]
fn the_token_of_a_subscription_stays_outside_and_other_keys_are_named_by_a_notice() {
    live(async {
        let host = Host::start().await;
        let steps = json!({ "steps": [step("environment", "environment", ""), step("subscription", "subscription", "")] });
        let server = probing(&host, &steps)
            .env("CLAUDE_CODE_OAUTH_TOKEN", REAL_TOKEN)
            .env("ANTHROPIC_BASE_URL", format!("http://{}/base", host.name))
            .start()
            .await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        if !has_sandbox(&user).await {
            return;
        }
        // `user` has a key in the settings, `admin` has not.
        let id = admin.script_with("wait second\nresult done", json!({ "isolation": "sandbox" })).await;
        let frames = admin.follow(&id).await.rest().await;
        assert_eq!(last(&frames)["status"], "completed", "{}", last(&frames));
        let found = results(&server, &id, "first");
        assert_eq!(found["subscription"], "200");
        let environment: Value = serde_json::from_str(&found["environment"]).unwrap();
        assert!(environment["CLAUDE_CODE_OAUTH_TOKEN"].is_string() && environment.get("AWS_SECRET_ACCESS_KEY").is_none());
        assert!(!found["environment"].contains(REAL_TOKEN));
        let received = host.received();
        assert!(
            received.contains(&format!("authorization: Bearer {REAL_TOKEN}")) && received.contains("anthropic-beta: oauth"),
            "{received}"
        );
        assert!(!of(&frames, "notice").iter().any(|notice| notice["message"].as_str().unwrap().contains("can read keys")));

        let server = Setup::new().env("AWS_SECRET_ACCESS_KEY", "a-real-key").start().await;
        let admin = server.client("admin").await;
        let id = admin.script_with("result done", json!({ "isolation": "sandbox" })).await;
        let frames = admin.follow(&id).await.rest().await;
        let notices = of(&frames, "notice");
        let names =
            |notice: &&Value| notice["code"] == "weak_guarantee" && notice["message"].as_str().unwrap().contains("AWS_SECRET_ACCESS_KEY");
        assert_eq!(notices.iter().filter(|notice| names(notice)).count(), 1, "{notices:?}");
    });
}

#[test]
fn below_the_sandbox_a_key_is_in_the_environment_of_its_agent_and_masked() {
    live(async {
        let host = Host::start().await;
        let server =
            probing(&host, &json!({ "steps": [step("environment", "environment", ""), step("model", "model", "")] })).start().await;
        let (user, admin) = (server.client("user").await, server.client("admin").await);
        let script = format!("wait second\nsay the key is {REAL_KEY}\nresult done");
        let id = user.script(&script).await;
        let frames = user.follow(&id).await.rest().await;
        assert_eq!(last(&frames)["status"], "completed", "{}", last(&frames));
        let found = results(&server, &id, "first");
        let environment: Value = serde_json::from_str(&found["environment"]).unwrap();
        assert_eq!(environment["ANTHROPIC_API_KEY"], REAL_KEY);
        assert_eq!(environment["ANTHROPIC_BASE_URL"], format!("http://{}/base", host.name));
        assert!(of(&frames, "message").iter().all(|message| !message["content"].as_str().unwrap().contains(REAL_KEY)));
        assert!(of(&frames, "network").is_empty());
        // It is the key of one user.
        let id = admin.script("wait second\nresult done").await;
        admin.follow(&id).await.rest().await;
        assert!(!results(&server, &id, "first")["environment"].contains(REAL_KEY));
    });
}

#[test]
fn a_credential_that_cannot_be_used_stops_the_start_without_showing_it() {
    live(async {
        for (table, expected) in [
            (format!("[credentials.claude_code]\napi_key = \"{REAL_KEY}\"\nkey = 1\n"), "unknown field `key`"),
            (format!("[credentials]\nclaude_code = \"{REAL_KEY}\"\n"), "wrong type"),
            ("[credentials.codex]\napi_key_file = \"/nowhere/key\"\n".to_owned(), "cannot read /nowhere/key"),
        ] {
            let setup = Setup::new();
            let file = setup.directory().join("settings.toml");
            std::fs::write(&file, &table).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
            let (status, log) = setup.env("OPENRUNNER_CONFIG", file.display()).fails_to_start().await;
            assert!(!status.success() && log.contains(expected) && !log.contains(REAL_KEY), "{log}");
        }
    });
}
