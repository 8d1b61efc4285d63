//! Two agents that need no configuration, as their users install them: the real programs of the presets `copilot` and `gemini`.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::health::report;
use crate::stops::{SLEEPER, processes_of, sleeps};
use crate::support::{Agent, Bench, Events, Run, Server, path, test_with, wait_for};

macro_rules! for_each_preset {
    ($server:expr; $($scenario:ident),+ $(,)?) => {
        $(mod $scenario {
            use super::*;

            test_with!($server, $scenario, copilot, Copilot);
            test_with!($server, $scenario, gemini, Gemini);
        })+
    };
}

for_each_preset!(server();
    an_installed_preset_is_reported_with_path_version_and_login,
    a_prompt_is_answered_with_tokens_and_usage,
    an_allowed_command_is_executed,
    a_denied_command_is_not_executed,
    a_rule_denies_a_command_that_the_request_hides_or_shows,
    read_only_executes_no_command,
    a_cancelled_run_leaves_no_process,
    a_rejected_key_fails_as_not_logged_in,
    a_follow_up_continues_the_conversation_or_is_refused,
    the_installer_skips_a_preset_of_the_pinned_version,
);

for_each_preset!(keyless_server();
    a_missing_login_is_reported_with_the_way_to_log_in,
);

const MARKER: &str = "make it [[mock:shell cmd=touch+made.txt]]";

/// A server that is started as an operator would who has these agents' keys, and has no settings file.
fn server() -> Option<&'static Server> {
    static PRESETS: OnceLock<Option<Server>> = OnceLock::new();
    PRESETS
        .get_or_init(|| {
            let bench = Bench::get()?;
            for program in [Agent::Copilot, Agent::Gemini].map(|agent| bench.agents.join("bin").join(agent.name())) {
                assert!(program.exists(), "{} is missing; scripts/test.sh installs it", program.display());
            }
            let openai = format!("{}/v1", bench.model);
            let variables = [
                ("COPILOT_MODEL", "gpt-5.4"),
                ("COPILOT_OFFLINE", "true"),
                ("COPILOT_PROVIDER_API_KEY", "sk-test-not-a-key"),
                ("COPILOT_PROVIDER_BASE_URL", openai.as_str()),
                ("GEMINI_API_KEY", "sk-test-not-a-key"),
                ("GOOGLE_GEMINI_BASE_URL", bench.model.as_str()),
            ];
            Some(Server::start(bench, "presets", &variables))
        })
        .as_ref()
}

fn keyless_server() -> Option<&'static Server> {
    static KEYLESS: OnceLock<Option<Server>> = OnceLock::new();
    KEYLESS.get_or_init(|| Some(Server::start(Bench::get()?, "presets_keyless", &[]))).as_ref()
}

/// The packages that the installer installs, with their versions, as in its list.
fn pinned(agent: Agent) -> &'static str {
    let versions = include_str!("../../scripts/presets.versions");
    versions.lines().find_map(|line| line.strip_prefix(agent.name())?.split_whitespace().last()).expect("a pinned version")
}

fn an_installed_preset_is_reported_with_path_version_and_login(server: &Server, agent: Agent) {
    let report = wait_for("the probe of the program", || Some(report(server, agent)).filter(|report| report["version"].is_string()));
    assert_eq!((&report["available"], &report["authenticated"]), (&json!(true), &json!("yes")), "{report}");
    assert_eq!(pinned(agent).rsplit('@').next(), report["version"].as_str());
    assert!(report["path"].as_str().is_some_and(|found| found.starts_with(path(&server.bench.agents))), "{report}");
    assert!(report.get("error").is_none(), "{report}");
    let capabilities = &report["capabilities"];
    assert_eq!((&capabilities["permissions"], &capabilities["resume"]), (&json!(true), &json!(agent == Agent::Copilot)), "{report}");
}

fn a_prompt_is_answered_with_tokens_and_usage(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, "hello [[mock:text]]", &json!({}));
    let answer = "Hello! This is the mock model answering in several deltas.";
    assert_completed(&events, answer);
    assert_eq!(events.text("token"), answer);
    assert!(events.all("token").len() > 1, "the answer is streamed");
    let usage = &events.done()["usage"];
    let input = ["input_tokens", "cache_read_tokens"].iter().filter_map(|part| usage[part].as_u64()).sum::<u64>();
    assert_eq!((input, usage["output_tokens"].as_u64()), (1200, Some(42)), "{usage}");
}

fn an_allowed_command_is_executed(server: &Server, agent: Agent) {
    let run = server.create(agent, MARKER, &json!({ "permission_mode": "ask" }));
    let mut follow = server.follow(&run);
    let request = follow.until("permission_request");
    assert_eq!(request["kind"], "execute");
    assert!(request["input"].to_string().contains("touch made.txt"), "{request}");
    assert!(!run.directory.join("made.txt").exists(), "the agent waits for the answer");
    server.answer(&run, &request, &json!({ "decision": "allow_once" }));
    let events = follow.finish();
    events.assert_end("completed", "ok");
    assert_eq!(events.one("permission_resolved")["by"], "user");
    assert_eq!(events.one("tool_result")["status"], "ok");
    assert!(run.directory.join("made.txt").exists());
}

