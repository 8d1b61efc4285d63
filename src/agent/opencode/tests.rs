//! Replays the recordings of `OpenCode`, and inspects stand-ins for its two programs.
//!
//! Rules: P1, S4.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{OpenCode, variant};
use crate::agent::acp::tests::bounds::{assert_bounded, open_session};
use crate::agent::acp::tests::{action, continued};
use crate::agent::common::LineReader;
use crate::agent::flags::{BadArgs, Widening, classify};
use crate::agent::probe::Prober;
use crate::agent::replay::{Action, Recording, Replayed, installed, recordings, replay, survives_anything, task};
use crate::agent::{Authenticated, Inspection, Item, LineOutcome, Mode, Output, Parser, Program, Task};
use crate::process::Exit;
use crate::types::{Cause, PermissionMode, ProjectConfig, StreamEvent};

fn over_acp() -> Vec<Recording> {
    let is_ours = |recording: &Recording| recording.name.starts_with("opencode_");
    recordings("acp").into_iter().filter(is_ours).map(from_its_process).collect()
}

/// The recording as one process has made it.
fn from_its_process(recording: Recording) -> Recording {
    if recording.name == "opencode_load_session" { continued(recording).0 } else { recording }
}

fn parser(mode: Mode, recording: &str) -> Box<dyn Parser> {
    let mut task = task("opencode");
    match recording {
        "opencode_load_session" => task.resume = Some("ses_dfdfcbdf2ffe6FJrgFYw8PsYpG".to_owned()),
        "opencode_resume" => task.resume = Some("ses_dfc87a082ffesODXMhEV7NFQgR".to_owned()),
        "opencode_resume_unknown_id" => task.resume = Some("ses_nosuchsession000000000000".to_owned()),
        "opencode_set_model" => task.spec.model = Some("mock/mock-small".to_owned()),
        "opencode_unknown_model" => task.spec.model = Some("mock/nope".to_owned()),
        "opencode_slash" => "/etc/hosts is wrong".clone_into(&mut task.spec.prompt),
        _ => {}
    }
    OpenCode::new(mode).parser(&task, &installed("opencode", "1.18.33", variant::NPM))
}

pub(in crate::agent) fn replay_over_acp(recording: Recording) -> Replayed {
    let recording = from_its_process(recording);
    replay(&recording, parser(Mode::TwoWay, &recording.name), action)
}

#[test]
fn acp_recordings_match_their_snapshots() {
    for recording in over_acp() {
        let replayed = replay(&recording, parser(Mode::TwoWay, &recording.name), action);
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("acp", replayed.snapshot());
        });
    }
}

#[test]
fn calls_requests_and_answers_are_bounded() {
    let mut parser = parser(Mode::TwoWay, "");
    open_session(&mut *parser);
    assert_bounded(&mut *parser);
}

#[test]
fn one_shot_recordings_match_their_snapshots() {
    for recording in recordings("opencode") {
        let replayed = replay(&recording, parser(Mode::OneShot, &recording.name), |_| None::<Action>);
        insta::with_settings!({ snapshot_suffix => recording.name.clone(), omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!("run", replayed.snapshot());
        });
    }
}

#[test]
fn arbitrary_acp_input_never_panics() {
    survives_anything(&over_acp(), || parser(Mode::TwoWay, ""));
}

#[test]
fn arbitrary_one_shot_output_never_panics() {
    survives_anything(&recordings("opencode"), || parser(Mode::OneShot, ""));
}

#[test]
fn arbitrary_output_of_the_go_program_never_panics() {
    survives_anything(&recordings("opencode"), || go_parser());
}

fn go_parser() -> Box<dyn Parser> {
    OpenCode::default().parser(&task("opencode"), &installed("opencode", "0.0.55", variant::GO))
}

fn go_lines(text: &str) -> (Vec<LineOutcome>, Output) {
    let mut parser = go_parser();
    let mut out = Output::default();
    parser.open(&mut out);
    let outcomes = text.lines().map(|line| parser.handle_line(line, &mut out)).collect();
    parser.handle_end_of_output(&mut out);
    (outcomes, out)
}

#[test]
fn the_answer_of_the_go_program_spans_three_lines() {
    let (outcomes, out) = go_lines("{\n  \"response\": \"Done.\\nReally {}\"\n}\n");
    assert_eq!(outcomes, [LineOutcome::Buffered, LineOutcome::Buffered, LineOutcome::Emitted]);
    assert!(out.close_stdin && out.send.is_empty());
    assert_eq!(out.items.last(), Some(&Item::TurnEnded(Ok("Done.\nReally {}".to_owned()))));
}