fn a_denied_command_is_not_executed(server: &Server, agent: Agent) {
    let run = server.create(agent, MARKER, &json!({ "permission_mode": "ask" }));
    let mut follow = server.follow(&run);
    let request = follow.until("permission_request");
    server.answer(&run, &request, &json!({ "decision": "deny" }));
    let events = follow.finish();
    let resolved = events.one("permission_resolved");
    assert_eq!((&resolved["decision"], &resolved["by"]), (&json!("deny"), &json!("user")));
    assert_eq!(events.one("tool_result")["status"], "denied");
    assert!(!run.directory.join("made.txt").exists());
}

/// Gemini names the command only in the title of its request.
fn a_rule_denies_a_command_that_the_request_hides_or_shows(server: &Server, agent: Agent) {
    let rules = json!({ "permission_rules": [{ "command": "touch", "decision": "deny" }] });
    let (run, events) = server.run(agent, MARKER, &rules);
    let (request, resolved) = (events.one("permission_request"), events.one("permission_resolved"));
    assert!(request["input"].to_string().contains("touch made.txt"), "{request}");
    assert_eq!((&resolved["decision"], &resolved["by"]), (&json!("deny"), &json!("policy")));
    assert!(!run.directory.join("made.txt").exists());
}

/// The agent's own mode for plans refuses the command, which Gemini does not report, or OpenRunner denies it.
fn read_only_executes_no_command(server: &Server, agent: Agent) {
    let (run, events) = server.run(agent, MARKER, &json!({ "permission_mode": "read_only" }));
    assert_completed(&events, "The command ran.");
    assert!(!run.directory.join("made.txt").exists(), "only the scripted answer claims that it ran");
    assert!(events.all("tool_result").iter().all(|result| result["status"] != "ok"));
    assert!(events.all("permission_resolved").iter().all(|resolved| resolved["decision"] == "deny"));
}

fn a_cancelled_run_leaves_no_process(server: &Server, agent: Agent) {
    let run = server.create(agent, SLEEPER, &json!({}));
    let follow = server.follow(&run);
    wait_for("the tool", || sleeps(&run).then_some(()));
    server.cancel(&run);
    follow.finish().assert_end("cancelled", "cancelled");
    assert_eq!(processes_of(&run), [""; 0]);
}

fn a_rejected_key_fails_as_not_logged_in(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, &format!("go [[mock:error status=401 id={agent}]]"), &json!({}));
    events.assert_end("failed", "not_logged_in");
    assert!(events.done()["message"].as_str().is_some_and(|message| message.contains("401") || message.contains("mock error")));
    assert!(events.done().get("result").is_none());
}

/// Gemini's program does not find its own conversations again.
fn a_follow_up_continues_the_conversation_or_is_refused(server: &Server, agent: Agent) {
    let (first, events) = server.run(agent, "hello [[mock:text]]", &json!({}));
    events.assert_end("completed", "ok");
    let prompt = "what do you know [[mock:history]]";
    if agent == Agent::Gemini {
        let continued = json!({ "input": { "text": prompt }, "metadata": { "session_id": first.session } });
        let answer = server.post("/api/runs", &continued);
        assert_eq!(answer["status"], 422, "{answer}");
        return;
    }
    let second: Run = server.create_after(&first, prompt, &json!({}));
    let events = server.follow(&second).finish();
    assert_completed(&events, "I have seen 2 marked prompts.");
    assert_eq!(events.all("message").len(), 1, "earlier messages are not repeated");
    assert_eq!(events.notices("resumed").len(), 1);
}

/// `openrunner agent install` has the list and the script inside. Without network access it can only find that nothing is left to do.
fn the_installer_skips_a_preset_of_the_pinned_version(server: &Server, agent: Agent) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openrunner"));
    command.args(["agent", "install", agent.name()]).env("OPENRUNNER_AGENTS_DIR", &server.bench.agents);
    command.env("HOME", server.bench.home()).env("npm_config_offline", "true").stdin(Stdio::null());
    let output = command.output().expect("the command");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains(&format!("{agent}: {} is already installed", pinned(agent))), "{text}");
}

fn a_missing_login_is_reported_with_the_way_to_log_in(server: &Server, agent: Agent) {
    let (_, events) = server.run(agent, "hello [[mock:text]]", &json!({}));
    events.assert_end("failed", "not_logged_in");
    let variable = if agent == Agent::Gemini { "GEMINI_API_KEY" } else { "GH_TOKEN" };
    assert!(events.done()["message"].as_str().is_some_and(|message| message.contains(variable)), "{}", events.done());
    let report: Value = report(server, agent);
    assert_ne!(report["authenticated"], "yes", "{report}");
    assert!(report["login"].as_str().is_some_and(|how| how.contains(variable)), "{report}");
}

/// The run completed with this result. The exit code is not asserted: these programs are ended by a signal if they ignore the end of stdin.
fn assert_completed(events: &Events, result: &str) {
    events.assert_end("completed", "ok");
    assert_eq!(events.done()["result"], result);
}