#[test]
fn other_lines_of_the_go_program_become_raw() {
    let (_, out) = go_lines("a warning\n{\n  \"reply\": 1\n}");
    let raw: Vec<_> = out
        .items
        .iter()
        .filter_map(|item| match item {
            Item::Event(StreamEvent::Raw { line }) => Some(line.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(raw, ["a warning", "{", "  \"reply\": 1", "}"]);
}

#[test]
fn the_usage_text_is_removed_from_errors_of_the_go_program() {
    let stderr = "Error: agent processing failed: 401 Unauthorized\nUsage:\n  opencode [flags]\n\nFlags:\n  -c, --cwd string\n";
    let failure = go_parser().diagnose(Exit::Code(1), stderr).unwrap();
    assert_eq!((failure.cause, failure.message.as_str()), (Cause::NotLoggedIn, "agent processing failed: 401 Unauthorized"));
    assert_eq!(go_parser().diagnose(Exit::Code(0), stderr), None);
}

fn invocation(mode: Mode, variant: &'static str, change: impl FnOnce(&mut Task)) -> Result<(Vec<String>, BTreeMap<String, String>), Cause> {
    let mut task = task("opencode");
    change(&mut task);
    let invocation = OpenCode::new(mode).invocation(&task, &installed("opencode", "1", variant)).map_err(|failure| failure.cause)?;
    Ok((invocation.args, invocation.env.into_iter().collect()))
}

#[test]
fn the_prompt_is_not_an_argument_of_the_npm_program() {
    let (args, env) = invocation(Mode::TwoWay, variant::NPM, |task| task.spec.model = Some("a/b".to_owned())).unwrap();
    assert_eq!(args, ["acp"]);
    let config: Value = serde_json::from_str(&env["OPENCODE_CONFIG_CONTENT"]).unwrap();
    assert_eq!(config["agent"]["build"]["permission"]["bash"], "ask");
    assert_eq!(env["OPENCODE_DISABLE_AUTOUPDATE"], "1");
    assert_eq!(env["OPENCODE_SERVER_PASSWORD"].len(), 32);

    let (args, _) = invocation(Mode::OneShot, variant::NPM, |task| {
        task.spec.model = Some("a/b".to_owned());
        task.resume = Some("ses_1".to_owned());
        task.spec.extra_args = vec!["--agent=plan".to_owned()];
    })
    .unwrap();
    assert_eq!(args[..2], ["run", "--format=json"]);
    assert_eq!(args[args.len() - 3..], ["--model=a/b", "--session=ses_1", "--agent=plan"]);
}

#[test]
fn restricted_permission_modes_are_rejected_for_programs_that_never_ask() {
    for (mode, variant) in [(Mode::OneShot, variant::NPM), (Mode::TwoWay, variant::GO)] {
        for permission_mode in [PermissionMode::Ask, PermissionMode::ReadOnly] {
            assert_eq!(invocation(mode, variant, |task| task.spec.permission_mode = permission_mode), Err(Cause::BadArguments));
        }
    }
}

#[test]
fn every_run_has_its_own_password() {
    let password = || invocation(Mode::TwoWay, variant::NPM, |_| {}).unwrap().1.remove("OPENCODE_SERVER_PASSWORD");
    assert_ne!(password(), password());
}

#[test]
fn a_prompt_for_the_go_program_cannot_become_a_flag_and_is_limited() {
    let (args, _) = invocation(Mode::TwoWay, variant::GO, |task| "-q --cwd=/".clone_into(&mut task.spec.prompt)).unwrap();
    assert_eq!(args, ["--prompt=-q --cwd=/", "--output-format=json", "--quiet", "--cwd=/workspace/project"]);
    assert!(invocation(Mode::TwoWay, variant::GO, |task| task.spec.prompt = "x".repeat(120 * 1024)).is_ok());
    let refused: [fn(&mut Task); 3] = [
        |task| task.spec.prompt = "x".repeat(120 * 1024 + 1),
        |task| task.spec.model = Some("a/b".to_owned()),
        |task| task.resume = Some("ses_1".to_owned()),
    ];
    for change in refused {
        assert_eq!(invocation(Mode::TwoWay, variant::GO, change), Err(Cause::BadArguments));
    }
}

#[test]
fn reserved_flags_are_rejected_and_widening_flags_need_an_admin() {
    let classified = |mode, args: &[&str]| {
        classify(OpenCode::new(mode).info().flags.unwrap(), &args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    };
    for (mode, args) in [
        (Mode::TwoWay, &["--cwd=/"][..]),
        (Mode::TwoWay, &["-p", "x"]),
        (Mode::OneShot, &["--format", "default"]),
        (Mode::OneShot, &["-ses_1"]),
        (Mode::OneShot, &["--auto"]),
        (Mode::OneShot, &["-fx"]),
    ] {
        assert!(matches!(classified(mode, args), Err(BadArgs::Reserved { .. })), "{args:?}");
    }
    for (mode, args) in [
        (Mode::TwoWay, &["--hostname", "0.0.0.0"][..]),
        (Mode::TwoWay, &["--cors", "a", "b"]),
        (Mode::OneShot, &["--file=/etc/passwd"]),
        (Mode::OneShot, &["--no-auto"]),
    ] {
        assert!(matches!(classified(mode, args), Ok(Widening(flags)) if flags.len() == 1), "{args:?}");
    }
    assert_eq!(classified(Mode::TwoWay, &["--pure", "--log-level", "INFO"]), Ok(Widening::default()));
}

/// A directory with a stand-in program and a home directory.
struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    fn new() -> Self {
        let sandbox = Self { dir: tempfile::tempdir().unwrap() };
        for name in ["home", "empty"] {
            std::fs::create_dir(sandbox.path(name)).unwrap();
        }
        sandbox
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A shell script that prints `help` and `version`, and fails otherwise.
    fn program(&self, help: &str, version: &str) -> PathBuf {
        let script = format!("#!/bin/sh\ncase \"$*\" in\n--help) {help} ;;\n--version) echo {version} ;;\n*) exit 99 ;;\nesac\n");
        let path = self.write("bin/opencode", &script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    async fn inspect(&self, binary: &Path, env: &[(&str, &str)]) -> Inspection {
        let mut env: BTreeMap<String, String> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        env.insert("PATH".to_owned(), "/usr/bin:/bin".to_owned());
        OpenCode::default().inspect(binary, &Prober::new(env, self.path("home"), self.path("empty"))).await
    }
}

/// The shortened help of each program.
const NPM_HELP: &str = "echo '  opencode run [message..]     run opencode with a message' >&2";
const GO_HELP: &str =
    "echo 'OpenCode is a powerful terminal-based AI assistant'; echo '  -c, --cwd string'; echo '  -f, --output-format string'";

#[tokio::test]
async fn the_two_programs_are_distinguished_by_their_help() {
    let sandbox = Sandbox::new();
    let found = sandbox.inspect(&sandbox.program(NPM_HELP, "1.18.33"), &[]).await;
    assert_eq!((found.variant, found.version.as_deref(), found.error), (variant::NPM, Some("1.18.33"), None));
    let found = sandbox.inspect(&sandbox.program(GO_HELP, "v0.0.55"), &[]).await;
    assert_eq!((found.variant, found.version.as_deref(), found.error), (variant::GO, Some("v0.0.55"), None));
    assert_eq!(found.authenticated, Authenticated::No);
    let found = sandbox.inspect(&sandbox.program("echo something else", "1"), &[]).await;
    assert!(found.error.is_some());
    let found = sandbox.inspect(&sandbox.path("nonexistent"), &[]).await;
    assert!(found.error.is_some());
}

/// The help of a preview of version 2 (`0.0.0-next-16350`), shortened; releases are named `opencode`.
fn help_of_version_2(name: &str) -> String {
    let lines = [
        "DESCRIPTION",
        "  OpenCode 2.0 preview command line interface",
        "USAGE",
        &format!("  {name} <subcommand> [flags] [<directory>]"),
        "SUBCOMMANDS",
        "  acp        Start an Agent Client Protocol server",
        "  run        Run OpenCode with a message",
        "  serve      Start the v2 API server",
    ];
    lines.map(|line| format!("echo '{line}'")).join("; ")
}

/// The answer of that preview to `initialize`, shortened.
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":1,"agentCapabilities":{"loadSession":true},"authMethods":[],"agentInfo":{"name":"OpenCode","version":"2.0.31"}}}"#;

#[tokio::test]
async fn another_major_version_is_driven_over_acp_and_reported_as_not_tested() {
    let v2 = "opencode v2.0.31";
    let npm = NPM_HELP.replace("[message..]", "[message..]'; echo '  opencode acp   start ACP server");
    for (help, version, name, package) in [
        (help_of_version_2("opencode"), v2, "opencode-ai", "2.0.31"),
        (help_of_version_2("opencode2"), "opencode2 v0.0.0-next-16350", "@opencode-ai/cli-linux-x64", "1.18.18"),
        (help_of_version_2("opencode"), "vlocal", "@opencode/cli", "1.0.0"),
        (npm, "3.0.0", "opencode-ai", "3.0.0"),
    ] {
        let sandbox = Sandbox::new();
        let binary = sandbox.program(&format!("{help} ;;\nacp) read -r request; echo '{INITIALIZED}'"), version);
        sandbox.write("package.json", &format!(r#"{{"name":"{name}","version":"{package}"}}"#));
        let found = sandbox.inspect(&binary, &[]).await;
        assert_eq!((found.variant, found.version.as_deref(), found.error), (variant::UNTESTED, Some("2.0.31"), None), "{version}");
        assert!(!OpenCode::default().is_tested(found.variant));
        for mode in [Mode::TwoWay, Mode::OneShot] {
            let program = OpenCode::new(mode);
            let invocation = program.invocation(&task("opencode"), &installed("opencode", "2.0.31", found.variant)).unwrap();
            assert_eq!(invocation.args, ["acp"], "{mode:?}");
            assert!(program.capabilities(found.variant).permissions, "{mode:?}");
            assert!(program.reads_project_config(found.variant).is_some() && program.reads_project_config(variant::NPM).is_none());
        }
    }
}

#[test]
fn a_preview_of_version_2_asks_and_reports_its_tool_calls() {
    let recording = crate::agent::replay::recording("acp", "opencode2_edit");
    let mut task = task("opencode");
    task.spec.permission_mode = PermissionMode::Ask;
    let parser = OpenCode::default().parser(&task, &installed("opencode2", "0.0.0-next-16350", variant::UNTESTED));
    let replayed = replay(&recording, parser, action);
    let kinds: Vec<String> = replayed
        .events()
        .filter_map(|event| match event {
            StreamEvent::ToolCall(call) => Some(format!("call of {}", call.tool)),
            StreamEvent::PermissionRequest { .. } => Some("request".to_owned()),
            StreamEvent::ToolResult { .. } => Some("result".to_owned()),
            StreamEvent::Notice { code, .. } => Some(format!("{code:?}")),
            StreamEvent::Raw { .. } => Some("raw".to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["call of write", "request", "result"]);
    assert_eq!(replayed.verdict.cause, Cause::Ok);
}

#[tokio::test]
async fn another_major_version_without_acp_cannot_be_used() {
    let sandbox = Sandbox::new();
    let preview =
        "echo 'SUBCOMMANDS'; echo '  api        Make a request to the running server'; echo '  serve      Start the v2 API server'";
    let found = sandbox.inspect(&sandbox.program(preview, "lildax vlocal"), &[]).await;
    assert!(found.error.is_some_and(|error| error.contains("not a known opencode")));
    // It names the command, but exits without an answer.
    let found = sandbox.inspect(&sandbox.program(&help_of_version_2("opencode"), "opencode v2.0.31"), &[]).await;
    assert_eq!(found.variant, variant::UNTESTED);
    assert!(found.error.is_some_and(|error| error.contains("Agent Client Protocol")));
}

#[tokio::test]
async fn a_program_is_identified_again_only_when_its_file_changes() {
    let sandbox = Sandbox::new();
    let log = sandbox.path("log");
    let counting = |version: &str| sandbox.program(&format!("echo >>'{}'; {NPM_HELP}", log.display()), version);
    let program = OpenCode::default();
    let env = BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    let prober = Prober::new(env, sandbox.path("home"), sandbox.path("empty"));
    let version = async |binary: &Path| program.inspect(binary, &prober).await.version;
    let binary = counting("1.18.33");
    assert_eq!(version(&binary).await.as_deref(), Some("1.18.33"));
    assert_eq!(version(&binary).await.as_deref(), Some("1.18.33"));
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 1);
    let binary = counting("1.18.100");
    assert_eq!(version(&binary).await.as_deref(), Some("1.18.100"));
}

#[tokio::test]
async fn only_the_tested_package_in_its_tested_major_version_is_known_without_being_run() {
    let sandbox = Sandbox::new();
    let binary = sandbox.program("exit 99", "0");
    sandbox.write("package.json", r#"{"name":"opencode-ai","version":"1.18.33"}"#);
    let found = sandbox.inspect(&binary, &[]).await;
    assert_eq!((found.variant, found.version.as_deref(), found.error), (variant::NPM, Some("1.18.33"), None));
    for package in [r#"{"name":"something-else","version":"1.18.33"}"#, r#"{"name":"opencode-ai","version":"2.0.0"}"#, "{}"] {
        sandbox.write("package.json", package);
        assert!(sandbox.inspect(&binary, &[]).await.error.is_some(), "{package}");
    }
}

#[tokio::test]
async fn a_login_is_detected_from_files_and_variables() {
    let sandbox = Sandbox::new();
    let binary = sandbox.program(NPM_HELP, "1.18.33");
    let state = async |env: &[(&str, &str)]| sandbox.inspect(&binary, env).await.authenticated;
    assert_eq!(state(&[]).await, Authenticated::Unknown, "some models need no login");
    assert_eq!(state(&[("GROQ_API_KEY", "x")]).await, Authenticated::Yes);
    assert_eq!(state(&[("GROQ_API_KEY", "")]).await, Authenticated::Unknown);
    sandbox.write("home/.local/share/opencode/auth.json", "{}");
    assert_eq!(state(&[]).await, Authenticated::Unknown);
    sandbox.write("home/.local/share/opencode/auth.json", r#"{"anthropic":{"type":"api","key":"x"}}"#);
    assert_eq!(state(&[]).await, Authenticated::Yes);
    assert_eq!(state(&[("XDG_DATA_HOME", "/nonexistent")]).await, Authenticated::Unknown);
    let own = sandbox.write("own.json", r#"{"provider":{"a":{"options":{"apiKey":"x"}}}}"#);
    assert_eq!(state(&[("XDG_DATA_HOME", "/nonexistent"), ("OPENCODE_CONFIG", own.to_str().unwrap())]).await, Authenticated::Yes);
}

#[test]
fn lines_of_a_one_shot_run_are_read_among_other_bytes_and_half_characters_are_replaced() {
    let mut parser = parser(Mode::OneShot, "text");
    let (mut reader, mut out) = (LineReader::default(), Output::default());
    for line in [
        "\u{feff}{\"type\":\"step_start\",\"sessionID\":\"s\"}{\"type\":\"odd\"}",
        r#"> {"type":"text","sessionID":"s","part":{"text":"up \ud83d"}}{"type":"step_finish","sessionID":"s","part":{"reason":"stop"}} bye"#,
    ] {
        reader.handle_line(line, &mut *parser, &mut out);
    }
    reader.finish(&mut *parser, &mut out);
    let raw = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::Raw { line }) => Some(line.as_str()),
        _ => None,
    });
    assert_eq!(raw.collect::<Vec<_>>(), [r#"{"type":"odd"}"#, "> ", " bye"]);
    assert_eq!(out.items.last(), Some(&Item::TurnEnded(Ok("up \u{fffd}".to_owned()))));
}

#[test]
fn one_shot_calls_with_a_reused_id_have_ids_of_their_own_in_the_log() {
    let mut parser = parser(Mode::OneShot, "tool");
    let mut out = Output::default();
    for output in ["first", "second"] {
        let state = serde_json::json!({ "status": "completed", "input": { "command": "ls" }, "output": output });
        let part = serde_json::json!({ "tool": "bash", "callID": "call_0", "state": state });
        parser.handle_line(&serde_json::json!({ "type": "tool_use", "sessionID": "s", "part": part }).to_string(), &mut out);
    }
    let results = out.items.iter().filter_map(|item| match item {
        Item::Event(StreamEvent::ToolResult { id, content, .. }) => Some((id.as_str(), content.as_str())),
        _ => None,
    });
    assert_eq!(results.collect::<Vec<_>>(), [("call_0", "first"), ("call_0#2", "second")]);
}

#[test]
fn an_untrusted_directory_is_ignored_and_its_instructions_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    std::fs::write(root.join("AGENTS.md"), "").unwrap();
    for mode in [Mode::TwoWay, Mode::OneShot] {
        let program = OpenCode::new(mode).with_inline_config(Some(r#"{"instructions":["own.md"]}"#.to_owned()));
        let env = |project_config| {
            let mut task = task("opencode");
            (task.spec.project_config, task.spec.working_dir) = (project_config, root.clone());
            let invocation = program.invocation(&task, &installed("opencode", "1", variant::NPM)).unwrap();
            invocation.env.into_iter().collect::<BTreeMap<_, _>>()
        };
        let (ignored, trusted) = (env(ProjectConfig::Ignore), env(ProjectConfig::Trust));
        for name in ["OPENCODE_DISABLE_PROJECT_CONFIG", "OPENCODE_DISABLE_EXTERNAL_SKILLS", "OPENCODE_CONFIG_PROJECT_DISABLE"] {
            assert!(ignored.contains_key(name) && !trusted.contains_key(name), "{mode:?} {name}");
        }
        let config: Value = serde_json::from_str(&ignored["OPENCODE_CONFIG_CONTENT"]).unwrap();
        assert_eq!(config["instructions"], json!(["own.md", root.join("AGENTS.md")]), "{mode:?}");
        assert!(!trusted.get("OPENCODE_CONFIG_CONTENT").is_some_and(|config| config.contains("AGENTS.md")));
    }
}
